//! Starts attempts: the POST out of the application's page, and the GET that explains itself.

use std::collections::BTreeMap;

use axum::{
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use handfast_broker::{Begun, Filled, FilledForm, Form, LegacyStart, NextStep, StartForm, attempt_cookies};
use handfast_protocol::{ErrorCode, Secret};
use url::{Url, form_urlencoded};

use super::{attempt_pages, error::Problem, page::Page};
use crate::app::App;

/// `POST /oauth/connect/{config_key}`: begins an attempt.
pub(crate) async fn start(
    State(app): State<App>,
    Path(config_key): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = match read_start_form(&headers, &body) {
        Ok(request) => request,
        Err(problem) => {
            return (StatusCode::BAD_REQUEST, attempt_pages::no_attempt(ErrorCode::InvalidRequest, problem))
                .into_response();
        }
    };
    let form = StartForm {
        config_key: &config_key,
        request: &request,
        origin: text(&headers, &header::ORIGIN),
        host: text(&headers, &header::HOST),
        is_foreign_fetch: is_foreign_fetch(&headers),
    };
    match app.broker().begin(form).await {
        Ok(begun) => begun_page(&app, begun),
        Err(refused) => {
            tracing::info!(code = %refused.error.code(), reason = log_reason(&refused.error), "start refused");
            attempt_pages::refused_start(refused).into_response()
        }
    }
}

/// `GET /oauth/connect/{config_key}`: explains itself; begins an attempt only where the integration lets published
/// Pizzly clients do so.
pub(crate) async fn explain_or_start(
    State(app): State<App>,
    Path(config_key): Path<String>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
) -> Response {
    if touches_nothing(&method, &headers) {
        return untouched();
    }
    let query = read_legacy_query(query.as_deref().unwrap_or_default());
    let referer_origin = text(&headers, &header::REFERER)
        .and_then(|referer| Url::parse(referer).ok())
        .map(|referer| referer.origin().ascii_serialization());
    let (Some(query), Some(referer_origin)) = (query, referer_origin) else {
        return attempt_pages::explain().into_response();
    };
    let legacy = LegacyStart {
        config_key: &config_key,
        connection_id: query.connection_id.as_deref(),
        params: &query.params,
        referer_origin: Some(&referer_origin),
        host: text(&headers, &header::HOST),
    };
    match app.broker().begin_legacy(legacy).await {
        Ok(begun) => begun_page(&app, begun),
        Err(refused) => {
            tracing::info!(code = %refused.error.code(), reason = log_reason(&refused.error), "start by a link refused");
            attempt_pages::refused_start(refused).into_response()
        }
    }
}

fn begun_page(app: &App, begun: Begun) -> Response {
    let page = match begun.next {
        NextStep::Provider { authorization_url, drops_opener, needs_opener } => {
            attempt_pages::go_on(&authorization_url, drops_opener, needs_opener)
        }
        NextStep::Form(form) => form_page(app, &form),
    };
    with_cookie(page, begun.cookie.set_header(app.policy()).expose())
}

fn form_page(app: &App, form: &Form) -> Page {
    attempt_pages::form(&app.policy().address("/oauth/form"), form)
}

/// `POST /oauth/form`: what the user typed into the window's form.
pub(crate) async fn fill_in(
    State(app): State<App>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let site = text(&headers, &HeaderName::from_static("sec-fetch-site"));
    if touches_nothing(&method, &headers) || site.is_some_and(|site| site != "same-origin") {
        return untouched();
    }
    let mut typed: BTreeMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
    let state = Secret::new(typed.remove("state").unwrap_or_default());
    let cookies = cookie_header(&headers);
    // A window that is closed must not stop what was typed from being checked and stored.
    let task = tokio::spawn(async move {
        let filled = FilledForm { state: &state, cookies: &attempt_cookies(app.policy(), &cookies), typed };
        match app.broker().fill_in(filled).await {
            Ok(Filled::Begun(begun)) => begun_page(&app, begun),
            Ok(Filled::Again(form)) => form_page(&app, &form).into_response(),
            Ok(Filled::Ended(ended)) => attempt_pages::result(*ended).into_response(),
            Ok(Filled::NoAttempt(error)) => {
                attempt_pages::no_attempt(error.code(), &error.to_string()).into_response()
            }
            Err(error) => {
                let problem = Problem::from(error);
                attempt_pages::no_attempt(ErrorCode::Internal, &problem.detail).into_response()
            }
        }
    });
    task.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// The `Cookie` headers of a request as one.
pub(super) fn cookie_header(headers: &HeaderMap) -> String {
    let cookies: Vec<&str> =
        headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).collect();
    cookies.join("; ")
}

pub(super) fn with_cookie(page: Page, cookie: &str) -> Response {
    let mut response = page.into_response();
    let value = HeaderValue::from_str(cookie).expect("a cookie is made of visible ASCII");
    response.headers_mut().append(header::SET_COOKIE, value);
    response
}

/// The one field `request`; anything else in the form is a mistake.
fn read_start_form(headers: &HeaderMap, body: &[u8]) -> Result<Secret<String>, &'static str> {
    let content_type = text(headers, &header::CONTENT_TYPE).unwrap_or_default();
    if !content_type.starts_with("application/x-www-form-urlencoded") {
        return Err("A start request is an HTML form with the one field \"request\".");
    }
    let mut fields = form_urlencoded::parse(body);
    match (fields.next(), fields.next()) {
        (Some((name, value)), None) if name == "request" => Ok(Secret::new(value.into_owned())),
        _ => Err("A start request has exactly one field, \"request\"."),
    }
}

