//! `/api_keys`: make, list and revoke.

use core::time::Duration;

use axum::{Json, extract::State, http::StatusCode};
use handfast_broker::{ApiKey, ApiKeyScope, ApiKeyStore};
use handfast_protocol::{Clock, ErrorCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    caller::Caller,
    error::Problem,
    extract::{JsonBody, TextPath},
    integrations::rfc3339,
};
use crate::{app::App, system::SystemClock};

/// A key to be made.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewApiKeyBody {
    name: String,
    #[schemars(with = "Vec<String>")]
    scopes: Vec<ApiKeyScope>,
    /// In seconds; for ever if it is left out.
    expires_in: Option<u64>,
}

/// A key as it is listed.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ApiKeyBody {
    id: String,
    name: String,
    #[schemars(with = "Vec<String>")]
    scopes: Vec<ApiKeyScope>,
    /// The last four characters.
    hint: String,
    created_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
}

/// A key that was just made.
#[derive(Serialize, JsonSchema)]
pub(crate) struct CreatedApiKeyBody {
    #[serde(flatten)]
    key: ApiKeyBody,
    /// The key itself, shown this once.
    api_key: String,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct ApiKeysBody {
    api_keys: Vec<ApiKeyBody>,
}

impl From<ApiKey> for ApiKeyBody {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            scopes: key.scopes,
            hint: key.hint,
            created_at: rfc3339(key.created_at),
            expires_at: key.expires_at.map(rfc3339),
            revoked_at: key.revoked_at.map(rfc3339),
        }
    }
}

pub(crate) async fn list(caller: Caller, State(app): State<App>) -> Result<Json<ApiKeysBody>, Problem> {
    caller.require(ApiKeyScope::KeysWrite)?;
    let api_keys = app.broker().store.api_keys().await?.into_iter().map(ApiKeyBody::from).collect();
    Ok(Json(ApiKeysBody { api_keys }))
}

pub(crate) async fn create(
    caller: Caller,
    State(app): State<App>,
    JsonBody(new): JsonBody<NewApiKeyBody>,
) -> Result<(StatusCode, Json<CreatedApiKeyBody>), Problem> {
    caller.require(ApiKeyScope::KeysWrite)?;
    let lifetime = new.expires_in.map(Duration::from_secs);
    let (key, secret) =
        app.broker().create_api_key(&new.name, new.scopes, lifetime, caller.api_key()).await?;
    tracing::info!(id = key.id, "API key made");
    let body = CreatedApiKeyBody { key: key.into(), api_key: secret.into_exposed() };
    Ok((StatusCode::CREATED, Json(body)))
}

pub(crate) async fn revoke(
    caller: Caller,
    State(app): State<App>,
    TextPath(id): TextPath,
) -> Result<StatusCode, Problem> {
    caller.require(ApiKeyScope::KeysWrite)?;
    if !app.broker().store.revoke_api_key(&id, SystemClock.now()).await? {
        return Err(Problem::new(ErrorCode::NotFound, "there is no API key of this id").field("id"));
    }
    app.api_key_cache().clear();
    tracing::info!(id, "API key revoked");
    Ok(StatusCode::NO_CONTENT)
}
