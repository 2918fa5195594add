//! Begins an attempt: from the start request to the authorization request (RFC 6749 4.1.1).

use std::collections::BTreeMap;
use std::fmt::Write;

use handfast_protocol::{
    AttemptId, AttemptSecret, Clock, CodeVerifier, ConfigKey, ConnectionId, ErrorCode, NameError,
    PROTOCOL_VERSION, Randomness, Scopes, Secret, Sha256Hash, random_token,
};
use serde::{Deserialize, Serialize};
use url::{Url, form_urlencoded};

use crate::attempt::{
    ATTEMPT_LIFETIME, NewAttempt, Outcome, Progress, REFUSAL_LIFETIME, RefusedAttempt, details_place,
};
use crate::form::Form;
use crate::json_mistake;
use crate::oauth1_flow::{OAuth1Error, TemporaryCredentials};
use crate::{
    AttemptCookie, Broker, CodeChallengeMethod, ConnectRequest, ConnectTokenError, DiscoveryError,
    FindIntegrationError, Integration, Protocol, Provider, ScopeEncoding, Store, StoreError, TokenEndpoint,
    VariableError, VariableValues,
};

/// Parameters of the authorization request that nobody but us sets.
const RESERVED_PARAMS: &[&str] = &[
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "dpop_jkt",
    "nonce",
    "oauth_callback",
    "oauth_token",
    "redirect_uri",
    "registration",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

/// How long the parameters may be that a page adds to the authorization request, names and values together, in bytes.
const LONGEST_EXTRA_PARAMS: usize = 4096;

/// A start request as it arrived: nothing in it has been checked.
#[derive(Clone, Copy, Debug)]
pub struct StartForm<'a> {
    /// The config key in the path.
    pub config_key: &'a str,
    /// The field `request`: JSON.
    pub request: &'a Secret<String>,
    /// The `Origin` that the browser states.
    pub origin: Option<&'a str>,
    /// The host (and port) that the browser asked.
    pub host: Option<&'a str>,
    /// Whether the browser says that this is not the top-level navigation it has to be.
    pub is_foreign_fetch: bool,
}

/// A start by a GET, as published Pizzly clients make it.
#[derive(Clone, Copy, Debug)]
pub struct LegacyStart<'a> {
    /// The config key in the path.
    pub config_key: &'a str,
    /// The parameter `connection_id`.
    pub connection_id: Option<&'a str>,
    /// The parameters `params[name]`.
    pub params: &'a BTreeMap<String, String>,
    /// The origin of the `Referer` that the browser states.
    pub referer_origin: Option<&'a str>,
    /// The host (and port) that the browser asked.
    pub host: Option<&'a str>,
}

/// An attempt that has begun.
#[derive(Debug)]
pub struct Begun {
    /// Binds the browser.
    pub cookie: AttemptCookie,
    /// What the window shows next.
    pub next: NextStep,
}

/// What the window of an attempt shows next.
#[derive(Debug)]
pub enum NextStep {
    /// The provider.
    Provider {
        /// The authorization request.
        authorization_url: String,
        /// Whether the page must let go of its opener first, because the application's user chose the host it goes to.
        drops_opener: bool,
        /// Whether the page goes on only where it has an opener: a GET could have come from anywhere.
        needs_opener: bool,
    },
    /// A form for what the application did not say.
    Form(Form),
}

/// A start that was refused, and what is known of it.
#[derive(Debug)]
pub struct RefusedStart {
    /// Why.
    pub error: BeginError,
    /// Whom to tell, if the browser stated an origin.
    pub origin: Option<String>,
    /// Where the page goes on in redirect mode, once origin and address were found to be allowed.
    pub return_to: Option<String>,
    /// Which attempt, if the request told.
    pub attempt_id: Option<AttemptId>,
    /// The config key, as it came.
    pub config_key: String,
    /// The connection id, as it came.
    pub connection_id: String,
}

