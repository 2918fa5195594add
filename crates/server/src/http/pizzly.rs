//! What programs written for Pizzly ask and expect: its routes, names, bodies and sentences, and nowhere else.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use handfast_broker::{
    AccessTokenError, ApiKeyScope, DeletedIntegration, EditIntegrationError, IntegrationEdit,
    IntegrationRules, NewIntegration, OpenConnection, StoredIntegration,
};
use handfast_protocol::{Clock, ConfigKey, ConnectionId, ErrorCode, Scopes, Secret, Sha256Hash};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    caller::Caller,
    connections::{CredentialsBody, Flag, OpenConnectionBody},
    error::Problem,
    extract::{JsonBody, StrictQuery, TextPath},
    integrations::{rfc3339, shown_secret},
};
use crate::{
    app::App,
    system::{SystemClock, SystemRandomness},
};

/// Puts a problem into Pizzly's words: `{"error": ".."}`.
pub(crate) async fn speak(response: Response) -> Response {
    let Some(problem) = response.extensions().get::<Problem>() else { return response };
    let sentence = match problem.code {
        ErrorCode::MissingApiKey => "Authentication failed. The request is missing a valid secret key.",
        ErrorCode::InvalidApiKey => "Authentication failed. The provided secret key is invalid.",
        _ => &problem.detail,
    };
    let body = Json(ErrorBody { error: sentence.to_owned() });
    (response.status(), [(header::CACHE_CONTROL, "no-store")], body).into_response()
}

#[derive(Serialize)]
struct ErrorBody {
    error: String,
}

/// Pizzly answers every refused request with this status.
fn refused(sentence: impl Into<String>) -> Problem {
    Problem::invalid_request(sentence).status(StatusCode::BAD_REQUEST)
}

fn no_matching_configuration(key: &str) -> Problem {
    refused(format!("There is no matching provider configuration with key: {key}"))
}

/// An integration in Pizzly's names.
#[derive(Serialize)]
struct ConfigBody {
    id: u64,
    created_at: String,
    updated_at: String,
    unique_key: String,
    provider: String,
    oauth_client_id: String,
    oauth_client_secret: String,
    oauth_scopes: String,
}

#[derive(Serialize)]
struct OneConfig {
    config: ConfigBody,
}

#[derive(Serialize)]
struct ManyConfigs {
    configs: Vec<ConfigBody>,
}

#[derive(Serialize)]
struct CreatedConfig {
    config_id: u64,
}

/// What `config:create` and `config:edit` send. Every field is asked for, so a missing one is named one by one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigRequest {
    provider_config_key: Option<String>,
    provider: Option<String>,
    oauth_client_id: Option<String>,
    oauth_client_secret: Option<String>,
    oauth_scopes: Option<String>,
}

impl ConfigRequest {
    fn into_new(self) -> Result<NewIntegration, Problem> {
        let missing = |name: &str| refused(format!("Missing param {name}."));
        let key = self.provider_config_key.ok_or_else(|| missing("provider_config_key"))?;
        Ok(NewIntegration {
            config_key: ConfigKey::parse(&key).map_err(|error| refused(error.to_string()))?,
            provider_name: self.provider.ok_or_else(|| missing("provider"))?,
            provider_overrides: serde_json::Map::new(),
            client_id: self.oauth_client_id.ok_or_else(|| missing("oauth_client_id"))?,
            client_secret: Some(Secret::new(
                self.oauth_client_secret.ok_or_else(|| missing("oauth_client_secret"))?,
            )),
            rules: IntegrationRules {
                scopes: Scopes::parse_list(&self.oauth_scopes.ok_or_else(|| missing("oauth_scopes"))?),
                ..IntegrationRules::default()
            },
        })
    }
}

pub(crate) async fn list_configs(caller: Caller, State(app): State<App>) -> Result<Response, Problem> {
    caller.require(ApiKeyScope::IntegrationsRead)?;
    let stored = app.integrations().list().await?;
    let configs =
        stored.into_iter().map(|stored| config_body(&app, &caller, stored)).collect::<Result<_, _>>()?;
    Ok(Json(ManyConfigs { configs }).into_response())
}

pub(crate) async fn show_config(
    caller: Caller,
    State(app): State<App>,
    TextPath(key): TextPath,
) -> Result<Response, Problem> {
    caller.require(ApiKeyScope::IntegrationsRead)?;
    let config_key = ConfigKey::parse(&key).map_err(|_| no_matching_configuration(&key))?;
    let stored = app.integrations().stored(&config_key).await?;
    let stored = stored.ok_or_else(|| no_matching_configuration(&key))?;
    Ok(Json(OneConfig { config: config_body(&app, &caller, stored)? }).into_response())
}

