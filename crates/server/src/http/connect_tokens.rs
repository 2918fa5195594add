//! `POST /connect/tokens`: the application's backend allows one connect.

use std::collections::BTreeMap;

use axum::{Json, extract::State, http::StatusCode};
use handfast_broker::{ApiKeyScope, ConnectGrant};
use handfast_protocol::{ConfigKey, ConnectionId, Scopes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{caller::Caller, error::Problem, extract::JsonBody, integrations::rfc3339};
use crate::app::App;

/// What the token allows, and nothing else: a page may repeat what its token says, but not add to it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewConnectTokenBody {
    /// The integrations it is good for; every one if left out.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    config_keys: Vec<ConfigKey>,
    #[schemars(with = "String")]
    connection_id: ConnectionId,
    /// The origin of the page that uses it; every one that the integration allows if left out.
    origin: Option<String>,
    /// The connect parameters. What is missing the window asks the user for; the page cannot add it.
    #[serde(default)]
    params: BTreeMap<String, String>,
    /// What may be asked for at most; what the integration asks for if left out.
    #[schemars(with = "Option<Vec<String>>")]
    scopes: Option<Scopes>,
    /// Further parameters of the authorization request, all of them.
    #[serde(default)]
    authorization_params: BTreeMap<String, String>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct ConnectTokenBody {
    /// Shown this once; hand it to the page.
    connect_token: String,
    expires_at: String,
}

pub(crate) async fn create(
    caller: Caller,
    State(app): State<App>,
    JsonBody(new): JsonBody<NewConnectTokenBody>,
) -> Result<(StatusCode, Json<ConnectTokenBody>), Problem> {
    caller.require(ApiKeyScope::Connect)?;
    let grant = ConnectGrant {
        config_keys: new.config_keys,
        connection_id: new.connection_id,
        origin: new.origin,
        params: new.params,
        scopes: new.scopes,
        authorization_params: new.authorization_params,
    };
    let (token, expires_at) = app.broker().create_connect_token(grant).await?;
    let body = ConnectTokenBody { connect_token: token.into_exposed(), expires_at: rfc3339(expires_at) };
    Ok((StatusCode::CREATED, Json(body)))
}