/// Why an attempt does not begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// The request cannot be read. The sentence names the field.
    #[error("The start request cannot be read: {0}.")]
    InvalidRequest(String),
    /// Another version of the protocol.
    #[error("The page speaks version {page} of the connect protocol, this server version {PROTOCOL_VERSION}: update {}.", if *page > u64::from(PROTOCOL_VERSION) { "the server" } else { "the package \"handfast\" in the page" })]
    UnsupportedProtocol {
        /// The page's version.
        page: u64,
    },
    /// A name that cannot be one.
    #[error("The {0}.")]
    InvalidName(#[from] NameError),
    /// No such integration.
    #[error(
        "There is no integration called \"{0}\" on this server. Create it with `handfast config create`, or correct the name in the page."
    )]
    UnknownIntegration(String),
    /// The origin is not on the list.
    #[error(
        "The origin {origin} may not use the integration \"{config_key}\". Add it with `handfast config edit {config_key} --origin {origin}`."
    )]
    OriginNotAllowed {
        /// The origin, or what stands in its place.
        origin: String,
        /// The integration.
        config_key: ConfigKey,
    },
    /// The address to come back to is not on the list.
    #[error(
        "return_to: {return_to} is not on the list of the integration \"{config_key}\". Add it with `handfast config edit {config_key} --return-to {return_to}`."
    )]
    ReturnToNotAllowed {
        /// The address.
        return_to: String,
        /// The integration.
        config_key: ConfigKey,
    },
    /// Another name than `public_url`'s.
    #[error(
        "This server is reached as {expected}, but the page asked {found}. Use {expected} as the host in the page."
    )]
    WrongHost {
        /// What `public_url` says.
        expected: String,
        /// What the browser asked.
        found: String,
    },
    /// A connect token is needed, or does not hold.
    #[error("The connect token does not hold: {0}.")]
    InvalidConnectToken(String),
    /// The provider's variables.
    #[error("A connect parameter is not acceptable: {0}.")]
    InvalidParameter(#[from] VariableError),
    /// An authorization parameter that nobody may set.
    #[error("authorization_params: \"{0}\" is set by the server and cannot be chosen.")]
    ReservedParameter(String),
    /// More than a URL can take.
    #[error("authorization_params: names and values may take {LONGEST_EXTRA_PARAMS} bytes together.")]
    TooManyParameters,
    /// The issuer that the provider's entry names.
    #[error("The provider cannot be used at the moment: {0}.")]
    Discovery(#[from] DiscoveryError),
    /// The integration, or its provider's entry, is at fault.
    #[error("The integration cannot be used: {0}.")]
    InvalidIntegration(String),
    /// The attempt's callback has come, or it is over.
    #[error("This attempt has already been used. Please start again.")]
    AlreadyUsed(Option<Outcome>),
    /// GET does not start anything here.
    #[error(
        "The integration \"{0}\" does not let a link or an older client start. `handfast config edit {0} --legacy-start` allows it for published Pizzly clients."
    )]
    LegacyStartNotAllowed(ConfigKey),
    /// The provider gave no temporary credentials.
    #[error("The provider did not begin: {0}.")]
    OAuth1(#[from] OAuth1Error),
    /// A sealed value does not open.
    #[error("The server cannot read its own secrets. Its log says more.")]
    Unreadable(#[source] crate::OpenError),
    /// The store failed.
    #[error("The server cannot reach its database. Please try again.")]
    Store(#[from] StoreError),
}

impl BeginError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidRequest(_)
            | Self::ReturnToNotAllowed { .. }
            | Self::AlreadyUsed(_)
            | Self::LegacyStartNotAllowed(_) => ErrorCode::InvalidRequest,
            Self::UnsupportedProtocol { .. } => ErrorCode::UnsupportedProtocol,
            Self::InvalidName(_) => ErrorCode::InvalidName,
            Self::UnknownIntegration(_) => ErrorCode::UnknownIntegration,
            Self::OriginNotAllowed { .. } => ErrorCode::OriginNotAllowed,
            Self::WrongHost { .. } => ErrorCode::WrongHost,
            Self::InvalidConnectToken(_) => ErrorCode::InvalidConnectToken,
            Self::InvalidParameter(_) | Self::ReservedParameter(_) | Self::TooManyParameters => {
                ErrorCode::InvalidParameter
            }
            Self::InvalidIntegration(_) => ErrorCode::InvalidIntegration,
            Self::Discovery(_) | Self::OAuth1(_) => ErrorCode::ProviderError,
            Self::Unreadable(_) | Self::Store(_) => ErrorCode::Internal,
        }
    }
}

