//! Client registrations (RFC 7591 2): who may ask, and where the answer may go.

use handfast_protocol::{
    Clock, JwkSet, Randomness, Scopes, Secret, Sha256Hash, SigningAlgorithm, Timestamp, random_token,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::{Host, Url};

use crate::{
    Issuer,
    client_authentication::ClientAuthenticationMethod,
    ports::{Documents, Store, StoreError},
};

/// A registered client.
#[derive(Clone, Debug)]
pub struct Client {
    /// Names it on the wire.
    pub client_id: String,
    /// Whose it is: the user who registered it, or the operator's own word.
    pub owner: String,
    /// The name people see.
    pub name: String,
    /// The hash of its secret; none for a client without one.
    pub secret_hash: Option<Sha256Hash>,
    /// The hash of the token that manages the registration (RFC 7592 3).
    pub registration_token_hash: Option<Sha256Hash>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// The rest of it.
    pub metadata: ClientMetadata,
}

/// What a client says about itself (RFC 7591 2, OpenID Connect Registration 2), and what the operator adds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientMetadata {
    /// Where answers may go.
    #[serde(default)]
    pub redirect_uris: Vec<RedirectUri>,
    /// How it authenticates at the token endpoint.
    #[serde(default)]
    pub token_endpoint_auth_method: ClientAuthenticationMethod,
    /// The scopes it may ask for; every scope the issuer knows if none are named.
    #[serde(default)]
    pub scopes: Scopes,
    /// Its home page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<Url>,
    /// What it does, in its owner's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The algorithm that signs its ID tokens.
    #[serde(default)]
    pub id_token_signed_response_alg: SigningAlgorithm,
    /// The algorithm that signs its userinfo answers; plain JSON if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_signed_response_alg: Option<SigningAlgorithm>,
    /// Whether users have one name for everybody or one for each client.
    #[serde(default)]
    pub subject_type: SubjectType,
    /// The grants it may use.
    #[serde(default = "default_grant_types")]
    pub grant_types: Vec<GrantType>,
    /// Where users may go after logging out (OpenID Connect RP-Initiated Logout 3.1).
    #[serde(default)]
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    /// Its public keys, for `private_key_jwt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// Where it publishes them instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<Url>,
    /// The list of redirect URIs of all clients that know a user by the same pairwise name (OpenID Connect
    /// Registration 5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sector_identifier_uri: Option<Url>,
    /// Whether it must push its authorization requests (RFC 9126 6).
    #[serde(default)]
    pub require_pushed_authorization_requests: bool,
    /// Whether its access tokens are always bound to a DPoP key (RFC 9449 5.2).
    #[serde(default)]
    pub dpop_bound_access_tokens: bool,
    /// The `max_age` of its requests that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<u64>,
    /// The exceptions made for it.
    #[serde(default)]
    pub profile: ClientProfile,
}

/// A way to an access token (RFC 7591 2, `grant_types`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// RFC 6749 4.1.
    AuthorizationCode,
    /// RFC 6749 6.
    RefreshToken,
    /// RFC 6749 4.4.
    ClientCredentials,
    /// RFC 8628.
    #[serde(rename = "urn:ietf:params:oauth:grant-type:device_code")]
    DeviceCode,
}

/// How users are named to a client (OpenID Connect Core 8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectType {
    /// As the application names them.
    #[default]
    Public,
    /// By a name that no other client's host sees.
    Pairwise,
}

fn default_grant_types() -> Vec<GrantType> {
    vec![GrantType::AuthorizationCode, GrantType::RefreshToken]
}

impl Default for ClientMetadata {
    fn default() -> Self {
        Self {
            redirect_uris: Vec::new(),
            token_endpoint_auth_method: ClientAuthenticationMethod::default(),
            scopes: Scopes::default(),
            client_uri: None,
            description: None,
            id_token_signed_response_alg: SigningAlgorithm::default(),
            userinfo_signed_response_alg: None,
            subject_type: SubjectType::default(),
            grant_types: default_grant_types(),
            post_logout_redirect_uris: Vec::new(),
            jwks: None,
            jwks_uri: None,
            sector_identifier_uri: None,
            require_pushed_authorization_requests: false,
            dpop_bound_access_tokens: false,
            default_max_age: None,
            profile: ClientProfile::default(),
        }
    }
}

