//! Hears the provider's answer: `GET` or `POST /oauth/callback`, and the same fields once more from our own origin.

use axum::{
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderName, Method, header},
    response::{IntoResponse, Response},
};
use handfast_broker::{Callback, Completed, Outcome, attempt_cookies};
use handfast_protocol::{ErrorCode, Secret};
use url::form_urlencoded;

use super::{attempt_pages, connect, error::Problem};
use crate::app::App;

/// The field that carries the path's config key to the repeated request.
const CONFIG_KEY_FIELD: &str = "handfast_config_key";

type Params = Vec<(String, Secret<String>)>;

/// `GET /oauth/callback`
pub(crate) async fn answer(app: State<App>, query: RawQuery, method: Method, headers: HeaderMap) -> Response {
    hear(app, None, query, method, headers).await
}

/// `GET /oauth/callback/{config_key}`
pub(crate) async fn answer_for(
    app: State<App>,
    Path(config_key): Path<String>,
    query: RawQuery,
    method: Method,
    headers: HeaderMap,
) -> Response {
    hear(app, Some(config_key), query, method, headers).await
}

async fn hear(
    State(app): State<App>,
    config_key: Option<String>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
) -> Response {
    if connect::touches_nothing(&method, &headers) {
        return connect::untouched();
    }
    let query = query.unwrap_or_default();
    if came_to_callback_url(&app, &headers) {
        let address = callback_address(&app, config_key.as_deref());
        return attempt_pages::go_on(&format!("{address}?{query}"), false, false).into_response();
    }
    let params = read_params(query.as_bytes());
    complete(app, Heard { params, config_key, is_continuation: false }, &headers).await
}

/// `POST /oauth/callback` (`response_mode=form_post`): no engine sends the cookie with it.
pub(crate) async fn posted(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    repeat_posted(&app, &headers, &body, None)
}

/// `POST /oauth/callback/{config_key}`
pub(crate) async fn posted_for(
    State(app): State<App>,
    Path(config_key): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    repeat_posted(&app, &headers, &body, Some(&config_key))
}

fn repeat_posted(app: &App, headers: &HeaderMap, body: &[u8], config_key: Option<&str>) -> Response {
    let params = read_params(body);
    if came_to_callback_url(app, headers) {
        return attempt_pages::pass_on(&callback_address(app, config_key), &params).into_response();
    }
    repeat_page(app, &params, config_key)
}

/// Whether the provider sent the browser to the custom callback host, where there is no cookie: what it carries goes on
/// to the same path of `public_url`.
fn came_to_callback_url(app: &App, headers: &HeaderMap) -> bool {
    let host = |url: &url::Url| url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
    let policy = app.policy();
    let stated = connect::text(headers, &header::HOST).unwrap_or_default();
    let own = host(&policy.public_url);
    policy
        .callback_url
        .as_ref()
        .is_some_and(|url| stated.eq_ignore_ascii_case(&host(url)) && !stated.eq_ignore_ascii_case(&own))
}

fn callback_address(app: &App, config_key: Option<&str>) -> String {
    let path =
        config_key.map_or_else(|| "/oauth/callback".to_owned(), |key| format!("/oauth/callback/{key}"));
    app.policy().address(&path)
}

/// `POST /oauth/callback/continue`: the same fields, from our own page.
pub(crate) async fn continued(
    State(app): State<App>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let site = connect::text(&headers, &HeaderName::from_static("sec-fetch-site"));
    if connect::touches_nothing(&method, &headers) || site.is_some_and(|site| site != "same-origin") {
        return connect::untouched();
    }
    let mut params = read_params(&body);
    let place = params.iter().position(|(name, _)| name == CONFIG_KEY_FIELD);
    let config_key = place.map(|place| params.remove(place).1.into_exposed());
    complete(app, Heard { params, config_key, is_continuation: true }, &headers).await
}

/// What was heard, owned by the task that works on it.
struct Heard {
    params: Params,
    config_key: Option<String>,
    is_continuation: bool,
}

async fn complete(app: App, heard: Heard, headers: &HeaderMap) -> Response {
    let cookies = connect::cookie_header(headers);
    // A window that is closed must not stop a code from being redeemed and stored.
    let task = tokio::spawn(async move {
        let callback = Callback {
            params: &heard.params,
            cookies: &attempt_cookies(app.policy(), &cookies),
            config_key: heard.config_key.as_deref(),
            is_continuation: heard.is_continuation,
        };
        match app.broker().complete(callback).await {
            Ok(Completed::NeedsCookie) => repeat_page(&app, &heard.params, heard.config_key.as_deref()),
            Ok(Completed::Ended(ended)) => {
                if let Outcome::Failed { code, .. } = &ended.outcome {
                    tracing::info!(%code, "attempt failed");
                }
                let delete_cookie = ended.delete_cookie.clone();
                let page = attempt_pages::result(*ended);
                match delete_cookie {
                    Some(cookie) => connect::with_cookie(page, &cookie),
                    None => page.into_response(),
                }
            }
            Ok(Completed::NoAttempt(error)) => {
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

fn repeat_page(app: &App, params: &[(String, Secret<String>)], config_key: Option<&str>) -> Response {
    let mut params = params.to_vec();
    params.extend(config_key.map(|key| (CONFIG_KEY_FIELD.to_owned(), Secret::new(key.to_owned()))));
    attempt_pages::repeat(&app.policy().address("/oauth/callback/continue"), &params).into_response()
}

fn read_params(text: &[u8]) -> Params {
    form_urlencoded::parse(text)
        .map(|(name, value)| (name.into_owned(), Secret::new(value.into_owned())))
        .collect()
}
