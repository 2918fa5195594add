//! The authorization request (RFC 6749 4.1.1, OpenID Connect Core 3.1.2): checked, then kept as a login session until
//! the application has said who the user is; and the response that ends it.

use handfast_protocol::{
    Clock, CodeChallenge, OAuthErrorCode, Randomness, Scopes, Secret, Sha256Hash, random_token,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::{
    Issuer,
    approval::{Approval, LoginSession},
    client::{Client, ClientProfile},
    params::Params,
    ports::{Documents, Store, StoreError},
    pushed_request,
    settings::IssuerSettings,
    token::TokenError,
};

/// A checked authorization request.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// The client that asks.
    pub client_id: String,
    /// Where the answer goes; one of the client's own.
    pub redirect_uri: String,
    /// Whether the request named the redirect URI, so that the token request must too (RFC 6749 4.1.3).
    pub redirect_uri_given: bool,
    /// How the answer travels.
    pub response_mode: ResponseMode,
    /// The scopes asked for that exist and that the client may have.
    pub scopes: Scopes,
    /// The client's own value, returned unchanged.
    pub state: Option<String>,
    /// Returned in the ID token.
    pub nonce: Option<String>,
    /// The S256 challenge, in stored form.
    pub code_challenge: Option<String>,
    /// `prompt`, word by word (OpenID Connect Core 3.1.2.1).
    #[serde(default)]
    pub prompt: Vec<Prompt>,
    /// How long ago the user may have logged in, in seconds.
    pub max_age: Option<u64>,
    /// Whom the client expects.
    pub login_hint: Option<String>,
    /// The authentication contexts the client would like.
    pub acr_values: Option<String>,
    /// The languages the user reads.
    pub ui_locales: Option<String>,
    /// The subject that alone may answer: that of an `id_token_hint`, or the one that `claims` names (OpenID Connect
    /// Core 3.1.2.1 and 5.5.1).
    #[serde(default)]
    pub subject: Option<String>,
    /// The `claims` parameter (OpenID Connect Core 5.5).
    #[serde(default)]
    pub claims: Option<Value>,
    /// The APIs the tokens are for (RFC 8707).
    #[serde(default)]
    pub resources: Vec<String>,
    /// The DPoP key the code is bound to (RFC 9449 10).
    #[serde(default)]
    pub dpop_jkt: Option<String>,
}

/// How an authorization response travels (OAuth 2.0 Multiple Response Types 2.1, OAuth 2.0 Form Post Response Mode 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In the query of the redirect URI.
    #[default]
    Query,
    /// In its fragment.
    Fragment,
    /// As a form that the browser posts there.
    FormPost,
    /// As a message to the window that opened or embeds this one, at the redirect URI's origin only.
    WebMessage,
}

/// A word of `prompt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// Answer at once, without a page.
    None,
    /// Log in again.
    Login,
    /// Ask for consent again.
    Consent,
    /// Let the user choose an account.
    SelectAccount,
}

/// An answer on its way back to the client.
#[derive(Clone, Debug)]
pub struct AuthorizationResponse {
    /// Where it goes.
    pub redirect_uri: String,
    /// How it travels.
    pub mode: ResponseMode,
    /// What it says; always with `iss` (RFC 9207).
    pub params: Vec<(&'static str, String)>,
}

/// What follows a checked authorization request.
#[derive(Debug)]
pub enum Authorized {
    /// The user has to log in, and the application to decide: the login session's id, and the value of the cookie
    /// that binds it to this browser.
    Login {
        /// The id that goes to the login URL as `token`.
        id: Secret<String>,
        /// The cookie's value.
        cookie: Secret<String>,
    },
    /// The answer is known already.
    Answer(AuthorizationResponse),
}

/// Why there is no login session.
#[derive(Debug)]
pub enum AuthorizeError {
    /// Client or redirect URI cannot be trusted: a page for the user, never a redirect (RFC 6749 4.1.2.1).
    Page(AuthorizePageError),
    /// The client is told.
    Redirect(AuthorizationResponse),
    /// The storage failed.
    Store(StoreError),
}

/// What a client insists on and a login does not meet. The sentence is for the application and for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmet {
    /// OpenID Connect Core 3.1.2.1, `max_age`.
    #[error("the client asks for a login that is at most max_age seconds old; let the user log in again")]
    MaxAge,
    /// OpenID Connect Core 3.1.2.1, `prompt=login`.
    #[error("the client asks for a new login; let the user log in again")]
    NotAgain,
    /// OpenID Connect Core 3.1.2.1, `id_token_hint`; 5.5.1, `sub`.
    #[error("the client asks for another user; let that one log in")]
    Subject,
    /// OpenID Connect Core 5.5.1.1, an essential `acr`.
    #[error("the client insists on another acr, one of claims.id_token.acr; let the user log in that way")]
    Acr,
}

