//! Hands out the access token of a connection, renewed first where it is due.

use core::time::Duration;
use std::sync::Arc;

use handfast_protocol::{Clock, ConfigKey, ConnectionId, ErrorCode, Randomness, Timestamp, random_token};

use crate::client_credentials::ConnectClientError;
use crate::connection::{
    Connection, ConnectionStatus, Credentials, GrantType, RefreshFailure, RenewedCredentials, TokenSet,
    credentials_place,
};
use crate::keep_alive::jittered;
use crate::token_endpoint::{TokenError, refresh_at, refresh_request};
use crate::{
    Broker, DiscoveryError, FindIntegrationError, Integration, OpenError, RefreshTokenPolicy, SendError,
    Store, StoreError, TokenEndpoint, VariableError,
};

/// How long the right to refresh is held. Longer than the token endpoint is waited for.
const LEASE: Duration = Duration::from_secs(20);

/// How often a refresh by another replica is looked for.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// The first pause after a failed refresh; each further failure doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause after a failed refresh.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// When a connection's token is renewed before it is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// When it is due.
    WhenDue,
    /// In any case.
    Now,
}

/// A connection with its credentials open.
#[derive(Debug)]
pub struct OpenConnection {
    /// The connection. Shared with whoever keeps it at hand.
    pub connection: Arc<Connection>,
    /// What opens the provider's API.
    pub credentials: Credentials,
}

/// Why there is no token to hand out.
#[derive(Debug, thiserror::Error)]
pub enum AccessTokenError {
    /// No integration has this name.
    #[error("There is no integration called \"{0}\".")]
    UnknownIntegration(ConfigKey),
    /// The integration has no such connection.
    #[error("The integration \"{config_key}\" has no connection called \"{connection_id}\".")]
    UnknownConnection {
        /// The integration.
        config_key: ConfigKey,
        /// The connection.
        connection_id: ConnectionId,
    },
    /// The provider no longer accepts the refresh token.
    #[error(
        "The provider no longer accepts the refresh token of this connection; the user has to connect again."
    )]
    NeedsReconnect,
    /// The token is dead and cannot be renewed at the moment.
    #[error("The access token has expired and cannot be renewed at the moment: {reason}.")]
    RefreshFailed {
        /// What happened, if it happened just now.
        reason: RefreshError,
        /// When another try is worth it.
        retry_at: Timestamp,
    },
    /// A refresh was asked for, and there is nothing to refresh with.
    #[error("This connection has no refresh token, so its access token cannot be renewed.")]
    NotRefreshable,
    /// A sealed value does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AccessTokenError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownIntegration(_) => ErrorCode::UnknownIntegration,
            Self::UnknownConnection { .. } => ErrorCode::UnknownConnection,
            Self::NeedsReconnect => ErrorCode::NeedsReconnect,
            Self::RefreshFailed { .. } | Self::NotRefreshable => ErrorCode::RefreshFailed,
            Self::Open(_) | Self::Store(_) => ErrorCode::Internal,
        }
    }
}

/// Why a refresh failed.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// An earlier try failed, and the next one is not due.
    #[error("the last try failed")]
    Pausing,
    /// Somebody else held the right to refresh and did not finish.
    #[error("another refresh did not finish in time")]
    Waiting,
    /// The token endpoint could not be asked.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The token endpoint answered something else than tokens.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The issuer that the provider's entry names.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The integration, or its provider's entry, is at fault.
    #[error("the integration cannot be used: {0}")]
    InvalidIntegration(String),
}

impl From<VariableError> for RefreshError {
    fn from(error: VariableError) -> Self {
        Self::InvalidIntegration(error.to_string())
    }
}

