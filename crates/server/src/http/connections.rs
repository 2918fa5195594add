//! `/connections/{connection_id}`: a connection with fresh credentials, and its end.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use handfast_broker::{
    ApiKeyScope, Connection, ConnectionStatus, Credentials, OpenConnection, Refresh, Revocation,
    SessionExchange, TypedKind,
};
use handfast_protocol::{ConfigKey, ConnectionId, Scopes, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};
use std::collections::BTreeMap;

use super::{
    caller::Caller,
    error::Problem,
    extract::{JsonBody, StrictQuery, TextPath},
    integrations::rfc3339,
};
use crate::app::App;

/// Which connection, and whether its token is renewed in any case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadQuery {
    config_key: String,
    #[serde(default)]
    force_refresh: Flag,
}

/// Which connection.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NameQuery {
    pub(super) config_key: String,
}

/// `true` or `false` in a query.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Flag {
    True,
    #[default]
    False,
}

impl From<Flag> for Refresh {
    fn from(flag: Flag) -> Self {
        match flag {
            Flag::True => Self::Now,
            Flag::False => Self::WhenDue,
        }
    }
}

/// A connection as it is shown.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ConnectionBody<'a> {
    pub(super) id: &'a str,
    #[schemars(with = "String")]
    pub(super) config_key: &'a ConfigKey,
    #[schemars(with = "String")]
    pub(super) connection_id: &'a ConnectionId,
    #[schemars(with = "String")]
    pub(super) status: ConnectionStatus,
    #[schemars(with = "Vec<String>")]
    pub(super) granted_scopes: &'a Scopes,
    /// The connect parameters, and what was kept of callback and token answer.
    pub(super) params: &'a BTreeMap<String, String>,
    pub(super) metadata: &'a Map<String, Value>,
    pub(super) created_at: String,
    pub(super) updated_at: String,
}

/// A connection and what opens the provider's API.
#[derive(Serialize, JsonSchema)]
pub(crate) struct OpenConnectionBody<'a> {
    #[serde(flatten)]
    pub(super) connection: ConnectionBody<'a>,
    pub(super) credentials: CredentialsBody<'a>,
}

/// What opens the provider's API. `raw` is the provider's last token answer, as it came.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type")]
pub(crate) enum CredentialsBody<'a> {
    #[serde(rename = "OAUTH2")]
    OAuth2 {
        access_token: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        token_type: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        refresh_token: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        id_token: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<String>,
        #[schemars(with = "Value")]
        raw: &'a RawValue,
    },
    #[serde(rename = "OAUTH1")]
    OAuth1 {
        oauth_token: &'a str,
        oauth_token_secret: &'a str,
        #[schemars(with = "Value")]
        raw: &'a RawValue,
    },
    #[serde(rename = "API_KEY")]
    ApiKey(BTreeMap<&'a str, &'a str>),
    #[serde(rename = "BASIC")]
    Basic(BTreeMap<&'a str, &'a str>),
}

impl<'a> From<&'a Connection> for ConnectionBody<'a> {
    fn from(connection: &'a Connection) -> Self {
        Self {
            id: &connection.id,
            config_key: &connection.config_key,
            connection_id: &connection.key.connection_id,
            status: connection.status,
            granted_scopes: &connection.granted_scopes,
            params: &connection.params,
            metadata: &connection.metadata,
            created_at: rfc3339(connection.created_at),
            updated_at: rfc3339(connection.updated_at),
        }
    }
}

impl<'a> From<&'a OpenConnection> for OpenConnectionBody<'a> {
    fn from(open: &'a OpenConnection) -> Self {
        Self { connection: (&*open.connection).into(), credentials: (&open.credentials).into() }
    }
}

impl<'a> From<&'a Credentials> for CredentialsBody<'a> {
    fn from(credentials: &'a Credentials) -> Self {
        let exposed = |secret: &'a Secret<String>| secret.expose().as_str();
        match credentials {
            Credentials::OAuth2(set) => Self::OAuth2 {
                access_token: set.access_token.expose(),
                token_type: set.token_type.as_deref(),
                refresh_token: set.refresh_token.as_ref().map(exposed),
                id_token: set.id_token.as_ref().map(exposed),
                expires_at: set.expires_at.map(rfc3339),
                raw: set.raw.expose(),
            },
            Credentials::OAuth1 { token, token_secret, raw } => Self::OAuth1 {
                oauth_token: token.expose(),
                oauth_token_secret: token_secret.expose(),
                raw: raw.expose(),
            },
            Credentials::Typed { kind, fields } => {
                let fields = fields.iter().map(|(name, value)| (name.as_str(), exposed(value))).collect();
                match kind {
                    TypedKind::ApiKey => Self::ApiKey(fields),
                    TypedKind::Basic => Self::Basic(fields),
                }
            }
        }
    }
}

