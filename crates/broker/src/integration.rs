//! An integration: a provider together with our client registration there; how one is created, edited and found.

use std::sync::Arc;

use handfast_protocol::{ConfigKey, Randomness, Scopes, Secret, Timestamp, random_token};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use crate::{Catalog, Keyring, OpenError, Place, Provider, Sealed, StoreError};

/// A provider together with our client registration there.
#[derive(Clone, Debug)]
pub struct Integration {
    /// Random and opaque; never changes, even when the integration is edited.
    pub id: String,
    /// What the application calls it.
    pub config_key: ConfigKey,
    /// The effective entry: the catalogue's with this integration's overrides.
    pub provider: Provider,
    /// RFC 6749 2.2.
    pub client_id: String,
    /// RFC 6749 2.3.1; public clients have none.
    pub client_secret: Option<Secret<String>>,
    /// How it may be used.
    pub rules: IntegrationRules,
}

/// How an integration may be used.
#[derive(Clone, Debug, Default)]
pub struct IntegrationRules {
    /// Asked for unless a start request names its own.
    pub scopes: Scopes,
    /// Exact origins that may start an attempt, such as `https://app.example.com`; empty: the server's own rule.
    pub allowed_origins: Vec<String>,
    /// Whether published Pizzly clients may start an attempt by a GET.
    pub legacy_start: bool,
    /// The application's page that install links from the provider's side lead to.
    pub install_url: Option<String>,
    /// Exact addresses that redirect mode may go back to, such as `https://app.example.com/settings`; empty: the server's
    /// own rule.
    pub allowed_return_to: Vec<String>,
    /// Which redirect URI is registered at the provider; none said: see [`Integration::own_redirect_uri`].
    pub redirect_uri_kind: Option<RedirectUriKind>,
}

/// An integration as it is kept: without the catalogue's entry, the client secret sealed.
#[derive(Clone, Debug)]
pub struct StoredIntegration {
    /// Random and opaque.
    pub id: String,
    /// Unique.
    pub config_key: ConfigKey,
    /// The entry of the catalogue.
    pub provider_name: String,
    /// Fields of the entry that this integration sets itself.
    pub provider_overrides: Map<String, Value>,
    /// RFC 6749 2.2.
    pub client_id: String,
    /// Sealed for `integrations`, `sealed_client_secret`, id.
    pub sealed_client_secret: Option<Sealed>,
    /// How it may be used.
    pub rules: IntegrationRules,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub updated_at: Timestamp,
}

/// Which of the server's redirect URIs an integration uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RedirectUriKind {
    /// `/oauth/callback`, the one that integrations share.
    Shared,
    /// `/oauth/callback/{config_key}`: an answer that belongs to another integration is told by its address (RFC 9700
    /// 4.4.2.2).
    Own,
}

impl Integration {
    /// The config key in the integration's redirect URI, if it has one of its own.
    ///
    /// Where nobody said, the shared one: it is what existing registrations hold. See
    /// [`Provider::prefers_own_redirect_uri`] for when it is the integration's own.
    #[must_use]
    pub fn own_redirect_uri(&self) -> Option<&ConfigKey> {
        let has_own = match self.rules.redirect_uri_kind {
            Some(kind) => kind == RedirectUriKind::Own,
            None => self.provider.prefers_own_redirect_uri(),
        };
        has_own.then_some(&self.config_key)
    }
}