impl GrantType {
    /// Every grant, in the order of the metadata.
    pub const ALL: [Self; 4] =
        [Self::AuthorizationCode, Self::RefreshToken, Self::ClientCredentials, Self::DeviceCode];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
        }
    }

    /// Reads a word; `None` for any other.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == word)
    }
}

/// What kind of program the client is, where that changes the rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientProfile {
    /// The rules of OAuth 2.1.
    #[default]
    Standard,
    /// Its API checks tokens with the published `connectivly` package: access tokens carry `app` and `scopes`, and no
    /// `aud`.
    Connectivly,
    /// A confidential client from before PKCE: it may leave out challenge, nonce and state. Off unless the operator
    /// says so.
    LegacyConfidential,
}

/// An address to which answers may go: absolute, without a fragment, https, or http on loopback, or a private scheme
/// with a dot in it (RFC 8252 7). Compared as text, byte by byte; only the port of a loopback address may vary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RedirectUri(String);

/// Why a client cannot be registered. The sentence names the field and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum NewClientError {
    /// A redirect URI is not acceptable.
    #[error(
        "the redirect URI {0:?} must be an absolute https address without a fragment (http only on loopback)"
    )]
    RedirectUri(String),
    /// No redirect URI was given.
    #[error("the redirect URI is missing: name at least one address to which users come back")]
    NoRedirectUri,
    /// The name is empty or too long.
    #[error("the application's name must be 1 to 100 characters")]
    Name,
    /// The name, or the client id, is taken.
    #[error("an application of this name exists already; choose another name")]
    Duplicate,
    /// Members of the metadata do not go together.
    #[error("{0}")]
    Metadata(&'static str),
    /// The list of the sector's redirect URIs cannot be had or lacks one.
    #[error("sector_identifier_uri: {0}")]
    Sector(String),
    /// The client id has characters that cannot stand in one.
    #[error("client_id must be 1 to 128 letters, digits, dots, underscores, tildes or hyphens")]
    ClientId,
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The secret of a new client, shown once.
pub type NewClientSecret = Option<Secret<String>>;

impl Client {
    /// Whether it can keep a secret (RFC 6749 2.1).
    #[must_use]
    pub fn is_confidential(&self) -> bool {
        self.metadata.token_endpoint_auth_method != ClientAuthenticationMethod::None
    }

    /// Whether an answer may go to `uri`.
    #[must_use]
    pub fn allows_redirect_to(&self, uri: &str) -> bool {
        self.metadata.redirect_uris.iter().any(|registered| registered.matches(uri))
    }

    /// The host by which its users' pairwise names are told from those of other clients (OpenID Connect Core 8.1).
    pub(crate) fn sector(&self) -> String {
        let declared = self.metadata.sector_identifier_uri.as_ref().and_then(Url::host_str);
        let own = || self.metadata.redirect_uris.first().and_then(RedirectUri::host);
        declared.map(str::to_owned).or_else(own).unwrap_or_default()
    }

    /// Whether it may ask for `scope`.
    #[must_use]
    pub fn may_ask_for(&self, scope: &str) -> bool {
        self.metadata.scopes.is_empty() || self.metadata.scopes.contains(scope)
    }
}

impl RedirectUri {
    /// Reads a redirect URI to be registered; `None` if it is not acceptable.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let acceptable = match url.scheme() {
            "https" => url.host().is_some(),
            "http" => is_loopback(&url),
            scheme => scheme.contains('.'),
        };
        let plain = url.fragment().is_none() && !text.contains('#') && url.username().is_empty();
        let short = text.len() <= 2000 && text.bytes().all(|byte| byte.is_ascii_graphic());
        (acceptable && plain && url.password().is_none() && short).then(|| Self(text.to_owned()))
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its host; none for a private scheme.
    pub(crate) fn host(&self) -> Option<String> {
        Url::parse(&self.0).ok()?.host_str().map(str::to_owned)
    }

    /// RFC 9700 2.1: exact text, except for the port of a loopback address (RFC 8252 7.3).
    fn matches(&self, uri: &str) -> bool {
        if self.0 == uri {
            return true;
        }
        let (Ok(registered), Ok(asked)) = (Url::parse(&self.0), Url::parse(uri)) else { return false };
        let literal = matches!(registered.host(), Some(Host::Ipv4(_) | Host::Ipv6(_)));
        // Texts that differ by anything but the port differ here too: the rest is compared as it was written.
        literal
            && is_loopback(&registered)
            && registered.scheme() == "http"
            && without_port(&self.0) == without_port(uri)
            && asked.scheme() == "http"
            && is_loopback(&asked)
            && asked.username().is_empty()
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(domain)) => domain == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// `http://127.0.0.1:8080/cb` without `:8080`, the rest untouched.
fn without_port(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    Some(format!("{scheme}://{host}{path}"))
}

impl TryFrom<String> for RedirectUri {
    type Error = NewClientError;

    fn try_from(text: String) -> Result<Self, NewClientError> {
        Self::parse(&text).ok_or(NewClientError::RedirectUri(text))
    }
}

impl From<RedirectUri> for String {
    fn from(uri: RedirectUri) -> Self {
        uri.0
    }
}

impl<S: Store, D: Documents, C: Clock, R: Randomness> Issuer<S, D, C, R> {
    /// Registers a client under a random `client_id` and gives its secret, which is shown this once; a client that
    /// authenticates by `none` gets no secret.
    ///
    /// # Errors
    /// A field is not acceptable, or the name is taken.
    pub async fn register(
        &self,
        owner: &str,
        name: &str,
        metadata: ClientMetadata,
    ) -> Result<(Client, NewClientSecret), NewClientError> {
        let client_id = self.draw_id();
        let secret = metadata.token_endpoint_auth_method.has_secret().then(|| random_token(&self.randomness));
        let client = self.describe_client(&client_id, secret.as_ref(), owner, name, metadata).await?;
        let kept = self.store.put_client(&client).await?;
        if kept { Ok((client, secret)) } else { Err(NewClientError::Duplicate) }
    }

    /// Registers a client whose id and secret are chosen by the caller, or puts it in the place of the one with this
    /// id.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn register_or_replace(
        &self,
        client_id: &str,
        secret: Option<&Secret<String>>,
        owner: &str,
        name: &str,
        metadata: ClientMetadata,
    ) -> Result<Client, NewClientError> {
        let client = self.describe_client(client_id, secret, owner, name, metadata).await?;
        let kept = self.store.put_client(&client).await? || self.store.replace_client(&client).await?;
        if kept { Ok(client) } else { Err(NewClientError::Duplicate) }
    }

    /// The client as it is to be kept, once everything about it has been checked.
    pub(crate) async fn describe_client(
        &self,
        client_id: &str,
        secret: Option<&Secret<String>>,
        owner: &str,
        name: &str,
        metadata: ClientMetadata,
    ) -> Result<Client, NewClientError> {
        if handfast_protocol::ConfigKey::parse(client_id).is_err() {
            return Err(NewClientError::ClientId);
        }
        let name = name.trim();
        if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            return Err(NewClientError::Name);
        }
        check_metadata(&metadata)?;
        if let Some(url) = &metadata.sector_identifier_uri {
            self.check_sector(url, &metadata.redirect_uris).await?;
        }
        Ok(Client {
            client_id: client_id.to_owned(),
            owner: owner.to_owned(),
            name: name.to_owned(),
            secret_hash: secret.map(|secret| Sha256Hash::of(secret.expose())),
            registration_token_hash: None,
            created_at: self.now(),
            metadata,
        })
    }

    /// OpenID Connect Core 8.1, Registration 5: the list at the sector's address names every redirect URI, so that
    /// nobody joins a sector that does not know them.
    async fn check_sector(&self, url: &Url, redirect_uris: &[RedirectUri]) -> Result<(), NewClientError> {
        let list = self.documents.fetch(url).await;
        let list = list.map_err(|error| NewClientError::Sector(error.to_string()))?;
        let list: Vec<String> = serde_json::from_slice(&list)
            .map_err(|_| NewClientError::Sector("it does not answer a JSON array of addresses".to_owned()))?;
        match redirect_uris.iter().find(|uri| !list.contains(&uri.0)) {
            None => Ok(()),
            Some(uri) => Err(NewClientError::Sector(format!("it does not name {}", uri.0))),
        }
    }

    /// The client with this id.
    ///
    /// # Errors
    /// The storage failed.
    pub async fn client(&self, client_id: &str) -> Result<Option<Client>, StoreError> {
        self.store.client(client_id).await
    }
}

