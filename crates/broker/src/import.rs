//! Moves connections in from another system, and out again.

use std::collections::BTreeMap;

use handfast_protocol::{Clock, ConfigKey, ConnectionId, Randomness, Scopes, Secret, Timestamp};
use serde_json::{Map, Value, json};

use crate::connection::{
    Connection, ConnectionKey, Credentials, GrantType, NewConnection, TokenSet, TypedKind, raw_answer,
};
use crate::connection_list::MAX_METADATA_LEN;
use crate::{Broker, FindIntegrationError, OpenError, Store, StoreError, TokenEndpoint, VariableError};

/// A connection as another system knew it.
#[derive(Clone, Debug)]
pub struct ImportedConnection {
    /// The integration.
    pub config_key: ConfigKey,
    /// What the application calls it.
    pub connection_id: ConnectionId,
    /// What opens the provider's API, or renews what does.
    pub credentials: ImportedCredentials,
    /// The connect parameters it was made with.
    pub params: BTreeMap<String, String>,
    /// What the application keeps with it.
    pub metadata: Map<String, Value>,
}

/// What opens the provider's API, as another system knew it.
#[derive(Clone, Debug)]
pub enum ImportedCredentials {
    /// RFC 6749. At least one of the two tokens is there.
    OAuth2 {
        /// None: the first read renews.
        access_token: Option<Secret<String>>,
        /// RFC 6749 1.5.
        refresh_token: Option<Secret<String>>,
        /// When the access token dies.
        expires_at: Option<Timestamp>,
        /// What was granted; unknown: what the integration asks for.
        granted_scopes: Option<Scopes>,
        /// The whole answer, if it was kept.
        raw: Option<Secret<Value>>,
    },
    /// RFC 5849 2.3.
    OAuth1 {
        /// `oauth_token`.
        token: Secret<String>,
        /// `oauth_token_secret`.
        token_secret: Secret<String>,
    },
    /// What the user typed.
    Typed {
        /// What kind it is.
        kind: TypedKind,
        /// The fields, by the names of the provider's entry.
        fields: BTreeMap<String, Secret<String>>,
    },
}

/// What is done where a connection of that name is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExisting {
    /// It stays: an import that was interrupted can be run again.
    Keep,
    /// The imported one takes its place.
    Replace,
}

/// What became of an imported connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// It is new.
    Created,
    /// It took the place of an older one.
    Replaced,
    /// An older one stays.
    Kept,
}

/// Keeps imported connections.
pub trait ConnectionImport: Send + Sync {
    /// Puts a connection with its metadata, or leaves the one that is there.
    fn import_connection(
        &self,
        connection: &NewConnection,
        metadata: &Map<String, Value>,
        on_existing: OnExisting,
    ) -> impl Future<Output = Result<Imported, StoreError>> + Send;
}

/// Why a connection cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// No such integration.
    #[error("config_key: there is no integration called {0}; create it first")]
    UnknownIntegration(ConfigKey),
    /// The connect parameters do not fit the provider, which keeps them from leading to another host.
    #[error("params: {0}")]
    InvalidParameter(#[from] VariableError),
    /// Neither token.
    #[error("credentials: access_token or refresh_token is missing")]
    NoToken,
    /// More than may be kept.
    #[error("metadata: may take {MAX_METADATA_LEN} bytes of JSON at most")]
    MetadataTooLarge,
    /// The integration cannot be read.
    #[error(transparent)]
    Find(#[from] FindIntegrationError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<S: Store + ConnectionImport, T: TokenEndpoint, C: Clock + 'static, R: Randomness + 'static>
    Broker<S, T, C, R>
{
    /// Imports a connection. The provider is not asked.
    ///
    /// # Errors
    /// Names the field that is not acceptable.
    pub async fn import_connection(
        &self,
        imported: ImportedConnection,
        on_existing: OnExisting,
    ) -> Result<Imported, ImportError> {
        if serde_json::to_vec(&imported.metadata).map_or(true, |text| text.len() > MAX_METADATA_LEN) {
            return Err(ImportError::MetadataTooLarge);
        }
        let found = self.integrations.integration(&imported.config_key).await?;
        let integration = found.ok_or(ImportError::UnknownIntegration(imported.config_key))?;
        let provider = &integration.provider;
        let given = imported.params.iter().filter(|(name, _)| provider.variables.contains_key(*name));
        provider.variable_values(&given.map(|(name, value)| (name.clone(), value.clone())).collect())?;
        let credentials = read_credentials(imported.credentials, self.clock.now())?;
        let key =
            ConnectionKey { integration_id: integration.id.clone(), connection_id: imported.connection_id };
        let connection =
            self.connection_of(key, &integration, &credentials, &integration.rules.scopes, imported.params);
        Ok(self.store.import_connection(&connection, &imported.metadata, on_existing).await?)
    }

    /// The credentials of a connection as they are kept, for an export. Nothing is renewed.
    ///
    /// # Errors
    /// The sealed value does not open.
    pub fn export_credentials(&self, connection: &Connection) -> Result<Credentials, OpenError> {
        self.open_credentials(connection)
    }
}

fn read_credentials(imported: ImportedCredentials, now: Timestamp) -> Result<Credentials, ImportError> {
    match imported {
        ImportedCredentials::OAuth2 { access_token, refresh_token, expires_at, granted_scopes, raw } => {
            let access_token = access_token.filter(|token| !token.expose().is_empty());
            if access_token.is_none() && refresh_token.is_none() {
                return Err(ImportError::NoToken);
            }
            // Without an access token the connection is one whose token has just died, and is due at once.
            let expires_at = if access_token.is_none() { Some(now) } else { expires_at };
            Ok(Credentials::OAuth2(TokenSet {
                grant_type: GrantType::AuthorizationCode,
                access_token: access_token.unwrap_or_default(),
                token_type: None,
                refresh_token,
                id_token: None,
                issued_at: now,
                expires_at,
                granted_scopes,
                raw: raw_answer(&raw.map_or_else(|| json!({}), Secret::into_exposed)),
            }))
        }
        ImportedCredentials::OAuth1 { token, token_secret } => {
            Ok(Credentials::OAuth1 { token, token_secret, raw: raw_answer(&json!({})) })
        }
        ImportedCredentials::Typed { kind, fields } => Ok(Credentials::Typed { kind, fields }),
    }
}
