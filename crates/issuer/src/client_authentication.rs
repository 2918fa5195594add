//! How a client shows at the token endpoint that it is itself (RFC 6749 2.3).

use base64::{Engine, engine::general_purpose::STANDARD};
use handfast_protocol::{Clock, OAuthErrorCode, Randomness, Secret, Sha256Hash};
use serde::{Deserialize, Serialize};

use crate::{Issuer, client::Client, params::Params, ports::Store, token::TokenError};

/// The method a client is registered with (RFC 7591 2, `token_endpoint_auth_method`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthenticationMethod {
    /// HTTP Basic. A client registered with either of the two secret methods may use the other too.
    #[default]
    ClientSecretBasic,
    /// `client_id` and `client_secret` in the body.
    ClientSecretPost,
    /// A public client: `client_id` only.
    None,
}

/// What a request brought to authenticate its client.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// The value of the `Authorization` header.
    pub authorization: Option<Secret<String>>,
}

enum Shown<'a> {
    Nothing,
    Secret(&'a str),
}

impl ClientAuthenticationMethod {
    /// The methods in the order of the metadata.
    pub const ALL: [Self; 3] = [Self::ClientSecretBasic, Self::ClientSecretPost, Self::None];

    /// The method as it is written on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::None => "none",
        }
    }

    /// Whether a client of this method has a secret.
    #[must_use]
    pub const fn has_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}

impl<S: Store, C: Clock, R: Randomness> Issuer<S, C, R> {
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
            (_, Shown::Nothing) => Err(invalid_client()),
        }
    }
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