/// `GET /connections/{connection_id}?config_key=`: with a token that is good for a while.
pub(crate) async fn show(
    caller: Caller,
    State(app): State<App>,
    TextPath(connection_id): TextPath,
    StrictQuery(query): StrictQuery<ReadQuery>,
) -> Result<Response, Problem> {
    caller.require(ApiKeyScope::ConnectionsRead)?;
    let config_key = ConfigKey::parse(&query.config_key)?;
    let connection_id = ConnectionId::parse(&connection_id)?;
    let open = app.broker().access_token(&config_key, &connection_id, query.force_refresh.into()).await?;
    Ok(Json(OpenConnectionBody::from(&open)).into_response())
}

/// A connection without a user: the client asks in its own name (RFC 6749 4.4).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewConnectionBody {
    #[schemars(with = "String")]
    config_key: ConfigKey,
    #[schemars(with = "String")]
    connection_id: ConnectionId,
    #[serde(default)]
    grant_type: NewGrantType,
    #[serde(default)]
    params: BTreeMap<String, String>,
    #[schemars(with = "Option<Vec<String>>")]
    scopes: Option<Scopes>,
    /// With `token_exchange`: the token that the provider's embedded page sent.
    session_token: Option<String>,
    /// With `token_exchange`: `offline` or `online`, say.
    requested_token: Option<String>,
}

/// The grants that need no browser.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum NewGrantType {
    #[default]
    ClientCredentials,
    TokenExchange,
}

/// `POST /connections`: connects the client itself, in place of an older connection of that id.
pub(crate) async fn create(
    caller: Caller,
    State(app): State<App>,
    JsonBody(new): JsonBody<NewConnectionBody>,
) -> Result<Response, Problem> {
    caller.require(ApiKeyScope::ConnectionsWrite)?;
    let NewConnectionBody {
        config_key,
        connection_id,
        grant_type,
        params,
        scopes,
        session_token,
        requested_token,
    } = new;
    if matches!(grant_type, NewGrantType::ClientCredentials) == session_token.is_some() {
        let problem = "session_token belongs to the grant type token_exchange, and is needed there";
        return Err(Problem::invalid_request(problem).field("session_token"));
    }
    // A token that the provider has given is stored, also for a caller who has hung up.
    let task = tokio::spawn({
        let (app, config_key, connection_id) = (app.clone(), config_key.clone(), connection_id.clone());
        async move {
            let Some(session_token) = session_token else {
                let connected =
                    app.broker().connect_client(&config_key, &connection_id, &params, scopes.as_ref());
                return connected.await.map_err(Problem::from);
            };
            let exchange = SessionExchange {
                config_key,
                connection_id,
                session_token: Secret::new(session_token),
                requested_token: requested_token.unwrap_or_else(|| "offline".to_owned()),
            };
            app.broker().exchange_session_token(exchange).await.map_err(Problem::from)
        }
    });
    task.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
    tracing::info!(%config_key, "client connected");
    let open = app.broker().access_token(&config_key, &connection_id, Refresh::WhenDue).await?;
    Ok((StatusCode::CREATED, Json(OpenConnectionBody::from(&open))).into_response())
}

/// What became of the grant at the provider.
#[derive(Serialize, JsonSchema)]
pub(crate) struct DeletedBody {
    /// `revoked`, `not_supported` or `failed`.
    revocation: &'static str,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// `DELETE /connections/{connection_id}?config_key=`: deletes here, and revokes at the provider where it can.
pub(crate) async fn delete(
    caller: Caller,
    State(app): State<App>,
    TextPath(connection_id): TextPath,
    StrictQuery(query): StrictQuery<NameQuery>,
) -> Result<Json<DeletedBody>, Problem> {
    caller.require(ApiKeyScope::ConnectionsWrite)?;
    let config_key = ConfigKey::parse(&query.config_key)?;
    let connection_id = ConnectionId::parse(&connection_id)?;
    // Whoever asked may hang up between the two halves.
    let task = tokio::spawn({
        let (app, config_key, connection_id) = (app.clone(), config_key.clone(), connection_id.clone());
        async move { app.broker().disconnect(&config_key, &connection_id).await }
    });
    let ended = task.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
    let Some((_, revocation)) = ended else {
        return Err(Problem::unknown_connection(&config_key, &connection_id));
    };
    tracing::info!(%config_key, ?revocation, "connection deleted");
    let (revocation, reason) = match revocation {
        Revocation::Revoked => ("revoked", None),
        Revocation::NotSupported => ("not_supported", None),
        Revocation::Failed(reason) => ("failed", Some(reason)),
    };
    Ok(Json(DeletedBody { revocation, reason }))
}
