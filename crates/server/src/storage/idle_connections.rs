//! The table `connections`, by how long nobody has asked for a token that is due.

use handfast_broker::{IdleConnection, IdleConnections, IdleFilter, StoreError};
use handfast_protocol::{ConfigKey, ConnectionId, Timestamp};

use super::{Storage, on_either};

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    config_key: String,
    connection_id: String,
    refresh_at: i64,
}

impl TryFrom<Row> for IdleConnection {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            config_key: ConfigKey::parse(&row.config_key).map_err(StoreError::new)?,
            connection_id: ConnectionId::parse(&row.connection_id).map_err(StoreError::new)?,
            refresh_at: Timestamp::from_millis(row.refresh_at),
        })
    }
}

impl IdleConnections for Storage {
    async fn idle_connections(
        &self,
        filter: IdleFilter,
        after: Option<&IdleConnection>,
        limit: u32,
    ) -> Result<Vec<IdleConnection>, StoreError> {
        let sql = "SELECT connections.id, config_key, connection_id, refresh_at \
                   FROM connections JOIN integrations ON integrations.id = integration_id \
                   WHERE status = 'active' AND refresh_at <= $1 AND (retry_at IS NULL OR retry_at <= $2) \
                   AND (lease_expires_at IS NULL OR lease_expires_at <= $3) \
                   AND (refresh_at, connections.id) > ($4, $5) \
                   ORDER BY refresh_at, connections.id LIMIT $6";
        let rows: Vec<Row> = on_either!(self, pool => sqlx::query_as(sql)
            .bind(filter.due_since.as_millis())
            .bind(filter.paused_until.as_millis())
            .bind(filter.now.as_millis())
            .bind(after.map_or(i64::MIN, |last| last.refresh_at.as_millis()))
            .bind(after.map_or("", |last| last.id.as_str()))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await)
        .map_err(StoreError::new)?;
        rows.into_iter().map(IdleConnection::try_from).collect()
    }
}
