//! Every provider, as data: the types of `providers.toml`, and the catalogue they make up.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    callback_signature::CallbackSignature,
    credential::{CredentialField, Verification},
    quirk::Quirk,
    variable::{UrlTemplate, Variable, VariableError, VariableValues},
};

/// Every provider by name, and the other names under which some are found.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Shared, so that a copy of the catalogue costs little.
    providers: BTreeMap<String, Arc<Provider>>,
    aliases: BTreeMap<String, String>,
}

/// Why a catalogue, or an entry of one, cannot be used. The sentence names the entry and the field.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The text is not TOML, or a field is unknown or of the wrong type.
    #[error("the provider table cannot be read: {0}")]
    Syntax(#[from] toml::de::Error),
    /// A field of an entry contradicts another, or is missing.
    #[error("provider \"{provider}\": {problem}")]
    Entry {
        /// The entry.
        provider: String,
        /// What is wrong with it, and what would be right.
        problem: Cow<'static, str>,
    },
}

impl Catalog {
    /// The catalogue that is part of the program. Parsed at the first call, table by table: the parser's own tree of the
    /// whole text would be larger than the catalogue.
    #[must_use]
    pub fn embedded() -> &'static Self {
        static EMBEDDED: LazyLock<Catalog> = LazyLock::new(|| {
            let catalog = tables(EMBEDDED_TEXT)
                .try_fold(Catalog::default(), |catalog, table| catalog.with(toml::from_str(table)?));
            catalog
                .unwrap_or_else(|error: CatalogError| panic!("a test parses the embedded catalogue: {error}"))
        });
        &EMBEDDED
    }

    /// Reads a catalogue: one TOML table per provider.
    pub fn parse(toml: &str) -> Result<Self, CatalogError> {
        Self::default().with(toml::from_str(toml)?)
    }

    /// This catalogue and further entries, which replace those of the same name: the server's own configuration.
    pub fn with(mut self, entries: BTreeMap<String, Provider>) -> Result<Self, CatalogError> {
        for (name, provider) in entries {
            self.insert(name, provider)?;
        }
        Ok(self)
    }

    /// Adds an entry, or replaces the one of the same name.
    pub fn insert(&mut self, name: String, mut provider: Provider) -> Result<(), CatalogError> {
        provider.name = name;
        provider.check()?;
        for alias in &provider.aliases {
            self.aliases.insert(alias.clone(), provider.name.clone());
        }
        self.providers.insert(provider.name.clone(), Arc::new(provider));
        Ok(())
    }

    /// The entry with this name or alias.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Provider> {
        let found = self.providers.get(name).or_else(|| self.providers.get(self.aliases.get(name)?));
        found.map(Arc::as_ref)
    }

    /// Every entry, sorted by name.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Provider> {
        self.providers.values().map(Arc::as_ref)
    }

    /// The entries whose name, display name or an alias holds every word of `query`; case does not matter. An exact
    /// name comes first, then names that begin with the query.
    #[must_use]
    pub fn search(&self, query: &str) -> Vec<&Provider> {
        let query = query.trim().to_lowercase();
        let mut found: Vec<&Provider> = self.iter().filter(|provider| provider.matches(&query)).collect();
        found.sort_by_key(|provider| {
            (provider.name != query, !provider.name.starts_with(&query), provider.name.clone())
        });
        found
    }
}

const EMBEDDED_TEXT: &str = include_str!("../providers.toml");

/// The tables of a catalogue in which no line but a table's first begins with a bracket.
fn tables(text: &str) -> impl Iterator<Item = &str> {
    let starts = text.match_indices("\n[").map(|(index, _)| index + 1);
    let ends = starts.clone().skip(1).chain([text.len()]);
    starts.zip(ends).map(|(start, end)| &text[start..end])
}

