//! Every provider, as data: the types of `providers.toml`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The providers an integration can be made from, by name.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    providers: BTreeMap<String, Provider>,
}

impl Catalog {
    /// The entry called `name`, or one that has it as an alias.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<&Provider> {
        let by_alias =
            || self.providers.values().find(|entry| entry.aliases.iter().any(|alias| alias == name));
        self.providers.get(name).or_else(by_alias)
    }

    /// Every entry with its name, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Provider)> {
        self.providers.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// Adds an entry, or replaces the one of the same name: a private provider, from the server's configuration.
    pub fn insert(&mut self, name: String, provider: Provider) {
        self.providers.insert(name, provider);
    }
}

/// One entry of the catalogue: an authorization server we can talk to, in the field names of RFC 8414 and RFC 7591
/// where those exist, with the RFCs' defaults.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// What people call it.
    pub display_name: String,
    /// Where the user is sent (RFC 6749 3.1). May hold `{variable}` placeholders.
    pub authorization_endpoint: Option<String>,
    /// Where codes and refresh tokens are redeemed (RFC 6749 3.2).
    pub token_endpoint: Option<String>,
    /// RFC 7009.
    pub revocation_endpoint: Option<String>,
    /// OpenID Connect Core 5.3.
    pub userinfo_endpoint: Option<String>,
    /// The issuer identifier (RFC 8414 2); where the provider sends `iss`, it must equal this (RFC 9207).
    pub issuer: Option<String>,
    /// Whether every authorization response carries `iss` (RFC 9207 3).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
    /// How the client authenticates at the token endpoint (RFC 7591 2).
    #[serde(default)]
    pub token_endpoint_auth_method: ClientAuthentication,
    /// How the token request is written.
    #[serde(default)]
    pub token_request: TokenRequestShape,
    /// Whether PKCE is sent.
    #[serde(default)]
    pub code_challenge_method: CodeChallengeMethod,
    /// Other names of standard parameters, such as `client_id = "client_key"`.
    #[serde(default)]
    pub param_names: BTreeMap<String, String>,
    /// Fixed extra parameters of the authorization request.
    #[serde(default)]
    pub authorization_params: BTreeMap<String, String>,
    /// Fixed extra parameters of the token request.
    #[serde(default)]
    pub token_params: BTreeMap<String, String>,
    /// Fixed extra parameters of the refresh request.
    #[serde(default)]
    pub refresh_params: BTreeMap<String, String>,
    /// Where the values of the token answer stand, as JSON pointers keyed by their RFC 6749 5.1 name.
    #[serde(default)]
    pub token_response: BTreeMap<String, String>,
    /// Values of the token answer worth keeping with the connection: name to JSON pointer.
    #[serde(default)]
    pub token_response_fields: BTreeMap<String, String>,
    /// Query parameters of the callback worth keeping with the connection.
    #[serde(default)]
    pub callback_fields: Vec<String>,
    /// What separates scopes.
    #[serde(default = "space")]
    pub scope_separator: String,
    /// Scopes without which the provider does not answer usefully.
    #[serde(default)]
    pub default_scopes: Vec<String>,
    /// Seconds an access token lives where the answer does not say.
    pub access_token_lifetime: Option<u64>,
    /// What becomes of the refresh token.
    #[serde(default)]
    pub refresh_token: RefreshTokenPolicy,
    /// The placeholders of the endpoints.
    #[serde(default)]
    pub variables: BTreeMap<String, Variable>,
    /// Other names under which the entry is found.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The provider's own documentation.
    pub docs: Option<String>,
    /// How sure we are.
    pub evidence: Option<Evidence>,
}

fn space() -> String {
    " ".to_owned()
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
    /// The provider answers PKCE with an error.
    #[serde(rename = "none")]
    None,
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

/// A placeholder of an endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// What it may hold.
    pub kind: VariableKind,
    /// A good value, shown in errors and forms.
    pub example: String,
    /// The suffixes a `host` may end in, or the values a `region` may take.
    #[serde(default)]
    pub allowed: Vec<String>,
}

/// What a variable may hold: closed, so that no value reaches another host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VariableKind {
    /// One DNS label: letters, digits, inner hyphens, 63 characters at most.
    DnsLabel,
    /// A host name; where `allowed` is given, equal to or below one of those.
    Host,
    /// One of `allowed`.
    Region,
    /// One path segment of unreserved characters.
    PathSegment,
}

/// How sure we are of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Evidence {
    /// The number of independent sources that agree.
    Sources(u32),
    /// `"documentation"`: read off the provider's own pages.
    Documentation(String),
}
