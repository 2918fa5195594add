//! How a client shows at the token endpoint that it is itself (RFC 6749 2.3).

use core::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use handfast_protocol::{
    Clock, DpopError, DpopProof, DpopRequest, OAuthErrorCode, Randomness, Secret, Sha256Hash, UnverifiedJwt,
};
use serde::{Deserialize, Serialize};

use crate::{
    Issuer,
    client::Client,
    params::Params,
    ports::{Documents, Store, StoreError},
    token::TokenError,
};

/// The method a client is registered with (RFC 7591 2, `token_endpoint_auth_method`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthenticationMethod {
    /// HTTP Basic. A client registered with either of the two secret methods may use the other too.
    #[default]
    ClientSecretBasic,
    /// `client_id` and `client_secret` in the body.
    ClientSecretPost,
    /// A JWT signed with one of the client's registered keys (RFC 7523 2.2, OpenID Connect Core 9).
    PrivateKeyJwt,
    /// A public client: `client_id` only.
    None,
}

/// What a request brought to authenticate its client.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// The value of the `Authorization` header.
    pub authorization: Option<Secret<String>>,
    /// The key it shows that it holds.
    pub proof: ShownProof,
}

/// The DPoP proofs that stand in a request, and what they have to be made for (RFC 9449 4.3).
#[derive(Clone, Debug, Default)]
pub struct ShownProof {
    /// Every `DPoP` header.
    pub headers: Vec<String>,
    /// The request's method, in upper case.
    pub method: String,
    /// The request's path on this server.
    pub path: String,
}

/// Why a DPoP proof does not help.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProofError {
    /// It is refused (RFC 9449 4.3 and 11.1).
    #[error(transparent)]
    Refused(#[from] DpopError),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ProofError> for TokenError {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Refused(error) => Self::new(OAuthErrorCode::InvalidDpopProof, error.to_string()),
            ProofError::Store(error) => Self::Store(error),
        }
    }
}

enum Shown<'a> {
    Nothing,
    Secret(&'a str),
    Assertion(&'a str),
}

/// RFC 7523 2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How far ahead an assertion may expire; published clients say an hour.
const MAX_ASSERTION_LIFETIME: Duration = Duration::from_mins(61);
/// How far a client's clock may differ from ours.
const LEEWAY: Duration = Duration::from_secs(30);

impl ClientAuthenticationMethod {
    /// The methods in the order of the metadata.
    pub const ALL: [Self; 4] =
        [Self::ClientSecretBasic, Self::ClientSecretPost, Self::PrivateKeyJwt, Self::None];

    /// The method as it is written on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::None => "none",
        }
    }

    /// Whether a client of this method has a secret.
    #[must_use]
    pub const fn has_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}

impl<S: Store, D: Documents, C: Clock, R: Randomness> Issuer<S, D, C, R> {
    /// Finds out which client sent a request, and that it is that client (RFC 6749 2.3.1). Secrets are compared by
    /// their hashes, in constant time.
    pub(crate) async fn authenticate(
        &self,
        credentials: &Credentials,
        params: &Params,
    ) -> Result<Client, TokenError> {
        let basic = match &credentials.authorization {
            Some(value) => parse_basic(value.expose())?,
            None => None,
        };
        let body_id = params.value("client_id");
        let body_secret = params.value("client_secret");
        let assertion = read_assertion(params)?;
        if assertion.is_some() && (basic.is_some() || body_secret.is_some()) {
            let text = "the client authenticates twice: leave out either its secret or client_assertion";
            return Err(TokenError::new(OAuthErrorCode::InvalidRequest, text));
        }
        let (client_id, shown) = match (&basic, body_id, body_secret) {
            (Some(_), _, Some(_)) => {
                let text = "the client authenticates twice: leave out the header or client_secret";
                return Err(TokenError::new(OAuthErrorCode::InvalidRequest, text));
            }
            (Some((id, _)), Some(body_id), None) if id != body_id => {
                let text = "client_id differs from the one in the Authorization header";
                return Err(TokenError::new(OAuthErrorCode::InvalidRequest, text));
            }
            (Some((id, secret)), _, None) => (id.as_str(), Shown::Secret(secret.expose())),
            (None, Some(id), Some(secret)) => (id, Shown::Secret(secret)),
            (None, _, None) if let Some((assertion, subject)) = &assertion => {
                if body_id.is_some_and(|id| id != subject) {
                    let text = "client_id differs from the sub of client_assertion";
                    return Err(TokenError::new(OAuthErrorCode::InvalidRequest, text));
                }
                (subject.as_str(), Shown::Assertion(assertion))
            }
            (None, Some(id), None) => (id, Shown::Nothing),
            (None, None, _) => return Err(invalid_client()),
        };
        // An unknown client and a wrong secret get the same answer, after the same comparison.
        let client = self.store.client(client_id).await?;
        let registered = client.as_ref().and_then(|client| client.secret_hash.clone());
        match (client, shown) {
            (Some(client), Shown::Nothing) if !client.is_confidential() => Ok(client),
            (client, Shown::Secret(secret)) => {
                let hash = Sha256Hash::of(secret);
                let right = registered.unwrap_or_else(|| Sha256Hash::of("")) == hash && !secret.is_empty();
                client.filter(|client| right && client.secret_hash.is_some()).ok_or_else(invalid_client)
            }
            (Some(client), Shown::Assertion(assertion))
                if client.metadata.token_endpoint_auth_method
                    == ClientAuthenticationMethod::PrivateKeyJwt =>
            {
                self.check_assertion(&client, assertion, &credentials.proof.path).await?;
                Ok(client)
            }
            (_, Shown::Nothing | Shown::Assertion(_)) => Err(invalid_client()),
        }
    }