impl From<FindIntegrationError> for BeginError {
    fn from(error: FindIntegrationError) -> Self {
        match error {
            FindIntegrationError::Store(error) => Self::Store(error),
            FindIntegrationError::Open { reason, .. } => Self::Unreadable(reason),
            FindIntegrationError::Invalid { reason, .. } => Self::InvalidIntegration(reason.to_string()),
        }
    }
}

/// The JSON of a start request. It holds secrets, so it does not print.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StartJson {
    #[serde(rename = "protocol")]
    _protocol: u64,
    attempt_id: String,
    attempt_secret: String,
    connection_id: String,
    #[serde(default)]
    connect_token: Option<String>,
    #[serde(default)]
    params: BTreeMap<String, String>,
    #[serde(default)]
    scopes: Option<Scopes>,
    #[serde(default)]
    authorization_params: BTreeMap<String, String>,
    mode: String,
    #[serde(default)]
    return_to: Option<String>,
}

/// A start whose parts have been read.
pub(crate) struct Start {
    pub(crate) attempt_id: AttemptId,
    pub(crate) secret_hash: Sha256Hash,
    pub(crate) connection_id: ConnectionId,
    pub(crate) origin: String,
    pub(crate) return_to: Option<String>,
    pub(crate) asked: Asked,
}

/// What a start asks of the provider.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) request_hash: String,
    pub(crate) params: BTreeMap<String, String>,
    pub(crate) scopes: Option<Scopes>,
    pub(crate) authorization_params: BTreeMap<String, String>,
    pub(crate) needs_opener: bool,
}

/// What the callback needs; sealed between the two.
#[derive(Serialize, Deserialize)]
pub(crate) struct PendingDetails {
    pub(crate) redirect_uri: String,
    pub(crate) code_verifier: Option<String>,
    pub(crate) requested_scopes: Scopes,
    pub(crate) values: VariableValues,
    pub(crate) nonce: Option<String>,
    /// OAuth 1.0a's temporary credentials.
    pub(crate) temporary: Option<TemporaryCredentials>,
    /// What was asked, while the form for the rest is open; there is no authorization request yet.
    #[serde(default)]
    pub(crate) form: Option<Asked>,
}

impl<S: Store, T: TokenEndpoint, C: Clock, R: Randomness> Broker<S, T, C, R> {
    /// Begins an attempt by a start request.
    ///
    /// # Errors
    /// The start is refused: nothing was asked of the provider, and the refusal is kept as the attempt's outcome.
    pub async fn begin(&self, form: StartForm<'_>) -> Result<Begun, RefusedStart> {
        // Read leniently first: a refusal is reported to its attempt even where something else cannot be read.
        let hint: serde_json::Value = serde_json::from_str(form.request.expose()).unwrap_or_default();
        let field = |name: &str| hint.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
        let attempt_id = AttemptId::parse(field("attempt_id")).ok();
        let attempt_secret = AttemptSecret::parse(field("attempt_secret")).ok();
        let mut return_to = None;
        let error = match self.begin_posted(form, &hint, &mut return_to).await {
            Ok(begun) => return Ok(begun),
            Err(error) => error,
        };
        let refused = RefusedStart {
            origin: form.origin.map(str::to_owned),
            return_to,
            attempt_id,
            config_key: form.config_key.to_owned(),
            connection_id: field("connection_id").to_owned(),
            error,
        };
        self.keep_refusal(&refused, attempt_secret).await;
        Err(refused)
    }

