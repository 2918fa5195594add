//! Guards in front of the routes: the right Host, no foreign web page, and one log line for each request.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use handfast_broker::{Policy, is_loopback_host};
use handfast_protocol::{ErrorCode, Randomness};
use tracing::Instrument;
use url::{Host, Url};

use super::{caller, error::Problem};
use crate::{app::App, system::SystemRandomness};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What stands in front of every route.
pub(crate) async fn every(State(app): State<App>, request: Request, next: Next) -> Response {
    if is_for_us(&app, &request) {
        return log(&app, request, |request| next.run(request)).await;
    }
    log(&app, request, async |_| wrong_host(&app)).await
}

/// Gives each request an id, which its log lines and its answer carry, and logs its end. Of the address only the
/// route is logged: paths and queries hold names and codes.
async fn log<F: Future<Output = Response>>(
    app: &App,
    request: Request,
    answer: impl FnOnce(Request) -> F,
) -> Response {
    let id = request_id();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("-", MatchedPath::as_str);
    let method = request.method().clone();
    let span = tracing::info_span!("request", request_id = id, %method, route);
    async {
        let began_at = Instant::now();
        let mut response = answer(request).await;
        let status = response.status().as_u16();
        let took = began_at.elapsed();
        app.metrics().count(route, method.as_str(), status, took);
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(status, millis, "answered");
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        response
    }
    .instrument(span)
    .await
}

/// Not twice in one process, and hardly ever in two.
fn request_id() -> String {
    static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| {
        let mut bytes = [0; 8];
        SystemRandomness.fill(&mut bytes);
        AtomicU64::new(u64::from_be_bytes(bytes))
    });
    // An odd step reaches every number before it comes back to one.
    format!("{:016x}", NEXT.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed))
}

/// Whether the Host is ours or loopback: a web page whose name was rebound to our address (DNS rebinding) would
/// otherwise be of our own origin. Probes ask by address and learn nothing, so they pass.
fn is_for_us(app: &App, request: &Request) -> bool {
    let probe = matches!(request.uri().path(), "/health" | "/ready");
    probe || stated_host(request).is_some_and(|host| is_own_host(app, &host))
}

fn wrong_host(app: &App) -> Response {
    let own = &app.policy().public_url;
    Problem::new(
        ErrorCode::WrongHost,
        format!("this server is reached as {own}; see public_url and allowed_hosts"),
    )
    .into_response()
}

fn stated_host(request: &Request) -> Option<Authority> {
    let mut values = request.headers().get_all(header::HOST).iter();
    let first = values.next().and_then(|value| value.to_str().ok()?.parse().ok());
    if values.next().is_some() {
        return None;
    }
    first.or_else(|| Uri::authority(request.uri()).cloned())
}

fn is_own_host(app: &App, stated: &Authority) -> bool {
    let Policy { public_url, callback_url, .. } = app.policy();
    // What most requests say, told without reading it.
    if stated.as_str() == public_url.authority() {
        return true;
    }
    let Ok(host) = Host::parse(stated.host()) else { return false };
    let port = stated.port_u16();
    let names = |url: &Url| {
        let is_port = port == url.port() || (port.is_some() && port == url.port_or_known_default());
        is_port && url.host().is_some_and(|own| own == host)
    };
    let listed =
        |own: &String| own.eq_ignore_ascii_case(stated.as_str()) || own.eq_ignore_ascii_case(stated.host());
    is_loopback_host(&host)
        || names(public_url)
        || callback_url.as_ref().is_some_and(names)
        || app.allowed_hosts().iter().any(listed)
}

/// Keeps web pages away from the REST routes. A browser says where a request comes from; one that shows an API key
/// was made by a program that knows it. Writes must be JSON, which no HTML form can send.
pub(crate) async fn rest(State(app): State<App>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let without_key = caller::presented_key(headers).is_ok_and(|key| key.is_none());
    if without_key {
        let own_origin = || app.policy().public_url.origin().ascii_serialization();
        let foreign =
            headers.get_all(header::ORIGIN).iter().any(|origin| origin.as_bytes() != own_origin().as_bytes());
        let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        if foreign || site.is_some_and(|site| !matches!(site, b"same-origin" | b"none")) {
            return Problem::new(
                ErrorCode::OriginNotAllowed,
                "web pages of other origins may not call this address",
            )
            .into_response();
        }
    }
    let writes = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    if writes && !is_json(headers.get(header::CONTENT_TYPE)) {
        return Problem::invalid_request("the body must be JSON: send `Content-Type: application/json`")
            .status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            .into_response();
    }
    let mut response = next.run(request).await;
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn is_json(content_type: Option<&HeaderValue>) -> bool {
    let Some(text) = content_type.and_then(|value| value.to_str().ok()) else { return false };
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(essence.as_str(), "application/json" | "application/x-ndjson")
}
