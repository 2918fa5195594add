//! Ends a connection: here, and at the provider where it knows how (RFC 7009).

use handfast_protocol::{Clock, ConfigKey, ConnectionId, Randomness, Secret};

use crate::connection::{Connection, Credentials};
use crate::token_endpoint::revocation_request;
use crate::{Broker, Store, StoreError, TokenEndpoint};

/// What became of the grant at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// The provider revoked it.
    Revoked,
    /// The provider offers no revocation.
    NotSupported,
    /// The provider was asked and did not; the sentence says why.
    Failed(String),
}

impl<S: Store, T: TokenEndpoint, C: Clock + 'static, R: Randomness + 'static> Broker<S, T, C, R> {
    /// Deletes a connection, then asks the provider to revoke its tokens. `None` if there is no such connection.
    pub async fn disconnect(
        &self,
        config_key: &ConfigKey,
        connection_id: &ConnectionId,
    ) -> Result<Option<(Connection, Revocation)>, StoreError> {
        let Some(connection) = self.store.delete_connection(config_key, connection_id).await? else {
            return Ok(None);
        };
        let revocation = self.revoke(&connection).await.unwrap_or_else(Revocation::Failed);
        Ok(Some((connection, revocation)))
    }

    async fn revoke(&self, connection: &Connection) -> Result<Revocation, String> {
        let Ok(Some(integration)) = self.integrations.integration(&connection.config_key).await else {
            return Err("the integration cannot be read".to_owned());
        };
        let provider = &integration.provider;
        let given = connection.params.iter().filter(|(name, _)| provider.variables.contains_key(*name));
        let given = given.map(|(name, value)| (name.clone(), value.clone())).collect();
        let values = provider.variable_values(&given).map_err(|error| error.to_string())?;
        let integration = self.discovered(&integration, &values).await.map_err(|error| error.to_string())?;
        let provider = &integration.provider;
        let Some(endpoint) = provider.revocation_endpoint(&values).map_err(|error| error.to_string())? else {
            return Ok(Revocation::NotSupported);
        };
        let credentials = self.open_credentials(connection).map_err(|error| error.to_string())?;
        let Credentials::OAuth2(set) = credentials else { return Ok(Revocation::NotSupported) };
        // RFC 7009 2.1: revoking the refresh token ends the access tokens of the same grant where the provider can.
        let (token, hint): (&Secret<String>, _) = set
            .refresh_token
            .as_ref()
            .map_or((&set.access_token, "access_token"), |token| (token, "refresh_token"));
        let client =
            integration.as_token_client(&values, self.clock.now()).map_err(|error| error.to_string())?;
        let request = revocation_request(&client, endpoint, token, hint);
        let answer = self.token_endpoint.send(request).await.map_err(|error| error.to_string())?;
        if (200..300).contains(&answer.status) {
            return Ok(Revocation::Revoked);
        }
        Err(format!("the provider answered HTTP {}", answer.status))
    }
}