    /// `allowed_return_to` is set as soon as it is known, also where the start is refused later.
    async fn begin_posted(
        &self,
        form: StartForm<'_>,
        hint: &serde_json::Value,
        allowed_return_to: &mut Option<String>,
    ) -> Result<Begun, BeginError> {
        self.check_host(form.host)?;
        if form.is_foreign_fetch {
            return Err(BeginError::InvalidRequest("it must be a navigation of a whole window".to_owned()));
        }
        let page = hint.get("protocol").and_then(serde_json::Value::as_u64);
        if let Some(page) = page.filter(|page| *page != u64::from(PROTOCOL_VERSION)) {
            return Err(BeginError::UnsupportedProtocol { page });
        }
        let config_key = ConfigKey::parse(form.config_key)?;
        let json: StartJson = serde_json::from_str(form.request.expose())
            .map_err(|error| BeginError::InvalidRequest(format!("request: {}", json_mistake(&error))))?;
        let integration = self.find_integration(&config_key).await?;
        let origin = self.check_origin(&integration, form.origin)?;
        let return_to = self.check_return_to(&integration, &json.mode, json.return_to, &origin)?;
        allowed_return_to.clone_from(&return_to);
        let attempt_secret = AttemptSecret::parse(&json.attempt_secret)?;
        let asked = ConnectRequest {
            config_key,
            connection_id: ConnectionId::parse(&json.connection_id)?,
            origin: origin.clone(),
            params: json.params,
            scopes: json.scopes,
            authorization_params: json.authorization_params,
        };
        let token = json.connect_token.map(Secret::new);
        let allowed = self.check_connect_token(&integration, token, &attempt_secret, asked).await?;
        let start = Start {
            attempt_id: AttemptId::parse(&json.attempt_id)?,
            secret_hash: Sha256Hash::of(attempt_secret.expose()),
            connection_id: allowed.connection_id,
            origin,
            return_to,
            asked: Asked {
                request_hash: Sha256Hash::of(form.request.expose()).as_str().to_owned(),
                params: allowed.params,
                scopes: allowed.scopes,
                authorization_params: allowed.authorization_params,
                needs_opener: false,
            },
        };
        self.begin_attempt(&integration, start).await
    }

    /// The request as its connect token allows it; as it is where none is shown and none is required.
    async fn check_connect_token(
        &self,
        integration: &Integration,
        token: Option<Secret<String>>,
        attempt_secret: &AttemptSecret,
        asked: ConnectRequest,
    ) -> Result<ConnectRequest, BeginError> {
        let Some(token) = token else {
            if self.policy.connect_tokens_required {
                let problem = "this server requires one from the application's backend";
                return Err(BeginError::InvalidConnectToken(problem.to_owned()));
            }
            return Ok(asked);
        };
        let spent_by = Sha256Hash::of(attempt_secret.expose());
        let own_scopes = requested_scopes(integration, None);
        self.spend_connect_token(&token, &spent_by, asked, &own_scopes).await.map_err(|error| match error {
            ConnectTokenError::Store(error) => BeginError::Store(error),
            error => BeginError::InvalidConnectToken(error.to_string()),
        })
    }

    /// Begins an attempt by a GET, where the integration lets published Pizzly clients do so.
    ///
    /// # Errors
    /// The start is refused: nothing was asked of the provider.
    pub async fn begin_legacy(&self, legacy: LegacyStart<'_>) -> Result<Begun, RefusedStart> {
        self.begin_linked(legacy).await.map_err(|error| RefusedStart {
            error,
            origin: legacy.referer_origin.map(str::to_owned),
            return_to: None,
            attempt_id: None,
            config_key: legacy.config_key.to_owned(),
            connection_id: legacy.connection_id.unwrap_or_default().to_owned(),
        })
    }

    async fn begin_linked(&self, legacy: LegacyStart<'_>) -> Result<Begun, BeginError> {
        self.check_host(legacy.host)?;
        let integration = self.find_integration(&ConfigKey::parse(legacy.config_key)?).await?;
        if !integration.rules.legacy_start {
            return Err(BeginError::LegacyStartNotAllowed(integration.config_key));
        }
        let origin = self.check_origin(&integration, legacy.referer_origin)?;
        let connection_id = ConnectionId::parse(legacy.connection_id.unwrap_or_default())?;
        let attempt_secret = random_token(&self.randomness);
        let attempt_id = random_token(&self.randomness).into_exposed();
        let secret_hash = Sha256Hash::of(attempt_secret.expose());
        let start = Start {
            attempt_id: AttemptId::parse(&attempt_id[..AttemptId::LEN])?,
            connection_id,
            origin,
            return_to: None,
            asked: Asked {
                request_hash: secret_hash.as_str().to_owned(),
                params: legacy.params.clone(),
                scopes: None,
                authorization_params: BTreeMap::new(),
                needs_opener: true,
            },
            secret_hash,
        };
        self.begin_attempt(&integration, start).await
    }

