//! A provider whose token endpoint answers as the test tells it, and remembers what it was asked.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use axum::{
    Form, Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle};

type Fields = HashMap<String, String>;

/// A running provider. Ends when dropped.
pub(crate) struct Provider {
    pub(crate) url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    token_requests: Mutex<Vec<Fields>>,
    revocations: Mutex<Vec<Fields>>,
    /// Step and `Authorization` of each OAuth 1.0a request.
    signed: Mutex<Vec<(String, String)>>,
    answers: Mutex<VecDeque<(u16, Value)>>,
    last_answer: Mutex<(u16, Value)>,
    held: Mutex<Option<&'static str>>,
    /// How many held token requests may be answered.
    gate: Semaphore,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let shared = Arc::new(Shared {
            token_requests: Mutex::default(),
            revocations: Mutex::default(),
            signed: Mutex::default(),
            answers: Mutex::default(),
            last_answer: Mutex::new((200, tokens("access-1", "refresh-1", 3600))),
            held: Mutex::default(),
            gate: Semaphore::new(0),
        });
        let routes = Router::new()
            .route("/token", post(token))
            .route("/revoke", post(revoke))
            .route("/oauth1/{step}", post(oauth1))
            .route("/verify", get(verify))
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, shared, task }
    }

    /// Its entry for the catalogue.
    pub(crate) fn entry(&self) -> Value {
        json!({
            "display_name": "Fake & Co",
            "authorization_endpoint": format!("{}/authorize?fixed=1", self.url),
            "token_endpoint": format!("{}/token", self.url),
            "revocation_endpoint": format!("{}/revoke", self.url),
        })
    }

    /// Its entry for the catalogue as a provider of OAuth 1.0a.
    pub(crate) fn oauth1_entry(&self) -> Value {
        json!({
            "display_name": "Old & Co",
            "protocol": "oauth1",
            "request_token_endpoint": format!("{}/oauth1/request?fixed=1", self.url),
            "authorization_endpoint": format!("{}/oauth1/authorize", self.url),
            "token_endpoint": format!("{}/oauth1/token", self.url),
        })
    }

    /// The OAuth 1.0a requests so far: step and `Authorization`.
    pub(crate) fn signed(&self) -> Vec<(String, String)> {
        self.shared.signed.lock().unwrap().clone()
    }

    /// Answers the next token request so; the last answer stays for those after it.
    pub(crate) fn answer(&self, status: u16, body: Value) {
        self.shared.answers.lock().unwrap().push_back((status, body));
    }

    /// Holds token requests of this grant type back until [`Provider::release`].
    pub(crate) fn hold(&self, grant_type: &'static str) {
        *self.shared.held.lock().unwrap() = Some(grant_type);
    }

    /// Lets one held token request be answered.
    pub(crate) fn release(&self) {
        self.shared.gate.add_permits(1);
    }

    /// The token requests so far.
    pub(crate) fn token_requests(&self) -> Vec<Fields> {
        self.shared.token_requests.lock().unwrap().clone()
    }

    /// How many token requests redeemed a refresh token.
    pub(crate) fn refreshes(&self) -> usize {
        self.token_requests().iter().filter(|fields| fields["grant_type"] == "refresh_token").count()
    }

    /// The revocation requests so far.
    pub(crate) fn revocations(&self) -> Vec<Fields> {
        self.shared.revocations.lock().unwrap().clone()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A token answer.
pub(crate) fn tokens(access_token: &str, refresh_token: &str, expires_in: u64) -> Value {
    json!({
        "access_token": access_token, "token_type": "Bearer", "refresh_token": refresh_token, "expires_in": expires_in,
        "scope": "read write",
    })
}

async fn token(State(shared): State<Arc<Shared>>, Form(fields): Form<Fields>) -> impl IntoResponse {
    let is_held = *shared.held.lock().unwrap() == fields.get("grant_type").map(String::as_str);
    shared.token_requests.lock().unwrap().push(fields);
    if is_held {
        shared.gate.acquire().await.unwrap().forget();
    }
    let next = shared.answers.lock().unwrap().pop_front();
    let mut last = shared.last_answer.lock().unwrap();
    if let Some(next) = next {
        *last = next;
    }
    (StatusCode::from_u16(last.0).unwrap(), Json(last.1.clone()))
}

async fn revoke(State(shared): State<Arc<Shared>>, Form(fields): Form<Fields>) {
    shared.revocations.lock().unwrap().push(fields);
}

async fn verify(headers: HeaderMap) -> StatusCode {
    if headers["x-key"] == "right-key" { StatusCode::OK } else { StatusCode::UNAUTHORIZED }
}

async fn oauth1(State(shared): State<Arc<Shared>>, Path(step): Path<String>, headers: HeaderMap) -> String {
    let authorization = headers["authorization"].to_str().unwrap().to_owned();
    let answer = format!(
        "oauth_token={step}-token&oauth_token_secret={step}-secret&oauth_callback_confirmed=true&screen_name=ada"
    );
    shared.signed.lock().unwrap().push((step, authorization));
    answer
}