/// What does not go together.
fn check_metadata(metadata: &ClientMetadata) -> Result<(), NewClientError> {
    let may = |grant| metadata.grant_types.contains(&grant);
    if metadata.redirect_uris.is_empty() && may(GrantType::AuthorizationCode) {
        return Err(NewClientError::NoRedirectUri);
    }
    let public = metadata.token_endpoint_auth_method == ClientAuthenticationMethod::None;
    if public && may(GrantType::ClientCredentials) {
        return Err(NewClientError::Metadata("client_credentials needs a client that authenticates"));
    }
    for url in [&metadata.jwks_uri, &metadata.sector_identifier_uri].into_iter().flatten() {
        // Over anything else somebody on the way could put keys or clients of their own there.
        if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(url)) {
            return Err(NewClientError::Metadata(
                "jwks_uri and sector_identifier_uri must be https addresses",
            ));
        }
    }
    if metadata.jwks.is_some() && metadata.jwks_uri.is_some() {
        return Err(NewClientError::Metadata("jwks and jwks_uri exclude each other; leave one out"));
    }
    let signs = metadata.token_endpoint_auth_method == ClientAuthenticationMethod::PrivateKeyJwt;
    let has_key = || metadata.jwks.as_ref().and_then(JwkSet::parse).is_some_and(|keys| !keys.is_empty());
    if signs && metadata.jwks_uri.is_none() && !has_key() {
        let text = "private_key_jwt needs jwks_uri, or jwks with a public key for RS256, ES256 or EdDSA";
        return Err(NewClientError::Metadata(text));
    }
    // OpenID Connect Core 8.1: without a sector identifier the name is computed from the one host.
    let mut hosts = metadata.redirect_uris.iter().map(RedirectUri::host).collect::<Vec<_>>();
    hosts.dedup();
    if metadata.subject_type == SubjectType::Pairwise
        && metadata.sector_identifier_uri.is_none()
        && hosts.len() != 1
    {
        let text = "pairwise subjects need redirect URIs of one host, or a sector_identifier_uri";
        return Err(NewClientError::Metadata(text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(registered: &str, asked: &str) -> bool {
        RedirectUri::parse(registered).unwrap().matches(asked)
    }

    /// RFC 9700 2.1, ASVS 10.4.1: exact text.
    #[test]
    fn a_redirect_uri_is_compared_byte_by_byte() {
        let registered = "https://client.example/cb";
        assert!(matches(registered, registered));
        for other in [
            "https://client.example/CB",
            "https://CLIENT.example/cb",
            "https://client.example/cb/",
            "https://client.example/cb?x=1",
            "https://client.example:443/cb",
            "https://client.example/cb/../cb",
            "https://client.example.evil.example/cb",
        ] {
            assert!(!matches(registered, other), "{other}");
        }
    }

    /// RFC 8252 7.3.
    #[test]
    fn only_the_port_of_a_loopback_address_may_vary() {
        assert!(matches("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"));
        assert!(matches("http://[::1]:1/cb", "http://[::1]:2/cb"));
        assert!(!matches("http://localhost:1/cb", "http://localhost:2/cb"));
        for other in [
            "http://127.0.0.1:1/other",
            "http://127.0.0.2:1/cb",
            "https://127.0.0.1:1/cb",
            "http://127.0.0.1:1@evil.example/cb",
            "http://user@127.0.0.1:1/cb",
            "http://127.0.0.1:1/cb?x",
        ] {
            assert!(!matches("http://127.0.0.1/cb", other), "{other}");
        }
    }

    #[test]
    fn an_address_that_is_not_safe_cannot_be_registered() {
        for good in [
            "https://a.example/cb?x=1",
            "http://localhost:1/cb",
            "com.example.app:/cb",
            "http://127.0.0.3:1/",
        ] {
            assert!(RedirectUri::parse(good).is_some(), "{good}");
        }
        for bad in [
            "http://a.example/cb",
            "https://a.example/#f",
            "javascript:alert(1)",
            "data:text/html,x",
            "/cb",
            "https://u:p@a.example/",
            "",
        ] {
            assert!(RedirectUri::parse(bad).is_none(), "{bad}");
        }
    }
}
