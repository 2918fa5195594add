//! The table `api_keys`.

use handfast_broker::{ApiKey, ApiKeyStore, StoreError};
use handfast_protocol::{Sha256Hash, Timestamp};

use super::{Storage, from_json, on_either, to_json};

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    name: String,
    scopes: String,
    hint: String,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl TryFrom<Row> for ApiKey {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            name: row.name,
            scopes: from_json(&row.scopes)?,
            hint: row.hint,
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: row.expires_at.map(Timestamp::from_millis),
            revoked_at: row.revoked_at.map(Timestamp::from_millis),
        })
    }
}

impl ApiKeyStore for Storage {
    async fn insert_api_key(&self, key: &ApiKey, hash: &Sha256Hash) -> Result<(), StoreError> {
        let sql = "INSERT INTO api_keys (hash, id, name, scopes, hint, created_at, expires_at, revoked_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        on_either!(self, pool => sqlx::query(sql)
            .bind(hash.as_str())
            .bind(&key.id)
            .bind(&key.name)
            .bind(to_json(&key.scopes)?)
            .bind(&key.hint)
            .bind(key.created_at.as_millis())
            .bind(key.expires_at.map(Timestamp::as_millis))
            .bind(key.revoked_at.map(Timestamp::as_millis))
            .execute(pool)
            .await
            .map(drop))
        .map_err(StoreError::new)
    }

    async fn api_key(&self, hash: &Sha256Hash) -> Result<Option<ApiKey>, StoreError> {
        let sql =
            "SELECT id, name, scopes, hint, created_at, expires_at, revoked_at FROM api_keys WHERE hash = $1";
        let row: Option<Row> =
            on_either!(self, pool => sqlx::query_as(sql).bind(hash.as_str()).fetch_optional(pool).await)
                .map_err(StoreError::new)?;
        row.map(ApiKey::try_from).transpose()
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        let sql = "SELECT id, name, scopes, hint, created_at, expires_at, revoked_at FROM api_keys \
                   ORDER BY created_at, id";
        let rows: Vec<Row> =
            on_either!(self, pool => sqlx::query_as(sql).fetch_all(pool).await).map_err(StoreError::new)?;
        rows.into_iter().map(ApiKey::try_from).collect()
    }

    async fn revoke_api_key(&self, id: &str, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "UPDATE api_keys SET revoked_at = COALESCE(revoked_at, $1) WHERE id = $2";
        let revoked = on_either!(self, pool => sqlx::query(sql)
            .bind(now.as_millis())
            .bind(id)
            .execute(pool)
            .await
            .map(|done| done.rows_affected()));
        Ok(revoked.map_err(StoreError::new)? == 1)
    }
}
