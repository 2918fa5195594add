//! Exchanges the session token of a provider's embedded page for an access token (RFC 8693), without a window.

use handfast_protocol::{Clock, ConfigKey, ConnectionId, ErrorCode, Randomness, Scopes, Secret};

use crate::complete::kept_fields;
use crate::connection::{ConnectionKey, Credentials};
use crate::id_token::{IdTokenError, verify_session_token};
use crate::token_endpoint::exchange_request;
use crate::{Broker, ConnectClientError, Store, TokenEndpoint};

/// A session token, and what is asked for it.
#[derive(Clone, Debug)]
pub struct SessionExchange {
    /// The integration.
    pub config_key: ConfigKey,
    /// The connection to be; one of this name keeps its id and gets the new token.
    pub connection_id: ConnectionId,
    /// The token that the embedded page sent to the application's backend.
    pub session_token: Secret<String>,
    /// A word of the provider's entry, such as `offline` or `online`.
    pub requested_token: String,
}

/// Why a session token brings no access token.
#[derive(Debug, thiserror::Error)]
pub enum SessionExchangeError {
    /// The provider knows no such exchange.
    #[error("session_token: this provider exchanges none; leave the field out")]
    NotSupported,
    /// The provider knows no such token.
    #[error("requested_token: must be {0}")]
    UnknownToken(String),
    /// The session token is not believed.
    #[error("session_token: {0}")]
    SessionToken(#[from] IdTokenError),
    /// As with any token request.
    #[error(transparent)]
    Connect(#[from] ConnectClientError),
}

impl SessionExchangeError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::NotSupported | Self::UnknownToken(_) => ErrorCode::InvalidParameter,
            Self::SessionToken(_) => ErrorCode::InvalidSignature,
            Self::Connect(error) => error.code(),
        }
    }
}

impl<S: Store, T: TokenEndpoint, C: Clock, R: Randomness> Broker<S, T, C, R> {
    /// Verifies a session token, exchanges it, and stores the access token as a connection. The shop, or whatever the
    /// host in the token names, becomes the connection's parameter, and `sub` is kept with it.
    ///
    /// # Errors
    /// Nothing was stored, or the store failed.
    pub async fn exchange_session_token(
        &self,
        exchange: SessionExchange,
    ) -> Result<(), SessionExchangeError> {
        let SessionExchange { config_key, connection_id, session_token, requested_token } = exchange;
        let found = self.integrations.integration(&config_key).await.map_err(ConnectClientError::from)?;
        let integration = found.ok_or_else(|| ConnectClientError::UnknownIntegration(config_key.clone()))?;
        let provider = &integration.provider;
        let known = provider.token_exchange.as_ref().ok_or(SessionExchangeError::NotSupported)?;
        let requested_type = known.requested_token_types.get(&requested_token).ok_or_else(|| {
            let words: Vec<&str> = known.requested_token_types.keys().map(String::as_str).collect();
            SessionExchangeError::UnknownToken(words.join(" or "))
        })?;
        let secret = integration
            .client_secret
            .as_ref()
            .ok_or_else(|| ConnectClientError::InvalidIntegration("it has no client secret".to_owned()))?;
        let now = self.clock.now();
        let session = verify_session_token(&session_token, &integration.client_id, secret, now)?;
        let given = [(known.variable.clone(), session.host)].into();
        let values = provider.variable_values(&given).map_err(ConnectClientError::from)?;
        let endpoint =
            provider.token_endpoint(&values).map_err(ConnectClientError::from)?.ok_or_else(|| {
                ConnectClientError::InvalidIntegration("its provider has no token endpoint".to_owned())
            })?;
        let request = exchange_request(&integration, endpoint, &session_token, known, requested_type);
        let shown = [session_token.expose().as_str()];
        let set = self.request_tokens::<ConnectClientError>(&integration, request, &shown).await?;
        let mut params = kept_fields(&integration, set.raw.expose());
        params.insert("sub".to_owned(), session.subject);
        params.extend(values.iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        let key = ConnectionKey { integration_id: integration.id.clone(), connection_id };
        let connection =
            self.connection_of(key, &integration, &Credentials::OAuth2(set), &Scopes::default(), params);
        Ok(self.store.put_connection(&connection).await.map_err(ConnectClientError::from)?)
    }
}
