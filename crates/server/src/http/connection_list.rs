//! `GET /connections` and `PATCH /connections/{connection_id}`: pages of connections, and what is kept with one.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use handfast_broker::{ApiKeyScope, ConnectionFilter, ConnectionStatus, Cursor};
use handfast_protocol::{ConfigKey, ConnectionId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    caller::Caller,
    connections::{ConnectionBody, NameQuery},
    error::Problem,
    extract::{JsonBody, StrictQuery, TextPath},
};
use crate::app::App;

/// How many connections a page holds unless the caller says otherwise.
const PAGE_LEN: u32 = 50;

/// Which connections, and which page of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    config_key: Option<String>,
    connection_id: Option<String>,
    status: Option<ConnectionStatus>,
    cursor: Option<String>,
    /// A number as text: a query knows nothing else.
    limit: Option<String>,
}

impl ListQuery {
    /// Filter, place and length, each read.
    pub(super) fn read(&self, most: u32) -> Result<(ConnectionFilter, Option<Cursor>, u32), Problem> {
        let filter = ConnectionFilter {
            config_key: self.config_key.as_deref().map(ConfigKey::parse).transpose()?,
            connection_id: self.connection_id.as_deref().map(ConnectionId::parse).transpose()?,
            status: self.status,
        };
        let bad_cursor = || {
            Problem::invalid_request("cursor: it must be the next_cursor of an earlier page").field("cursor")
        };
        let cursor =
            self.cursor.as_deref().map(|text| Cursor::parse(text).ok_or_else(bad_cursor)).transpose()?;
        let limit = match &self.limit {
            None => PAGE_LEN.min(most),
            Some(text) => text.parse().ok().filter(|limit| (1..=most).contains(limit)).ok_or_else(|| {
                Problem::invalid_request(format!("limit: it must be a number from 1 to {most}"))
                    .field("limit")
            })?,
        };
        Ok((filter, cursor, limit))
    }
}

/// A page of connections, oldest first, without credentials.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ConnectionsBody<'a> {
    connections: Vec<ConnectionBody<'a>>,
    /// Ask again with this as `cursor`; null on the last page.
    next_cursor: Option<String>,
}

pub(crate) async fn list(
    caller: Caller,
    State(app): State<App>,
    StrictQuery(query): StrictQuery<ListQuery>,
) -> Result<Response, Problem> {
    caller.require(ApiKeyScope::ConnectionsRead)?;
    let (filter, cursor, limit) = query.read(handfast_broker::MAX_PAGE_LEN)?;
    let (page, next) = app.broker().connections(&filter, cursor.as_ref(), limit).await?;
    let connections = page.iter().map(ConnectionBody::from).collect();
    let body = ConnectionsBody { connections, next_cursor: next.map(|cursor| cursor.to_string()) };
    Ok(Json(body).into_response())
}

/// What is to change.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionEditBody {
    /// Merged into what is kept (RFC 7396): null removes a key.
    metadata: Map<String, Value>,
}

pub(crate) async fn edit(
    caller: Caller,
    State(app): State<App>,
    TextPath(connection_id): TextPath,
    StrictQuery(query): StrictQuery<NameQuery>,
    JsonBody(edit): JsonBody<ConnectionEditBody>,
) -> Result<Response, Problem> {
    caller.require(ApiKeyScope::ConnectionsWrite)?;
    let config_key = ConfigKey::parse(&query.config_key)?;
    let connection_id = ConnectionId::parse(&connection_id)?;
    let edited = app.broker().edit_metadata(&config_key, &connection_id, &edit.metadata).await?;
    Ok(Json(ConnectionBody::from(&edited)).into_response())
}
