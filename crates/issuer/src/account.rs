//! What a user may do here about themselves: log in for the issuer's own pages, see and withdraw what they allowed,
//! manage the clients they registered, and log out.

use handfast_protocol::{
    Clock, JwtClaims, Randomness, Scopes, Secret, Sha256Hash, Timestamp, UnverifiedJwt, random_token,
};
use serde_json::Value;

use crate::{
    Issuer,
    approval::{LoginSession, check_csrf_token, csrf_token},
    authorize::AuthorizationRequest,
    client::{Client, ClientMetadata, NewClientError, NewClientSecret},
    grant::BrowserSession,
    params::Params,
    ports::{Documents, Store, StoreError},
};

/// The page that our own pages' logins come back to when they are denied.
pub(crate) const HOME: &str = "/oauth";

/// The client id under which the issuer's own pages ask the application who the user is.
pub(crate) const PAGES_CLIENT_ID: &str = "handfast-pages";

/// A user who logged in here in this browser.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The user, as the application names them.
    pub user: String,
    /// The name to show.
    pub name: String,
    /// Shows that a form comes from one of our pages in this browser.
    pub csrf_token: Secret<String>,
}

/// One application a user allowed something.
#[derive(Clone, Debug)]
pub struct AuthorizedApplication {
    /// The application.
    pub client: Client,
    /// What it may do.
    pub scopes: Scopes,
    /// When the user last said so.
    pub granted_at: Timestamp,
}

/// Why a form of the account pages is not acted on.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Nobody is logged in, or the form is not ours.
    #[error("The form did not come from this page. Go back, reload the page and try again.")]
    Forged,
    /// There is no such application, or it is somebody else's.
    #[error("You have no such application.")]
    Unknown,
    /// What was typed is not acceptable.
    #[error(transparent)]
    Refused(NewClientError),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<NewClientError> for AccountError {
    fn from(error: NewClientError) -> Self {
        match error {
            NewClientError::Store(error) => Self::Store(error),
            error => Self::Refused(error),
        }
    }
}

/// What a logout request leads to.
#[derive(Debug)]
pub enum Logout {
    /// The user has to say so on a page, since nothing shows that the request is theirs.
    Ask {
        /// Whose session would end.
        user: SignedIn,
        /// The client that sent them, which the page's form has to name again.
        client_id: Option<String>,
    },
    /// The browser's session has ended; it goes on to this address, if one was asked for and is registered.
    Done(Option<String>),
}

impl<S: Store, D: Documents, C: Clock, R: Randomness> Issuer<S, D, C, R> {
    /// Begins a login for one of our own pages: afterwards the browser comes back to `path`.
    ///
    /// # Errors
    /// The storage failed.
    pub async fn begin_page_login(&self, path: &str) -> Result<(Secret<String>, Secret<String>), StoreError> {
        let request = AuthorizationRequest {
            client_id: PAGES_CLIENT_ID.to_owned(),
            redirect_uri: self.settings.endpoint(path),
            redirect_uri_given: true,
            scopes: std::iter::once("profile").collect(),
            ..AuthorizationRequest::default()
        };
        self.begin_login(request).await
    }

    /// The client that stands for our own pages.
    pub(crate) fn pages_client(&self) -> Client {
        Client {
            client_id: PAGES_CLIENT_ID.to_owned(),
            owner: String::new(),
            name: self.settings.name.clone(),
            secret_hash: None,
            registration_token_hash: None,
            created_at: Timestamp::default(),
            metadata: ClientMetadata::default(),
        }
    }

    /// Ends a login session for our own pages with a browser session.
    pub(crate) async fn conclude_page_login(
        &self,
        session: &LoginSession,
        approval: crate::approval::Approval,
    ) -> Result<Option<Secret<String>>, StoreError> {
        let now = self.now();
        if !self.store.end_login_session(&session.id_hash, now).await? {
            return Ok(None);
        }
        let cookie = random_token(&self.randomness);
        let sid = self.draw_id();
        let browser_session = BrowserSession {
            id_hash: Sha256Hash::of(cookie.expose()),
            sid,
            approval,
            expires_at: now + self.settings.browser_session_lifetime,
        };
        self.store.put_browser_session(&browser_session).await?;
        Ok(Some(cookie))
    }