    pub(crate) async fn begin_attempt(
        &self,
        integration: &Integration,
        start: Start,
    ) -> Result<Begun, BeginError> {
        let provider = &integration.provider;
        check_extra_params(provider, &start.asked.authorization_params)?;
        let values = provider.variable_values(&start.asked.params)?;
        if let Some(form) = Form::of_missing(provider, &values) {
            return self.begin_form(integration, start, form).await;
        }
        let integration = &*self.discovered(integration, &values).await?;
        let provider = &integration.provider;
        let endpoint = provider.authorization_endpoint(&values)?.ok_or_else(|| {
            BeginError::InvalidIntegration("its provider has no authorization endpoint".to_owned())
        })?;
        let requested_scopes = requested_scopes(integration, start.asked.scopes.as_ref());
        let state = random_token(&self.randomness);
        let state_hash = Sha256Hash::of(state.expose());
        let verifier = (provider.code_challenge_method != CodeChallengeMethod::None)
            .then(|| CodeVerifier::random(&self.randomness));
        let nonce = (requested_scopes.contains("openid") && provider.verifies_id_tokens())
            .then(|| random_token(&self.randomness).into_exposed());
        let redirect_uri = self.policy.redirect_uri(integration.own_redirect_uri().map(ConfigKey::as_str));
        let is_oauth1 = provider.protocol == Protocol::Oauth1;
        let temporary = if is_oauth1 {
            Some(self.begin_oauth1(integration, &values, &redirect_uri, &state).await?)
        } else {
            None
        };
        let request = AuthorizationRequest {
            integration,
            endpoint,
            redirect_uri: &redirect_uri,
            state: &state,
            verifier: verifier.as_ref(),
            scopes: &requested_scopes,
            nonce: nonce.as_deref(),
            extra: &start.asked.authorization_params,
        };
        let authorization_url = match &temporary {
            Some(temporary) => oauth1_authorization_request(&request, temporary),
            None => authorization_request(&request),
        };
        let details = PendingDetails {
            redirect_uri,
            code_verifier: verifier.map(|verifier| verifier.expose().to_owned()),
            requested_scopes,
            values,
            nonce,
            temporary,
            form: None,
        };
        let next = NextStep::Provider {
            authorization_url,
            drops_opener: provider.has_free_host(),
            needs_opener: start.asked.needs_opener,
        };
        let cookie = self.put_pending(integration, start, &state_hash, &details).await?;
        Ok(Begun { cookie, next })
    }

    /// Remembers an attempt under its state, bound to a fresh cookie.
    pub(crate) async fn put_pending(
        &self,
        integration: &Integration,
        start: Start,
        state_hash: &Sha256Hash,
        details: &PendingDetails,
    ) -> Result<AttemptCookie, BeginError> {
        let cookie_value = random_token(&self.randomness);
        let now = self.clock.now();
        let attempt = NewAttempt {
            secret_hash: start.secret_hash,
            attempt_id: start.attempt_id,
            request_hash: Sha256Hash::from_stored(start.asked.request_hash),
            integration_id: integration.id.clone(),
            config_key: integration.config_key.clone(),
            connection_id: start.connection_id,
            origin: start.origin,
            return_to: start.return_to,
            cookie_hash: Sha256Hash::of(cookie_value.expose()),
            sealed_details: self.keyring.seal(
                details_place(&[state_hash.as_str()]),
                &serde_json::to_vec(details).expect("details are plain data"),
                &self.randomness,
            ),
            state_hash: state_hash.clone(),
            created_at: now,
            expires_at: now + ATTEMPT_LIFETIME,
        };
        if let Some(standing) = self.store.put_attempt(&attempt).await? {
            let outcome = match standing.progress(now) {
                Progress::Ended(outcome) => Some(outcome),
                Progress::Pending | Progress::Taken(_) => None,
            };
            return Err(BeginError::AlreadyUsed(outcome));
        }
        Ok(AttemptCookie::new(state_hash, cookie_value))
    }

    /// Asks for temporary credentials (RFC 5849 2.1).
    async fn begin_oauth1(
        &self,
        integration: &Integration,
        values: &VariableValues,
        redirect_uri: &str,
        state: &Secret<String>,
    ) -> Result<TemporaryCredentials, BeginError> {
        let endpoint = integration.provider.request_token_endpoint(values)?.ok_or_else(|| {
            BeginError::InvalidIntegration("its provider has no request_token_endpoint".to_owned())
        })?;
        let mut callback = Url::parse(redirect_uri).map_err(|_| {
            BeginError::InvalidIntegration("the server's public_url is not an address".to_owned())
        })?;
        callback.query_pairs_mut().append_pair("state", state.expose());
        Ok(self.temporary_credentials(integration, endpoint, &callback).await?)
    }

