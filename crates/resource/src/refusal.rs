//! Why a request may not pass, and how that is answered (RFC 6750 3, RFC 9449 7.1).

use handfast_protocol::{DpopError, OAuthErrorCode, SigningAlgorithm};
use serde_json::{Value, json};

use crate::{AccessTokenError, KeyError};

/// Whether clients have to prove that they hold the key of their token (RFC 9449).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DpopPolicy {
    /// Tokens bound to a key need a proof; other tokens pass as bearer tokens.
    #[default]
    WhereBound,
    /// Only tokens bound to a key pass.
    Required,
}

/// Why a request may not pass.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// It shows no access token.
    #[error(
        "the request has no access token; send it as `Authorization: Bearer ..` or `Authorization: DPoP ..`"
    )]
    Missing,
    /// It shows more than one.
    #[error("the request has more than one Authorization header")]
    Repeated,
    /// The token is not valid here and now.
    #[error("{0}")]
    Token(#[from] AccessTokenError),
    /// The token is signed with a key that the issuer does not publish.
    #[error("the access token is signed with a key that the issuer does not publish")]
    UnknownKey,
    /// The token lacks a scope that this address asks for.
    #[error("the access token lacks the scope {0}")]
    Scope(String),
    /// A token bound to a key came without proof, as a bearer token (RFC 9449 7.2).
    #[error("the access token is bound to a key; send it as `Authorization: DPoP ..` with a proof")]
    ProofMissing,
    /// Here every token has to be bound to a key, or was shown as if it were; this one is not.
    #[error("the access token is not bound to a key")]
    NotBound,
    /// The proof is of another key than the token's (RFC 9449 7.1).
    #[error("the access token is bound to another key than that of the DPoP proof")]
    OtherKey,
    /// The proof is refused.
    #[error("{0}")]
    Proof(#[from] DpopError),
    /// The issuer's keys cannot be had, so nothing can be said about the token.
    #[error("the access token cannot be verified at the moment")]
    Unavailable(#[source] KeyError),
}

impl Refusal {
    /// The HTTP status: 400, 401, 403, or 503 where the issuer cannot be reached.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Repeated => 400,
            Self::Scope(_) => 403,
            Self::Unavailable(_) => 503,
            _ => 401,
        }
    }

    /// The error code; none where the request simply showed nothing (RFC 6750 3.1), or where it is not at fault.
    #[must_use]
    pub const fn code(&self) -> Option<OAuthErrorCode> {
        match self {
            Self::Missing | Self::Unavailable(_) => None,
            Self::Repeated => Some(OAuthErrorCode::InvalidRequest),
            Self::Scope(_) => Some(OAuthErrorCode::InsufficientScope),
            Self::Proof(_) => Some(OAuthErrorCode::InvalidDpopProof),
            Self::Token(_) | Self::UnknownKey | Self::ProofMissing | Self::NotBound | Self::OtherKey => {
                Some(OAuthErrorCode::InvalidToken)
            }
        }
    }

    /// The values of `WWW-Authenticate`, one header each: the scheme at fault alone, or where no token was shown every
    /// scheme that is accepted.
    pub(crate) fn challenges(&self, policy: DpopPolicy, realm: &str, with_proof: bool) -> Vec<String> {
        let algorithms = SigningAlgorithm::ALL.map(SigningAlgorithm::as_str).join(" ");
        let mut details = format!("realm=\"{}\"", quoted(realm));
        if let Some(code) = self.code() {
            details =
                format!("{details}, error=\"{code}\", error_description=\"{}\"", quoted(&self.to_string()));
        }
        if let Self::Scope(scope) = self {
            details = format!("{details}, scope=\"{}\"", quoted(scope));
        }
        let bearer = || format!("Bearer {details}");
        let dpop = || format!("DPoP {details}, algs=\"{algorithms}\"");
        match self {
            Self::Unavailable(_) => Vec::new(),
            Self::Missing | Self::Repeated if policy == DpopPolicy::WhereBound => vec![bearer(), dpop()],
            Self::ProofMissing | Self::NotBound | Self::OtherKey | Self::Proof(_) => vec![dpop()],
            _ if with_proof || policy == DpopPolicy::Required => vec![dpop()],
            _ => vec![bearer()],
        }
    }

    /// The JSON of the answer: `{"error", "error_description"}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let code = self.code().map_or(
            if self.status() == 503 { "temporarily_unavailable" } else { "unauthorized" },
            OAuthErrorCode::as_str,
        );
        json!({"error": code, "error_description": self.to_string()})
    }
}

/// What may stand in a quoted string of RFC 6750 3: visible ASCII but `"` and `\`.
fn quoted(text: &str) -> String {
    let visible = |c: char| if matches!(c, ' '..='~') && c != '"' && c != '\\' { c } else { '\'' };
    text.chars().map(visible).collect()
}
