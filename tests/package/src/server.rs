//! The smallest server that speaks the connect protocol: each ending is a link in the window.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Form, Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse},
    routing::{get, post},
};
use end_to_end::eventually;
use serde_json::{Value, json};

/// Serves until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    attempts: Attempts,
    serving: tokio::task::JoinHandle<()>,
}

/// What the server knows of one attempt.
#[derive(Clone, Debug, Default)]
pub struct Attempt {
    /// The start request's `Origin`.
    pub origin: String,
    /// The start request's JSON.
    pub request: Value,
    /// The ending, once there is one: `eventType` and `data`.
    pub outcome: Option<Value>,
    /// Whether it was cancelled.
    pub cancelled: bool,
    /// How often its status was asked.
    pub asked: u32,
}

type Attempts = Arc<Mutex<HashMap<String, Attempt>>>;

impl Server {
    /// Serves on a free port of `localhost`.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start() -> anyhow::Result<Self> {
        let attempts = Attempts::default();
        let router = Router::new()
            .route("/oauth/connect/{config_key}", post(start))
            .route("/oauth/attempt", post(attempt))
            .route("/provider", get(provider))
            .route("/finish", get(finish))
            .with_state(attempts.clone());
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(async move {
            // It serves until the task is aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, attempts, serving })
    }

    /// Its address, on another site than the application's.
    #[must_use]
    pub fn host(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    /// The attempts for this connection id so far.
    #[must_use]
    pub fn attempts(&self, connection_id: &str) -> Vec<Attempt> {
        let all = locked(&self.attempts);
        all.values().filter(|attempt| attempt.request["connection_id"] == connection_id).cloned().collect()
    }

    /// Waits for the attempt for this connection id and until it is as `so` says.
    pub async fn attempt(&self, connection_id: &str, so: impl Fn(&Attempt) -> bool) -> Attempt {
        let what = format!("the attempt for {connection_id:?} is as expected");
        eventually(&what, async || self.attempts(connection_id).into_iter().find(|attempt| so(attempt))).await
    }

    /// Ends the attempt for this connection id as a success, without a word to the window.
    pub fn succeed(&self, connection_id: &str) {
        let mut all = locked(&self.attempts);
        for attempt in all.values_mut().filter(|attempt| attempt.request["connection_id"] == connection_id) {
            attempt.outcome = Some(success());
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn start(
    State(attempts): State<Attempts>,
    Path(config_key): Path<String>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> impl IntoResponse {
    let request: Value =
        form.get("request").and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    let Some(attempt_id) = request["attempt_id"].as_str().map(str::to_owned) else {
        return (StatusCode::BAD_REQUEST, Html("no attempt_id".to_owned()));
    };
    let origin =
        headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()).unwrap_or_default().to_owned();
    locked(&attempts).insert(attempt_id.clone(), Attempt { origin, request, ..Attempt::default() });
    let next = match config_key.as_str() {
        "at-once" => format!("/finish?as=success&attempt_id={attempt_id}"),
        "cut" => format!("/provider?coop=same-origin&attempt_id={attempt_id}"),
        _ => format!("/provider?attempt_id={attempt_id}"),
    };
    (StatusCode::OK, Html(format!("<!doctype html><script>location.replace({})</script>", json!(next))))
}

/// Every ending as a link. `coop` is sent as `Cross-Origin-Opener-Policy`.
async fn provider(Query(query): Query<HashMap<String, String>>) -> impl IntoResponse {
    let attempt_id = query.get("attempt_id").cloned().unwrap_or_default();
    let mut headers = HeaderMap::new();
    if let Some(policy) = query.get("coop").and_then(|policy| policy.parse().ok()) {
        headers.insert("cross-origin-opener-policy", policy);
    }
    let links: String = ["success", "access_denied"]
        .map(|ending| {
            format!("<p><a id={ending} href='/finish?as={ending}&attempt_id={attempt_id}'>{ending}</a>")
        })
        .concat();
    (headers, Html(format!("<!doctype html><title>provider</title>{links}")))
}

/// Stores the ending, then tells the opener, as the callback page does.
async fn finish(
    State(attempts): State<Attempts>,
    Query(query): Query<HashMap<String, String>>,
) -> Html<String> {
    let attempt_id = query.get("attempt_id").cloned().unwrap_or_default();
    let mut all = locked(&attempts);
    let Some(attempt) = all.get_mut(&attempt_id) else { return Html("unknown attempt".to_owned()) };
    if attempt.cancelled {
        return Html("<!doctype html><p id=cancelled>cancelled".to_owned());
    }
    let mut message = match query.get("as").map(String::as_str) {
        Some("success") => success(),
        ending => json!({
            "eventType": "AUTHORIZATION_FAILED",
            "data": {"error": {"type": ending, "message": "the user said \"no\" </script>"}},
        }),
    };
    attempt.outcome = Some(message.clone());
    if attempt.request["mode"] == "redirect" {
        return Html(format!(
            "<!doctype html><script>location.replace({})</script>",
            attempt.request["return_to"]
        ));
    }
    message["handfast"] = json!(1);
    message["attempt_id"] = json!(attempt_id);
    let message = message.to_string().replace('<', "\\u003c");
    let origin = json!(attempt.origin);
    Html(format!("<!doctype html><script>opener?.postMessage({message}, {origin}); window.close()</script>"))
}

async fn attempt(
    State(attempts): State<Attempts>,
    Form(form): Form<HashMap<String, String>>,
) -> impl IntoResponse {
    let wait: u64 = form.get("wait").and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
    let mut answer = standing(&attempts, &form, 1);
    // Looked at every 20 ms for as long as the SDK is ready to wait.
    for _ in 0..wait * 50 {
        if answer["status"] != "pending" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        answer = standing(&attempts, &form, 0);
    }
    ([(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], Json(answer))
}

/// How an attempt stands, after cancelling it where that is asked.
fn standing(attempts: &Attempts, form: &HashMap<String, String>, asked: u32) -> Value {
    let field = |name: &str| form.get(name).cloned().unwrap_or_default();
    let mut all = locked(attempts);
    let known = all.get_mut(&field("attempt_id"));
    let Some(attempt) = known.filter(|attempt| attempt.request["attempt_secret"] == field("attempt_secret"))
    else {
        return json!({"status": "unknown"});
    };
    attempt.asked += asked;
    if attempt.outcome.is_none() && field("action") == "cancel" {
        attempt.cancelled = true;
        attempt.outcome = Some(json!({"eventType": "AUTHORIZATION_FAILED",
            "data": {"error": {"type": "aborted", "message": "cancelled"}}}));
    }
    let mut answer = attempt.outcome.clone().unwrap_or_else(|| json!({}));
    answer["status"] = json!(if attempt.outcome.is_some() { "final" } else { "pending" });
    answer
}

fn success() -> Value {
    json!({"eventType": "AUTHORIZATION_SUCEEDED", "data": {}})
}

fn locked(attempts: &Attempts) -> MutexGuard<'_, HashMap<String, Attempt>> {
    attempts.lock().unwrap_or_else(PoisonError::into_inner)
}
