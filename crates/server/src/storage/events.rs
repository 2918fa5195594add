//! The table `events`.

use handfast_broker::{Event, EventKind, EventStore, StoreError};
use handfast_protocol::{ConfigKey, ConnectionId, Timestamp, random_token};

use super::{Storage, on_either};
use crate::system::SystemRandomness;

const COLUMNS: &str =
    "id, kind, config_key, connection_id, reason, created_at, deliveries, deliver_at, delivered_at";

/// The integration's name is looked up here, because those who change connections know its id only.
pub(super) const PUT_EVENT: &str = "INSERT INTO events (id, kind, config_key, connection_id, reason, created_at, deliveries, deliver_at) \
     SELECT $1, $2, config_key, $3, $4, $5, 0, $6 FROM integrations WHERE id = $7";

/// The statement that writes an event, for either database and inside the transaction of what it reports.
macro_rules! put_event {
    ($storage:expr, $key:expr, $kind:expr, $reason:expr, $now:expr) => {
        sqlx::query($crate::storage::events::PUT_EVENT)
            .bind($crate::storage::events::new_id())
            .bind($kind.as_str())
            .bind($key.connection_id.as_str().to_owned())
            .bind($reason)
            .bind($now.as_millis())
            .bind($storage.delivers_events.then(|| $now.as_millis()))
            .bind($key.integration_id.clone())
    };
}
pub(super) use put_event;

/// Of an event that tells of no failure.
pub(super) const NO_REASON: Option<&str> = None;

pub(super) fn new_id() -> String {
    format!("evt_{}", random_token(&SystemRandomness).into_exposed())
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    kind: String,
    config_key: String,
    connection_id: String,
    reason: Option<String>,
    created_at: i64,
    deliveries: i64,
    deliver_at: Option<i64>,
    delivered_at: Option<i64>,
}

impl TryFrom<Row> for Event {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            kind: EventKind::parse(&row.kind).ok_or_else(|| StoreError::new("an unknown kind of event"))?,
            config_key: ConfigKey::parse(&row.config_key).map_err(StoreError::new)?,
            connection_id: ConnectionId::parse(&row.connection_id).map_err(StoreError::new)?,
            reason: row.reason,
            created_at: Timestamp::from_millis(row.created_at),
            deliveries: row.deliveries,
            deliver_at: row.deliver_at.map(Timestamp::from_millis),
            delivered_at: row.delivered_at.map(Timestamp::from_millis),
        })
    }
}

impl EventStore for Storage {
    async fn events(&self, before: Option<&str>, limit: u32) -> Result<Vec<Event>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM events WHERE $1 IS NULL OR (created_at, id) < \
             (SELECT earlier.created_at, earlier.id FROM events AS earlier WHERE earlier.id = $1) \
             ORDER BY created_at DESC, id DESC LIMIT $2"
        );
        let rows: Vec<Row> = on_either!(self, pool => sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(before)
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await)
        .map_err(StoreError::new)?;
        rows.into_iter().map(Event::try_from).collect()
    }

    async fn take_due_event(&self, now: Timestamp, until: Timestamp) -> Result<Option<Event>, StoreError> {
        // The second condition is looked at again under the row's lock, so that two replicas never take one event.
        let sql = format!(
            "UPDATE events SET deliver_at = $1, deliveries = deliveries + 1 WHERE id = \
             (SELECT id FROM events WHERE deliver_at <= $2 ORDER BY deliver_at LIMIT 1) AND deliver_at <= $2 \
             RETURNING {COLUMNS}"
        );
        let row: Option<Row> = on_either!(self, pool => sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(until.as_millis())
            .bind(now.as_millis())
            .fetch_optional(pool)
            .await)
        .map_err(StoreError::new)?;
        row.map(Event::try_from).transpose()
    }

    async fn put_delivery(
        &self,
        id: &str,
        delivered_at: Option<Timestamp>,
        deliver_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let sql =
            "UPDATE events SET delivered_at = COALESCE($1, delivered_at), deliver_at = $2 WHERE id = $3";
        on_either!(self, pool => sqlx::query(sql)
            .bind(delivered_at.map(Timestamp::as_millis))
            .bind(deliver_at.map(Timestamp::as_millis))
            .bind(id)
            .execute(pool)
            .await
            .map(drop))
        .map_err(StoreError::new)
    }

    async fn replay_event(&self, id: &str, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "UPDATE events SET deliver_at = $1, deliveries = 0 WHERE id = $2";
        let replayed = on_either!(self, pool => sqlx::query(sql)
            .bind(now.as_millis())
            .bind(id)
            .execute(pool)
            .await
            .map(|done| done.rows_affected()));
        Ok(replayed.map_err(StoreError::new)? == 1)
    }
}

impl Storage {
    /// Forgets events that happened before `before`.
    pub(crate) async fn purge_events(&self, before: Timestamp) -> Result<(), StoreError> {
        let sql = "DELETE FROM events WHERE created_at < $1";
        on_either!(self, pool => sqlx::query(sql).bind(before.as_millis()).execute(pool).await.map(drop))
            .map_err(StoreError::new)
    }
}
