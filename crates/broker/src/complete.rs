//! Completes an attempt: from the authorization response (RFC 6749 4.1.2) to a stored connection.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use handfast_protocol::{
    Clock, ErrorCode, OAuthErrorCode, Randomness, Scopes, Secret, Sha256Hash, random_token,
};
use serde_json::{Value, value::RawValue};

use crate::attempt::{Attempt, COMPLETION_LIMIT, Outcome, Progress, details_place};
use crate::begin::PendingDetails;
use crate::connection::{ConnectionKey, Credentials, NewConnection, TokenSet, credentials_place};
use crate::cookie;
use crate::oauth1_flow::OAuth1Error;
use crate::token_endpoint::{TokenError, code_request, refresh_at};
use crate::{
    Broker, CallbackSignatureError, DiscoveryError, FindIntegrationError, Integration, Protocol, QuirkError,
    SendError, Store, StoreError, TokenEndpoint, VariableError, VerifyIdTokenError,
};

/// An authorization response as it arrived: nothing in it has been checked.
#[derive(Debug)]
pub struct Callback<'a> {
    /// The parameters of query or form, in order.
    pub params: &'a [(String, Secret<String>)],
    /// The attempt cookies that came along: name and value.
    pub cookies: &'a [(&'a str, &'a str)],
    /// The config key in the path, where the redirect URI has one.
    pub config_key: Option<&'a str>,
    /// Whether our own page has already repeated the parameters, so that an absent cookie is truly absent.
    pub is_continuation: bool,
}

/// What became of a callback.
#[derive(Debug)]
pub enum Completed {
    /// The cookie did not come along. The parameters are to be posted once more from our own origin; nothing was touched.
    NeedsCookie,
    /// The attempt is over.
    Ended(Box<Ended>),
    /// Nothing is known of an attempt; there is nobody to tell.
    NoAttempt(CompleteError),
}

/// An attempt that is over, and what the result page says about it.
#[derive(Debug)]
pub struct Ended {
    /// The attempt.
    pub attempt: Attempt,
    /// How it ended.
    pub outcome: Outcome,
    /// What people call the provider.
    pub provider: Option<String>,
    /// Whose account it is, as far as the provider's answer tells.
    pub account: Option<String>,
    /// The `Set-Cookie` that deletes the attempt's cookie.
    pub delete_cookie: Option<String>,
}