impl Unmet {
    /// What the client is told.
    pub(crate) const fn code(self) -> OAuthErrorCode {
        match self {
            Self::MaxAge | Self::NotAgain | Self::Subject => OAuthErrorCode::LoginRequired,
            Self::Acr => OAuthErrorCode::UnmetAuthenticationRequirements,
        }
    }
}

/// What the page says that is shown instead of a redirect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizePageError {
    /// No `client_id`, or more than one.
    #[error("The address names no application: client_id is missing or stands more than once.")]
    MissingClient,
    /// No such client.
    #[error("No application is registered under this client_id.")]
    UnknownClient,
    /// No `redirect_uri` though one is needed, or more than one.
    #[error(
        "The address does not say where to go back to: redirect_uri is missing or stands more than once."
    )]
    MissingRedirectUri,
    /// A pushed request that was used, has expired, or is another client's.
    #[error("This request is no longer open. It was used already, or it has expired.")]
    StaleRequest,
    /// A redirect URI that is not registered.
    #[error("The application asked to go back to an address that it has not registered.")]
    RedirectUriMismatch {
        /// What is registered.
        registered: Vec<String>,
        /// What came.
        came: String,
    },
}

impl From<StoreError> for AuthorizeError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl ResponseMode {
    /// Every mode.
    pub const ALL: [Self; 4] = [Self::Query, Self::Fragment, Self::FormPost, Self::WebMessage];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Fragment => "fragment",
            Self::FormPost => "form_post",
            Self::WebMessage => "web_message",
        }
    }

    /// Whether the answer stands in an address; the other modes need a page of ours.
    #[must_use]
    pub const fn redirects(self) -> bool {
        matches!(self, Self::Query | Self::Fragment)
    }
}

impl Prompt {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "none" => Self::None,
            "login" => Self::Login,
            "consent" => Self::Consent,
            "select_account" => Self::SelectAccount,
            _ => return None,
        })
    }

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Login => "login",
            Self::Consent => "consent",
            Self::SelectAccount => "select_account",
        }
    }
}

impl AuthorizationResponse {
    /// The address of a response that travels in the query or the fragment.
    #[must_use]
    pub fn location(&self) -> String {
        let mut encoded = url::form_urlencoded::Serializer::new(String::new());
        encoded.extend_pairs(self.params.iter().map(|(name, value)| (*name, value.as_str())));
        let encoded = encoded.finish();
        if encoded.is_empty() {
            return self.redirect_uri.clone();
        }
        let separator = match (self.mode, self.redirect_uri.contains('?')) {
            (ResponseMode::Fragment, _) => '#',
            (_, true) => '&',
            (_, false) => '?',
        };
        format!("{}{separator}{encoded}", self.redirect_uri)
    }

    /// An error response as the token endpoint's kind of error.
    pub(crate) fn into_token_error(self) -> TokenError {
        let param =
            |name: &str| self.params.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_str());
        let code = param("error").and_then(OAuthErrorCode::parse).unwrap_or(OAuthErrorCode::InvalidRequest);
        TokenError::new(code, param("error_description").unwrap_or_default())
    }

    /// The origin of the redirect URI, which alone may read a response sent as a message.
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        web_origin(&self.redirect_uri)
    }
}