/// Keeps integrations. Each method is one atomic change.
pub trait IntegrationStore: Send + Sync {
    /// Adds one; `false` if its config key is taken.
    fn insert_integration(
        &self,
        integration: &StoredIntegration,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Replaces the one of the same id, if it was last edited at `expected_updated_at`; `false` if not.
    fn replace_integration(
        &self,
        integration: &StoredIntegration,
        expected_updated_at: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The one of this name.
    fn stored_integration(
        &self,
        config_key: &ConfigKey,
    ) -> impl Future<Output = Result<Option<StoredIntegration>, StoreError>> + Send;

    /// All, sorted by config key.
    fn stored_integrations(&self) -> impl Future<Output = Result<Vec<StoredIntegration>, StoreError>> + Send;

    /// Removes the one of this name unless it still has connections.
    fn delete_integration(
        &self,
        config_key: &ConfigKey,
    ) -> impl Future<Output = Result<DeletedIntegration, StoreError>> + Send;
}

/// What became of an integration that was to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletedIntegration {
    /// It is gone.
    Deleted,
    /// There was none of this name.
    Unknown,
    /// It stays, because connections belong to it.
    HasConnections,
}

/// An integration that is to be created. Texts are as they came in; [`IntegrationBook::create`] checks them.
#[derive(Clone, Debug)]
pub struct NewIntegration {
    /// What the application calls it.
    pub config_key: ConfigKey,
    /// A name or alias in the catalogue.
    pub provider_name: String,
    /// Fields of the entry that this integration sets itself.
    pub provider_overrides: Map<String, Value>,
    /// RFC 6749 2.2.
    pub client_id: String,
    /// None, or an empty text, for a public client.
    pub client_secret: Option<Secret<String>>,
    /// How it may be used.
    pub rules: IntegrationRules,
}

/// What is to change in an integration; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct IntegrationEdit {
    /// A name or alias in the catalogue.
    pub provider_name: Option<String>,
    /// Replaces all overrides.
    pub provider_overrides: Option<Map<String, Value>>,
    /// RFC 6749 2.2.
    pub client_id: Option<String>,
    /// An empty text makes it a public client.
    pub client_secret: Option<Secret<String>>,
    /// Replaces all scopes.
    pub scopes: Option<Scopes>,
    /// Replaces all origins.
    pub allowed_origins: Option<Vec<String>>,
    /// Whether a GET may start an attempt.
    pub legacy_start: Option<bool>,
    /// The application's page that install links lead to; an empty text removes it.
    pub install_url: Option<String>,
    /// Replaces the list.
    pub allowed_return_to: Option<Vec<String>>,
    /// Which redirect URI is registered at the provider.
    pub redirect_uri_kind: Option<RedirectUriKind>,
}

/// Why a field of an integration is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIntegration {
    /// Neither the catalogue nor the server's configuration knows the provider.
    #[error("provider: there is no provider called {0:?}; `handfast providers list` shows them all")]
    UnknownProvider(String),
    /// Instead of a provider's name, an issuer that is not one.
    #[error("provider: an issuer {0}, such as \"https://login.example.com\"")]
    Issuer(&'static str),
    /// An override is not a field of a provider's entry, or of the wrong type.
    #[error("provider_overrides: {0}")]
    Overrides(String),
    /// RFC 6749 2.2 wants one.
    #[error("client_id: must be 1 to 2048 visible ASCII characters or spaces")]
    ClientId,
    /// Too long, or with a control character, as from a pasted line break.
    #[error(
        "client_secret: must be at most 8192 characters without control characters; look for a pasted line break"
    )]
    ClientSecret,
    /// Not an address of a page.
    #[error(
        "install_url: must be the https address of a page of yours, such as \"https://app.example.com/install\""
    )]
    InstallUrl,
    /// Not an origin.
    #[error(
        "allowed_origins: {0:?} is not an origin such as \"https://app.example.com\" (no path, no \"null\")"
    )]
    Origin(String),
    /// Not an address.
    #[error(
        "allowed_return_to: {0:?} is not an address such as \"https://app.example.com/settings\" (no user name, no fragment)"
    )]
    ReturnTo(String),
}