impl<S: Store, T: TokenEndpoint, C: Clock + 'static, R: Randomness + 'static> Broker<S, T, C, R> {
    /// A connection with a token that is good for a while: renewed first where it is due, once for all who ask.
    ///
    /// # Errors
    /// There is no such connection, or no living token and no way to one.
    pub async fn access_token(
        self: &Arc<Self>,
        config_key: &ConfigKey,
        connection_id: &ConnectionId,
        refresh: Refresh,
    ) -> Result<OpenConnection, AccessTokenError> {
        let connection = self.find_connection(config_key, connection_id).await?;
        if refresh == Refresh::WhenDue && !is_due(&connection, self.clock.now()) {
            return self.open_connection(connection);
        }
        // A caller who hangs up must not stop a refresh halfway: the old refresh token may be gone already.
        let broker = Arc::clone(self);
        tokio::spawn(async move { broker.renewed(connection, refresh).await })
            .await
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    async fn find_connection(
        &self,
        config_key: &ConfigKey,
        connection_id: &ConnectionId,
    ) -> Result<Arc<Connection>, AccessTokenError> {
        if let Some(connection) = self.store.connection(config_key, connection_id).await? {
            return Ok(connection);
        }
        Err(if self.integrations.stored(config_key).await?.is_none() {
            AccessTokenError::UnknownIntegration(config_key.clone())
        } else {
            AccessTokenError::UnknownConnection {
                config_key: config_key.clone(),
                connection_id: connection_id.clone(),
            }
        })
    }

    fn open_connection(&self, connection: Arc<Connection>) -> Result<OpenConnection, AccessTokenError> {
        let now = self.clock.now();
        let credentials = self.open_credentials(&connection)?;
        let is_dead = connection.expires_at.is_some_and(|expires_at| now >= expires_at);
        if connection.status == ConnectionStatus::NeedsReconnect
            || (is_dead && connection.refresh_at.is_none())
        {
            return Err(AccessTokenError::NeedsReconnect);
        }
        Ok(OpenConnection { connection, credentials })
    }

    pub(crate) fn open_credentials(&self, connection: &Connection) -> Result<Credentials, OpenError> {
        let opened =
            self.keyring.open(credentials_place(&connection.key.parts()), &connection.sealed_credentials)?;
        Credentials::from_sealed_form(&opened).ok_or(OpenError::NotSealed)
    }

    /// Waits for the turn, looks again, and refreshes if that is still needed.
    async fn renewed(
        &self,
        seen: Arc<Connection>,
        refresh: Refresh,
    ) -> Result<OpenConnection, AccessTokenError> {
        let _working = self.unfinished.begin();
        let _turn = self.refresh_turns.take(&seen.key).await;
        // Long enough to see the end of any lease that runs now.
        let deadline = tokio::time::Instant::now() + LEASE + FIRST_PAUSE;
        loop {
            let connection = self.find_connection(&seen.config_key, &seen.key.connection_id).await?;
            let now = self.clock.now();
            let is_wanted = match refresh {
                Refresh::WhenDue => is_due(&connection, now),
                // Whoever renewed it meanwhile did so after this call began.
                Refresh::Now => {
                    connection.version == seen.version && connection.status == ConnectionStatus::Active
                }
            };
            if !is_wanted {
                return self.open_connection(connection);
            }
            if connection.refresh_at.is_none() {
                return Err(AccessTokenError::NotRefreshable);
            }
            if let Some(retry_at) =
                connection.retry_at.filter(|retry_at| now < *retry_at && refresh == Refresh::WhenDue)
            {
                return self.old_token(connection, RefreshError::Pausing, retry_at);
            }
            let owner = random_token(&self.randomness).into_exposed();
            if self.store.lease_refresh(&connection.key, connection.version, &owner, now, now + LEASE).await?
            {
                return self.refresh_leased(connection).await;
            }
            // Another replica is at it: theirs is used.
            if tokio::time::Instant::now() >= deadline {
                return self.old_token(connection, RefreshError::Waiting, now + FIRST_PAUSE);
            }
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
        }
    }

    /// Refreshes while holding the lease. No database connection is held while the provider is asked.
    async fn refresh_leased(&self, connection: Arc<Connection>) -> Result<OpenConnection, AccessTokenError> {
        let Credentials::OAuth2(old) = self.open_credentials(&connection)? else {
            return Err(AccessTokenError::NotRefreshable);
        };
        let integration = match self.integrations.integration(&connection.config_key).await {
            Ok(Some(integration)) => integration,
            Ok(None) => return Err(AccessTokenError::UnknownIntegration(connection.config_key.clone())),
            Err(FindIntegrationError::Store(error)) => return Err(error.into()),
            Err(FindIntegrationError::Open { reason, .. }) => return Err(reason.into()),
            Err(FindIntegrationError::Invalid { reason, .. }) => {
                return self
                    .refresh_failed(connection, RefreshError::InvalidIntegration(reason.to_string()))
                    .await;
            }
        };
        match self.request_refresh(&connection, &integration, &old).await {
            Ok(new) => self.store_renewed(connection, &integration, old, new).await,
            Err(error) => self.refresh_failed(connection, error).await,
        }
    }

    async fn request_refresh(
        &self,
        connection: &Connection,
        integration: &Integration,
        old: &TokenSet,
    ) -> Result<TokenSet, RefreshError> {
        let provider = &integration.provider;
        let given = connection.params.iter().filter(|(name, _)| provider.variables.contains_key(*name));
        let values =
            provider.variable_values(&given.map(|(name, value)| (name.clone(), value.clone())).collect())?;
        let integration = &*self.discovered(integration, &values).await?;
        if old.grant_type == GrantType::ClientCredentials {
            let again = self.request_client_token(integration, &values, &connection.granted_scopes).await;
            return again.map_err(|error| match error {
                ConnectClientError::Send(error) => error.into(),
                ConnectClientError::Token(error) => error.into(),
                error => RefreshError::InvalidIntegration(error.to_string()),
            });
        }
        let provider = &integration.provider;
        let endpoint = provider.refresh_endpoint(&values)?.ok_or_else(|| {
            RefreshError::InvalidIntegration("its provider has no token endpoint".to_owned())
        })?;
        let refresh_token = old.refresh_token.as_ref().ok_or_else(|| {
            RefreshError::InvalidIntegration("the connection has no refresh token".to_owned())
        })?;
        let client = integration
            .as_token_client(&values, self.clock.now())
            .map_err(|error| RefreshError::InvalidIntegration(error.to_string()))?;
        let request = refresh_request(&client, endpoint, refresh_token);
        self.request_tokens(&client, request, &[refresh_token.expose()]).await
    }

    /// Written before anyone sees the new token.
    async fn store_renewed(
        &self,
        connection: Arc<Connection>,
        integration: &Integration,
        old: TokenSet,
        mut new: TokenSet,
    ) -> Result<OpenConnection, AccessTokenError> {
        // RFC 6749 6: an answer without a refresh token leaves the old one in place.
        if new.refresh_token.is_none() || integration.provider.refresh_token == RefreshTokenPolicy::Reusable {
            new.refresh_token = old.refresh_token;
        }
        new.id_token = new.id_token.or(old.id_token);
        let (expires_at, refresh_at) = (new.expires_at, refresh_at(&integration.provider, &new));
        let granted_scopes = new.granted_scopes.clone().unwrap_or_else(|| connection.granted_scopes.clone());
        let credentials = Credentials::OAuth2(new);
        let renewed = RenewedCredentials {
            sealed_credentials: self.keyring.seal(
                credentials_place(&connection.key.parts()),
                credentials.to_sealed_form().expose(),
                &self.randomness,
            ),
            expires_at,
            refresh_at,
            granted_scopes,
            now: self.clock.now(),
        };
        let stored = self.store.replace_credentials(&connection.key, connection.version, &renewed).await?;
        let connection = self.find_connection(&connection.config_key, &connection.key.connection_id).await?;
        // Where the user connected again meanwhile, that grant is the one to use.
        let credentials = if stored { credentials } else { self.open_credentials(&connection)? };
        Ok(OpenConnection { connection, credentials })
    }

    /// A failure is remembered for a while only; a refused refresh token for good, unless someone else renewed first.
    async fn refresh_failed(
        &self,
        connection: Arc<Connection>,
        error: RefreshError,
    ) -> Result<OpenConnection, AccessTokenError> {
        let now = self.clock.now();
        let is_refused = matches!(&error, RefreshError::Token(error) if error.is_invalid_grant());
        let retry_at = now + self.pause(connection.refresh_failures);
        let failure = RefreshFailure {
            status: if is_refused { ConnectionStatus::NeedsReconnect } else { ConnectionStatus::Active },
            retry_at: (!is_refused).then_some(retry_at),
            reason: error.to_string(),
            now,
        };
        if !self.store.put_refresh_failure(&connection.key, connection.version, &failure).await? {
            let connection =
                self.find_connection(&connection.config_key, &connection.key.connection_id).await?;
            return self.open_connection(connection);
        }
        if is_refused {
            return Err(AccessTokenError::NeedsReconnect);
        }
        self.old_token(connection, error, retry_at)
    }

    /// The old token, while it lives.
    fn old_token(
        &self,
        connection: Arc<Connection>,
        reason: RefreshError,
        retry_at: Timestamp,
    ) -> Result<OpenConnection, AccessTokenError> {
        if connection.expires_at.is_some_and(|expires_at| self.clock.now() >= expires_at) {
            return Err(AccessTokenError::RefreshFailed { reason, retry_at });
        }
        self.open_connection(connection)
    }

    /// Twice as long after each failure, and between half and all of that, so that many connections do not knock together.
    fn pause(&self, failures: i64) -> Duration {
        let doubled = FIRST_PAUSE * 2_u32.saturating_pow(u32::try_from(failures).unwrap_or(u32::MAX).min(16));
        jittered(doubled.min(LONGEST_PAUSE), &self.randomness)
    }
}

fn is_due(connection: &Connection, now: Timestamp) -> bool {
    connection.status == ConnectionStatus::Active
        && connection.refresh_at.is_some_and(|refresh_at| now >= refresh_at)
}
