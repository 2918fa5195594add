//! The rules of access tokens: pure, with the key and the time as arguments (RFC 9068 4).

use core::time::Duration;

use handfast_protocol::{JwtClaims, JwtError, PublicJwk, Scopes, SigningAlgorithm, Timestamp, UnverifiedJwt};
use serde_json::Value;

/// Which tokens are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenFormats {
    /// JWT access tokens of type `at+jwt` (RFC 9068), which name their audience.
    #[default]
    Rfc9068,
    /// Also those the issuer makes for clients of the `connectivly` profile: type `JWT`, RS256, no audience, `scopes`
    /// and `app` in their stead. Such a token is good at every API of the issuer that accepts the format.
    Rfc9068OrConnectivly,
}

/// An access token that was valid when the request came.
#[derive(Clone, Debug)]
pub struct AccessToken {
    subject: String,
    client_id: String,
    scopes: Scopes,
    expires_at: Timestamp,
    thumbprint: Option<String>,
    claims: JwtClaims,
}

/// Why a token is refused: `invalid_token` (RFC 6750 3.1).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessTokenError {
    /// Not a JWT, of a refused algorithm, or not signed by the key it names.
    #[error("{0}")]
    Jwt(#[from] JwtError),
    /// `typ` is not one of an access token: an ID token is none.
    #[error("the token is not an access token")]
    Type,
    /// A required claim is missing or of another type.
    #[error("the access token has no valid {0}")]
    Claim(&'static str),
    /// `iss` is another issuer.
    #[error("the access token is from another issuer")]
    Issuer,
    /// `aud` does not name this API.
    #[error("the access token is for another audience")]
    Audience,
    /// `exp` has passed.
    #[error("the access token has expired")]
    Expired,
    /// `nbf` or `iat` lies in the future.
    #[error("the access token is not valid yet; look at both clocks")]
    NotYet,
}

/// What a token has to say.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) formats: TokenFormats,
    pub(crate) leeway: Duration,
}

enum Format {
    Rfc9068,
    Connectivly,
}

impl Rules {
    /// Looks at the type before any key is tried.
    fn format(&self, jwt: &UnverifiedJwt<'_>) -> Result<Format, AccessTokenError> {
        if jwt.is_of_type("at+jwt") {
            return Ok(Format::Rfc9068);
        }
        let connectivly = self.formats == TokenFormats::Rfc9068OrConnectivly
            && jwt.is_of_type("jwt")
            && jwt.algorithm() == SigningAlgorithm::Rs256;
        if connectivly { Ok(Format::Connectivly) } else { Err(AccessTokenError::Type) }
    }

    /// Verifies a token with the key it names.
    pub(crate) fn verify(
        &self,
        jwt: &UnverifiedJwt<'_>,
        key: &PublicJwk,
        now: Timestamp,
    ) -> Result<AccessToken, AccessTokenError> {
        let format = self.format(jwt)?;
        let claims = jwt.verify(key)?;
        if claims.text("iss") != Some(&self.issuer) {
            return Err(AccessTokenError::Issuer);
        }
        let (client_id, scopes) = match format {
            Format::Rfc9068 => {
                if !claims.is_for(&self.audience) {
                    return Err(AccessTokenError::Audience);
                }
                (
                    claims.text("client_id"),
                    Scopes::parse_separated(claims.text("scope").unwrap_or_default(), " "),
                )
            }
            // An ID token has an audience and no `app`.
            Format::Connectivly => {
                if claims.value("aud").is_some() {
                    return Err(AccessTokenError::Type);
                }
                let app = claims.value("app").and_then(|app| app.get("client_id")).and_then(Value::as_str);
                let scopes =
                    claims.value("scopes").and_then(Value::as_array).ok_or(AccessTokenError::Type)?;
                (app, scopes.iter().filter_map(Value::as_str).collect())
            }
        };
        let client_id = client_id.ok_or(AccessTokenError::Claim("client_id"))?.to_owned();
        let subject = claims.text("sub").ok_or(AccessTokenError::Claim("sub"))?.to_owned();
        let expires_at = claims.instant("exp").ok_or(AccessTokenError::Claim("exp"))?;
        if now >= expires_at + self.leeway {
            return Err(AccessTokenError::Expired);
        }
        let issued_at = claims.instant("iat").ok_or(AccessTokenError::Claim("iat"))?;
        let begins_at = match claims.value("nbf") {
            Some(_) => claims.instant("nbf").ok_or(AccessTokenError::Claim("nbf"))?,
            None => issued_at,
        };
        if begins_at.max(issued_at) > now + self.leeway {
            return Err(AccessTokenError::NotYet);
        }
        let thumbprint = match claims.value("cnf") {
            // A confirmation that is not understood must not be taken for none (RFC 7800 3.1).
            Some(confirmation) => {
                let thumbprint = confirmation.get("jkt").and_then(Value::as_str);
                Some(thumbprint.ok_or(AccessTokenError::Claim("cnf"))?.to_owned())
            }
            None => None,
        };
        Ok(AccessToken { subject, client_id, scopes, expires_at, thumbprint, claims })
    }
}

impl AccessToken {
    /// The user (`sub`); for a token of the client credentials grant, the client.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The client the token was issued to.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// What the user allowed.
    #[must_use]
    pub const fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// When it ends.
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// The thumbprint of the key that has to prove itself beside the token (RFC 9449 6.1).
    #[must_use]
    pub fn bound_to(&self) -> Option<&str> {
        self.thumbprint.as_deref()
    }

    /// Everything the token says.
    #[must_use]
    pub const fn claims(&self) -> &JwtClaims {
        &self.claims
    }
}