    pub(crate) async fn find_integration(&self, config_key: &ConfigKey) -> Result<Integration, BeginError> {
        let found = self.integrations.integration(config_key).await?;
        found.ok_or_else(|| BeginError::UnknownIntegration(config_key.to_string()))
    }

    fn check_origin(&self, integration: &Integration, origin: Option<&str>) -> Result<String, BeginError> {
        let origin = origin.unwrap_or("null");
        if self.policy.allows_origin(integration, origin) {
            return Ok(origin.to_owned());
        }
        Err(BeginError::OriginNotAllowed {
            origin: origin.to_owned(),
            config_key: integration.config_key.clone(),
        })
    }

    /// In redirect mode the browser goes back to an address of the very origin that started the attempt, and only to one
    /// on the list.
    fn check_return_to(
        &self,
        integration: &Integration,
        mode: &str,
        return_to: Option<String>,
        origin: &str,
    ) -> Result<Option<String>, BeginError> {
        let refused = |problem: &str| BeginError::InvalidRequest(problem.to_owned());
        let return_to = match (mode, return_to) {
            ("popup", None) => return Ok(None),
            ("popup", Some(_)) => return Err(refused("return_to belongs to mode \"redirect\"")),
            ("redirect", Some(return_to)) => return_to,
            ("redirect", None) => {
                return Err(refused("return_to is missing: mode \"redirect\" has to know where to go on"));
            }
            _ => return Err(refused("mode must be \"popup\" or \"redirect\"")),
        };
        let url = Url::parse(&return_to).map_err(|_| refused("return_to is not an absolute address"))?;
        if url.origin().ascii_serialization() != origin || !matches!(url.scheme(), "http" | "https") {
            return Err(refused("return_to must be an address of the page's own origin"));
        }
        if !self.policy.allows_return_to(integration, &url) {
            return Err(BeginError::ReturnToNotAllowed {
                return_to: url.into(),
                config_key: integration.config_key.clone(),
            });
        }
        Ok(Some(url.into()))
    }

    /// `localhost` and `127.0.0.1` do not share the cookie, so only the name of `public_url` will do.
    fn check_host(&self, host: Option<&str>) -> Result<(), BeginError> {
        let expected = &self.policy.public_url[url::Position::BeforeHost..url::Position::AfterPort];
        let found = host.unwrap_or_default();
        if found.eq_ignore_ascii_case(expected) {
            return Ok(());
        }
        Err(BeginError::WrongHost {
            expected: self.policy.public_url.origin().ascii_serialization(),
            found: format!("{}://{found}", self.policy.public_url.scheme()),
        })
    }

    async fn keep_refusal(&self, refused: &RefusedStart, attempt_secret: Option<AttemptSecret>) {
        let (Some(attempt_id), Some(secret)) = (&refused.attempt_id, attempt_secret) else { return };
        // An attempt that is over keeps the outcome it has.
        if matches!(refused.error, BeginError::AlreadyUsed(_)) {
            return;
        }
        let now = self.clock.now();
        let attempt = RefusedAttempt {
            secret_hash: Sha256Hash::of(secret.expose()),
            attempt_id: attempt_id.clone(),
            config_key: ConfigKey::parse(&refused.config_key).ok(),
            connection_id: ConnectionId::parse(&refused.connection_id).ok(),
            origin: refused.origin.clone().unwrap_or_default(),
            outcome: Outcome::failed(refused.error.code(), refused.error.to_string()),
            created_at: now,
            expires_at: now + REFUSAL_LIFETIME,
        };
        // The page still gets the refusal by message where the store fails; the caller logs the refusal itself.
        let _ = self.store.put_refused_attempt(&attempt).await;
        self.waiters.wake(&attempt.secret_hash);
    }
}

