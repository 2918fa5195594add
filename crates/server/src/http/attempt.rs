//! `POST /oauth/attempt`: tells a page how its attempt stands, and ends it. Any origin may ask; the attempt secret decides.

use core::time::Duration;

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use handfast_broker::AttemptStatus;
use handfast_protocol::{AttemptId, AttemptSecret, STATUS_FINAL, STATUS_PENDING, STATUS_UNKNOWN};
use serde::Serialize;
use url::form_urlencoded;

use super::{attempt_pages::AttemptEvent, error::Problem};
use crate::app::App;

#[derive(Serialize)]
struct Answer {
    status: &'static str,
    #[serde(flatten)]
    event: Option<AttemptEvent>,
}

enum Action {
    Status { wait: Duration },
    Cancel,
}

struct Ask {
    attempt_id: AttemptId,
    attempt_secret: AttemptSecret,
    action: Action,
}

/// Form body `attempt_id`, `attempt_secret`, `action=status|cancel`, `wait` in seconds. A form needs no preflight.
pub(crate) async fn ask(State(app): State<App>, body: Bytes) -> Response {
    let mut response = match answer(&app, &body).await {
        Ok(answer) => Json(answer).into_response(),
        Err(problem) => problem.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn answer(app: &App, body: &[u8]) -> Result<Answer, Problem> {
    let Ask { attempt_id, attempt_secret, action } = read(body)?;
    let status = match action {
        Action::Status { wait } => app.broker().attempt_status(&attempt_id, &attempt_secret, wait).await?,
        Action::Cancel => app.broker().cancel_attempt(&attempt_id, &attempt_secret).await?,
    };
    Ok(match status {
        AttemptStatus::Unknown => Answer { status: STATUS_UNKNOWN, event: None },
        AttemptStatus::Pending => Answer { status: STATUS_PENDING, event: None },
        AttemptStatus::Final(attempt, outcome) => {
            let config_key = attempt.config_key.as_ref().map_or("", |key| key.as_str());
            let connection_id = attempt.connection_id.as_ref().map_or("", |id| id.as_str());
            Answer {
                status: STATUS_FINAL,
                event: Some(AttemptEvent::new(config_key, connection_id, &outcome)),
            }
        }
    })
}

fn read(body: &[u8]) -> Result<Ask, Problem> {
    let (mut attempt_id, mut attempt_secret, mut action, mut wait) = (None, None, None, None);
    for (name, value) in form_urlencoded::parse(body) {
        let (field, slot) = match &*name {
            "attempt_id" => ("attempt_id", &mut attempt_id),
            "attempt_secret" => ("attempt_secret", &mut attempt_secret),
            "action" => ("action", &mut action),
            "wait" => ("wait", &mut wait),
            _ => return Err(Problem::invalid_request("the form has an unknown field")),
        };
        if slot.replace(value.into_owned()).is_some() {
            return Err(Problem::invalid_request(format!("{field} is repeated; send it once")).field(field));
        }
    }
    let wait = wait.as_deref().unwrap_or("0").parse().map_err(|_| {
        Problem::invalid_request("wait must be a number of seconds from 0 to 25").field("wait")
    })?;
    Ok(Ask {
        attempt_id: AttemptId::parse(&attempt_id.unwrap_or_default())?,
        attempt_secret: AttemptSecret::parse(&attempt_secret.unwrap_or_default())?,
        action: match action.as_deref() {
            Some("status") => Action::Status { wait: Duration::from_secs(wait) },
            Some("cancel") => Action::Cancel,
            _ => {
                return Err(
                    Problem::invalid_request("action must be \"status\" or \"cancel\"").field("action")
                );
            }
        },
    })
}