/// One entry of the catalogue: an authorization server we can talk to, in the field names of RFC 8414 and RFC 7591
/// where those exist, with the RFCs' defaults.
///
/// The head of `providers.toml` shows an example of each field.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Provider {
    /// The name of the entry: the table's own name.
    #[serde(skip)]
    pub name: String,
    /// What people call it.
    pub display_name: String,
    /// The protocol it speaks, or the kind of credential it takes.
    #[serde(skip_serializing_if = "is_default")]
    pub protocol: Protocol,
    /// The issuer identifier (RFC 8414 2); where the provider sends `iss`, it must equal this (RFC 9207). Without
    /// endpoints beside it, they come from its metadata. May hold placeholders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<UrlTemplate>,
    /// Where the user is sent (RFC 6749 3.1; RFC 5849 2.2). May hold placeholders, as every endpoint may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_endpoint: Option<UrlTemplate>,
    /// Where codes and refresh tokens are redeemed (RFC 6749 3.2; RFC 5849 2.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint: Option<UrlTemplate>,
    /// Where refresh tokens are redeemed, if not at the token endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_endpoint: Option<UrlTemplate>,
    /// Where OAuth 1.0a temporary credentials come from (RFC 5849 2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_token_endpoint: Option<UrlTemplate>,
    /// RFC 7009.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<UrlTemplate>,
    /// OpenID Connect Core 5.3, or whatever tells whose account it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo_endpoint: Option<UrlTemplate>,
    /// Where the keys are that sign id tokens (RFC 8414 2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<UrlTemplate>,
    /// Whether every authorization response carries `iss` (RFC 9207 3).
    #[serde(skip_serializing_if = "is_default")]
    pub authorization_response_iss_parameter_supported: bool,
    /// How an OAuth 1.0a request is signed (RFC 5849 3.4).
    #[serde(skip_serializing_if = "is_default")]
    pub signature_method: SignatureMethod,
    /// How the client authenticates at the token endpoint (RFC 7591 2).
    #[serde(skip_serializing_if = "is_default")]
    pub token_endpoint_auth_method: ClientAuthentication,
    /// How the token request is written.
    #[serde(skip_serializing_if = "is_default")]
    pub token_request: TokenRequestShape,
    /// Further headers of the token request. `{client_id}` and `{client_secret}` stand for the client's own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub token_headers: BTreeMap<String, String>,
    /// How PKCE is sent.
    #[serde(skip_serializing_if = "is_default")]
    pub code_challenge_method: CodeChallengeMethod,
    /// Other names of standard parameters at every endpoint: `client_id = "client_key"`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub param_names: BTreeMap<String, String>,
    /// Other names of standard parameters at the token endpoint alone.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub token_param_names: BTreeMap<String, String>,
    /// Fixed extra parameters of the authorization request.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub authorization_params: BTreeMap<String, String>,
    /// Fixed extra parameters of the token request that redeems a code.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub token_params: BTreeMap<String, String>,
    /// Fixed extra parameters of the refresh request.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub refresh_params: BTreeMap<String, String>,
    /// Standard parameters that the token request redeeming a code leaves out: `grant_type`, `redirect_uri`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub token_params_omitted: Vec<String>,
    /// Where the values of the token answer stand, as JSON pointers (RFC 6901) keyed by their RFC 6749 5.1 name, or by
    /// `expires_at` for an instant in seconds since 1970.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub token_response: BTreeMap<String, String>,
    /// Values of the token answer worth keeping with the connection: name to JSON pointer.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub token_response_fields: BTreeMap<String, String>,
    /// Query parameters of the callback worth keeping with the connection.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub callback_fields: Vec<String>,
    /// Claims of a verified id token worth keeping with the connection, beside `sub`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub id_token_claims: Vec<String>,
    /// How the provider signs its callbacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_signature: Option<CallbackSignature>,
    /// How a session token of the provider's embedded pages becomes an access token (RFC 8693).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_exchange: Option<TokenExchange>,
    /// What separates scopes: `None` is one space (RFC 6749 3.3). Read it by [`Provider::scope_separator`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope_separator: Option<String>,
    /// How scopes are written in the authorization URL.
    #[serde(skip_serializing_if = "is_default")]
    pub scope_encoding: ScopeEncoding,
    /// Asked for where neither the integration nor the start request names any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub default_scopes: Vec<String>,
    /// Seconds an access token lives where the answer does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token_lifetime: Option<u64>,
    /// How many seconds before its end an access token is renewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_margin: Option<u64>,
    /// What becomes of the refresh token.
    #[serde(skip_serializing_if = "is_default")]
    pub refresh_token: RefreshTokenPolicy,
    /// The placeholders of the endpoints.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, Variable>,
    /// What the user types, where the protocol is `api_key` or `basic`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub credentials: BTreeMap<String, CredentialField>,
    /// A harmless call that shows whether typed credentials hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    /// What only an algorithm can say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quirk: Option<Quirk>,
    /// Whether each integration is called back at an address of its own, `/oauth/callback/{config_key}`: the defence
    /// against mix-up where the provider sends no `iss` (RFC 9700 4.4.2).
    #[serde(skip_serializing_if = "is_default")]
    pub own_redirect_uri: bool,
    /// Other names under which the entry is found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The provider's own documentation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
    /// What a person who registers a client there should know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// How sure we are. Every entry of the embedded catalogue says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// Where the facts stand: `owner/repository:path`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Provider {
    /// Where the user is sent; `None` where it comes from the issuer's metadata, or where nobody is sent anywhere.
    pub fn authorization_endpoint(&self, values: &VariableValues) -> Result<Option<Url>, VariableError> {
        self.expand(self.authorization_endpoint.as_ref(), values)
    }

    /// Where a code is redeemed; `None` where it comes from the issuer's metadata.
    pub fn token_endpoint(&self, values: &VariableValues) -> Result<Option<Url>, VariableError> {
        self.expand(self.token_endpoint.as_ref(), values)
    }

    /// Where a refresh token is redeemed: its own address, or the token endpoint.
    pub fn refresh_endpoint(&self, values: &VariableValues) -> Result<Option<Url>, VariableError> {
        self.expand(self.refresh_endpoint.as_ref().or(self.token_endpoint.as_ref()), values)
    }

    /// Where OAuth 1.0a temporary credentials come from.
    pub fn request_token_endpoint(&self, values: &VariableValues) -> Result<Option<Url>, VariableError> {
        self.expand(self.request_token_endpoint.as_ref(), values)
    }

    /// Where tokens are revoked, if the provider lets them be.
    pub fn revocation_endpoint(&self, values: &VariableValues) -> Result<Option<Url>, VariableError> {
        self.expand(self.revocation_endpoint.as_ref(), values)
    }

    /// Where the provider says whose account it is.
    pub fn userinfo_endpoint(&self, values: &VariableValues) -> Result<Option<Url>, VariableError> {
        self.expand(self.userinfo_endpoint.as_ref(), values)
    }

    /// Where the keys are that sign id tokens.
    pub fn jwks_uri(&self, values: &VariableValues) -> Result<Option<Url>, VariableError> {
        self.expand(self.jwks_uri.as_ref(), values)
    }

    /// The issuer identifier, exactly as written: comparing it is comparing strings (RFC 8414 2).
    pub fn issuer(&self, values: &VariableValues) -> Result<Option<String>, VariableError> {
        self.issuer.as_ref().map(|issuer| issuer.expand_text(&self.variables, values)).transpose()
    }

    /// Checks given values against the variables: the normalised values, defaults included.
    ///
    /// A variable that the callback brings may be absent; asking for an endpoint that needs it is then an error.
    pub fn variable_values(&self, given: &BTreeMap<String, String>) -> Result<VariableValues, VariableError> {
        VariableValues::parse(&self.variables, given)
    }

    /// The variables that some endpoint needs and that have no value: not given, without a default, and not brought by
    /// the callback in time. Only the user can tell them.
    pub(crate) fn missing_variables<'a>(
        &'a self,
        values: &'a VariableValues,
    ) -> impl Iterator<Item = (&'a str, &'a Variable)> {
        let at_once = [
            &self.authorization_endpoint,
            &self.request_token_endpoint,
            if self.needs_discovery() { &self.issuer } else { &None },
        ];
        let needed = move |name: &str, variable: &Variable| {
            let comes_later = variable.callback_param.is_some();
            at_once.into_iter().flatten().any(|template| template.names(name))
                || (!comes_later && self.templates().any(|template| template.names(name)))
        };
        let variables = self.variables.iter().map(|(name, variable)| (name.as_str(), variable));
        variables.filter(move |(name, variable)| {
            values.find(name).is_none() && variable.default.is_none() && needed(name, variable)
        })
    }

    /// The name under which the provider knows a standard parameter of the authorization request.
    #[must_use]
    pub fn param_name<'a>(&'a self, standard: &'a str) -> &'a str {
        self.param_names.get(standard).map_or(standard, String::as_str)
    }

    /// The name under which the provider's token endpoint knows a standard parameter.
    #[must_use]
    pub fn token_param_name<'a>(&'a self, standard: &'a str) -> &'a str {
        self.token_param_names.get(standard).map_or_else(|| self.param_name(standard), String::as_str)
    }

    /// The JSON pointer (RFC 6901) of a value of the token answer.
    #[must_use]
    pub fn token_response_pointer<'a>(&'a self, standard: &str) -> Cow<'a, str> {
        self.token_response.get(standard).map_or_else(|| Cow::Owned(format!("/{standard}")), Cow::from)
    }

    /// What separates scopes: one space (RFC 6749 3.3) unless the entry says otherwise.
    #[must_use]
    pub fn scope_separator(&self) -> &str {
        self.scope_separator.as_deref().unwrap_or(" ")
    }

    /// Whether the endpoints come from the issuer's metadata (RFC 8414, OpenID Connect Discovery).
    #[must_use]
    pub fn needs_discovery(&self) -> bool {
        self.protocol == Protocol::Oauth2
            && (self.authorization_endpoint.is_none() || self.token_endpoint.is_none())
    }

    /// Whether the user types credentials instead of granting.
    #[must_use]
    pub fn takes_credentials(&self) -> bool {
        matches!(self.protocol, Protocol::ApiKey | Protocol::Basic)
    }

    /// Whether the host that the user is sent to is one that the application, or its user, named freely.
    #[must_use]
    pub fn has_free_host(&self) -> bool {
        let in_authorization =
            |name: &str| self.authorization_endpoint.as_ref().is_some_and(|template| template.names(name));
        self.variables.iter().any(|(name, variable)| variable.is_free_host() && in_authorization(name))
    }

    /// Whether an integration of this provider has a redirect URI of its own, unless it says otherwise: where the entry
    /// asks for it, or where the user may name any host to be sent to, one of which could pass another provider's answer on.
    #[must_use]
    pub fn prefers_own_redirect_uri(&self) -> bool {
        self.own_redirect_uri || self.has_free_host()
    }

    /// The entry with some of its fields replaced, as an integration may ask. A table is merged key by key; `null`
    /// removes. The name stays.
    pub fn with_overrides(
        &self,
        overrides: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Self, CatalogError> {
        if overrides.is_empty() {
            return Ok(self.clone());
        }
        let problem = |error: serde_json::Error| self.problem(format!("an override cannot be used: {error}"));
        let mut entry = serde_json::to_value(self).map_err(problem)?;
        merge(&mut entry, &serde_json::Value::Object(overrides.clone()));
        let mut provider: Self = serde_json::from_value(entry).map_err(problem)?;
        provider.name.clone_from(&self.name);
        provider.check()?;
        Ok(provider)
    }

    fn expand(
        &self,
        template: Option<&UrlTemplate>,
        values: &VariableValues,
    ) -> Result<Option<Url>, VariableError> {
        template.map(|template| template.expand(&self.variables, values)).transpose()
    }

    fn matches(&self, query: &str) -> bool {
        let display_name = self.display_name.to_lowercase();
        query.split_whitespace().all(|word| {
            self.name.contains(word)
                || display_name.contains(word)
                || self.aliases.iter().any(|alias| alias.contains(word))
        })
    }

    fn problem(&self, problem: impl Into<Cow<'static, str>>) -> CatalogError {
        CatalogError::Entry { provider: self.name.clone(), problem: problem.into() }
    }

    /// What the types alone cannot say.
    pub(crate) fn check(&self) -> Result<(), CatalogError> {
        if self.display_name.is_empty() {
            return Err(self.problem("display_name is missing"));
        }
        let required: &[(&str, bool)] = match self.protocol {
            Protocol::Oauth2 => &[
                (
                    "authorization_endpoint, or issuer",
                    self.authorization_endpoint.is_some() || self.issuer.is_some(),
                ),
                ("token_endpoint, or issuer", self.token_endpoint.is_some() || self.issuer.is_some()),
            ],
            Protocol::Oauth1 => &[
                ("request_token_endpoint", self.request_token_endpoint.is_some()),
                ("authorization_endpoint", self.authorization_endpoint.is_some()),
                ("token_endpoint", self.token_endpoint.is_some()),
            ],
            Protocol::ApiKey | Protocol::Basic => &[("credentials", !self.credentials.is_empty())],
        };
        if let Some((field, _)) = required.iter().find(|(_, present)| !present) {
            return Err(self.problem(format!("{field} is missing")));
        }
        for template in self.templates() {
            if let Some(name) = template.placeholders().find(|name| !self.variables.contains_key(*name)) {
                return Err(self.problem(format!("{{{name}}} in {template} is not among its variables")));
            }
        }
        for (name, variable) in &self.variables {
            variable.check().map_err(|problem| self.problem(format!("variable \"{name}\" {problem}")))?;
        }
        let pointers = self.token_response.values().chain(self.token_response_fields.values());
        if let Some(pointer) = pointers.into_iter().find(|pointer| !pointer.starts_with('/')) {
            return Err(self.problem(format!("\"{pointer}\" is not a JSON pointer; it begins with a slash")));
        }
        Ok(())
    }

    fn templates(&self) -> impl Iterator<Item = &UrlTemplate> {
        let verification = self.verification.as_ref().map(|verification| &verification.url);
        [
            &self.issuer,
            &self.authorization_endpoint,
            &self.token_endpoint,
            &self.refresh_endpoint,
            &self.request_token_endpoint,
            &self.revocation_endpoint,
            &self.userinfo_endpoint,
            &self.jwks_uri,
        ]
        .into_iter()
        .filter_map(Option::as_ref)
        .chain(verification)
    }
}

