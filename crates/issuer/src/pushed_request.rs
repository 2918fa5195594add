//! Pushed authorization requests (RFC 9126): sent by the client itself, and used once by the browser.

use core::time::Duration;

use handfast_protocol::{Clock, OAuthErrorCode, Randomness, Secret, Sha256Hash, Timestamp, random_token};

use crate::{
    Issuer,
    authorize::{AuthorizationRequest, AuthorizeError, AuthorizePageError},
    client_authentication::Credentials,
    params::Params,
    ports::{Documents, Store},
    token::TokenError,
};

/// What every `request_uri` of ours begins with (RFC 9126 2.2).
pub(crate) const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// How long a pushed request waits for the browser.
const LIFETIME: Duration = Duration::from_secs(90);

/// A pushed request as it is kept.
#[derive(Clone, Debug)]
pub struct PushedRequest {
    /// The hash of what follows the prefix of its `request_uri`.
    pub hash: Sha256Hash,
    /// The request, checked.
    pub request: AuthorizationRequest,
    /// When it dies unused.
    pub expires_at: Timestamp,
}

impl<S: Store, D: Documents, C: Clock, R: Randomness> Issuer<S, D, C, R> {
    /// Keeps a client's authorization request, and gives its `request_uri` and how long that lives.
    ///
    /// # Errors
    /// The client does not authenticate, or the request is one that the authorization endpoint would refuse.
    pub async fn push_request(
        &self,
        params: &Params,
        credentials: &Credentials,
    ) -> Result<(Secret<String>, Duration), TokenError> {
        let client = self.authenticate(credentials, params).await?;
        let mut request = match self.check_request(&client, params).await {
            Ok(request) => request,
            Err(AuthorizeError::Page(error)) => {
                return Err(TokenError::new(OAuthErrorCode::InvalidRequest, error.to_string()));
            }
            Err(AuthorizeError::Redirect(response)) => return Err(response.into_token_error()),
            Err(AuthorizeError::Store(error)) => return Err(error.into()),
        };
        // RFC 9449 10.1: a proof beside the pushed request binds the code as `dpop_jkt` does.
        if let Some(thumbprint) = self.verify_proof(&credentials.proof, None).await? {
            if request.dpop_jkt.as_ref().is_some_and(|asked| *asked != thumbprint) {
                let text = "dpop_jkt is another key than that of the DPoP proof";
                return Err(TokenError::new(OAuthErrorCode::InvalidDpopProof, text));
            }
            request.dpop_jkt = Some(thumbprint);
        }
        let token = random_token(&self.randomness);
        let hash = Sha256Hash::of(token.expose());
        let expires_at = self.now() + LIFETIME;
        self.store.put_pushed_request(&PushedRequest { hash, request, expires_at }).await?;
        Ok((Secret::new(format!("{PREFIX}{}", token.expose())), LIFETIME))
    }

    /// Takes the request that a browser brings the name of; each is taken once.
    pub(crate) async fn take_pushed_request(
        &self,
        request_uri: &str,
        client_id: &str,
    ) -> Result<AuthorizationRequest, AuthorizeError> {
        let hash = Sha256Hash::of(request_uri.strip_prefix(PREFIX).unwrap_or_default());
        let taken = self.store.take_pushed_request(&hash, client_id, self.now()).await?;
        taken.ok_or(AuthorizeError::Page(AuthorizePageError::StaleRequest))
    }
}