    /// Who is logged in here in this browser.
    ///
    /// # Errors
    /// The storage failed.
    pub async fn signed_in(&self, cookie: Option<&Secret<String>>) -> Result<Option<SignedIn>, StoreError> {
        let Some(cookie) = cookie else { return Ok(None) };
        let session = self.store.browser_session(&Sha256Hash::of(cookie.expose()), self.now()).await?;
        Ok(session.map(|session| {
            let name = session.approval.claims.get("name").and_then(Value::as_str);
            SignedIn {
                name: name.unwrap_or(&session.approval.user).to_owned(),
                user: session.approval.user,
                csrf_token: csrf_token(&Secret::new("account".to_owned()), cookie),
            }
        }))
    }

    /// Who is logged in, if the form they sent is ours.
    ///
    /// # Errors
    /// Nobody is, or it is not.
    pub async fn signed_in_form(
        &self,
        cookie: Option<&Secret<String>>,
        csrf_shown: &str,
    ) -> Result<SignedIn, AccountError> {
        let signed_in = self.signed_in(cookie).await?.ok_or(AccountError::Forged)?;
        check_csrf_token(csrf_shown, &signed_in.csrf_token).map_err(|_| AccountError::Forged)?;
        Ok(signed_in)
    }

    /// What the user allowed, newest first.
    ///
    /// # Errors
    /// The storage failed.
    pub async fn authorized_applications(
        &self,
        user: &str,
    ) -> Result<Vec<AuthorizedApplication>, StoreError> {
        let mut applications = Vec::new();
        for consent in self.store.consents_of(user).await? {
            if let Some(client) = self.store.client(&consent.client_id).await? {
                let (scopes, granted_at) = (consent.scopes, consent.granted_at);
                applications.push(AuthorizedApplication { client, scopes, granted_at });
            }
        }
        Ok(applications)
    }

    /// Withdraws everything the user allowed a client.
    ///
    /// # Errors
    /// The storage failed.
    pub async fn withdraw(&self, user: &str, client_id: &str) -> Result<(), StoreError> {
        self.store.withdraw(user, client_id, self.now()).await
    }

    /// The applications that the user registered.
    ///
    /// # Errors
    /// The storage failed.
    pub async fn own_applications(&self, user: &str) -> Result<Vec<Client>, StoreError> {
        self.store.clients_of(user).await
    }

    /// One application that the user registered.
    ///
    /// # Errors
    /// There is none, or it is somebody else's.
    pub async fn own_application(&self, user: &str, client_id: &str) -> Result<Client, AccountError> {
        let client = self.store.client(client_id).await?;
        client.filter(|client| client.owner == user).ok_or(AccountError::Unknown)
    }

    /// Changes name and metadata of the user's own application.
    ///
    /// # Errors
    /// It is not theirs, or a field is not acceptable.
    pub async fn edit_own_application(
        &self,
        user: &str,
        client_id: &str,
        name: &str,
        metadata: ClientMetadata,
    ) -> Result<(), AccountError> {
        let old = self.own_application(user, client_id).await?;
        let described = self.describe_client(client_id, None, user, name, metadata).await?;
        let client = Client {
            secret_hash: old.secret_hash,
            registration_token_hash: old.registration_token_hash,
            created_at: old.created_at,
            ..described
        };
        if self.store.replace_client(&client).await? { Ok(()) } else { Err(NewClientError::Duplicate.into()) }
    }

    /// Gives the user's own application a new secret; the old one ends at once.
    ///
    /// # Errors
    /// It is not theirs.
    pub async fn rotate_own_secret(
        &self,
        user: &str,
        client_id: &str,
    ) -> Result<NewClientSecret, AccountError> {
        let mut client = self.own_application(user, client_id).await?;
        let secret =
            client.metadata.token_endpoint_auth_method.has_secret().then(|| random_token(&self.randomness));
        client.secret_hash = secret.as_ref().map(|secret| Sha256Hash::of(secret.expose()));
        if self.store.replace_client(&client).await? { Ok(secret) } else { Err(AccountError::Unknown) }
    }

