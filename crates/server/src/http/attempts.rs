//! `GET /attempts`: how the latest attempts went, so that a user who could not connect can be helped.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use handfast_broker::{ApiKeyScope, Attempt, AttemptFilter, Attempts, Outcome, Progress};
use handfast_protocol::{AttemptId, Clock, ConfigKey, ConnectionId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{caller::Caller, error::Problem, extract::StrictQuery, integrations::rfc3339};
use crate::{app::App, system::SystemClock};

/// How many attempts a page holds.
const PAGE_LEN: u32 = 100;

/// Which attempts, and which page of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AttemptsQuery {
    config_key: Option<String>,
    connection_id: Option<String>,
    /// The id of the last attempt of the page before.
    before: Option<String>,
}

/// How far an attempt is.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum AttemptState {
    /// The user is at the provider, or the callback is being worked on.
    Pending,
    /// The connection is stored.
    Succeeded,
    /// Nothing was stored.
    Failed,
}

/// An attempt, without anything that would let its reader finish it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct AttemptBody {
    attempt_id: String,
    /// Null where the start was refused because of it; so is `connection_id`.
    config_key: Option<String>,
    connection_id: Option<String>,
    /// The origin of the page that began it.
    origin: String,
    state: AttemptState,
    /// Why it failed, as the stable code that the page was given.
    error: Option<String>,
    /// Why it failed, as a sentence. May hold the provider's own words.
    message: Option<String>,
    created_at: String,
    /// When the callback comes too late; forgotten ten minutes later.
    expires_at: String,
}

/// The newest attempts, newest first.
#[derive(Serialize, JsonSchema)]
pub(crate) struct AttemptsBody {
    attempts: Vec<AttemptBody>,
}

impl AttemptBody {
    fn new(attempt: Attempt, now: Timestamp) -> Self {
        let (state, failure) = match attempt.progress(now) {
            Progress::Pending | Progress::Taken(_) => (AttemptState::Pending, None),
            Progress::Ended(Outcome::Succeeded) => (AttemptState::Succeeded, None),
            Progress::Ended(Outcome::Failed { code, message }) => {
                (AttemptState::Failed, Some((code, message)))
            }
        };
        let (error, message) = failure.map(|(code, message)| (code.as_str().to_owned(), message)).unzip();
        Self {
            attempt_id: attempt.attempt_id.as_str().to_owned(),
            config_key: attempt.config_key.map(|key| key.as_str().to_owned()),
            connection_id: attempt.connection_id.map(|id| id.as_str().to_owned()),
            origin: attempt.origin,
            state,
            error,
            message,
            created_at: rfc3339(attempt.created_at),
            expires_at: rfc3339(attempt.expires_at),
        }
    }
}

pub(crate) async fn list(
    caller: Caller,
    State(app): State<App>,
    StrictQuery(query): StrictQuery<AttemptsQuery>,
) -> Result<Response, Problem> {
    caller.require(ApiKeyScope::ConnectionsRead)?;
    let filter = AttemptFilter {
        config_key: query.config_key.as_deref().map(ConfigKey::parse).transpose()?,
        connection_id: query.connection_id.as_deref().map(ConnectionId::parse).transpose()?,
    };
    let before = query.before.as_deref().map(AttemptId::parse).transpose()?;
    let attempts = app.broker().store.attempts(&filter, before.as_ref(), PAGE_LEN).await?;
    let now = SystemClock.now();
    let attempts = attempts.into_iter().map(|attempt| AttemptBody::new(attempt, now)).collect();
    Ok(Json(AttemptsBody { attempts }).into_response())
}