/// The query of a published Pizzly client, which escapes nothing: a plus sign is a plus sign.
struct LegacyQuery {
    connection_id: Option<String>,
    params: BTreeMap<String, String>,
}

/// Reads `connection_id` and `params[name]`; `None` where one is repeated or there is none at all. Keys that these
/// clients add (`public_key`, `pizzly_pkey`) mean nothing here.
fn read_legacy_query(query: &str) -> Option<LegacyQuery> {
    if query.is_empty() {
        return None;
    }
    let mut read = LegacyQuery { connection_id: None, params: BTreeMap::new() };
    for (name, value) in form_urlencoded::parse(query.replace('+', "%2B").as_bytes()) {
        if name == "connection_id" {
            if read.connection_id.replace(value.into_owned()).is_some() {
                return None;
            }
        } else if let Some(name) = name.strip_prefix("params[").and_then(|rest| rest.strip_suffix(']'))
            && read.params.insert(name.to_owned(), value.into_owned()).is_some()
        {
            return None;
        }
    }
    Some(read)
}

/// Whether the browser says that a request is not the navigation of a whole window. Old browsers say nothing.
fn is_foreign_fetch(headers: &HeaderMap) -> bool {
    let states_other = |name: &'static str, expected: &str| {
        text(headers, &HeaderName::from_static(name)).is_some_and(|stated| stated != expected)
    };
    states_other("sec-fetch-mode", "navigate") || states_other("sec-fetch-dest", "document")
}

/// Whether a request is one by which a browser or a program looks ahead: an image, a frame, a prefetch, a HEAD.
pub(super) fn touches_nothing(method: &Method, headers: &HeaderMap) -> bool {
    let dest = text(headers, &HeaderName::from_static("sec-fetch-dest"));
    *method == Method::HEAD
        || headers.contains_key("sec-purpose")
        || headers.contains_key("purpose")
        || dest.is_some_and(|dest| dest != "document")
}

/// The answer to such a request. Not a success: a browser throws a prefetched failure away and asks again.
pub(super) fn untouched() -> Response {
    (StatusCode::FORBIDDEN, [(header::CACHE_CONTROL, "no-store")]).into_response()
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// What may be logged of a refusal: its own sentence, which holds names but never a secret.
fn log_reason(error: &handfast_broker::BeginError) -> String {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        reason = format!("{reason} {error}");
        source = error.source();
    }
    reason
}