    /// Deletes the user's own application and everything it was granted.
    ///
    /// # Errors
    /// It is not theirs.
    pub async fn delete_own_application(&self, user: &str, client_id: &str) -> Result<(), AccountError> {
        let client = self.own_application(user, client_id).await?;
        self.store.delete_client(&client.client_id, self.now()).await?;
        Ok(())
    }

    /// OpenID Connect RP-Initiated Logout 2: an ID token of this browser's own session, as `id_token_hint`, ends it
    /// without a question.
    ///
    /// # Errors
    /// The storage failed.
    pub async fn log_out(
        &self,
        params: &Params,
        cookie: Option<&Secret<String>>,
    ) -> Result<Logout, StoreError> {
        let hint = match params.value("id_token_hint") {
            Some(hint) => self.read_id_token(hint).await?,
            None => None,
        };
        let hinted = |name: &str| hint.as_ref().and_then(|claims| claims.get(name)).and_then(Value::as_str);
        // OpenID Connect RP-Initiated Logout 2: where both name a client, they must name the same.
        let client_id = match (hinted("aud"), params.value("client_id")) {
            (Some(hinted), Some(named)) if hinted != named => None,
            (hinted, named) => hinted.or(named),
        };
        let target = match client_id {
            Some(client_id) => self.post_logout_location(client_id, params).await?,
            None => None,
        };
        let Some(cookie) = cookie else { return Ok(Logout::Done(target)) };
        let id_hash = Sha256Hash::of(cookie.expose());
        let Some(session) = self.store.browser_session(&id_hash, self.now()).await? else {
            return Ok(Logout::Done(target));
        };
        let confirmed = match params.value("csrf_token") {
            Some(_) => self
                .signed_in_form(Some(cookie), params.value("csrf_token").unwrap_or_default())
                .await
                .is_ok(),
            None => hinted("sid") == Some(session.sid.as_str()),
        };
        if !confirmed {
            let client_id = client_id.map(str::to_owned);
            let user = self.signed_in(Some(cookie)).await?;
            return Ok(user.map_or(Logout::Done(None), |user| Logout::Ask { user, client_id }));
        }
        self.store.end_browser_session(&id_hash).await?;
        Ok(Logout::Done(target))
    }

    async fn post_logout_location(
        &self,
        client_id: &str,
        params: &Params,
    ) -> Result<Option<String>, StoreError> {
        let Some(asked) = params.value("post_logout_redirect_uri") else { return Ok(None) };
        let Some(client) = self.store.client(client_id).await? else { return Ok(None) };
        if !client.metadata.post_logout_redirect_uris.iter().any(|registered| registered.as_str() == asked) {
            return Ok(None);
        }
        let Some(state) = params.value("state") else { return Ok(Some(asked.to_owned())) };
        let separator = if asked.contains('?') { '&' } else { '?' };
        let state = url::form_urlencoded::Serializer::new(String::new()).append_pair("state", state).finish();
        Ok(Some(format!("{asked}{separator}{state}")))
    }

    /// The claims of an ID token of ours, however old (OpenID Connect RP-Initiated Logout 4).
    pub(crate) async fn read_id_token(
        &self,
        id_token: &str,
    ) -> Result<Option<serde_json::Map<String, Value>>, StoreError> {
        let Ok(jwt) = UnverifiedJwt::parse(id_token) else { return Ok(None) };
        let claims = self.key_ring().await?.verify(&jwt);
        // The same keys sign access tokens, which have a `jti`, and userinfo answers, which do not expire.
        let is_id_token = |claims: &JwtClaims| {
            claims.text("iss") == Some(&self.settings.issuer())
                && claims.text("jti").is_none()
                && claims.instant("exp").is_some()
        };
        Ok(claims.filter(is_id_token).map(JwtClaims::into_map))
    }

    /// Forgets what has expired.
    ///
    /// # Errors
    /// The storage failed.
    pub async fn forget_expired(&self) -> Result<(), StoreError> {
        self.store.forget_expired(self.now()).await
    }
}