impl AuthorizationRequest {
    /// Whether an ID token is asked for.
    #[must_use]
    pub fn is_openid(&self) -> bool {
        self.scopes.contains("openid")
    }

    /// The values of `acr` of which the client insists on one (OpenID Connect Core 5.5.1.1).
    fn essential_acrs(&self) -> Vec<&str> {
        let asked = self.claims.as_ref().and_then(|claims| claims.pointer("/id_token/acr"));
        let asked = asked.filter(|asked| asked.get("essential") == Some(&Value::Bool(true)));
        let values = asked.and_then(|asked| asked.get("values")).and_then(Value::as_array);
        let value = asked.and_then(|asked| asked.get("value"));
        values.into_iter().flatten().chain(value).filter_map(Value::as_str).collect()
    }

    /// A response to this request.
    pub(crate) fn respond(
        &self,
        settings: &IssuerSettings,
        params: impl IntoIterator<Item = (&'static str, String)>,
    ) -> AuthorizationResponse {
        respond(settings, &self.redirect_uri, self.response_mode, self.state.as_deref(), params)
    }

    /// An error response to this request.
    pub(crate) fn refuse(
        &self,
        settings: &IssuerSettings,
        code: OAuthErrorCode,
        description: &str,
    ) -> AuthorizationResponse {
        self.respond(settings, error_params(code, description))
    }
}

/// Scheme, host and port of a web page; none for a private scheme.
fn web_origin(uri: &str) -> Option<String> {
    Some(Url::parse(uri).ok()?.origin().ascii_serialization()).filter(|origin| origin != "null")
}

fn respond(
    settings: &IssuerSettings,
    redirect_uri: &str,
    mode: ResponseMode,
    state: Option<&str>,
    params: impl IntoIterator<Item = (&'static str, String)>,
) -> AuthorizationResponse {
    let mut params = params.into_iter().collect::<Vec<_>>();
    params.extend(state.map(|state| ("state", state.to_owned())));
    params.push(("iss", settings.issuer()));
    AuthorizationResponse { redirect_uri: redirect_uri.to_owned(), mode, params }
}

fn error_params(code: OAuthErrorCode, description: &str) -> [(&'static str, String); 2] {
    [("error", code.as_str().to_owned()), ("error_description", description.to_owned())]
}

impl<S: Store, D: Documents, C: Clock, R: Randomness> Issuer<S, D, C, R> {
    /// Checks an authorization request and keeps it as a login session; where it asks for `prompt=none`, answers it
    /// from the browser's session.
    ///
    /// # Errors
    /// A page for the user where the client cannot be trusted, else an error response for the client.
    pub async fn authorize(
        &self,
        params: &Params,
        browser_session: Option<&Secret<String>>,
    ) -> Result<Authorized, AuthorizeError> {
        let (client, request) = self.check_authorization_request(params).await?;
        if request.prompt.contains(&Prompt::None) {
            return self.answer_silently(&client, request, browser_session).await.map(Authorized::Answer);
        }
        let (id, cookie) = self.begin_login(request).await?;
        Ok(Authorized::Login { id, cookie })
    }

    /// Keeps a request as a login session; gives its id and the value of the cookie that binds it to a browser.
    pub(crate) async fn begin_login(
        &self,
        request: AuthorizationRequest,
    ) -> Result<(Secret<String>, Secret<String>), StoreError> {
        let now = self.now();
        let (id, cookie) = (random_token(&self.randomness), random_token(&self.randomness));
        let session = LoginSession {
            id_hash: Sha256Hash::of(id.expose()),
            cookie_hash: Sha256Hash::of(cookie.expose()),
            request,
            decision: None,
            created_at: now,
            expires_at: now + IssuerSettings::LOGIN_SESSION_LIFETIME,
        };
        self.store.put_login_session(&session).await?;
        Ok((id, cookie))
    }

    async fn check_authorization_request(
        &self,
        params: &Params,
    ) -> Result<(Client, AuthorizationRequest), AuthorizeError> {
        let client_id = params.value("client_id").filter(|_| params.stands_once("client_id"));
        let client_id = client_id.ok_or(AuthorizeError::Page(AuthorizePageError::MissingClient))?;
        let client = self.store.client(client_id).await?;
        let client = client.ok_or(AuthorizeError::Page(AuthorizePageError::UnknownClient))?;
        let pushed = params.value("request_uri").filter(|uri| uri.starts_with(pushed_request::PREFIX));
        let request = match pushed {
            Some(request_uri) => self.take_pushed_request(request_uri, client_id).await?,
            None => self.check_request(&client, params).await?,
        };
        if pushed.is_none() && client.metadata.require_pushed_authorization_requests {
            let text = "this client must push its authorization requests";
            let refused = request.refuse(&self.settings, OAuthErrorCode::InvalidRequest, text);
            return Err(AuthorizeError::Redirect(refused));
        }
        Ok((client, request))
    }

    /// Checks a request of `client`.
    pub(crate) async fn check_request(
        &self,
        client: &Client,
        params: &Params,
    ) -> Result<AuthorizationRequest, AuthorizeError> {
        let mut request = parse_request(&self.settings, client, params)?;
        let invalid = |text| {
            AuthorizeError::Redirect(request.refuse(&self.settings, OAuthErrorCode::InvalidRequest, text))
        };
        let hinted = match params.value("id_token_hint") {
            Some(hint) => {
                let claims = self.read_id_token(hint).await?;
                let claims =
                    claims.ok_or_else(|| invalid("id_token_hint is not an ID token of this issuer"))?;
                claims.get("sub").cloned()
            }
            None => None,
        };
        let named = request.claims.as_ref().and_then(|claims| claims.pointer("/id_token/sub/value")).cloned();
        if hinted.is_some() && named.is_some() && hinted != named {
            return Err(invalid("id_token_hint and claims.id_token.sub name two users"));
        }
        request.subject = hinted.or(named).and_then(|subject| subject.as_str().map(str::to_owned));
        Ok(request)
    }

    /// What the request insists on and a login does not meet.
    pub(crate) async fn unmet(
        &self,
        client: &Client,
        request: &AuthorizationRequest,
        approval: &Approval,
    ) -> Result<Option<Unmet>, StoreError> {
        let age = self.now().since(approval.auth_time).as_secs();
        if request.max_age.is_some_and(|max_age| age > max_age) {
            return Ok(Some(Unmet::MaxAge));
        }
        if let Some(subject) = &request.subject
            && *subject != self.subject(client, &approval.user).await?
        {
            return Ok(Some(Unmet::Subject));
        }
        let acrs = request.essential_acrs();
        let met = acrs.is_empty() || approval.acr.as_deref().is_some_and(|acr| acrs.contains(&acr));
        Ok((!met).then_some(Unmet::Acr))
    }

    /// OpenID Connect Core 3.1.2.1, `prompt=none`: the session and the consent must both be there.
    async fn answer_silently(
        &self,
        client: &Client,
        request: AuthorizationRequest,
        browser_session: Option<&Secret<String>>,
    ) -> Result<AuthorizationResponse, AuthorizeError> {
        let refuse = |code, text: &str| AuthorizeError::Redirect(request.refuse(&self.settings, code, text));
        let session = match browser_session {
            Some(cookie) => self.store.browser_session(&Sha256Hash::of(cookie.expose()), self.now()).await?,
            None => None,
        };
        let session =
            session.ok_or_else(|| refuse(OAuthErrorCode::LoginRequired, "the user has to log in first"))?;
        if let Some(unmet) = self.unmet(client, &request, &session.approval).await? {
            return Err(refuse(unmet.code(), &unmet.to_string()));
        }
        if !self.is_consent_remembered(client, &request, &session.approval.user).await? {
            return Err(refuse(OAuthErrorCode::ConsentRequired, "the user has not consented to this yet"));
        }
        let concluded = self.conclude(client, &request, session.approval, None, Some(session.sid)).await?;
        let refused =
            || refuse(OAuthErrorCode::InteractionRequired, "the request cannot be answered without a page");
        concluded.map(|(response, _)| response).ok_or_else(refused)
    }
}

/// The longest value of a parameter that is kept, in bytes.
const MAX_VALUE_LEN: usize = 4096;

fn parse_request(
    settings: &IssuerSettings,
    client: &Client,
    params: &Params,
) -> Result<AuthorizationRequest, AuthorizeError> {
    let (redirect_uri, redirect_uri_given) =
        parse_redirect_uri(client, params).map_err(AuthorizeError::Page)?;
    let state = params.value("state").filter(|state| state.len() <= MAX_VALUE_LEN);
    let asked_mode = params.value("response_mode");
    let known_mode = ResponseMode::ALL.into_iter().find(|known| asked_mode == Some(known.as_str()));
    let usable_mode = known_mode.filter(|mode| mode.redirects() || web_origin(&redirect_uri).is_some());
    // Where the mode is none that can be used, the error travels in the query.
    let response_mode = usable_mode.unwrap_or_default();
    let refuse = |code: OAuthErrorCode, description: String| {
        let params = error_params(code, &description);
        AuthorizeError::Redirect(respond(settings, &redirect_uri, response_mode, state, params))
    };
    let invalid = |description: &str| refuse(OAuthErrorCode::InvalidRequest, description.to_owned());

    if let Some(name) = params.repeated() {
        return Err(invalid(&format!("the parameter {} stands more than once", printable(name))));
    }
    if params.pairs().any(|(_, value)| value.len() > MAX_VALUE_LEN) {
        return Err(invalid("a parameter is longer than 4096 bytes"));
    }
    if asked_mode.is_some() && usable_mode.is_none() {
        return Err(invalid(
            "response_mode must be query or fragment or, where redirect_uri is a web page, form_post or web_message",
        ));
    }
    if params.value("request").is_some() {
        return Err(refuse(
            OAuthErrorCode::RequestNotSupported,
            "request objects are not supported".to_owned(),
        ));
    }
    if params.value("request_uri").is_some() {
        return Err(refuse(
            OAuthErrorCode::RequestUriNotSupported,
            "request_uri is not supported".to_owned(),
        ));
    }
    match params.value("response_type") {
        Some("code") => {}
        None => return Err(invalid("response_type is missing; it must be code")),
        Some(_) => {
            return Err(refuse(
                OAuthErrorCode::UnsupportedResponseType,
                "response_type must be code".to_owned(),
            ));
        }
    }
    let scopes = parse_scopes(settings, client, params.value("scope")).ok_or_else(|| {
        refuse(OAuthErrorCode::InvalidScope, "none of the scopes asked for exists here".to_owned())
    })?;
    let nonce = params.value("nonce");
    let code_challenge = parse_code_challenge(params).map_err(&invalid)?;
    let may_omit_challenge = match client.metadata.profile {
        ClientProfile::LegacyConfidential => client.is_confidential(),
        // RFC 9700 2.1.1: OpenID Connect's nonce may stand in for PKCE where the client is confidential.
        _ => client.is_confidential() && nonce.is_some() && scopes.contains("openid"),
    };
    if code_challenge.is_none() && !may_omit_challenge {
        return Err(invalid("code_challenge is missing; send one with code_challenge_method=S256"));
    }
    let prompt = parse_prompt(params).ok_or_else(|| {
        invalid("prompt must be none alone, or login, consent and select_account as needed")
    })?;
    let max_age = params.value("max_age").map(str::parse).transpose();
    let max_age = max_age
        .map_err(|_| invalid("max_age must be a number of seconds"))?
        .or(client.metadata.default_max_age);
    let claims = params.value("claims").map(serde_json::from_str::<Value>).transpose();
    let claims = claims.ok().filter(|claims| claims.as_ref().is_none_or(Value::is_object));
    let claims = claims.ok_or_else(|| invalid("claims must be a JSON object"))?;
    let resources = params.values("resource").map(str::to_owned).collect::<Vec<_>>();
    if !resources.iter().all(|resource| settings.knows_resource(resource)) {
        return Err(refuse(
            OAuthErrorCode::InvalidTarget,
            "the resource is not one of this issuer's".to_owned(),
        ));
    }
    let owned = |name: &str| params.value(name).map(str::to_owned);
    // RFC 9449 10. A thumbprint has the form of a challenge: a SHA-256 in base64url.
    let dpop_jkt = owned("dpop_jkt");
    if dpop_jkt.as_deref().is_some_and(|thumbprint| CodeChallenge::parse(thumbprint).is_none()) {
        return Err(invalid("dpop_jkt must be 43 characters of base64url"));
    }
    Ok(AuthorizationRequest {
        client_id: client.client_id.clone(),
        redirect_uri_given,
        response_mode,
        scopes,
        state: state.map(str::to_owned),
        nonce: nonce.map(str::to_owned),
        code_challenge: code_challenge.map(|challenge| challenge.as_str().to_owned()),
        prompt,
        max_age,
        login_hint: owned("login_hint"),
        acr_values: owned("acr_values"),
        ui_locales: owned("ui_locales"),
        subject: None,
        claims,
        resources,
        dpop_jkt,
        redirect_uri,
    })
}

fn parse_redirect_uri(client: &Client, params: &Params) -> Result<(String, bool), AuthorizePageError> {
    let registered =
        || client.metadata.redirect_uris.iter().map(|uri| uri.as_str().to_owned()).collect::<Vec<_>>();
    match params.value("redirect_uri") {
        Some(_) if !params.stands_once("redirect_uri") => Err(AuthorizePageError::MissingRedirectUri),
        Some(uri) if client.allows_redirect_to(uri) => Ok((uri.to_owned(), true)),
        Some(uri) => {
            Err(AuthorizePageError::RedirectUriMismatch { registered: registered(), came: uri.to_owned() })
        }
        // RFC 6749 3.1.2.3: it may be left out where exactly one is registered; OpenID Connect always demands it.
        None => match registered().as_slice() {
            [only]
                if !params.value("scope").unwrap_or_default().split(' ').any(|scope| scope == "openid") =>
            {
                Ok((only.clone(), false))
            }
            _ => Err(AuthorizePageError::MissingRedirectUri),
        },
    }
}

/// OpenID Connect Core 3.1.2.1: scopes that are not understood are left out; the answer says what was granted. `None`
/// if nothing remains. Without any, `profile` is asked for.
pub(crate) fn parse_scopes(
    settings: &IssuerSettings,
    client: &Client,
    asked: Option<&str>,
) -> Option<Scopes> {
    let asked = Scopes::parse_separated(asked.unwrap_or("profile"), " ");
    let known =
        |scope: &&str| settings.known_scopes().any(|known| known == *scope) && client.may_ask_for(scope);
    let scopes = asked.iter().filter(known).collect::<Scopes>();
    (!scopes.is_empty()).then_some(scopes)
}

/// OpenID Connect Core 3.1.2.1; `None` if the words make no sense, alone or together.
fn parse_prompt(params: &Params) -> Option<Vec<Prompt>> {
    let words = params.value("prompt").unwrap_or_default().split(' ').filter(|word| !word.is_empty());
    let words = words.map(Prompt::parse).collect::<Option<Vec<_>>>()?;
    (words.len() < 2 || !words.contains(&Prompt::None)).then_some(words)
}

fn parse_code_challenge(params: &Params) -> Result<Option<CodeChallenge>, &'static str> {
    let Some(challenge) = params.value("code_challenge") else {
        return match params.value("code_challenge_method") {
            Some(_) => Err("code_challenge_method came without a code_challenge"),
            None => Ok(None),
        };
    };
    // RFC 7636 4.3 reads an absent method as `plain`, which OAuth 2.1 drops.
    if params.value("code_challenge_method") != Some("S256") {
        return Err("code_challenge_method must be S256");
    }
    CodeChallenge::parse(challenge).map(Some).ok_or("code_challenge must be 43 characters of base64url")
}

/// Visible ASCII without quote and backslash, as `error_description` wants it (RFC 6749 4.1.2.1).
fn printable(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\')).take(60).collect()
}
