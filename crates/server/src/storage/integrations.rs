//! The table `integrations`.

use handfast_broker::{
    DeletedIntegration, IntegrationRules, IntegrationStore, Sealed, StoreError, StoredIntegration,
};
use handfast_protocol::{ConfigKey, Timestamp};

use super::{Storage, from_json, on_either, to_json};

/// What an edit may change.
const EDITABLE: &str = "provider_name, provider_overrides, client_id, sealed_client_secret, scopes, allowed_origins, \
     legacy_start, install_url, allowed_return_to, redirect_uri_kind, updated_at";

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    config_key: String,
    provider_name: String,
    provider_overrides: String,
    client_id: String,
    sealed_client_secret: Option<Vec<u8>>,
    scopes: String,
    allowed_origins: String,
    legacy_start: i64,
    install_url: Option<String>,
    allowed_return_to: String,
    redirect_uri_kind: Option<String>,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for StoredIntegration {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            config_key: ConfigKey::parse(&row.config_key).map_err(StoreError::new)?,
            provider_name: row.provider_name,
            provider_overrides: from_json(&row.provider_overrides)?,
            client_id: row.client_id,
            sealed_client_secret: row.sealed_client_secret.map(Sealed::from_stored),
            rules: IntegrationRules {
                scopes: from_json(&row.scopes)?,
                allowed_origins: from_json(&row.allowed_origins)?,
                legacy_start: row.legacy_start != 0,
                install_url: row.install_url,
                allowed_return_to: from_json(&row.allowed_return_to)?,
                redirect_uri_kind: row.redirect_uri_kind.as_deref().map(from_json).transpose()?,
            },
            created_at: Timestamp::from_millis(row.created_at),
            updated_at: Timestamp::from_millis(row.updated_at),
        })
    }
}

/// Binds what an edit may change: `$1` to `$11` of either statement.
macro_rules! bind_editable {
    ($query:expr, $integration:expr) => {
        $query
            .bind(&$integration.provider_name)
            .bind(to_json(&$integration.provider_overrides)?)
            .bind(&$integration.client_id)
            .bind($integration.sealed_client_secret.as_ref().map(Sealed::as_bytes))
            .bind(to_json(&$integration.rules.scopes)?)
            .bind(to_json(&$integration.rules.allowed_origins)?)
            .bind(i64::from($integration.rules.legacy_start))
            .bind(&$integration.rules.install_url)
            .bind(to_json(&$integration.rules.allowed_return_to)?)
            .bind($integration.rules.redirect_uri_kind.as_ref().map(to_json).transpose()?)
            .bind($integration.updated_at.as_millis())
    };
}

impl IntegrationStore for Storage {
    async fn insert_integration(&self, integration: &StoredIntegration) -> Result<bool, StoreError> {
        let sql = format!(
            "INSERT INTO integrations ({EDITABLE}, id, config_key, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (config_key) DO NOTHING"
        );
        let inserted = on_either!(self, pool => bind_editable!(sqlx::query(sqlx::AssertSqlSafe(sql)), integration)
            .bind(&integration.id)
            .bind(integration.config_key.as_str())
            .bind(integration.created_at.as_millis())
            .execute(pool)
            .await
            .map(|done| done.rows_affected()));
        Ok(inserted.map_err(StoreError::new)? == 1)
    }

    async fn replace_integration(
        &self,
        integration: &StoredIntegration,
        expected_updated_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = format!(
            "UPDATE integrations SET ({EDITABLE}) = ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
             WHERE id = $12 AND updated_at = $13"
        );
        let replaced = on_either!(self, pool => bind_editable!(sqlx::query(sqlx::AssertSqlSafe(sql)), integration)
            .bind(&integration.id)
            .bind(expected_updated_at.as_millis())
            .execute(pool)
            .await
            .map(|done| done.rows_affected()));
        Ok(replaced.map_err(StoreError::new)? == 1)
    }

    async fn stored_integration(
        &self,
        config_key: &ConfigKey,
    ) -> Result<Option<StoredIntegration>, StoreError> {
        let sql =
            format!("SELECT {EDITABLE}, id, config_key, created_at FROM integrations WHERE config_key = $1");
        let row: Option<Row> = on_either!(self, pool => sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(config_key.as_str())
            .fetch_optional(pool)
            .await)
        .map_err(StoreError::new)?;
        row.map(StoredIntegration::try_from).transpose()
    }

    async fn stored_integrations(&self) -> Result<Vec<StoredIntegration>, StoreError> {
        let sql =
            format!("SELECT {EDITABLE}, id, config_key, created_at FROM integrations ORDER BY config_key");
        let rows: Vec<Row> =
            on_either!(self, pool => sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(pool).await)
                .map_err(StoreError::new)?;
        rows.into_iter().map(StoredIntegration::try_from).collect()
    }

    async fn delete_integration(&self, config_key: &ConfigKey) -> Result<DeletedIntegration, StoreError> {
        let sql = "DELETE FROM integrations WHERE config_key = $1 \
                   AND NOT EXISTS (SELECT 1 FROM connections WHERE integration_id = integrations.id)";
        let deleted = on_either!(self, pool => sqlx::query(sql)
            .bind(config_key.as_str())
            .execute(pool)
            .await
            .map(|done| done.rows_affected()))
        .map_err(StoreError::new)?;
        if deleted == 1 {
            return Ok(DeletedIntegration::Deleted);
        }
        let stands = self.stored_integration(config_key).await?.is_some();
        Ok(if stands { DeletedIntegration::HasConnections } else { DeletedIntegration::Unknown })
    }
}
