//! `/events`: what happened, and deliveries made once more.

use axum::{Json, extract::State, http::StatusCode};
use handfast_broker::{ApiKeyScope, Event, EventStore};
use handfast_protocol::{Clock, ConfigKey, ConnectionId, ErrorCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    caller::Caller,
    error::Problem,
    extract::{StrictQuery, TextPath},
    integrations::rfc3339,
};
use crate::{app::App, system::SystemClock};

/// How many events a page holds.
const PAGE_LEN: u32 = 100;

/// Which page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventsQuery {
    /// The id of the last event of the page before.
    before: Option<String>,
}

/// An event and its deliveries.
#[derive(Serialize, JsonSchema)]
pub(crate) struct EventBody {
    id: String,
    /// Such as `connection.created`.
    r#type: &'static str,
    #[schemars(with = "String")]
    config_key: ConfigKey,
    #[schemars(with = "String")]
    connection_id: ConnectionId,
    /// Why, where something failed; null otherwise.
    reason: Option<String>,
    created_at: String,
    /// How often a delivery was tried since it was last asked for.
    deliveries: i64,
    /// When the next one is due; null if none is.
    deliver_at: Option<String>,
    delivered_at: Option<String>,
}

/// The newest events, newest first.
#[derive(Serialize, JsonSchema)]
pub(crate) struct EventsBody {
    events: Vec<EventBody>,
}

impl From<Event> for EventBody {
    fn from(event: Event) -> Self {
        Self {
            id: event.id,
            r#type: event.kind.as_str(),
            config_key: event.config_key,
            connection_id: event.connection_id,
            reason: event.reason,
            created_at: rfc3339(event.created_at),
            deliveries: event.deliveries,
            deliver_at: event.deliver_at.map(rfc3339),
            delivered_at: event.delivered_at.map(rfc3339),
        }
    }
}

pub(crate) async fn list(
    caller: Caller,
    State(app): State<App>,
    StrictQuery(query): StrictQuery<EventsQuery>,
) -> Result<Json<EventsBody>, Problem> {
    caller.require(ApiKeyScope::WebhooksWrite)?;
    let events = app.broker().store.events(query.before.as_deref(), PAGE_LEN).await?;
    Ok(Json(EventsBody { events: events.into_iter().map(EventBody::from).collect() }))
}

pub(crate) async fn replay(
    caller: Caller,
    State(app): State<App>,
    TextPath(id): TextPath,
) -> Result<StatusCode, Problem> {
    caller.require(ApiKeyScope::WebhooksWrite)?;
    if app.broker().store.replay_event(&id, SystemClock.now()).await? {
        Ok(StatusCode::ACCEPTED)
    } else {
        Err(Problem::new(ErrorCode::NotFound, "there is no event of this id").field("id"))
    }
}
