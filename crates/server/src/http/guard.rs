//! Guards in front of the routes: the right Host, no foreign web page, and one log line for each request.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use handfast_broker::is_loopback_host;
use handfast_protocol::{ErrorCode, Randomness};
use tracing::Instrument;
use url::Url;

use super::{caller, error::Problem};
use crate::{app::App, system::SystemRandomness};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives each request an id, which its log lines and its answer carry, and logs its end. Of the address only the
/// route is logged: paths and queries hold names and codes.
pub(crate) async fn log(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = request_id();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("-", MatchedPath::as_str);
    let method = request.method().clone();
    let span = tracing::info_span!("request", request_id = id, %method, route);
    async {
        let began_at = Instant::now();
        let mut response = next.run(request).await;
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

fn request_id() -> String {
    let mut bytes = [0; 8];
    SystemRandomness.fill(&mut bytes);
    format!("{:016x}", u64::from_be_bytes(bytes))
}

/// Refuses a Host that is neither ours nor loopback: a web page whose name was rebound to our address (DNS rebinding)
/// would otherwise be of our own origin. Probes ask by address and learn nothing, so they pass.
pub(crate) async fn host(State(app): State<App>, request: Request, next: Next) -> Response {
    let probe = matches!(request.uri().path(), "/health" | "/ready");
    if probe || stated_host(&request).is_some_and(|host| is_own_host(&app, &host)) {
        return next.run(request).await;
    }
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

fn is_own_host(app: &App, host: &Authority) -> bool {
    let public_url = &app.policy().public_url;
    // What nearly every request says, told without reading it as a URL.
    if host.as_str() == public_url.authority() {
        return true;
    }
    let Ok(stated) = Url::parse(&format!("{}://{host}", public_url.scheme())) else { return false };
    let same = stated.host() == public_url.host()
        && stated.port_or_known_default() == public_url.port_or_known_default();
    let listed =
        |own: &String| own.eq_ignore_ascii_case(host.as_str()) || own.eq_ignore_ascii_case(host.host());
    let calls_back = app.policy().callback_url.as_ref().is_some_and(|url| {
        stated.host() == url.host() && stated.port_or_known_default() == url.port_or_known_default()
    });
    same || calls_back || is_loopback_host(&stated) || app.allowed_hosts().iter().any(listed)
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
