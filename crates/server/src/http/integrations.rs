//! `/integrations`: list, create, read, edit and delete.

use axum::{Json, extract::State, http::StatusCode};
use handfast_broker::{
    ApiKeyScope, DeletedIntegration, IntegrationEdit, IntegrationRules, NewIntegration, RedirectUriKind,
    StoredIntegration,
};
use handfast_protocol::{Clock, ConfigKey, ErrorCode, Scopes, Secret, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    caller::Caller,
    error::Problem,
    extract::{ConfigKeyPath, JsonBody},
};
use crate::{
    app::App,
    system::{SystemClock, SystemRandomness},
};

/// What stands in place of a client secret that is not shown.
pub(super) const MASK: &str = "********";

/// The names of the two kinds, for the description of the routes.
#[derive(JsonSchema)]
#[schemars(rename = "RedirectUriKind", rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used; the broker's own type knows no schemas")]
enum RedirectUriKindName {
    /// `/oauth/callback`
    Shared,
    /// `/oauth/callback/{config_key}`
    Own,
}

/// An integration as it is shown.
#[derive(Serialize, JsonSchema)]
pub(crate) struct IntegrationBody {
    #[schemars(with = "String")]
    config_key: ConfigKey,
    provider_name: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    provider_overrides: Map<String, Value>,
    client_id: String,
    /// Null for a public client; masked unless the API key may read secrets.
    client_secret: Option<String>,
    #[schemars(with = "Vec<String>")]
    scopes: Scopes,
    allowed_origins: Vec<String>,
    legacy_start: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    install_url: Option<String>,
    allowed_return_to: Vec<String>,
    /// Absent where nobody chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<RedirectUriKindName>")]
    redirect_uri_kind: Option<RedirectUriKind>,
    /// The address to be registered at the provider; null where its entry no longer fits.
    redirect_uri: Option<String>,
    created_at: String,
    updated_at: String,
}

/// An integration to be created.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewIntegrationBody {
    #[schemars(with = "String")]
    config_key: ConfigKey,
    provider_name: String,
    #[serde(default)]
    provider_overrides: Map<String, Value>,
    /// Empty where users type credentials.
    #[serde(default)]
    client_id: String,
    client_secret: Option<String>,
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    scopes: Scopes,
    #[serde(default)]
    allowed_origins: Vec<String>,
    #[serde(default)]
    legacy_start: bool,
    install_url: Option<String>,
    #[serde(default)]
    allowed_return_to: Vec<String>,
    #[schemars(with = "Option<RedirectUriKindName>")]
    redirect_uri_kind: Option<RedirectUriKind>,
}

/// What is to change; a field that is left out stays.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IntegrationEditBody {
    provider_name: Option<String>,
    provider_overrides: Option<Map<String, Value>>,
    client_id: Option<String>,
    client_secret: Option<String>,
    #[schemars(with = "Option<Vec<String>>")]
    scopes: Option<Scopes>,
    allowed_origins: Option<Vec<String>>,
    legacy_start: Option<bool>,
    /// Empty: none.
    install_url: Option<String>,
    allowed_return_to: Option<Vec<String>>,
    #[schemars(with = "Option<RedirectUriKindName>")]
    redirect_uri_kind: Option<RedirectUriKind>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct IntegrationsBody {
    integrations: Vec<IntegrationBody>,
}

pub(crate) async fn list(caller: Caller, State(app): State<App>) -> Result<Json<IntegrationsBody>, Problem> {
    caller.require(ApiKeyScope::IntegrationsRead)?;
    let stored = app.integrations().list().await?;
    let integrations =
        stored.into_iter().map(|stored| body(&app, &caller, stored)).collect::<Result<_, _>>()?;
    Ok(Json(IntegrationsBody { integrations }))
}

pub(crate) async fn show(
    caller: Caller,
    State(app): State<App>,
    ConfigKeyPath(config_key): ConfigKeyPath,
) -> Result<Json<IntegrationBody>, Problem> {
    caller.require(ApiKeyScope::IntegrationsRead)?;
    let stored = app.integrations().stored(&config_key).await?.ok_or_else(|| unknown(&config_key))?;
    Ok(Json(body(&app, &caller, stored)?))
}