pub(crate) async fn create_config(
    caller: Caller,
    State(app): State<App>,
    JsonBody(request): JsonBody<ConfigRequest>,
) -> Result<Response, Problem> {
    caller.require(ApiKeyScope::IntegrationsWrite)?;
    let created = app.integrations().create(request.into_new()?, SystemClock.now(), &SystemRandomness).await;
    let stored = created.map_err(|error| Problem::from(error).status(StatusCode::BAD_REQUEST))?;
    tracing::info!(config_key = %stored.config_key, "integration created");
    Ok(Json(CreatedConfig { config_id: number(&stored.id) }).into_response())
}

pub(crate) async fn edit_config(
    caller: Caller,
    State(app): State<App>,
    JsonBody(request): JsonBody<ConfigRequest>,
) -> Result<StatusCode, Problem> {
    caller.require(ApiKeyScope::IntegrationsWrite)?;
    let new = request.into_new()?;
    let edit = IntegrationEdit {
        provider_name: Some(new.provider_name),
        client_id: Some(new.client_id),
        client_secret: new.client_secret,
        scopes: Some(new.rules.scopes),
        ..IntegrationEdit::default()
    };
    match app.integrations().edit(&new.config_key, edit, SystemClock.now(), &SystemRandomness).await {
        Ok(stored) => {
            tracing::info!(config_key = %stored.config_key, "integration edited");
            Ok(StatusCode::OK)
        }
        Err(EditIntegrationError::Unknown(key)) => Err(no_matching_configuration(key.as_str())),
        Err(error) => Err(Problem::from(error).status(StatusCode::BAD_REQUEST)),
    }
}

/// Deleting what is not there succeeds, as it does at Pizzly.
pub(crate) async fn delete_config(
    caller: Caller,
    State(app): State<App>,
    TextPath(key): TextPath,
) -> Result<StatusCode, Problem> {
    caller.require(ApiKeyScope::IntegrationsWrite)?;
    let Ok(config_key) = ConfigKey::parse(&key) else { return Ok(StatusCode::OK) };
    match app.integrations().delete(&config_key).await? {
        DeletedIntegration::HasConnections => Err(refused(format!(
            "Connections belong to the provider configuration with key: {key}. Delete them first."
        ))),
        DeletedIntegration::Deleted => {
            tracing::info!(%config_key, "integration deleted");
            Ok(StatusCode::OK)
        }
        DeletedIntegration::Unknown => Ok(StatusCode::OK),
    }
}

/// The integration under each name that a version of Pizzly gave it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionQuery {
    integration_key: Option<String>,
    provider_config_key: Option<String>,
    config_key: Option<String>,
    #[serde(default)]
    force_refresh: Flag,
}

/// `GET /connection/{connection_id}`: a connection with a fresh token, in the words of every version at once.
pub(crate) async fn show_connection(
    caller: Caller,
    State(app): State<App>,
    TextPath(connection_id): TextPath,
    StrictQuery(query): StrictQuery<ConnectionQuery>,
) -> Result<Response, Problem> {
    caller.require(ApiKeyScope::ConnectionsRead)?;
    let keys = [query.integration_key, query.provider_config_key, query.config_key];
    let mut keys = keys.into_iter().flatten();
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return Err(refused("Missing param provider_config_key."));
    };
    let no_match = || {
        refused(format!(
            "No matching connection for connection_id: {connection_id} and provider_config_key: {key}"
        ))
    };
    let (Ok(config_key), Ok(id)) = (ConfigKey::parse(&key), ConnectionId::parse(&connection_id)) else {
        return Err(no_match());
    };
    match app.broker().access_token(&config_key, &id, query.force_refresh.into()).await {
        Ok(open) => {
            let bare = &DialectBody::from(&open);
            Ok(Json(InEveryDialect { bare, connection: bare }).into_response())
        }
        Err(AccessTokenError::UnknownIntegration(_) | AccessTokenError::UnknownConnection { .. }) => {
            Err(no_match())
        }
        Err(error) => Err(error.into()),
    }
}

/// A connection in three dialects: bare and under `connection`, in snake case and in camel case.
#[derive(Serialize)]
struct InEveryDialect<'a> {
    #[serde(flatten)]
    bare: &'a DialectBody<'a>,
    connection: &'a DialectBody<'a>,
}

