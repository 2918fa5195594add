//! Discovery: what an issuer says about itself (RFC 8414, OpenID Connect Discovery 1.0), cached and refreshed.

use core::time::Duration;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use handfast_protocol::{Clock, Randomness, Secret, Timestamp};
use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use url::Url;

use crate::id_token::{ExpectedIdToken, IdTokenError, UnverifiedIdToken};
use crate::{
    Broker, ClientAuthentication, Integration, Provider, SendError, Store, TokenAnswer, TokenEndpoint,
    TokenRequest, TokenSet, UrlTemplate, VariableError, VariableValues,
};

/// How long metadata and keys are taken as they are.
const FRESH: Duration = Duration::from_hours(1);

/// How long they may still be used where the issuer does not answer.
const USABLE: Duration = Duration::from_hours(24);

/// How soon keys may be asked for again because of a key id that is not among them.
const KEYS_AGAIN_AFTER: Duration = Duration::from_mins(1);

/// How many documents are remembered.
const MAX_DOCUMENTS: usize = 512;

/// The fields of an issuer's metadata that the client role needs (RFC 8414 2).
#[derive(Clone, Debug, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    userinfo_endpoint: Option<String>,
    jwks_uri: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// Why an issuer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// It could not be asked.
    #[error("the issuer's metadata could not be read: {0}")]
    Send(#[from] SendError),
    /// No metadata where it should be.
    #[error("{url} answered HTTP {status} instead of the issuer's metadata")]
    Unreadable {
        /// Where it was looked for.
        url: String,
        /// What came back.
        status: u16,
    },
    /// It calls itself something else (RFC 8414 3.3).
    #[error("the issuer {expected} calls itself {found}; name it so")]
    IssuerMismatch {
        /// The configured identifier.
        expected: String,
        /// The one in the metadata.
        found: String,
    },
    /// An address that is missing or may not be called.
    #[error("the issuer's {field} {problem}")]
    Endpoint {
        /// The field of the metadata.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A variable of the issuer's identifier.
    #[error(transparent)]
    Variable(#[from] VariableError),
}

/// Documents fetched from issuers, by address.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    metadata: Shelf<Metadata>,
    keys: Shelf<JwkSet>,
}

#[derive(Debug)]
struct Shelf<T>(Mutex<HashMap<String, (Timestamp, Arc<T>)>>);

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Shelf<T> {
    /// What is remembered, if it is younger than `age`.
    fn find(&self, key: &str, now: Timestamp, age: Duration) -> Option<Arc<T>> {
        let documents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        documents
            .get(key)
            .filter(|(fetched_at, _)| now.since(*fetched_at) < age)
            .map(|(_, document)| Arc::clone(document))
    }

    fn put(&self, key: String, now: Timestamp, document: T) -> Arc<T> {
        let document = Arc::new(document);
        let mut documents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if documents.len() >= MAX_DOCUMENTS {
            documents.clear();
        }
        documents.insert(key, (now, Arc::clone(&document)));
        document
    }
}

impl Provider {
    /// The entry for an issuer that is in no catalogue: everything else comes from its metadata.
    pub fn from_issuer(issuer: &str) -> Result<Self, &'static str> {
        let template = UrlTemplate::parse(issuer)?;
        let url = Url::parse(issuer).map_err(|_| "must be the issuer's address")?;
        if issuer.contains(['{', '?']) {
            return Err("must be an issuer identifier: an address without query");
        }
        Ok(Self {
            name: issuer.to_owned(),
            display_name: url.host_str().unwrap_or(issuer).to_owned(),
            issuer: Some(template),
            default_scopes: vec!["openid".to_owned()],
            ..Self::default()
        })
    }

    /// Whether id tokens of this provider can be verified.
    pub(crate) fn verifies_id_tokens(&self) -> bool {
        self.issuer.is_some() && self.jwks_uri.is_some()
    }
}

