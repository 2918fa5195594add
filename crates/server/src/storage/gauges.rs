//! What `/metrics` counts in the database.

use handfast_broker::StoreError;

use super::{Storage, on_either};

/// Rows by state.
pub(crate) struct Gauges {
    pub(crate) connections: Vec<(String, i64)>,
    pub(crate) events_due: i64,
}

impl Storage {
    pub(crate) async fn gauges(&self) -> Result<Gauges, StoreError> {
        let by_status = "SELECT status, COUNT(*) FROM connections GROUP BY status ORDER BY status";
        let due = "SELECT COUNT(*) FROM events WHERE deliver_at IS NOT NULL";
        on_either!(self, pool => Ok(Gauges {
            connections: sqlx::query_as(by_status).fetch_all(pool).await.map_err(StoreError::new)?,
            events_due: sqlx::query_scalar(due).fetch_one(pool).await.map_err(StoreError::new)?,
        }))
    }
}
