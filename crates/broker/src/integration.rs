//! An integration: a provider together with our client registration there.

use handfast_protocol::{ConfigKey, Scopes, Secret, Timestamp};

use crate::{Provider, StoreError};

/// A provider together with our client registration there.
#[derive(Clone, Debug)]
pub struct Integration {
    /// Random and opaque; never changes, even when the integration is edited.
    pub id: String,
    /// What the application calls it.
    pub config_key: ConfigKey,
    /// The entry of the catalogue it was made from.
    pub provider_name: String,
    /// The effective entry: the catalogue's with this integration's overrides.
    pub provider: Provider,
    /// RFC 6749 2.2.
    pub client_id: String,
    /// RFC 6749 2.3.1; public clients have none.
    pub client_secret: Option<Secret<String>>,
    /// Asked for unless a start request names its own.
    pub scopes: Scopes,
    /// Exact origins that may start an attempt; empty: the server's own rule.
    pub allowed_origins: Vec<String>,
    /// Whether published Pizzly clients may start an attempt by a GET.
    pub legacy_start: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub updated_at: Timestamp,
}

/// Finds integrations.
pub trait Integrations: Send + Sync {
    /// The integration of this name.
    fn integration(&self, config_key: &ConfigKey) -> impl Future<Output = Result<Option<Integration>, StoreError>> + Send;
}
