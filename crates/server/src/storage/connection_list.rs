//! The table `connections` as a list, and as the goal of an import.

use handfast_broker::{
    Connection, ConnectionFilter, ConnectionImport, ConnectionKey, ConnectionList, ConnectionStatus, Cursor,
    Imported, NewConnection, OnExisting, StoreError,
};
use handfast_protocol::{ConfigKey, ConnectionId, Timestamp};
use serde_json::{Map, Value};

use super::{
    Storage,
    connections::{ConnectionRow, PUT_CONNECTION, Row},
    on_either, to_json,
};

#[derive(sqlx::FromRow)]
struct ListedRow {
    config_key: String,
    #[sqlx(flatten)]
    row: Row,
}

impl ConnectionList for Storage {
    async fn connections(
        &self,
        filter: &ConnectionFilter,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Vec<Connection>, StoreError> {
        let sql = "SELECT connections.*, integrations.config_key FROM connections \
                   JOIN integrations ON integrations.id = connections.integration_id \
                   WHERE ($1 IS NULL OR integrations.config_key = $1) \
                   AND ($2 IS NULL OR connections.connection_id = $2) \
                   AND ($3 IS NULL OR connections.status = $3) \
                   AND (connections.created_at > $4 OR (connections.created_at = $4 AND connections.id > $5)) \
                   ORDER BY connections.created_at, connections.id LIMIT $6";
        let rows: Vec<ListedRow> = on_either!(self, pool => sqlx::query_as(sql)
            .bind(filter.config_key.as_ref().map(ConfigKey::as_str))
            .bind(filter.connection_id.as_ref().map(ConnectionId::as_str))
            .bind(filter.status.map(ConnectionStatus::as_str))
            .bind(after.map_or(i64::MIN, |cursor| cursor.created_at.as_millis()))
            .bind(after.map_or("", |cursor| cursor.id.as_str()))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await)
        .map_err(StoreError::new)?;
        let read = |listed: ListedRow| {
            let config_key = ConfigKey::parse(&listed.config_key).map_err(StoreError::new)?;
            listed.row.into_connection(config_key)
        };
        rows.into_iter().map(read).collect()
    }

    async fn replace_metadata(
        &self,
        key: &ConnectionKey,
        expected: &Map<String, Value>,
        metadata: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let _change = self.changing(&key.connection_id);
        let sql = "UPDATE connections SET metadata = $1, updated_at = $2 \
                   WHERE integration_id = $3 AND connection_id = $4 AND metadata = $5";
        let replaced = on_either!(self, pool => sqlx::query(sql)
            .bind(to_json(metadata)?)
            .bind(now.as_millis())
            .bind(&key.integration_id)
            .bind(key.connection_id.as_str())
            .bind(to_json(expected)?)
            .execute(pool)
            .await
            .map(|done| done.rows_affected()));
        Ok(replaced.map_err(StoreError::new)? == 1)
    }
}

const PUT_NEW_CONNECTION: &str = "INSERT INTO connections (integration_id, connection_id, id, status, sealed_credentials, \
     version, expires_at, refresh_at, granted_scopes, params, metadata, refresh_failures, created_at, updated_at) \
     VALUES ($1, $2, $3, 'active', $4, 1, $5, $6, $7, $8, '{}', 0, $9, $9) \
     ON CONFLICT (integration_id, connection_id) DO NOTHING RETURNING version";

impl ConnectionImport for Storage {
    async fn import_connection(
        &self,
        connection: &NewConnection,
        metadata: &Map<String, Value>,
        on_existing: OnExisting,
    ) -> Result<Imported, StoreError> {
        let _change = self.changing(&connection.key.connection_id);
        let row = ConnectionRow::new(connection)?;
        let sql = match on_existing {
            OnExisting::Keep => PUT_NEW_CONNECTION.to_owned(),
            OnExisting::Replace => format!("{PUT_CONNECTION} RETURNING version"),
        };
        let set_metadata =
            "UPDATE connections SET metadata = $1 WHERE integration_id = $2 AND connection_id = $3";
        on_either!(self, pool => {
            let mut transaction = pool.begin().await.map_err(StoreError::new)?;
            let version: Option<i64> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
                .bind(&row.integration_id)
                .bind(&row.connection_id)
                .bind(&row.id)
                .bind(&row.sealed_credentials)
                .bind(row.expires_at)
                .bind(row.refresh_at)
                .bind(&row.granted_scopes)
                .bind(&row.params)
                .bind(row.now)
                .fetch_optional(&mut *transaction)
                .await
                .map_err(StoreError::new)?;
            if version.is_some() {
                sqlx::query(set_metadata)
                    .bind(to_json(metadata)?)
                    .bind(&row.integration_id)
                    .bind(&row.connection_id)
                    .execute(&mut *transaction)
                    .await
                    .map_err(StoreError::new)?;
            }
            transaction.commit().await.map_err(StoreError::new)?;
            Ok(match version {
                None => Imported::Kept,
                Some(1) => Imported::Created,
                Some(_) => Imported::Replaced,
            })
        })
    }
}