impl<S: Store, T: TokenEndpoint, C: Clock, R: Randomness> Broker<S, T, C, R> {
    /// The integration with every endpoint known: those that its provider's entry leaves to the issuer are filled in.
    pub(crate) async fn discovered<'a>(
        &self,
        integration: &'a Integration,
        values: &VariableValues,
    ) -> Result<Cow<'a, Integration>, DiscoveryError> {
        if !integration.provider.needs_discovery() {
            return Ok(Cow::Borrowed(integration));
        }
        let Some(issuer) = integration.provider.issuer(values)? else {
            return Ok(Cow::Borrowed(integration));
        };
        let mut integration = integration.clone();
        let metadata = self.metadata(&issuer).await?;
        let provider = &mut integration.provider;
        let endpoint =
            |field, url: &Option<String>| url.as_deref().map(|url| address(field, url)).transpose();
        for (own, field, found, required) in [
            (
                &mut provider.authorization_endpoint,
                "authorization_endpoint",
                &metadata.authorization_endpoint,
                true,
            ),
            (&mut provider.token_endpoint, "token_endpoint", &metadata.token_endpoint, true),
            (&mut provider.revocation_endpoint, "revocation_endpoint", &metadata.revocation_endpoint, false),
            (&mut provider.userinfo_endpoint, "userinfo_endpoint", &metadata.userinfo_endpoint, false),
            (&mut provider.jwks_uri, "jwks_uri", &metadata.jwks_uri, false),
        ] {
            if own.is_none() {
                *own = endpoint(field, found)?;
            }
            if required && own.is_none() {
                return Err(DiscoveryError::Endpoint { field, problem: "is missing from its metadata" });
            }
        }
        provider.authorization_response_iss_parameter_supported |=
            metadata.authorization_response_iss_parameter_supported;
        if provider.token_endpoint_auth_method == ClientAuthentication::default() {
            provider.token_endpoint_auth_method =
                metadata.authentication(integration.client_secret.is_some());
        }
        Ok(Cow::Owned(integration))
    }

    /// Verifies the id token that came with an access token, where the provider's keys can be known.
    pub(crate) async fn verified_claims(
        &self,
        integration: &Integration,
        values: &VariableValues,
        set: &TokenSet,
        nonce: Option<&str>,
    ) -> Result<Map<String, Value>, VerifyIdTokenError> {
        let provider = &integration.provider;
        let (Some(token), true) = (&set.id_token, provider.verifies_id_tokens()) else {
            return Ok(Map::new());
        };
        let issuer = provider.issuer(values).map_err(DiscoveryError::from)?.unwrap_or_default();
        let keys_at =
            provider.jwks_uri(values).map_err(DiscoveryError::from)?.map(String::from).unwrap_or_default();
        let expected = ExpectedIdToken {
            issuer: &issuer,
            client_id: &integration.client_id,
            nonce,
            access_token: set.access_token.expose(),
            now: self.clock.now(),
        };
        let token = UnverifiedIdToken(token);
        match token.verify(&*self.keys(&keys_at, FRESH).await?, &expected) {
            // The issuer may have begun to sign with a new key.
            Err(IdTokenError::UnknownKey) => {
                Ok(token.verify(&*self.keys(&keys_at, KEYS_AGAIN_AFTER).await?, &expected)?)
            }
            verified => Ok(verified?),
        }
    }

    async fn metadata(&self, issuer: &str) -> Result<Arc<Metadata>, DiscoveryError> {
        let now = self.clock.now();
        if let Some(metadata) = self.documents.metadata.find(issuer, now, FRESH) {
            return Ok(metadata);
        }
        match self.fetch_metadata(issuer).await {
            Ok(metadata) => Ok(self.documents.metadata.put(issuer.to_owned(), now, metadata)),
            Err(error) => self.documents.metadata.find(issuer, now, USABLE).ok_or(error),
        }
    }

    async fn fetch_metadata(&self, issuer: &str) -> Result<Metadata, DiscoveryError> {
        let mut failure = None;
        for url in metadata_addresses(issuer) {
            match self.fetch::<Metadata>(&url).await {
                Ok(metadata) if metadata.issuer == issuer => return Ok(metadata),
                Ok(metadata) => {
                    return Err(DiscoveryError::IssuerMismatch {
                        expected: issuer.to_owned(),
                        found: metadata.issuer,
                    });
                }
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        Err(failure.unwrap_or(DiscoveryError::Endpoint { field: "address", problem: "cannot be read" }))
    }

    async fn keys(&self, url: &str, age: Duration) -> Result<Arc<JwkSet>, DiscoveryError> {
        let now = self.clock.now();
        if let Some(keys) = self.documents.keys.find(url, now, age) {
            return Ok(keys);
        }
        match self.fetch::<JwkSet>(url).await {
            Ok(keys) => Ok(self.documents.keys.put(url.to_owned(), now, keys)),
            Err(error) => self.documents.keys.find(url, now, USABLE).ok_or(error),
        }
    }

    async fn fetch<D: DeserializeOwned>(&self, url: &str) -> Result<D, DiscoveryError> {
        let parsed = Url::parse(url)
            .map_err(|_| DiscoveryError::Endpoint { field: "address", problem: "cannot be read" })?;
        let request = TokenRequest {
            method: "GET",
            url: Secret::new(parsed),
            headers: vec![("accept".to_owned(), Secret::new("application/json".to_owned()))],
            body: Secret::new(String::new()),
        };
        let TokenAnswer { status, body, .. } = self.token_endpoint.send(request).await?;
        let document = (status == 200).then(|| serde_json::from_slice(body.expose()).ok()).flatten();
        document.ok_or_else(|| DiscoveryError::Unreadable { url: url.to_owned(), status })
    }
}

/// Why the id token of a token answer does not hold.
#[derive(Debug, thiserror::Error)]
pub enum VerifyIdTokenError {
    /// The issuer's keys are not to be had.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// It is not believed.
    #[error("the provider's id token is not believed: {0}")]
    IdToken(#[from] IdTokenError),
}

impl Metadata {
    /// RFC 8414 2: `client_secret_basic` where the metadata says nothing.
    fn authentication(&self, has_secret: bool) -> ClientAuthentication {
        if !has_secret {
            return ClientAuthentication::None;
        }
        match &self.token_endpoint_auth_methods_supported {
            Some(methods) if !methods.iter().any(|method| method == "client_secret_basic") => {
                ClientAuthentication::ClientSecretPost
            }
            _ => ClientAuthentication::ClientSecretBasic,
        }
    }
}

/// Where an issuer's metadata may be: OpenID Connect Discovery 4 first, then RFC 8414 3.1.
fn metadata_addresses(issuer: &str) -> Vec<String> {
    let Ok(url) = Url::parse(issuer) else { return Vec::new() };
    let origin = &url[..url::Position::BeforePath];
    let path = url.path().trim_end_matches('/');
    vec![
        format!("{origin}{path}/.well-known/openid-configuration"),
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
    ]
}

/// An address of the metadata, under the same rules as an address of the catalogue.
fn address(field: &'static str, url: &str) -> Result<UrlTemplate, DiscoveryError> {
    let problem = |problem| DiscoveryError::Endpoint { field, problem };
    if url.contains(['{', '}']) {
        return Err(problem("is not an address"));
    }
    UrlTemplate::parse(url).map_err(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_looked_for_where_the_specifications_put_it() {
        assert_eq!(
            metadata_addresses("https://issuer.test/tenant/"),
            [
                "https://issuer.test/tenant/.well-known/openid-configuration",
                "https://issuer.test/.well-known/oauth-authorization-server/tenant",
            ]
        );
        assert_eq!(
            metadata_addresses("https://issuer.test"),
            [
                "https://issuer.test/.well-known/openid-configuration",
                "https://issuer.test/.well-known/oauth-authorization-server",
            ]
        );
    }

    #[test]
    fn an_issuer_is_an_address_without_query() {
        assert_eq!(
            Provider::from_issuer("https://login.example.com/a").unwrap().display_name,
            "login.example.com"
        );
        for bad in [
            "login.example.com",
            "http://login.example.com",
            "https://a.test/?x",
            "https://{a}.test",
            "https://a.test/#",
        ] {
            assert!(Provider::from_issuer(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_in_metadata_obey_the_rules_of_the_catalogue() {
        for bad in
            ["http://token.test/", "https://user@token.test/", "javascript:alert(1)", "https://{x}.test/"]
        {
            assert!(address("token_endpoint", bad).is_err(), "{bad}");
        }
        assert!(address("token_endpoint", "https://issuer.test/token").is_ok());
    }
}
