//! The table `connections`: sealed credentials, and who may refresh them.

use std::sync::Arc;

use handfast_broker::{
    Connection, ConnectionKey, ConnectionStatus, Connections, EventKind, NewConnection, RefreshFailure,
    RenewedCredentials, Sealed, StoreError,
};
use handfast_protocol::{Clock, ConfigKey, ConnectionId, Timestamp};

use super::{Storage, connection_cache::ConnectionCache, events, from_json, on_either, to_json};
use crate::system::SystemClock;

const COLUMNS: &str = "integration_id, connection_id, id, status, sealed_credentials, version, expires_at, refresh_at, \
     granted_scopes, params, metadata, refresh_failures, retry_at, lease_expires_at, created_at, updated_at";

/// A row of the table.
#[derive(sqlx::FromRow)]
pub(super) struct Row {
    integration_id: String,
    connection_id: String,
    id: String,
    status: String,
    sealed_credentials: Vec<u8>,
    version: i64,
    expires_at: Option<i64>,
    refresh_at: Option<i64>,
    granted_scopes: String,
    params: String,
    metadata: String,
    refresh_failures: i64,
    retry_at: Option<i64>,
    lease_expires_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
}

impl Row {
    pub(super) fn into_connection(self, config_key: ConfigKey) -> Result<Connection, StoreError> {
        Ok(Connection {
            id: self.id,
            key: ConnectionKey {
                integration_id: self.integration_id,
                connection_id: ConnectionId::parse(&self.connection_id).map_err(StoreError::new)?,
            },
            config_key,
            status: ConnectionStatus::parse(&self.status)
                .ok_or_else(|| StoreError::new("an unknown connection status"))?,
            sealed_credentials: Sealed::from_stored(self.sealed_credentials),
            version: self.version,
            expires_at: self.expires_at.map(Timestamp::from_millis),
            refresh_at: self.refresh_at.map(Timestamp::from_millis),
            granted_scopes: from_json(&self.granted_scopes)?,
            params: from_json(&self.params)?,
            metadata: from_json(&self.metadata)?,
            refresh_failures: self.refresh_failures,
            retry_at: self.retry_at.map(Timestamp::from_millis),
            lease_expires_at: self.lease_expires_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}

/// A connection about to be written, in the database's types.
pub(super) struct ConnectionRow {
    pub(super) integration_id: String,
    pub(super) connection_id: String,
    pub(super) id: String,
    pub(super) sealed_credentials: Vec<u8>,
    pub(super) expires_at: Option<i64>,
    pub(super) refresh_at: Option<i64>,
    pub(super) granted_scopes: String,
    pub(super) params: String,
    pub(super) now: i64,
}

impl ConnectionRow {
    pub(super) fn new(connection: &NewConnection) -> Result<Self, StoreError> {
        Ok(Self {
            integration_id: connection.key.integration_id.clone(),
            connection_id: connection.key.connection_id.as_str().to_owned(),
            id: connection.id.clone(),
            sealed_credentials: connection.sealed_credentials.as_bytes().to_vec(),
            expires_at: connection.expires_at.map(Timestamp::as_millis),
            refresh_at: connection.refresh_at.map(Timestamp::as_millis),
            granted_scopes: to_json(&connection.granted_scopes)?,
            params: to_json(&connection.params)?,
            now: connection.now.as_millis(),
        })
    }
}

/// An older connection of the same key keeps id, `created_at` and metadata.
pub(super) const PUT_CONNECTION: &str = "INSERT INTO connections (integration_id, connection_id, id, status, sealed_credentials, \
     version, expires_at, refresh_at, granted_scopes, params, metadata, refresh_failures, created_at, updated_at) \
     VALUES ($1, $2, $3, 'active', $4, 1, $5, $6, $7, $8, '{}', 0, $9, $9) \
     ON CONFLICT (integration_id, connection_id) DO UPDATE SET status = excluded.status, \
     sealed_credentials = excluded.sealed_credentials, version = connections.version + 1, expires_at = excluded.expires_at, \
     refresh_at = excluded.refresh_at, granted_scopes = excluded.granted_scopes, params = excluded.params, \
     refresh_failures = 0, retry_at = NULL, lease_owner = NULL, lease_expires_at = NULL, updated_at = excluded.updated_at";

/// The statement that writes a [`ConnectionRow`], for either database.
macro_rules! put_connection {
    ($row:expr) => {
        sqlx::query($crate::storage::connections::PUT_CONNECTION)
            .bind(&$row.integration_id)
            .bind(&$row.connection_id)
            .bind(&$row.id)
            .bind(&$row.sealed_credentials)
            .bind($row.expires_at)
            .bind($row.refresh_at)
            .bind(&$row.granted_scopes)
            .bind(&$row.params)
            .bind($row.now)
    };
}
pub(super) use put_connection;

impl Connections for Storage {
    async fn connection(
        &self,
        config_key: &ConfigKey,
        connection_id: &ConnectionId,
    ) -> Result<Option<Arc<Connection>>, StoreError> {
        if let Some(held) = self.cache().and_then(|cache| cache.find(config_key, connection_id)) {
            return Ok(Some(held));
        }
        let look = self.cache().map(ConnectionCache::look);
        let sql = format!(
            "SELECT {COLUMNS} FROM connections \
             WHERE integration_id = (SELECT id FROM integrations WHERE config_key = $1) AND connection_id = $2"
        );
        let row: Option<Row> = on_either!(self, pool => sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(config_key.as_str())
            .bind(connection_id.as_str())
            .fetch_optional(pool)
            .await)
        .map_err(StoreError::new)?;
        let connection = row.map(|row| row.into_connection(config_key.clone())).transpose()?.map(Arc::new);
        if let (Some(cache), Some(look), Some(connection)) = (self.cache(), &look, &connection) {
            cache.hold(look, connection);
        }
        Ok(connection)
    }

    async fn lease_refresh(
        &self,
        key: &ConnectionKey,
        version: i64,
        owner: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE connections SET lease_owner = $1, lease_expires_at = $2 \
                   WHERE integration_id = $3 AND connection_id = $4 AND version = $5 \
                   AND (lease_expires_at IS NULL OR lease_expires_at <= $6)";
        let leased = on_either!(self, pool => sqlx::query(sql)
            .bind(owner)
            .bind(until.as_millis())
            .bind(&key.integration_id)
            .bind(key.connection_id.as_str())
            .bind(version)
            .bind(now.as_millis())
            .execute(pool)
            .await
            .map(|done| done.rows_affected()));
        Ok(leased.map_err(StoreError::new)? == 1)
    }

    async fn replace_credentials(
        &self,
        key: &ConnectionKey,
        version: i64,
        renewed: &RenewedCredentials,
    ) -> Result<bool, StoreError> {
        let _change = self.changing(&key.connection_id);
        let sql = "UPDATE connections SET status = 'active', sealed_credentials = $1, version = version + 1, expires_at = $2, \
                   refresh_at = $3, granted_scopes = $4, refresh_failures = 0, retry_at = NULL, lease_owner = NULL, \
                   lease_expires_at = NULL, updated_at = $5 \
                   WHERE integration_id = $6 AND connection_id = $7 AND version = $8";
        let replaced = on_either!(self, pool => sqlx::query(sql)
            .bind(renewed.sealed_credentials.as_bytes())
            .bind(renewed.expires_at.map(Timestamp::as_millis))
            .bind(renewed.refresh_at.map(Timestamp::as_millis))
            .bind(to_json(&renewed.granted_scopes)?)
            .bind(renewed.now.as_millis())
            .bind(&key.integration_id)
            .bind(key.connection_id.as_str())
            .bind(version)
            .execute(pool)
            .await
            .map(|done| done.rows_affected()));
        Ok(replaced.map_err(StoreError::new)? == 1)
    }

    async fn put_refresh_failure(
        &self,
        key: &ConnectionKey,
        version: i64,
        failure: &RefreshFailure,
    ) -> Result<bool, StoreError> {
        let _change = self.changing(&key.connection_id);
        let sql = "UPDATE connections SET status = $1, refresh_failures = refresh_failures + 1, retry_at = $2, \
                   lease_owner = NULL, lease_expires_at = NULL, updated_at = $3 \
                   WHERE integration_id = $4 AND connection_id = $5 AND version = $6 RETURNING refresh_failures";
        on_either!(self, pool => {
            let mut transaction = pool.begin().await.map_err(StoreError::new)?;
            let failures: Option<i64> = sqlx::query_scalar(sql)
                .bind(failure.status.as_str())
                .bind(failure.retry_at.map(Timestamp::as_millis))
                .bind(failure.now.as_millis())
                .bind(&key.integration_id)
                .bind(key.connection_id.as_str())
                .bind(version)
                .fetch_optional(&mut *transaction)
                .await
                .map_err(StoreError::new)?;
            // One event for a row of failures, and one for their end.
            let kind = match (failure.status, failures) {
                (ConnectionStatus::NeedsReconnect, Some(_)) => Some(EventKind::NeedsReconnect),
                (ConnectionStatus::Active, Some(1)) => Some(EventKind::RefreshFailed),
                _ => None,
            };
            if let Some(kind) = kind {
                events::put_event!(self, key, kind, Some(&failure.reason), failure.now)
                    .execute(&mut *transaction)
                    .await
                    .map_err(StoreError::new)?;
            }
            transaction.commit().await.map_err(StoreError::new)?;
            Ok(failures.is_some())
        })
    }

    async fn put_connection(&self, connection: &NewConnection) -> Result<(), StoreError> {
        let _change = self.changing(&connection.key.connection_id);
        let row = ConnectionRow::new(connection)?;
        let (key, now) = (&connection.key, connection.now);
        on_either!(self, pool => {
            let mut transaction = pool.begin().await.map_err(StoreError::new)?;
            put_connection!(row).execute(&mut *transaction).await.map_err(StoreError::new)?;
            events::put_event!(self, key, EventKind::Created, events::NO_REASON, now)
                .execute(&mut *transaction)
                .await
                .map_err(StoreError::new)?;
            transaction.commit().await.map_err(StoreError::new)
        })
    }

    async fn delete_connection(
        &self,
        config_key: &ConfigKey,
        connection_id: &ConnectionId,
    ) -> Result<Option<Connection>, StoreError> {
        let _change = self.changing(connection_id);
        let sql = format!(
            "DELETE FROM connections WHERE integration_id = (SELECT id FROM integrations WHERE config_key = $1) \
             AND connection_id = $2 RETURNING {COLUMNS}"
        );
        let row: Option<Row> = on_either!(self, pool => {
            let mut transaction = pool.begin().await.map_err(StoreError::new)?;
            let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(config_key.as_str())
                .bind(connection_id.as_str())
                .fetch_optional(&mut *transaction)
                .await
                .map_err(StoreError::new)?;
            if let Some(row) = &row {
                let key = ConnectionKey { integration_id: row.integration_id.clone(), connection_id: connection_id.clone() };
                events::put_event!(self, key, EventKind::Deleted, events::NO_REASON, SystemClock.now())
                    .execute(&mut *transaction)
                    .await
                    .map_err(StoreError::new)?;
            }
            transaction.commit().await.map_err(StoreError::new)?;
            row
        });
        row.map(|row| row.into_connection(config_key.clone())).transpose()
    }
}