fn merge(into: &mut serde_json::Value, from: &serde_json::Value) {
    let (serde_json::Value::Object(into), serde_json::Value::Object(from)) = (&mut *into, from) else {
        into.clone_from(from);
        return;
    };
    for (key, value) in from {
        if value.is_null() {
            into.remove(key);
        } else {
            merge(into.entry(key.clone()).or_insert(serde_json::Value::Null), value);
        }
    }
}

/// The protocol a provider speaks, or the kind of credential it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// RFC 6749, OpenID Connect.
    #[default]
    Oauth2,
    /// RFC 5849.
    Oauth1,
    /// A key that the user copies out of the provider's settings.
    ApiKey,
    /// A user name and a password, or what stands in for them (RFC 7617).
    Basic,
}

/// RFC 5849 3.4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignatureMethod {
    /// RFC 5849 3.4.2.
    #[default]
    #[serde(rename = "HMAC-SHA1")]
    HmacSha1,
    /// As HMAC-SHA1, with the other hash.
    #[serde(rename = "HMAC-SHA256")]
    HmacSha256,
    /// RFC 5849 3.4.4.
    #[serde(rename = "PLAINTEXT")]
    Plaintext,
}

impl SignatureMethod {
    /// The value of `oauth_signature_method`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha1 => "HMAC-SHA1",
            Self::HmacSha256 => "HMAC-SHA256",
            Self::Plaintext => "PLAINTEXT",
        }
    }
}