pub(crate) async fn create(
    caller: Caller,
    State(app): State<App>,
    JsonBody(new): JsonBody<NewIntegrationBody>,
) -> Result<(StatusCode, Json<IntegrationBody>), Problem> {
    caller.require(ApiKeyScope::IntegrationsWrite)?;
    let new = NewIntegration {
        config_key: new.config_key,
        provider_name: new.provider_name,
        provider_overrides: new.provider_overrides,
        client_id: new.client_id,
        client_secret: new.client_secret.map(Secret::new),
        rules: IntegrationRules {
            scopes: new.scopes,
            allowed_origins: new.allowed_origins,
            legacy_start: new.legacy_start,
            install_url: new.install_url,
            allowed_return_to: new.allowed_return_to,
            redirect_uri_kind: new.redirect_uri_kind,
        },
    };
    let stored = app.integrations().create(new, SystemClock.now(), &SystemRandomness).await?;
    tracing::info!(config_key = %stored.config_key, "integration created");
    Ok((StatusCode::CREATED, Json(body(&app, &caller, stored)?)))
}

pub(crate) async fn edit(
    caller: Caller,
    State(app): State<App>,
    ConfigKeyPath(config_key): ConfigKeyPath,
    JsonBody(edit): JsonBody<IntegrationEditBody>,
) -> Result<Json<IntegrationBody>, Problem> {
    caller.require(ApiKeyScope::IntegrationsWrite)?;
    let edit = IntegrationEdit {
        provider_name: edit.provider_name,
        provider_overrides: edit.provider_overrides,
        client_id: edit.client_id,
        client_secret: edit.client_secret.map(Secret::new),
        scopes: edit.scopes,
        allowed_origins: edit.allowed_origins,
        legacy_start: edit.legacy_start,
        install_url: edit.install_url,
        allowed_return_to: edit.allowed_return_to,
        redirect_uri_kind: edit.redirect_uri_kind,
    };
    let stored = app.integrations().edit(&config_key, edit, SystemClock.now(), &SystemRandomness).await?;
    tracing::info!(config_key = %stored.config_key, "integration edited");
    Ok(Json(body(&app, &caller, stored)?))
}

pub(crate) async fn delete(
    caller: Caller,
    State(app): State<App>,
    ConfigKeyPath(config_key): ConfigKeyPath,
) -> Result<StatusCode, Problem> {
    caller.require(ApiKeyScope::IntegrationsWrite)?;
    match app.integrations().delete(&config_key).await? {
        DeletedIntegration::Deleted => {
            tracing::info!(%config_key, "integration deleted");
            Ok(StatusCode::NO_CONTENT)
        }
        DeletedIntegration::Unknown => Err(unknown(&config_key)),
        DeletedIntegration::HasConnections => Err(Problem::invalid_request(format!(
            "connections belong to the integration {config_key}; delete them first"
        ))
        .status(StatusCode::CONFLICT)),
    }
}

pub(super) fn unknown(config_key: &ConfigKey) -> Problem {
    Problem::new(ErrorCode::UnknownIntegration, format!("there is no integration called {config_key}"))
        .field("config_key")
}

/// The client secret as `caller` may see it.
pub(super) fn shown_secret(
    app: &App,
    caller: &Caller,
    stored: &StoredIntegration,
) -> Result<Option<String>, Problem> {
    if !caller.may_read_secrets() {
        return Ok(stored.sealed_client_secret.as_ref().map(|_| MASK.to_owned()));
    }
    let secret = app.integrations().open_client_secret(stored).map_err(|error| Problem::internal(&error))?;
    Ok(secret.map(Secret::into_exposed))
}

/// An instant as RFC 3339 with milliseconds.
pub(crate) fn rfc3339(instant: Timestamp) -> String {
    let instant =
        jiff::Timestamp::from_millisecond(instant.as_millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{instant:.3}")
}

fn redirect_uri(app: &App, stored: &StoredIntegration) -> Option<String> {
    let integration = app.integrations().open(stored.clone()).ok()?;
    Some(app.policy().redirect_uri(integration.own_redirect_uri().map(ConfigKey::as_str)))
}

fn body(app: &App, caller: &Caller, stored: StoredIntegration) -> Result<IntegrationBody, Problem> {
    Ok(IntegrationBody {
        client_secret: shown_secret(app, caller, &stored)?,
        redirect_uri: redirect_uri(app, &stored),
        config_key: stored.config_key,
        provider_name: stored.provider_name,
        provider_overrides: stored.provider_overrides,
        client_id: stored.client_id,
        scopes: stored.rules.scopes,
        allowed_origins: stored.rules.allowed_origins,
        legacy_start: stored.rules.legacy_start,
        install_url: stored.rules.install_url,
        allowed_return_to: stored.rules.allowed_return_to,
        redirect_uri_kind: stored.rules.redirect_uri_kind,
        created_at: rfc3339(stored.created_at),
        updated_at: rfc3339(stored.updated_at),
    })
}