/// Why an authorization response does not become a connection.
#[derive(Debug, thiserror::Error)]
pub enum CompleteError {
    /// `state` is unknown, expired, used, or missing.
    #[error(
        "This answer belongs to no attempt in progress: it was used before, or it came too late. Please start again."
    )]
    InvalidState,
    /// The attempt's cookie is not in this browser.
    #[error(
        "This attempt was started in another browser. Nothing was stored. Please start again in this one."
    )]
    WrongBrowser,
    /// A parameter came twice (RFC 6749 3.1).
    #[error("The provider's answer names \"{0}\" more than once.")]
    RepeatedParameter(String),
    /// RFC 6749 4.1.2.1, `access_denied`.
    #[error("Access was denied{}", sentence(.0.as_ref()))]
    AccessDenied(Option<String>),
    /// RFC 6749 4.1.2.1, anything else.
    #[error("The provider answered \"{error}\"{}", sentence(description.as_ref()))]
    Provider {
        /// The provider's word.
        error: String,
        /// The provider's sentence.
        description: Option<String>,
    },
    /// Neither a code nor an error.
    #[error("The provider's answer holds neither a code nor an error.")]
    NoCode,
    /// Neither a verifier nor an error (RFC 5849 2.2).
    #[error("The provider's answer holds no oauth_verifier.")]
    NoVerifier,
    /// RFC 9207 2.4.
    #[error("The answer comes from another issuer than the one that was asked.")]
    IssuerMismatch,
    /// The callback came on another integration's redirect URI.
    #[error("The answer came to another integration's address than the one that was asked.")]
    WrongRedirectUri,
    /// The provider's signature on the callback does not hold.
    #[error("The answer is not believed: {0}.")]
    InvalidSignature(#[from] CallbackSignatureError),
    /// The callback speaks of another value of a variable.
    #[error("The provider's answer does not fit the request: {0}.")]
    Variable(#[from] VariableError),
    /// The integration was deleted meanwhile.
    #[error("The integration was deleted while this attempt ran.")]
    UnknownIntegration,
    /// The integration, or its provider's entry, is at fault.
    #[error("The integration cannot be used: {0}.")]
    InvalidIntegration(String),
    /// The issuer that the provider's entry names.
    #[error("The provider cannot be used at the moment: {0}.")]
    Discovery(#[from] DiscoveryError),
    /// The id token does not hold.
    #[error("Nothing was stored: {0}.")]
    IdToken(#[from] VerifyIdTokenError),
    /// The client cannot authenticate as the provider wants.
    #[error("The integration cannot be used: {0}.")]
    Quirk(#[from] QuirkError),
    /// The token endpoint could not be asked.
    #[error("The code could not be redeemed: {0}.")]
    Send(#[from] SendError),
    /// The token endpoint answered something else than tokens.
    #[error("The code could not be redeemed: {0}.")]
    Token(#[from] TokenError),
    /// The OAuth 1.0a token request failed.
    #[error("The verifier could not be redeemed: {0}.")]
    OAuth1(#[from] OAuth1Error),
    /// A sealed value does not open.
    #[error("The server cannot read its own secrets. Its log says more.")]
    Unreadable,
    /// It took longer than the server allows itself.
    #[error("The server took too long over this attempt. Please try again.")]
    Interrupted,
    /// The store failed.
    #[error("The server cannot reach its database. Please try again.")]
    Store(#[from] StoreError),
}

fn sentence(description: Option<&String>) -> String {
    description.map_or_else(|| ".".to_owned(), |text| format!(": {text}"))
}

impl CompleteError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidState => ErrorCode::InvalidState,
            Self::WrongBrowser => ErrorCode::WrongBrowser,
            Self::RepeatedParameter(_)
            | Self::NoCode
            | Self::NoVerifier
            | Self::Provider { .. }
            | Self::Send(_)
            | Self::OAuth1(_)
            | Self::Discovery(_)
            | Self::IdToken(_)
            | Self::Token(_) => ErrorCode::ProviderError,
            Self::AccessDenied(_) => ErrorCode::AccessDenied,
            Self::IssuerMismatch | Self::WrongRedirectUri => ErrorCode::IssuerMismatch,
            Self::InvalidSignature(_) => ErrorCode::InvalidSignature,
            Self::Variable(_) => ErrorCode::InvalidParameter,
            Self::UnknownIntegration => ErrorCode::UnknownIntegration,
            Self::InvalidIntegration(_) | Self::Quirk(_) => ErrorCode::InvalidIntegration,
            Self::Interrupted => ErrorCode::Interrupted,
            Self::Unreadable | Self::Store(_) => ErrorCode::Internal,
        }
    }
}

impl From<FindIntegrationError> for CompleteError {
    fn from(error: FindIntegrationError) -> Self {
        match error {
            FindIntegrationError::Store(error) => Self::Store(error),
            FindIntegrationError::Open { .. } => Self::Unreadable,
            FindIntegrationError::Invalid { reason, .. } => Self::InvalidIntegration(reason.to_string()),
        }
    }
}

impl<S: Store, T: TokenEndpoint, C: Clock, R: Randomness> Broker<S, T, C, R> {
    /// Completes an attempt. The pending authorization is taken first and everything is checked afterwards, so a response
    /// that fails a check cannot be tried again.
    ///
    /// # Errors
    /// The store failed before the attempt could be told; everything later becomes the attempt's outcome.
    pub async fn complete(&self, callback: Callback<'_>) -> Result<Completed, StoreError> {
        let state = match callback.single("state") {
            Ok(Some(state)) if !state.is_empty() => state,
            Ok(_) | Err(_) => return self.complete_without_state(&callback).await,
        };
        let state_hash = Sha256Hash::of(state);
        let cookie_name = cookie::cookie_name(&self.policy, &state_hash);
        let cookie = callback
            .cookies
            .iter()
            .find(|(name, _)| *name == cookie_name)
            .map(|(_, value)| Sha256Hash::of(value));
        if cookie.is_none() && !callback.is_continuation {
            return Ok(Completed::NeedsCookie);
        }
        let _working = self.unfinished.begin();
        let Some(attempt) = self.store.take_attempt(&state_hash, self.clock.now()).await? else {
            return self.repeat(&state_hash, cookie, &callback).await;
        };
        let result = if attempt.cookie_hash.is_some() && attempt.cookie_hash == cookie {
            self.redeem(&attempt, &state_hash, &callback).await
        } else {
            Err(CompleteError::WrongBrowser)
        };
        self.end(attempt, result).await.map(|ended| Completed::Ended(Box::new(ended)))
    }

    /// The state was taken before, or is unknown.
    async fn repeat(
        &self,
        state_hash: &Sha256Hash,
        cookie: Option<Sha256Hash>,
        callback: &Callback<'_>,
    ) -> Result<Completed, StoreError> {
        let Some(attempt) = self.store.attempt_by_state(state_hash).await? else {
            return self.complete_without_state(callback).await;
        };
        if attempt.cookie_hash.is_none() || attempt.cookie_hash != cookie {
            return Ok(Completed::NoAttempt(CompleteError::InvalidState));
        }
        // The first request is still at work: this one ends with it.
        let status = self.attempt_outcome(&attempt).await?;
        Ok(match status {
            Some((attempt, outcome)) => Completed::Ended(Box::new(self.ended(attempt, outcome, None, None))),
            None => Completed::NoAttempt(CompleteError::InvalidState),
        })
    }

    async fn attempt_outcome(&self, attempt: &Attempt) -> Result<Option<(Attempt, Outcome)>, StoreError> {
        use crate::attempt_status::{AttemptStatus, LONGEST_WAIT};
        if let Progress::Ended(outcome) = attempt.progress(self.clock.now()) {
            return Ok(Some((attempt.clone(), outcome)));
        }
        match self.wait_for_outcome(&attempt.attempt_id, &attempt.secret_hash, LONGEST_WAIT).await? {
            AttemptStatus::Final(attempt, outcome) => Ok(Some((*attempt, outcome))),
            AttemptStatus::Unknown | AttemptStatus::Pending => Ok(None),
        }
    }

    /// With exactly one live attempt in this browser the response can only belong to that one.
    async fn complete_without_state(&self, callback: &Callback<'_>) -> Result<Completed, StoreError> {
        if callback.cookies.is_empty() && !callback.is_continuation {
            return Ok(Completed::NeedsCookie);
        }
        let now = self.clock.now();
        let mut live = Vec::new();
        // A browser keeps few attempts alive; whoever sends more cookies than these gets no answer but the general one.
        for (_, value) in callback.cookies.iter().take(8) {
            live.extend(self.store.live_attempt_by_cookie(&Sha256Hash::of(value), now).await?);
        }
        let Ok([attempt]) = <[Attempt; 1]>::try_from(live) else {
            return Ok(Completed::NoAttempt(CompleteError::InvalidState));
        };
        let error = callback.refusal().unwrap_or(CompleteError::InvalidState);
        let outcome = Outcome::failed(error.code(), error.to_string());
        if !self.store.cancel_attempt(&attempt.secret_hash, &outcome).await? {
            return Ok(Completed::NoAttempt(CompleteError::InvalidState));
        }
        self.waiters.wake(&attempt.secret_hash);
        Ok(Completed::Ended(Box::new(self.ended(attempt, outcome, None, None))))
    }

    /// Checks the response and redeems its code.
    async fn redeem(
        &self,
        attempt: &Attempt,
        state_hash: &Sha256Hash,
        callback: &Callback<'_>,
    ) -> Result<Grant, CompleteError> {
        if let Some(name) = callback.repeated() {
            return Err(CompleteError::RepeatedParameter(name.to_owned()));
        }
        let config_key = attempt.config_key.as_ref().ok_or(CompleteError::UnknownIntegration)?;
        let integration =
            self.integrations.integration(config_key).await?.ok_or(CompleteError::UnknownIntegration)?;
        // Deleted and made again under the same name, it is another integration.
        if attempt.integration_id.as_ref() != Some(&integration.id) {
            return Err(CompleteError::UnknownIntegration);
        }
        let details = self.open_details(attempt, state_hash)?;
        // Its form is still open: no provider was ever asked under this state.
        if details.form.is_some() {
            return Err(CompleteError::InvalidState);
        }
        // RFC 9700 4.4.2.2: the answer has to come to exactly the address that was named.
        if self.policy.redirect_uri(callback.config_key) != details.redirect_uri {
            return Err(CompleteError::WrongRedirectUri);
        }
        let integration = self.discovered(&integration, &details.values).await?.into_owned();
        Self::check_issuer(&integration, &details, callback)?;
        if let Some(refusal) = callback.refusal() {
            return Err(refusal);
        }
        if integration.provider.protocol == Protocol::Oauth1 {
            return self.redeem_verifier(integration, details, callback).await;
        }
        let code = callback.find("code").filter(|code| !code.is_empty()).ok_or(CompleteError::NoCode)?;
        let provider = &integration.provider;
        self.check_signature(&integration, callback)?;
        let values = details
            .values
            .with_callback(&provider.variables, |name| callback.find(name).map(str::to_owned))?;
        let endpoint = provider.token_endpoint(&values)?.ok_or_else(|| {
            CompleteError::InvalidIntegration("its provider has no token endpoint".to_owned())
        })?;
        let client = integration.as_token_client(&values, self.clock.now())?;
        let request =
            code_request(&client, endpoint, code, &details.redirect_uri, details.code_verifier.as_deref());
        let verifier = details.code_verifier.as_deref().unwrap_or_default();
        let set = self.request_tokens::<CompleteError>(&client, request, &[code, verifier]).await?;
        let mut params = BTreeMap::new();
        for name in &provider.callback_fields {
            params.extend(callback.find(name).map(|value| (name.clone(), value.to_owned())));
        }
        params.extend(kept_fields(&integration, set.raw.expose()));
        let claims = self.verified_claims(&integration, &values, &set, details.nonce.as_deref()).await?;
        for name in provider.id_token_claims.iter().map(String::as_str).chain(["sub"]) {
            params.extend(claims.get(name).and_then(text_of).map(|value| (name.to_owned(), value)));
        }
        // Last, because every later request is made with them: what is merely kept must not take their place.
        params.extend(values.iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        let account = account(&set);
        let credentials = Credentials::OAuth2(set);
        Ok(Grant { account, scopes: details.requested_scopes, integration, credentials, params })
    }

    /// RFC 5849 2.3: the callback must speak of the temporary credentials that the attempt began with.
    async fn redeem_verifier(
        &self,
        integration: Integration,
        details: PendingDetails,
        callback: &Callback<'_>,
    ) -> Result<Grant, CompleteError> {
        let temporary = details.temporary.as_ref().ok_or(CompleteError::Unreadable)?;
        if callback.find("oauth_token") != Some(&temporary.token) {
            return Err(CompleteError::InvalidState);
        }
        let verifier = callback.find("oauth_verifier").filter(|verifier| !verifier.is_empty());
        let verifier = verifier.ok_or(CompleteError::NoVerifier)?;
        let provider = &integration.provider;
        let endpoint = provider.token_endpoint(&details.values)?.ok_or_else(|| {
            CompleteError::InvalidIntegration("its provider has no token endpoint".to_owned())
        })?;
        let credentials = self.token_credentials(&integration, endpoint, temporary, verifier).await?;
        let mut params = BTreeMap::new();
        for name in &provider.callback_fields {
            params.extend(callback.find(name).map(|value| (name.clone(), value.to_owned())));
        }
        if let Credentials::OAuth1 { raw, .. } = &credentials {
            params.extend(kept_fields(&integration, raw.expose()));
        }
        params.extend(details.values.iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        let account = match &credentials {
            Credentials::OAuth1 { raw, .. } => {
                let raw = value_of(raw.expose());
                ["email", "screen_name", "username"]
                    .iter()
                    .find_map(|name| raw.get(*name)?.as_str().map(str::to_owned))
            }
            Credentials::OAuth2(_) | Credentials::Typed { .. } => None,
        };
        Ok(Grant { account, scopes: details.requested_scopes, integration, credentials, params })
    }

    pub(crate) fn open_details(
        &self,
        attempt: &Attempt,
        state_hash: &Sha256Hash,
    ) -> Result<PendingDetails, CompleteError> {
        let sealed = attempt.sealed_details.as_ref().ok_or(CompleteError::Unreadable)?;
        let opened = self
            .keyring
            .open(details_place(&[state_hash.as_str()]), sealed)
            .map_err(|_| CompleteError::Unreadable)?;
        serde_json::from_slice(opened.expose()).map_err(|_| CompleteError::Unreadable)
    }

    /// RFC 9207 2.4: an `iss` that came must be right, and one that must come must be there.
    fn check_issuer(
        integration: &Integration,
        details: &PendingDetails,
        callback: &Callback<'_>,
    ) -> Result<(), CompleteError> {
        let provider = &integration.provider;
        let expected = provider.issuer(&details.values)?;
        match (callback.find("iss"), expected) {
            (Some(found), Some(expected)) if found == expected => Ok(()),
            (Some(_), Some(_)) => Err(CompleteError::IssuerMismatch),
            (None, _) if provider.authorization_response_iss_parameter_supported => {
                Err(CompleteError::IssuerMismatch)
            }
            (None, _) | (Some(_), None) => Ok(()),
        }
    }

    /// Where the provider signs its callbacks, the signature must hold.
    fn check_signature(
        &self,
        integration: &Integration,
        callback: &Callback<'_>,
    ) -> Result<(), CompleteError> {
        let Some(signature) = &integration.provider.callback_signature else { return Ok(()) };
        let secret = integration.client_secret.as_ref().ok_or_else(|| {
            CompleteError::InvalidIntegration(
                "its provider signs with the client secret, and it has none".to_owned(),
            )
        })?;
        let params: Vec<_> = callback
            .params
            .iter()
            .map(|(name, value)| (Cow::from(name), Cow::from(value.expose())))
            .collect();
        Ok(signature.verify(&params, secret, self.clock.now())?)
    }

    /// Writes connection and outcome in one change, then wakes whoever waits.
    async fn end(&self, attempt: Attempt, result: Result<Grant, CompleteError>) -> Result<Ended, StoreError> {
        let now = self.clock.now();
        let (outcome, connection, provider, account) = match result {
            Ok(grant) => {
                let connection = self.new_connection(&attempt, &grant);
                (Outcome::Succeeded, connection, Some(grant.integration.provider.display_name), grant.account)
            }
            Err(CompleteError::Store(error)) => return Err(error),
            Err(error) => (Outcome::failed(error.code(), error.to_string()), None, None, None),
        };
        let stored = self
            .store
            .end_attempt(&attempt.secret_hash, now - COMPLETION_LIMIT, &outcome, connection.as_ref())
            .await?;
        self.waiters.wake(&attempt.secret_hash);
        if stored {
            return Ok(self.ended(attempt, outcome, provider, account));
        }
        let late = CompleteError::Interrupted;
        Ok(self.ended(attempt, Outcome::failed(late.code(), late.to_string()), None, None))
    }

    fn new_connection(&self, attempt: &Attempt, grant: &Grant) -> Option<NewConnection> {
        let key = ConnectionKey {
            integration_id: grant.integration.id.clone(),
            connection_id: attempt.connection_id.clone()?,
        };
        Some(self.connection_of(
            key,
            &grant.integration,
            &grant.credentials,
            &grant.scopes,
            grant.params.clone(),
        ))
    }

    /// Credentials as the connection they are stored as.
    pub(crate) fn connection_of(
        &self,
        key: ConnectionKey,
        integration: &Integration,
        credentials: &Credentials,
        requested: &Scopes,
        params: BTreeMap<String, String>,
    ) -> NewConnection {
        let (expires_at, refresh_at, granted) = match credentials {
            Credentials::OAuth2(set) => {
                (set.expires_at, refresh_at(&integration.provider, set), set.granted_scopes.clone())
            }
            Credentials::OAuth1 { .. } | Credentials::Typed { .. } => (None, None, None),
        };
        // RFC 6749 5.1: no `scope` in the answer means that what was asked for was granted.
        let granted_scopes = granted.unwrap_or_else(|| requested.clone());
        let sealed = credentials.to_sealed_form();
        NewConnection {
            id: random_token(&self.randomness).into_exposed(),
            sealed_credentials: self.keyring.seal(
                credentials_place(&key.parts()),
                sealed.expose(),
                &self.randomness,
            ),
            key,
            expires_at,
            refresh_at,
            granted_scopes,
            params,
            now: self.clock.now(),
        }
    }

    pub(crate) fn ended(
        &self,
        attempt: Attempt,
        outcome: Outcome,
        provider: Option<String>,
        account: Option<String>,
    ) -> Ended {
        let delete_cookie =
            attempt.state_hash.as_ref().map(|state_hash| cookie::delete_header(&self.policy, state_hash));
        Ended { attempt, outcome, provider, account, delete_cookie }
    }
}

/// What the provider granted.
struct Grant {
    integration: Integration,
    credentials: Credentials,
    scopes: Scopes,
    params: BTreeMap<String, String>,
    account: Option<String>,
}

impl Callback<'_> {
    /// The first value of a parameter.
    fn find(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(own, _)| own == name).map(|(_, value)| value.expose().as_str())
    }

    /// The value of a parameter that must not come twice.
    fn single(&self, name: &str) -> Result<Option<&str>, CompleteError> {
        if self.params.iter().filter(|(own, _)| own == name).count() > 1 {
            return Err(CompleteError::RepeatedParameter(name.to_owned()));
        }
        Ok(self.find(name))
    }

    /// The first parameter that came twice. A name that ends in `[]` is a list and may.
    fn repeated(&self) -> Option<&str> {
        let names = self.params.iter().map(|(name, _)| name.as_str()).filter(|name| !name.ends_with("[]"));
        let names: Vec<&str> = names.collect();
        names.iter().enumerate().find(|(index, name)| names[..*index].contains(name)).map(|(_, name)| *name)
    }

    /// The authorization error response (RFC 6749 4.1.2.1), if this is one.
    fn refusal(&self) -> Option<CompleteError> {
        // OAuth 1.0a has no word for a refusal; these two are the ones in use.
        if self.find("denied").is_some() {
            return Some(CompleteError::AccessDenied(None));
        }
        if let Some(problem) = self.find("oauth_problem") {
            let is_denial = matches!(problem, "user_refused" | "permission_denied");
            return Some(if is_denial {
                CompleteError::AccessDenied(None)
            } else {
                CompleteError::Provider { error: problem.to_owned(), description: None }
            });
        }
        let error = self.find("error").filter(|error| !error.is_empty())?;
        let description = self.find("error_description").filter(|text| !text.is_empty()).map(str::to_owned);
        Some(match OAuthErrorCode::parse(error) {
            Some(OAuthErrorCode::AccessDenied) => CompleteError::AccessDenied(description),
            _ => CompleteError::Provider { error: error.to_owned(), description },
        })
    }
}

/// The values of the token answer that the provider's entry wants kept.
pub(crate) fn kept_fields(integration: &Integration, raw: &RawValue) -> BTreeMap<String, String> {
    let raw = value_of(raw);
    let mut fields = BTreeMap::new();
    for (name, pointer) in &integration.provider.token_response_fields {
        fields.extend(raw.pointer(pointer).and_then(text_of).map(|value| (name.clone(), value)));
    }
    fields
}

fn value_of(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Whose account it is, to be shown to the person who just logged in. Read from the id token without checking its
/// signature: it came straight from the token endpoint, and nothing is decided by it.
fn account(set: &TokenSet) -> Option<String> {
    let payload = set.id_token.as_ref()?.expose().split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    ["email", "preferred_username", "name"]
        .iter()
        .find_map(|name| claims.get(*name)?.as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::form_urlencoded;

    use super::*;

    proptest! {
        #[test]
        fn any_callback_query_is_read_and_a_name_that_comes_twice_is_found(
            query in "((state|code|error|iss|a\\[\\]|[a-z%+&=]{0,4})(=.{0,6})?&?){0,6}",
        ) {
            let pairs = form_urlencoded::parse(query.as_bytes()).into_owned();
            let params: Vec<_> = pairs.map(|(name, value)| (name, Secret::new(value))).collect();
            let callback = Callback { params: &params, cookies: &[], config_key: None, is_continuation: false };
            let count = |wanted: &str| params.iter().filter(|(name, _)| name == wanted).count();
            if let Some(name) = callback.repeated() {
                prop_assert!(count(name) > 1 && !name.ends_with("[]"));
            } else {
                prop_assert!(params.iter().all(|(name, _)| name.ends_with("[]") || count(name) == 1));
            }
            prop_assert_eq!(callback.single("state").is_err(), count("state") > 1);
            let refused = callback.refusal().is_some();
            prop_assert!(!refused || ["error", "denied", "oauth_problem"].iter().any(|name| count(name) > 0));
        }
    }
}