/// Why an integration cannot be found.
#[derive(Debug, thiserror::Error)]
pub enum FindIntegrationError {
    /// Its provider has left the catalogue and the configuration, or its overrides no longer fit.
    #[error("the integration {config_key} no longer fits the catalogue: {reason}")]
    Invalid {
        /// Which integration.
        config_key: ConfigKey,
        /// What does not fit.
        reason: InvalidIntegration,
    },
    /// The client secret cannot be opened.
    #[error("the client secret of the integration {config_key}: {reason}")]
    Open {
        /// Which integration.
        config_key: ConfigKey,
        /// What hinders it.
        reason: OpenError,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an integration cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum CreateIntegrationError {
    /// The config key is taken.
    #[error("there is already an integration called {0}; edit it, or choose another config key")]
    AlreadyExists(ConfigKey),
    /// A field is not acceptable.
    #[error(transparent)]
    Invalid(#[from] InvalidIntegration),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an integration cannot be edited.
#[derive(Debug, thiserror::Error)]
pub enum EditIntegrationError {
    /// There is none of this name.
    #[error("there is no integration called {0}")]
    Unknown(ConfigKey),
    /// Someone else edited it at the same time.
    #[error("the integration {0} was changed at the same time; look at it and try again")]
    Conflict(ConfigKey),
    /// A field is not acceptable.
    #[error(transparent)]
    Invalid(#[from] InvalidIntegration),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Creates, edits and finds integrations: a store, the catalogue and the key ring put together.
#[derive(Clone, Debug)]
pub struct IntegrationBook<S> {
    store: S,
    catalog: Arc<Catalog>,
    keyring: Arc<Keyring>,
}

impl<S: IntegrationStore> IntegrationBook<S> {
    /// Puts the three together.
    pub const fn new(store: S, catalog: Arc<Catalog>, keyring: Arc<Keyring>) -> Self {
        Self { store, catalog, keyring }
    }

    /// The providers an integration can be made from.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The integration of this name, with its effective provider and its client secret.
    ///
    /// # Errors
    /// Its provider has left the catalogue, its secret does not open, or the store failed.
    pub async fn integration(
        &self,
        config_key: &ConfigKey,
    ) -> Result<Option<Integration>, FindIntegrationError> {
        self.store.stored_integration(config_key).await?.map(|stored| self.open(stored)).transpose()
    }

    /// All integrations, sorted by config key. The provider is not contacted, and one whose provider has left the
    /// catalogue is still listed, so nothing is opened here.
    ///
    /// # Errors
    /// The store failed.
    pub async fn list(&self) -> Result<Vec<StoredIntegration>, StoreError> {
        self.store.stored_integrations().await
    }

    /// The stored form of one integration, which also reads where the provider has left the catalogue.
    ///
    /// # Errors
    /// The store failed.
    pub async fn stored(&self, config_key: &ConfigKey) -> Result<Option<StoredIntegration>, StoreError> {
        self.store.stored_integration(config_key).await
    }

    /// Creates an integration. The provider is not contacted.
    ///
    /// # Errors
    /// Names the field that is not acceptable.
    pub async fn create(
        &self,
        new: NewIntegration,
        now: Timestamp,
        randomness: &impl Randomness,
    ) -> Result<StoredIntegration, CreateIntegrationError> {
        let id = random_token(randomness).into_exposed();
        let stored = StoredIntegration {
            sealed_client_secret: self.seal_client_secret(&id, new.client_secret.as_ref(), randomness)?,
            id,
            config_key: new.config_key,
            provider_name: self.checked_provider(&new.provider_name, &new.provider_overrides)?,
            provider_overrides: new.provider_overrides,
            client_id: self.checked_client_id(&new.provider_name, new.client_id)?,
            rules: IntegrationRules {
                allowed_origins: parse_origins(&new.rules.allowed_origins)?,
                install_url: checked_install_url(new.rules.install_url)?,
                allowed_return_to: parse_return_to(&new.rules.allowed_return_to)?,
                ..new.rules
            },
            created_at: now,
            updated_at: now,
        };
        if self.store.insert_integration(&stored).await? {
            Ok(stored)
        } else {
            Err(CreateIntegrationError::AlreadyExists(stored.config_key))
        }
    }

    /// Edits an integration; its connections stay.
    ///
    /// # Errors
    /// Names the field that is not acceptable.
    pub async fn edit(
        &self,
        config_key: &ConfigKey,
        edit: IntegrationEdit,
        now: Timestamp,
        randomness: &impl Randomness,
    ) -> Result<StoredIntegration, EditIntegrationError> {
        let Some(mut stored) = self.store.stored_integration(config_key).await? else {
            return Err(EditIntegrationError::Unknown(config_key.clone()));
        };
        if edit.provider_name.is_some() || edit.provider_overrides.is_some() {
            let name = edit.provider_name.unwrap_or(stored.provider_name);
            stored.provider_overrides = edit.provider_overrides.unwrap_or(stored.provider_overrides);
            stored.provider_name = self.checked_provider(&name, &stored.provider_overrides)?;
        }
        if let Some(client_id) = edit.client_id {
            stored.client_id = self.checked_client_id(&stored.provider_name, client_id)?;
        }
        if let Some(secret) = edit.client_secret {
            stored.sealed_client_secret = self.seal_client_secret(&stored.id, Some(&secret), randomness)?;
        }
        let rules = &mut stored.rules;
        if let Some(origins) = edit.allowed_origins {
            rules.allowed_origins = parse_origins(&origins)?;
        }
        if let Some(scopes) = edit.scopes {
            rules.scopes = scopes;
        }
        rules.legacy_start = edit.legacy_start.unwrap_or(rules.legacy_start);
        if edit.install_url.is_some() {
            rules.install_url = checked_install_url(edit.install_url)?;
        }
        if let Some(addresses) = edit.allowed_return_to {
            rules.allowed_return_to = parse_return_to(&addresses)?;
        }
        rules.redirect_uri_kind = edit.redirect_uri_kind.or(rules.redirect_uri_kind);
        let before = stored.updated_at;
        // Two edits within one millisecond must still tell each other apart.
        stored.updated_at = now.max(before + core::time::Duration::from_millis(1));
        if self.store.replace_integration(&stored, before).await? {
            Ok(stored)
        } else {
            Err(EditIntegrationError::Conflict(config_key.clone()))
        }
    }

    /// Deletes an integration that has no connections.
    ///
    /// # Errors
    /// The store failed.
    pub async fn delete(&self, config_key: &ConfigKey) -> Result<DeletedIntegration, StoreError> {
        self.store.delete_integration(config_key).await
    }

    /// Puts a stored integration together with its catalogue entry, and opens its client secret.
    ///
    /// # Errors
    /// The provider has left the catalogue, or the secret does not open.
    pub fn open(&self, stored: StoredIntegration) -> Result<Integration, FindIntegrationError> {
        let provider = match self.effective_provider(&stored.provider_name, &stored.provider_overrides) {
            Ok(provider) => provider,
            Err(reason) => {
                return Err(FindIntegrationError::Invalid { config_key: stored.config_key, reason });
            }
        };
        let client_secret = match self.open_client_secret(&stored) {
            Ok(secret) => secret,
            Err(reason) => return Err(FindIntegrationError::Open { config_key: stored.config_key, reason }),
        };
        Ok(Integration {
            id: stored.id,
            config_key: stored.config_key,
            provider,
            client_id: stored.client_id,
            client_secret,
            rules: stored.rules,
        })
    }

    /// The client secret of a stored integration.
    ///
    /// # Errors
    /// It is sealed with an unknown key, or was changed.
    pub fn open_client_secret(
        &self,
        stored: &StoredIntegration,
    ) -> Result<Option<Secret<String>>, OpenError> {
        let Some(sealed) = &stored.sealed_client_secret else { return Ok(None) };
        let bytes = self.keyring.open(client_secret_place(&[&stored.id]), sealed)?;
        let text = String::from_utf8(bytes.into_exposed()).map_err(|_| OpenError::Tampered)?;
        Ok(Some(Secret::new(text)))
    }

    fn seal_client_secret(
        &self,
        id: &str,
        secret: Option<&Secret<String>>,
        randomness: &impl Randomness,
    ) -> Result<Option<Sealed>, InvalidIntegration> {
        let Some(secret) = secret.map(Secret::expose).filter(|secret| !secret.is_empty()) else {
            return Ok(None);
        };
        // Where the client secret is a private key, it is PEM and has lines.
        let is_pem = secret.starts_with("-----BEGIN ");
        let unfit = |c: char| c.is_control() && !(is_pem && matches!(c, '\r' | '\n'));
        if secret.len() > 8192 || secret.chars().any(unfit) {
            return Err(InvalidIntegration::ClientSecret);
        }
        Ok(Some(self.keyring.seal(client_secret_place(&[id]), secret.as_bytes(), randomness)))
    }

    /// The entry's own name, once the entry is known to fit the overrides.
    fn checked_provider(
        &self,
        name: &str,
        overrides: &Map<String, Value>,
    ) -> Result<String, InvalidIntegration> {
        self.effective_provider(name, overrides)?;
        Ok(name.to_owned())
    }

    /// Where the user types credentials there is no client to be registered.
    fn checked_client_id(&self, provider: &str, client_id: String) -> Result<String, InvalidIntegration> {
        let takes_credentials = self.catalog.find(provider).is_some_and(Provider::takes_credentials);
        if takes_credentials && client_id.is_empty() { Ok(client_id) } else { checked_client_id(client_id) }
    }

    fn effective_provider(
        &self,
        name: &str,
        overrides: &Map<String, Value>,
    ) -> Result<Provider, InvalidIntegration> {
        if let Some(entry) = self.catalog.find(name) {
            return with_overrides(entry, overrides);
        }
        if !name.contains("://") {
            return Err(InvalidIntegration::UnknownProvider(name.to_owned()));
        }
        let entry = Provider::from_issuer(name).map_err(InvalidIntegration::Issuer)?;
        with_overrides(&entry, overrides)
    }
}

/// Where client secrets are sealed for.
const fn client_secret_place<'a>(key: &'a [&'a str]) -> Place<'a> {
    Place { table: "integrations", column: "sealed_client_secret", key }
}

/// The entry with some fields set anew.
fn with_overrides(entry: &Provider, overrides: &Map<String, Value>) -> Result<Provider, InvalidIntegration> {
    entry.with_overrides(overrides).map_err(|error| InvalidIntegration::Overrides(error.to_string()))
}

/// An https page, or one of this machine.
fn checked_install_url(url: Option<String>) -> Result<Option<String>, InvalidIntegration> {
    let Some(url) = url.filter(|url| !url.is_empty()) else { return Ok(None) };
    crate::UrlTemplate::parse(&url)
        .ok()
        .filter(|template| template.placeholders().next().is_none())
        .map(|_| Some(url))
        .ok_or(InvalidIntegration::InstallUrl)
}

/// RFC 6749 appendix A.1: visible ASCII and spaces.
fn checked_client_id(client_id: String) -> Result<String, InvalidIntegration> {
    let acceptable = client_id.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
    if client_id.is_empty() || client_id.len() > 2048 || !acceptable {
        return Err(InvalidIntegration::ClientId);
    }
    Ok(client_id)
}

/// Reads a list of origins; each is kept once, written as browsers write it.
///
/// # Errors
/// Names the first text that is not an origin.
pub fn parse_origins(texts: &[impl AsRef<str>]) -> Result<Vec<String>, InvalidIntegration> {
    let mut origins = Vec::new();
    for text in texts {
        let origin = parse_origin(text.as_ref())?;
        if !origins.contains(&origin) {
            origins.push(origin);
        }
    }
    Ok(origins)
}

/// Reads a list of addresses that redirect mode may go back to; each is kept once, written as browsers write it.
///
/// # Errors
/// Names the first text that is not an address.
pub fn parse_return_to(texts: &[impl AsRef<str>]) -> Result<Vec<String>, InvalidIntegration> {
    let mut addresses = Vec::new();
    for text in texts {
        let refused = || InvalidIntegration::ReturnTo(text.as_ref().to_owned());
        let url = Url::parse(text.as_ref()).map_err(|_| refused())?;
        let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        if !plain || !matches!(url.scheme(), "http" | "https") {
            return Err(refused());
        }
        let address = String::from(url);
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

/// Reads an origin as a person types it, with or without a slash at the end, and writes it as browsers do (RFC 6454 6.2).
fn parse_origin(text: &str) -> Result<String, InvalidIntegration> {
    let refused = || InvalidIntegration::Origin(text.to_owned());
    let url = Url::parse(text).map_err(|_| refused())?;
    let bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    // Anything else has the origin `null`, which sandboxed pages share.
    if !bare || !matches!(url.scheme(), "http" | "https") {
        return Err(refused());
    }
    Ok(url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Provider {
        serde_json::from_value(serde_json::json!({
            "display_name": "Example",
            "authorization_endpoint": "https://provider.test/authorize",
            "token_endpoint": "https://provider.test/token",
        }))
        .unwrap()
    }

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        let given = ["https://App.Example.com/", "https://app.example.com:443", "http://localhost:8080"];
        assert_eq!(parse_origins(&given).unwrap(), ["https://app.example.com", "http://localhost:8080"]);
    }

    #[test]
    fn what_is_not_an_origin_is_refused_by_name() {
        for bad in [
            "null",
            "*",
            "app.example.com",
            "https://a.test/path",
            "https://a.test/?q",
            "https://u@a.test",
            "file:///x",
            "",
        ] {
            assert_eq!(parse_origins(&[bad]), Err(InvalidIntegration::Origin(bad.to_owned())));
        }
    }

    #[test]
    fn an_override_replaces_a_field_of_the_entry() {
        let overrides =
            Map::from_iter([("token_endpoint".to_owned(), Value::from("https://other.test/token"))]);
        let provider = with_overrides(&entry(), &overrides).unwrap();
        assert_eq!(
            provider.token_endpoint.as_ref().map(crate::UrlTemplate::as_str),
            Some("https://other.test/token")
        );
        assert_eq!(provider.display_name, "Example");
    }

    #[test]
    fn an_override_of_an_unknown_field_is_refused_by_name() {
        let overrides =
            Map::from_iter([("token_endpiont".to_owned(), Value::from("https://other.test/token"))]);
        let Err(InvalidIntegration::Overrides(reason)) = with_overrides(&entry(), &overrides) else {
            panic!("accepted")
        };
        assert!(reason.contains("token_endpiont"), "{reason}");
    }
}