    /// RFC 7523 3, OpenID Connect Core 9: signed by the client, for us, for a short time, once.
    async fn check_assertion(&self, client: &Client, assertion: &str, path: &str) -> Result<(), TokenError> {
        let refuse = |text: &str| {
            TokenError::new(OAuthErrorCode::InvalidClient, format!("client_assertion is refused: {text}"))
        };
        let jwt = UnverifiedJwt::parse(assertion).map_err(|error| refuse(&error.to_string()))?;
        let key = self.client_key(client, &jwt).await.map_err(|problem| refuse(&problem))?;
        let claims = jwt.verify(&key).map_err(|error| refuse(&error.to_string()))?;
        if claims.text("iss") != Some(&client.client_id) || claims.text("sub") != Some(&client.client_id) {
            return Err(refuse("iss and sub must be the client_id"));
        }
        let settings = &self.settings;
        let ours = [settings.issuer(), settings.endpoint("/auth/oauth2/token"), settings.endpoint(path)];
        if !ours.iter().any(|audience| claims.is_for(audience)) {
            return Err(refuse("aud must be the issuer's identifier"));
        }
        let now = self.now();
        let expires_at = claims.instant("exp").ok_or_else(|| refuse("it has no valid exp"))?;
        if now >= expires_at + LEEWAY || expires_at > now + MAX_ASSERTION_LIFETIME + LEEWAY {
            return Err(refuse("exp must lie ahead, by one hour at most"));
        }
        let begins_at = ["nbf", "iat"].into_iter().filter_map(|name| claims.instant(name)).max();
        if begins_at.is_some_and(|begins_at| begins_at > now + LEEWAY) {
            return Err(refuse("it is not valid yet; look at both clocks"));
        }
        let jti = claims.text("jti").filter(|jti| (1..=512).contains(&jti.len()));
        let jti = jti.ok_or_else(|| refuse("it has no jti of 1 to 512 bytes"))?;
        // A client id holds no space, so the three cannot be confused with those of a DPoP proof.
        let id = Sha256Hash::of(format!("assertion {} {jti}", client.client_id));
        if self.store.is_first_use(&id, expires_at + LEEWAY, now).await? {
            Ok(())
        } else {
            Err(refuse("it was used before"))
        }
    }

    /// The thumbprint of the key that the sender of a request has proved to hold; none if it did not try
    /// (RFC 9449 4.3).
    pub(crate) async fn verify_proof(
        &self,
        shown: &ShownProof,
        access_token: Option<&str>,
    ) -> Result<Option<String>, ProofError> {
        let header = match shown.headers.as_slice() {
            [] => return Ok(None),
            [header] => header,
            _ => return Err(DpopError::Repeated.into()),
        };
        let now = self.now();
        let url = self.settings.endpoint(&shown.path);
        let request = DpopRequest { method: &shown.method, url: &url, access_token };
        let proof = DpopProof::verify(header, &request, now)?;
        if self.store.is_first_use(&Sha256Hash::of(proof.id()), proof.expires_at(), now).await? {
            Ok(Some(proof.thumbprint().to_owned()))
        } else {
            Err(DpopError::Replayed.into())
        }
    }
}

/// The assertion and the client it speaks for, which is believed only once the signature has been verified.
fn read_assertion(params: &Params) -> Result<Option<(String, String)>, TokenError> {
    let (assertion, kind) = (params.value("client_assertion"), params.value("client_assertion_type"));
    match (assertion, kind) {
        (None, None) => Ok(None),
        (Some(assertion), Some(JWT_BEARER)) => {
            let subject = unverified_subject(assertion).ok_or_else(invalid_client)?;
            Ok(Some((assertion.to_owned(), subject)))
        }
        _ => {
            let text = format!("client_assertion needs client_assertion_type={JWT_BEARER}");
            Err(TokenError::new(OAuthErrorCode::InvalidRequest, text))
        }
    }
}

fn unverified_subject(assertion: &str) -> Option<String> {
    UnverifiedJwt::parse(assertion).ok()?.unverified_text("sub")
}

fn invalid_client() -> TokenError {
    TokenError::new(
        OAuthErrorCode::InvalidClient,
        "the client is unknown or did not authenticate as registered",
    )
}

/// Reads `Basic`, whose two parts are form-encoded before they are joined (RFC 6749 2.3.1). `None` for another scheme.
fn parse_basic(header: &str) -> Result<Option<(String, Secret<String>)>, TokenError> {
    let Some((scheme, encoded)) = header.split_once(' ') else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case("Basic") {
        return Ok(None);
    }
    let decoded = STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let text = decoded.ok_or_else(invalid_client)?;
    let (id, secret) = text.split_once(':').ok_or_else(invalid_client)?;
    Ok(Some((form_decode(id), Secret::new(form_decode(secret)))))
}

fn form_decode(text: &str) -> String {
    // `=` cannot begin a pair: the text is read as the value of an empty name.
    let pair = format!("={}", text.replace('&', "%26"));
    url::form_urlencoded::parse(pair.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6749 2.3.1 and appendix B.
    #[test]
    fn basic_credentials_are_form_decoded() {
        let header = format!("Basic {}", STANDARD.encode("a%3Ab:p%25+%26=s"));
        let (id, secret) = parse_basic(&header).unwrap().unwrap();
        assert_eq!((id.as_str(), secret.expose().as_str()), ("a:b", "p% &=s"));
    }

    #[test]
    fn the_vector_of_the_rfc_is_read() {
        let (id, secret) = parse_basic("Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW").unwrap().unwrap();
        assert_eq!((id.as_str(), secret.expose().as_str()), ("s6BhdRkqt3", "gX1fBat3bV"));
    }
}