/// RFC 7591 2, `token_endpoint_auth_method`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// RFC 6749 2.3.1: HTTP Basic.
    ClientSecretBasic,
    /// RFC 6749 2.3.1: in the body. What most sources mean by silence.
    #[default]
    ClientSecretPost,
    /// A public client.
    None,
}

/// How the token request is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenRequestShape {
    /// RFC 6749 4.1.3.
    #[default]
    Form,
    /// The same names as a JSON object.
    Json,
    /// The same names in the query of a GET.
    Query,
}

/// RFC 7636 4.3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CodeChallengeMethod {
    /// Always, unless the provider refuses it.
    #[default]
    S256,
    /// The challenge is the verifier itself: where the provider knows no other.
    #[serde(rename = "plain")]
    Plain,
    /// The provider answers PKCE with an error.
    #[serde(rename = "none")]
    None,
}

/// How scopes are written in the authorization URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopeEncoding {
    /// Percent-encoded, as every other parameter.
    #[default]
    Percent,
    /// As they are: `+`, `,`, `:` and `/` stay. What would end the parameter is escaped all the same.
    Literal,
}

/// What becomes of the refresh token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshTokenPolicy {
    /// The answers say: a new one replaces the old one, none leaves it in place.
    #[default]
    FromAnswer,
    /// Every refresh brings a new one and ends the old one.
    Rotates,
    /// It stays the same.
    Reusable,
    /// The provider issues none.
    None,
}

