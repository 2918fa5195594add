//! What every request handler may reach, put together once at start.

use std::{path::PathBuf, sync::Arc};

use handfast_broker::{IntegrationBook, Policy};
use handfast_protocol::Sha256Hash;

use crate::{
    config::{Config, Exposure},
    http::{ApiKeyCache, Limits, Metrics},
    issuer::{Issuer, IssuerRules},
    key_file,
    rotation::{self, Rotated},
    storage::Storage,
    system::{SystemClock, SystemRandomness},
    token_client::TokenClient,
};

/// The broker over this server's adapters.
pub(crate) type Broker = handfast_broker::Broker<Storage, TokenClient, SystemClock, SystemRandomness>;

/// The running application. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

/// What the application is made of.
pub(crate) struct Parts {
    pub(crate) storage: Storage,
    /// Where the sealing keys lie, unless the configuration gives them.
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) broker: Arc<Broker>,
    pub(crate) exposure: Exposure,
    /// The configuration's API key, which has every scope.
    pub(crate) api_key: Option<Sha256Hash>,
    pub(crate) api_key_cache: ApiKeyCache,
    pub(crate) metrics: Metrics,
    pub(crate) limits: Limits,
    /// Names, with or without a port, under which the server answers besides its `public_url` and loopback.
    pub(crate) allowed_hosts: Vec<String>,
    /// The authorization server, where it is turned on.
    pub(crate) issuer: Option<Arc<Issuer>>,
    /// What else the operator decided about it.
    pub(crate) issuer_rules: IssuerRules,
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Creates, edits and finds integrations.
    pub(crate) fn integrations(&self) -> &IntegrationBook<Storage> {
        &self.0.broker.integrations
    }

    /// The rules of this server.
    pub(crate) fn policy(&self) -> &Policy {
        &self.0.broker.policy
    }

    /// Seals everything with a new key.
    pub(crate) async fn rotate_sealing_key(&self) -> anyhow::Result<Rotated> {
        rotation::rotate(&self.0.storage, &self.0.broker.keyring, self.0.key_file.clone()).await
    }

    /// The OAuth client role.
    pub(crate) fn broker(&self) -> &Arc<Broker> {
        &self.0.broker
    }

    /// Whether a request without an API key is refused: always where other machines can reach the server, and where
    /// the configuration names a key.
    pub(crate) fn needs_api_key(&self) -> bool {
        self.0.exposure == Exposure::Public || self.0.api_key.is_some()
    }

    /// Whether `hash` is that of the configuration's key.
    pub(crate) fn is_configured_api_key(&self, hash: &Sha256Hash) -> bool {
        self.0.api_key.as_ref() == Some(hash)
    }

    /// The API keys seen last.
    pub(crate) fn api_key_cache(&self) -> &ApiKeyCache {
        &self.0.api_key_cache
    }

    /// What has been counted.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// How often one address may ask.
    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Names under which the server answers besides its `public_url` and loopback.
    pub(crate) fn allowed_hosts(&self) -> &[String] {
        &self.0.allowed_hosts
    }

    /// The authorization server, where it is turned on.
    pub(crate) fn issuer(&self) -> Option<&Arc<Issuer>> {
        self.0.issuer.as_ref()
    }

    /// What else the operator decided about it.
    pub(crate) fn issuer_rules(&self) -> &IssuerRules {
        &self.0.issuer_rules
    }

    /// Whether the database lies in a file of this server alone.
    pub(crate) fn is_embedded(&self) -> bool {
        self.0.storage.is_embedded()
    }

    /// Whether the database answers.
    pub(crate) async fn is_ready(&self) -> bool {
        self.0.storage.ping().await.is_ok()
    }
}

impl Parts {
    /// What follows from the configuration alone.
    pub(crate) fn new(config: &Config, storage: Storage, broker: Broker) -> Self {
        Self {
            storage,
            key_file: key_file::path(config),
            broker: Arc::new(broker),
            exposure: config.exposure(),
            api_key: config.api_key.as_ref().map(|key| Sha256Hash::of(key.expose())),
            api_key_cache: ApiKeyCache::default(),
            metrics: Metrics::default(),
            limits: Limits::new(config.rate_limit(), config.trusted_proxies.clone()),
            allowed_hosts: config.allowed_hosts.clone(),
            issuer: None,
            issuer_rules: IssuerRules::default(),
        }
    }
}
