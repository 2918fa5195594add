//! Connections that no user grants: the client asks in its own name (RFC 6749 4.4).

use std::collections::BTreeMap;

use handfast_protocol::{Clock, ConfigKey, ConnectionId, ErrorCode, Randomness, Scopes};

use crate::connection::{ConnectionKey, Credentials, GrantType, TokenSet};
use crate::token_endpoint::{TokenError, client_credentials_request};
use crate::{
    Broker, DiscoveryError, FindIntegrationError, Integration, Protocol, QuirkError, SendError, Store,
    StoreError, TokenEndpoint, VariableError, VariableValues,
};

/// Why a client gets no connection of its own.
#[derive(Debug, thiserror::Error)]
pub enum ConnectClientError {
    /// No integration has this name.
    #[error("There is no integration called \"{0}\".")]
    UnknownIntegration(ConfigKey),
    /// The integration cannot be read.
    #[error(transparent)]
    Find(#[from] FindIntegrationError),
    /// The provider's variables.
    #[error("params: {0}.")]
    Variable(#[from] VariableError),
    /// The integration, or its provider's entry, is at fault.
    #[error("The integration cannot be used: {0}.")]
    InvalidIntegration(String),
    /// The token endpoint could not be asked.
    #[error("No token could be had: {0}.")]
    Send(#[from] SendError),
    /// The token endpoint answered something else than tokens.
    #[error("No token could be had: {0}.")]
    Token(#[from] TokenError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ConnectClientError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownIntegration(_) => ErrorCode::UnknownIntegration,
            Self::InvalidIntegration(_) | Self::Find(FindIntegrationError::Invalid { .. }) => {
                ErrorCode::InvalidIntegration
            }
            Self::Variable(_) => ErrorCode::InvalidParameter,
            Self::Send(_) | Self::Token(_) => ErrorCode::ProviderError,
            Self::Find(_) | Self::Store(_) => ErrorCode::Internal,
        }
    }
}

impl<S: Store, T: TokenEndpoint, C: Clock, R: Randomness> Broker<S, T, C, R> {
    /// Connects the client itself: asks for a token in its name and stores it, in place of an older connection of that id.
    ///
    /// # Errors
    /// The integration cannot be used, or the provider does not give the client a token.
    pub async fn connect_client(
        &self,
        config_key: &ConfigKey,
        connection_id: &ConnectionId,
        params: &BTreeMap<String, String>,
        scopes: Option<&Scopes>,
    ) -> Result<(), ConnectClientError> {
        let Some(integration) = self.integrations.integration(config_key).await? else {
            return Err(ConnectClientError::UnknownIntegration(config_key.clone()));
        };
        if integration.provider.protocol != Protocol::Oauth2 {
            let problem = "its provider does not speak OAuth 2.0, so a user has to connect";
            return Err(ConnectClientError::InvalidIntegration(problem.to_owned()));
        }
        // RFC 6749 4.4: for confidential clients only.
        if integration.client_secret.is_none() {
            return Err(ConnectClientError::InvalidIntegration("it has no client secret".to_owned()));
        }
        let values = integration.provider.variable_values(params)?;
        let integration = self
            .discovered(&integration, &values)
            .await
            .map_err(|error: DiscoveryError| ConnectClientError::InvalidIntegration(error.to_string()))?;
        let scopes = scopes.filter(|scopes| !scopes.is_empty()).unwrap_or(&integration.rules.scopes);
        let set = self.request_client_token(&integration, &values, scopes).await?;
        let key =
            ConnectionKey { integration_id: integration.id.clone(), connection_id: connection_id.clone() };
        let connection =
            self.connection_of(key, &integration, &Credentials::OAuth2(set), scopes, params.clone());
        Ok(self.store.put_connection(&connection).await?)
    }

    /// A token in the client's own name.
    pub(crate) async fn request_client_token(
        &self,
        integration: &Integration,
        values: &VariableValues,
        scopes: &Scopes,
    ) -> Result<TokenSet, ConnectClientError> {
        let endpoint = integration.provider.token_endpoint(values)?.ok_or_else(|| {
            ConnectClientError::InvalidIntegration("its provider has no token endpoint".to_owned())
        })?;
        let client = integration
            .as_token_client(values, self.clock.now())
            .map_err(|error: QuirkError| ConnectClientError::InvalidIntegration(error.to_string()))?;
        let request = client_credentials_request(&client, endpoint, scopes);
        let set = self.request_tokens::<ConnectClientError>(&client, request, &[]).await?;
        Ok(TokenSet { grant_type: GrantType::ClientCredentials, ..set })
    }
}
