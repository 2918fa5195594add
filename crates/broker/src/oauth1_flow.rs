//! The two requests of OAuth 1.0a that we send ourselves: for temporary credentials and for a token (RFC 5849 2.1, 2.3).

use std::collections::BTreeMap;

use handfast_protocol::{Clock, Randomness, Secret, random_token};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::connection::{Credentials, raw_answer};
use crate::token_endpoint::{TokenError, TokenRequest};
use crate::{
    Broker, Integration, OAuth1Credentials, SendError, Signer, Store, TokenAnswer, TokenEndpoint,
    UnsignedRequest,
};

/// Temporary credentials (RFC 5849 2.1), sealed between request and callback.
#[derive(Serialize, Deserialize)]
pub(crate) struct TemporaryCredentials {
    pub(crate) token: String,
    pub(crate) token_secret: String,
}

/// Why an OAuth 1.0a request brought no credentials.
#[derive(Debug, thiserror::Error)]
pub enum OAuth1Error {
    /// It could not be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The provider answered something else.
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl<S: Store, T: TokenEndpoint, C: Clock, R: Randomness> Broker<S, T, C, R> {
    /// Asks for temporary credentials. OAuth 1.0a knows no `state`, so the callback's own address carries it.
    pub(crate) async fn temporary_credentials(
        &self,
        integration: &Integration,
        endpoint: Url,
        callback: &Url,
    ) -> Result<TemporaryCredentials, OAuth1Error> {
        let params = [("oauth_callback", callback.as_str())];
        let answered = self.send_signed(integration, endpoint, None, &params).await?;
        Ok(TemporaryCredentials {
            token: answered.token.into_exposed(),
            token_secret: answered.token_secret.into_exposed(),
        })
    }

    /// Redeems the verifier that came with the callback.
    pub(crate) async fn token_credentials(
        &self,
        integration: &Integration,
        endpoint: Url,
        temporary: &TemporaryCredentials,
        verifier: &str,
    ) -> Result<Credentials, OAuth1Error> {
        let params = [("oauth_verifier", verifier)];
        let answered = self.send_signed(integration, endpoint, Some(temporary), &params).await?;
        let raw: BTreeMap<String, String> = answered.raw.into_exposed().into_iter().collect();
        Ok(Credentials::OAuth1 {
            token: answered.token,
            token_secret: answered.token_secret,
            raw: raw_answer(&raw),
        })
    }

    async fn send_signed(
        &self,
        integration: &Integration,
        endpoint: Url,
        temporary: Option<&TemporaryCredentials>,
        oauth_params: &[(&str, &str)],
    ) -> Result<OAuth1Credentials, OAuth1Error> {
        let no_secret = Secret::default();
        let token =
            temporary.map(|own| (Secret::new(own.token.clone()), Secret::new(own.token_secret.clone())));
        let signer = Signer {
            method: integration.provider.signature_method,
            client_id: &integration.client_id,
            client_secret: integration.client_secret.as_ref().unwrap_or(&no_secret),
            token: token.as_ref().map(|(token, secret)| (token, secret)),
        };
        let unsigned = UnsignedRequest { method: "POST", url: &endpoint, form: &[], oauth_params };
        let nonce = random_token(&self.randomness);
        let authorization = signer.authorization_header(unsigned, nonce.expose(), self.clock.now());
        let request = TokenRequest {
            method: "POST",
            headers: vec![("authorization".to_owned(), authorization)],
            url: Secret::new(endpoint),
            body: Secret::default(),
        };
        let answered = read_credentials(&self.token_endpoint.send(request).await?);
        let kept = [signer.client_secret]
            .into_iter()
            .chain(token.iter().flat_map(|(token, secret)| [token, secret]));
        let shown = oauth_params.iter().map(|(_, value)| *value);
        let hidden = kept.map(|secret| secret.expose().as_str()).chain(shown);
        Ok(answered.map_err(|error| error.without(hidden))?)
    }
}

fn read_credentials(answer: &TokenAnswer) -> Result<OAuth1Credentials, TokenError> {
    if answer.status == 429 || answer.status >= 500 {
        return Err(TokenError::Unavailable(answer.status));
    }
    if !(200..300).contains(&answer.status) {
        // Some providers say in these parameters what went wrong; the RFC says nothing of it.
        let body = answer.body.expose().trim_ascii();
        let find = |name: &str| {
            let mut pairs = url::form_urlencoded::parse(body);
            pairs.find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
        };
        return Err(TokenError::Refused {
            error: find("oauth_problem").unwrap_or_else(|| format!("HTTP {}", answer.status)),
            description: find("oauth_problem_advice"),
        });
    }
    OAuth1Credentials::parse(answer.body.expose()).ok_or(TokenError::Unreadable(answer.status))
}
