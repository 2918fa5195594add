//! The table `connect_tokens`.

use handfast_broker::{ConnectGrant, ConnectTokenStore, StoreError};
use handfast_protocol::{Sha256Hash, Timestamp};

use super::{Storage, from_json, on_either, to_json};

impl ConnectTokenStore for Storage {
    async fn insert_connect_token(
        &self,
        hash: &Sha256Hash,
        grant: &ConnectGrant,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO connect_tokens (hash, pinned, created_at, expires_at) VALUES ($1, $2, $3, $4)";
        on_either!(self, pool => sqlx::query(sql)
            .bind(hash.as_str())
            .bind(to_json(grant)?)
            .bind(now.as_millis())
            .bind(expires_at.as_millis())
            .execute(pool)
            .await
            .map(drop))
        .map_err(StoreError::new)
    }

    async fn connect_grant(
        &self,
        hash: &Sha256Hash,
        attempt_secret_hash: &Sha256Hash,
        now: Timestamp,
    ) -> Result<Option<ConnectGrant>, StoreError> {
        let sql = "SELECT pinned FROM connect_tokens WHERE hash = $1 AND expires_at > $2 \
                   AND (attempt_secret_hash IS NULL OR attempt_secret_hash = $3)";
        let pinned: Option<String> = on_either!(self, pool => sqlx::query_scalar(sql)
            .bind(hash.as_str())
            .bind(now.as_millis())
            .bind(attempt_secret_hash.as_str())
            .fetch_optional(pool)
            .await)
        .map_err(StoreError::new)?;
        pinned.map(|text| from_json(&text)).transpose()
    }

    async fn use_connect_token(
        &self,
        hash: &Sha256Hash,
        attempt_secret_hash: &Sha256Hash,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE connect_tokens SET attempt_secret_hash = $1 WHERE hash = $2 AND expires_at > $3 \
                   AND (attempt_secret_hash IS NULL OR attempt_secret_hash = $1)";
        let used = on_either!(self, pool => sqlx::query(sql)
            .bind(attempt_secret_hash.as_str())
            .bind(hash.as_str())
            .bind(now.as_millis())
            .execute(pool)
            .await
            .map(|done| done.rows_affected()));
        Ok(used.map_err(StoreError::new)? == 1)
    }
}

impl Storage {
    /// Forgets tokens that have expired.
    pub(crate) async fn purge_connect_tokens(&self, now: Timestamp) -> Result<(), StoreError> {
        let sql = "DELETE FROM connect_tokens WHERE expires_at <= $1";
        on_either!(self, pool => sqlx::query(sql).bind(now.as_millis()).execute(pool).await.map(drop))
            .map_err(StoreError::new)
    }
}
