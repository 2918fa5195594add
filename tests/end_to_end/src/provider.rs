//! A gateway before the provider: it counts what passes, and can answer in the provider's place as a hostile or
//! peculiar one would.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::Context;
use axum::{
    Router,
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde_json::Value;
use url::Url;

use crate::eventually;

/// The gateway; it ends when this is dropped.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    seen: Arc<Seen>,
    serving: tokio::task::JoinHandle<()>,
}

/// What passed the gateway so far.
#[derive(Debug, Default)]
struct Seen {
    authorization_requests: Mutex<Vec<Url>>,
    token_requests: Mutex<Vec<BTreeMap<String, String>>>,
    isolated_page: AtomicBool,
}

#[derive(Clone)]
struct Behind {
    authorization_endpoint: String,
    token_endpoint: String,
    address: SocketAddr,
    client: reqwest::Client,
    seen: Arc<Seen>,
}

impl Gateway {
    /// Stands before the issuer with this metadata (RFC 8414), on another port of the provider's site.
    ///
    /// # Errors
    /// When the metadata lacks an endpoint or no port is free.
    pub async fn start(metadata: &Value) -> anyhow::Result<Self> {
        let endpoint = |name: &str| -> anyhow::Result<String> {
            let endpoint = metadata[name].as_str().with_context(|| format!("the metadata has no {name}"))?;
            Ok(endpoint.to_owned())
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.3:0").await?;
        let address = listener.local_addr()?;
        let seen = Arc::<Seen>::default();
        let behind = Behind {
            authorization_endpoint: endpoint("authorization_endpoint")?,
            token_endpoint: endpoint("token_endpoint")?,
            address,
            client: reqwest::Client::new(),
            seen: Arc::clone(&seen),
        };
        let router = Router::new()
            .route("/token", post(token))
            .route("/authorize", get(authorize))
            .route("/authorize/{manner}", get(authorize_in))
            .route("/shown", get(shown))
            .with_state(behind);
        let serving = tokio::spawn(async move {
            // It serves until the task is aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, seen, serving })
    }

    /// An address of the gateway.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Every authorization request so far.
    #[must_use]
    pub fn authorization_requests(&self) -> Vec<Url> {
        self.seen.authorization_requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until a window shows a page that cuts the opener. What a driver asks of a window while it is being cut,
    /// WebKit's loses.
    pub async fn until_isolated_page_is_shown(&self) {
        eventually("the isolated page is shown", async || {
            self.seen.isolated_page.load(Ordering::Relaxed).then_some(())
        })
        .await;
    }

    /// Every token request so far, as the fields of its form.
    #[must_use]
    pub fn token_requests(&self) -> Vec<BTreeMap<String, String>> {
        self.seen.token_requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many token requests of this grant type there were.
    #[must_use]
    pub fn token_requests_of(&self, grant_type: &str) -> usize {
        let requests = self.token_requests();
        requests.iter().filter(|form| form.get("grant_type").is_some_and(|grant| grant == grant_type)).count()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn token(State(behind): State<Behind>, headers: HeaderMap, body: Bytes) -> Response {
    let form = url::form_urlencoded::parse(&body).into_owned().collect();
    behind.seen.token_requests.lock().unwrap_or_else(PoisonError::into_inner).push(form);
    let mut request = behind.client.post(&behind.token_endpoint).body(body);
    for name in [header::CONTENT_TYPE, header::AUTHORIZATION, header::ACCEPT] {
        if let Some(value) = headers.get(&name) {
            request = request.header(name, value);
        }
    }
    match request.send().await {
        Ok(answer) => {
            let status = answer.status();
            let body = answer.bytes().await.unwrap_or_default();
            (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

/// Passes the browser on to the real issuer.
async fn authorize(State(behind): State<Behind>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    note_authorization_request(&behind, &query);
    see_other(&format!("{}?{query}", behind.authorization_endpoint))
}

/// Answers as a provider of this manner would.
async fn authorize_in(
    State(behind): State<Behind>,
    Path(manner): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let onward = format!("{}?{query}", behind.authorization_endpoint);
    match manner.as_str() {
        // Cuts the opener with its first answer.
        "isolated" => {
            note_authorization_request(&behind, &query);
            isolated(&onward)
        }
        // Cuts the opener after some redirects.
        "isolated_later" => {
            note_authorization_request(&behind, &query);
            see_other(&format!("hop?{query}"))
        }
        "hop" => see_other(&format!("http://{}/authorize/isolated_last?{query}", behind.address)),
        "isolated_last" => isolated(&onward),
        // Refuses with words that no page may run.
        "hostile" => {
            note_authorization_request(&behind, &query);
            refused(&query)
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn shown(State(behind): State<Behind>) -> StatusCode {
    behind.seen.isolated_page.store(true, Ordering::Relaxed);
    StatusCode::NO_CONTENT
}

fn note_authorization_request(behind: &Behind, query: &str) {
    let url =
        Url::parse(&format!("http://{}/authorize?{query}", behind.address)).expect("an address of our own");
    behind.seen.authorization_requests.lock().unwrap_or_else(PoisonError::into_inner).push(url);
}

fn see_other(address: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response()
}

/// A page that cuts the opener, says when it is there, and has one link, to the real issuer.
fn isolated(onward: &str) -> Response {
    let markup = format!(
        "<!doctype html><meta charset=utf-8><title>provider</title><a id=onward href=\"{}\">Log in</a>\
         <script>addEventListener('load', () => fetch('/shown'))</script>",
        onward.replace('&', "&amp;").replace('"', "&quot;")
    );
    ([("cross-origin-opener-policy", "same-origin")], Html(markup)).into_response()
}

/// What a hostile provider says about the refusal (RFC 6749 4.1.2.1).
pub const HOSTILE_DESCRIPTION: &str = "it's `${opener.ran = 1}` \"no\" </script><script>window.ran = 1; opener.ran = 1</script>\n\u{2028}<img src=x onerror='opener.ran = 1'> 🦀";

fn refused(query: &str) -> Response {
    let request: BTreeMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let (Some(redirect_uri), Some(state)) = (request.get("redirect_uri"), request.get("state")) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let Ok(mut callback) = Url::parse(redirect_uri) else { return StatusCode::BAD_REQUEST.into_response() };
    callback
        .query_pairs_mut()
        .append_pair("error", "server_error")
        .append_pair("error_description", HOSTILE_DESCRIPTION)
        .append_pair("state", state);
    see_other(callback.as_str())
}