#[derive(Serialize)]
struct DialectBody<'a> {
    id: &'a str,
    created_at: String,
    updated_at: String,
    config_key: &'a ConfigKey,
    provider_config_key: &'a ConfigKey,
    integration_key: &'a ConfigKey,
    connection_id: &'a ConnectionId,
    credentials: DialectCredentials<'a>,
    raw_response: &'a RawValue,
    connection_config: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum DialectCredentials<'a> {
    #[serde(rename = "OAUTH2")]
    OAuth2 {
        access_token: &'a str,
        #[serde(rename = "accessToken")]
        access_token_camel: &'a str,
        #[serde(flatten)]
        refresh_token: Option<RefreshToken<'a>>,
        #[serde(flatten)]
        expires_at: Option<ExpiresAt>,
        raw: &'a RawValue,
    },
    #[serde(rename = "OAUTH1")]
    OAuth1 {
        oauth_token: &'a str,
        #[serde(rename = "oAuthToken")]
        oauth_token_camel: &'a str,
        oauth_token_secret: &'a str,
        #[serde(rename = "oAuthTokenSecret")]
        oauth_token_secret_camel: &'a str,
        raw: &'a RawValue,
    },
    /// Pizzly knew neither kind; these are our own words.
    #[serde(untagged)]
    Typed(CredentialsBody<'a>),
}

#[derive(Serialize)]
struct RefreshToken<'a> {
    refresh_token: &'a str,
    #[serde(rename = "refreshToken")]
    camel: &'a str,
}

#[derive(Serialize)]
struct ExpiresAt {
    expires_at: String,
    #[serde(rename = "expiresAt")]
    camel: String,
}

impl<'a> From<&'a OpenConnection> for DialectBody<'a> {
    fn from(open: &'a OpenConnection) -> Self {
        let OpenConnectionBody { connection, credentials } = open.into();
        let (credentials, raw_response) = in_both_cases(credentials);
        Self {
            id: connection.id,
            created_at: connection.created_at,
            updated_at: connection.updated_at,
            config_key: connection.config_key,
            provider_config_key: connection.config_key,
            integration_key: connection.config_key,
            connection_id: connection.connection_id,
            credentials,
            raw_response,
            connection_config: connection.params,
        }
    }
}

fn in_both_cases(credentials: CredentialsBody<'_>) -> (DialectCredentials<'_>, &RawValue) {
    match credentials {
        CredentialsBody::OAuth2 { access_token, refresh_token, expires_at, raw, .. } => {
            let credentials = DialectCredentials::OAuth2 {
                access_token,
                access_token_camel: access_token,
                refresh_token: refresh_token.map(|token| RefreshToken { refresh_token: token, camel: token }),
                expires_at: expires_at
                    .map(|instant| ExpiresAt { camel: instant.clone(), expires_at: instant }),
                raw,
            };
            (credentials, raw)
        }
        CredentialsBody::OAuth1 { oauth_token, oauth_token_secret, raw } => {
            let credentials = DialectCredentials::OAuth1 {
                oauth_token,
                oauth_token_camel: oauth_token,
                oauth_token_secret,
                oauth_token_secret_camel: oauth_token_secret,
                raw,
            };
            (credentials, raw)
        }
        typed @ (CredentialsBody::ApiKey(_) | CredentialsBody::Basic(_)) => {
            (DialectCredentials::Typed(typed), empty_object())
        }
    }
}

/// What stands in place of the answer of a provider that was never asked.
fn empty_object() -> &'static RawValue {
    serde_json::from_str("{}").unwrap_or(RawValue::NULL)
}

fn config_body(app: &App, caller: &Caller, stored: StoredIntegration) -> Result<ConfigBody, Problem> {
    Ok(ConfigBody {
        oauth_client_secret: shown_secret(app, caller, &stored)?.unwrap_or_default(),
        id: number(&stored.id),
        created_at: rfc3339(stored.created_at),
        updated_at: rfc3339(stored.updated_at),
        unique_key: stored.config_key.to_string(),
        provider: stored.provider_name,
        oauth_client_id: stored.client_id,
        oauth_scopes: stored.rules.scopes.join(","),
    })
}

/// Pizzly numbers its rows; ours have opaque ids. 48 bits of a hash are a number that stays the same and that every
/// JSON reader holds exactly.
fn number(id: &str) -> u64 {
    let hash = Sha256Hash::of(id);
    hash.as_str().bytes().take(8).fold(0, |number, byte| {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            _ => 63,
        };
        number << 6 | u64::from(digit)
    })
}