/// A token exchange (RFC 8693) of a session token: a JWT that the provider's embedded page makes for us, signed with the
/// client secret, whose `dest` names the host of one variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenExchange {
    /// RFC 8693 2.1, `subject_token_type`.
    pub subject_token_type: String,
    /// RFC 8693 2.1, `requested_token_type`, by the word with which the application asks: `offline`, `online`.
    pub requested_token_types: BTreeMap<String, String>,
    /// The variable that the host of `dest` is a value of.
    pub variable: String,
}

/// How sure we are of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Evidence {
    /// The number of independent sources that agree on the endpoints.
    Sources(u32),
    /// Read off the provider's own pages.
    Documentation(Documentation),
}

/// The word that stands for the provider's own pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Documentation {
    /// `"documentation"`.
    Documentation,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_catalogue_parses_and_every_entry_says_how_sure_it_is() {
        for provider in Catalog::embedded().iter() {
            assert!(provider.evidence.is_some(), "{}", provider.name);
            assert!(provider.docs.is_some() || !provider.sources.is_empty(), "{}", provider.name);
        }
    }

    #[test]
    fn table_by_table_it_is_the_same_catalogue() {
        let whole = Catalog::parse(EMBEDDED_TEXT).unwrap();
        assert!(whole.iter().eq(Catalog::embedded().iter()) && whole.aliases == Catalog::embedded().aliases);
        assert!(whole.iter().is_sorted_by_key(|provider| &provider.name));
        let names: Vec<&str> =
            tables(EMBEDDED_TEXT).filter_map(|table| table[1..].split(']').next()).collect();
        assert!(names.is_sorted(), "the tables are sorted by name");
    }

    #[test]
    fn unknown_fields_are_refused_by_name() {
        let error =
            Catalog::parse("[acme]\ndisplay_name = \"Acme\"\ntoken_url = \"https://acme.test/token\"")
                .unwrap_err();
        assert!(error.to_string().contains("token_url"), "{error}");
    }
}