/// No name that the server sets itself, under the RFC's name or the provider's own.
fn check_extra_params(provider: &Provider, extra: &BTreeMap<String, String>) -> Result<(), BeginError> {
    let is_reserved = |name: &str| {
        RESERVED_PARAMS.iter().any(|reserved| {
            reserved.eq_ignore_ascii_case(name) || provider.param_name(reserved).eq_ignore_ascii_case(name)
        })
    };
    if let Some(name) = extra.keys().find(|name| is_reserved(name)) {
        return Err(BeginError::ReservedParameter(name.clone()));
    }
    let length: usize = extra.iter().map(|(name, value)| name.len() + value.len()).sum();
    if length > LONGEST_EXTRA_PARAMS { Err(BeginError::TooManyParameters) } else { Ok(()) }
}

/// What the page asked for, else the integration's own, else what the provider cannot do without.
fn requested_scopes(integration: &Integration, asked: Option<&Scopes>) -> Scopes {
    let chosen = asked.filter(|scopes| !scopes.is_empty()).unwrap_or(&integration.rules.scopes);
    let defaults = integration.provider.default_scopes.iter().map(String::as_str);
    if chosen.is_empty() { defaults.collect() } else { chosen.clone() }
}

struct AuthorizationRequest<'a> {
    integration: &'a Integration,
    endpoint: Url,
    redirect_uri: &'a str,
    state: &'a Secret<String>,
    verifier: Option<&'a CodeVerifier>,
    scopes: &'a Scopes,
    nonce: Option<&'a str>,
    extra: &'a BTreeMap<String, String>,
}

/// RFC 6749 4.1.1, with PKCE (RFC 7636 4.3).
fn authorization_request(request: &AuthorizationRequest<'_>) -> String {
    let integration = request.integration;
    let provider = &integration.provider;
    let mut params: BTreeMap<&str, &str> = BTreeMap::new();
    params.extend(provider.authorization_params.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    params.extend(request.extra.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    params.insert(provider.param_name("response_type"), "code");
    params.insert(provider.param_name("client_id"), &integration.client_id);
    params.insert(provider.param_name("redirect_uri"), request.redirect_uri);
    params.insert(provider.param_name("state"), request.state.expose());
    if let Some(nonce) = request.nonce {
        params.insert("nonce", nonce);
    }
    let challenge = request.verifier.map(|verifier| match provider.code_challenge_method {
        CodeChallengeMethod::Plain => (verifier.expose().to_owned(), "plain"),
        CodeChallengeMethod::S256 | CodeChallengeMethod::None => {
            (verifier.challenge().as_str().to_owned(), "S256")
        }
    });
    if let Some((challenge, method)) = &challenge {
        params.insert("code_challenge", challenge);
        params.insert("code_challenge_method", method);
    }
    let mut url = request.endpoint.clone();
    url.query_pairs_mut().extend_pairs(params);
    let mut text = String::from(url);
    if !request.scopes.is_empty() {
        let scope = request.scopes.join(provider.scope_separator());
        text.push('&');
        text.push_str(provider.param_name("scope"));
        text.push('=');
        match provider.scope_encoding {
            ScopeEncoding::Percent => text.extend(form_urlencoded::byte_serialize(scope.as_bytes())),
            ScopeEncoding::Literal => text.extend(scope.chars().map(literal_scope_char)),
        }
    }
    text
}

/// RFC 5849 2.2. Scopes, where a provider of OAuth 1.0a knows any, travel as one more parameter.
fn oauth1_authorization_request(
    request: &AuthorizationRequest<'_>,
    temporary: &TemporaryCredentials,
) -> String {
    let provider = &request.integration.provider;
    let mut params: BTreeMap<&str, &str> = BTreeMap::new();
    params.extend(provider.authorization_params.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    params.extend(request.extra.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let scope = request.scopes.join(provider.scope_separator());
    if !scope.is_empty() {
        params.insert(provider.param_name("scope"), &scope);
    }
    params.insert("oauth_token", &temporary.token);
    let mut url = request.endpoint.clone();
    url.query_pairs_mut().extend_pairs(params);
    url.into()
}

/// What would end the parameter, or the URL, is escaped even where the provider wants scopes as they are.
fn literal_scope_char(c: char) -> String {
    if c.is_ascii_graphic()
        && !matches!(c, '&' | '#' | '%' | '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')
    {
        return c.to_string();
    }
    let mut buffer = [0; 4];
    c.encode_utf8(&mut buffer).bytes().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "%{byte:02X}");
        text
    })
}
