//! Every route on one screen.

mod api_keys;
mod attempt;
mod attempt_pages;
mod attempts;
mod callback;
mod caller;
mod connect;
mod connect_tokens;
mod connection_list;
mod connections;
mod error;
mod events;
mod extract;
mod guard;
mod home;
mod install;
mod integrations;
mod issuer;
mod limit;
mod metrics;
mod openapi;
mod page;
mod pizzly;
mod providers;
mod sdk;
mod sealing_keys;
mod transfer;

pub(crate) use caller::{ApiKeyCache, Caller};
pub(crate) use integrations::rfc3339;
pub(crate) use limit::Limits;
pub(crate) use metrics::Metrics;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{StatusCode, Uri},
    middleware::{from_fn_with_state, map_response},
    routing::{delete, get, post},
};
use tower::Service;

use crate::app::App;

/// The largest body of a request, in bytes, where a route says nothing else.
const BODY_LIMIT: usize = 64 * 1024;

/// The whole HTTP surface.
pub(crate) fn router(app: &App) -> Router {
    let own = Router::new()
        .route("/integrations", get(integrations::list).post(integrations::create))
        .route(
            "/integrations/{config_key}",
            get(integrations::show).patch(integrations::edit).delete(integrations::delete),
        )
        .route("/connections", get(connection_list::list).post(connections::create))
        .route(
            "/connections/{*connection_id}",
            get(connections::show).patch(connection_list::edit).delete(connections::delete),
        )
        .route("/import/connections", post(transfer::import))
        .route("/export/connections", get(transfer::export))
        .route("/attempts", get(attempts::list))
        .route("/events", get(events::list))
        .route("/events/{id}/replay", post(events::replay))
        .route("/api_keys", get(api_keys::list).post(api_keys::create))
        .route("/api_keys/{id}", delete(api_keys::revoke))
        .route("/sealing_keys/rotate", post(sealing_keys::rotate))
        .route("/connect/tokens", post(connect_tokens::create));
    let pizzlys = Router::new()
        .route("/config", get(pizzly::list_configs).post(pizzly::create_config).put(pizzly::edit_config))
        .route("/config/{config_key}", get(pizzly::show_config).delete(pizzly::delete_config))
        .route("/connection/{*connection_id}", get(pizzly::show_connection));
    let guard = from_fn_with_state(app.clone(), guard::rest);
    let rest = own
        .layer(guard.clone())
        // Outside the guard, so that its refusals are put into Pizzly's words too.
        .merge(pizzlys.layer(guard).layer(map_response(pizzly::speak)));

    let browser = Router::new()
        .route("/oauth/connect/{config_key}", get(connect::explain_or_start).post(connect::start))
        .route("/oauth/callback", get(callback::answer).post(callback::posted))
        .route("/oauth/callback/continue", post(callback::continued))
        .route("/oauth/callback/{config_key}", get(callback::answer_for).post(callback::posted_for))
        .route("/oauth/form", post(connect::fill_in))
        .route("/oauth/attempt", post(attempt::ask))
        .route("/oauth/install/{config_key}", get(install::lead))
        .route("/sdk/handfast.js", get(sdk::script))
        .route("/providers", get(providers::list))
        .route("/providers/{name}", get(providers::show))
        .merge(issuer::routes(app))
        .layer(from_fn_with_state(app.clone(), limit::per_address));

    let routes = Router::new()
        .merge(rest)
        .merge(browser)
        .route("/", get(home::show))
        .route("/openapi.json", get(openapi::show))
        .route("/health", get(async || "ok"))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics::show))
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        // One layer of both: each further one costs every request a boxed future.
        .layer((from_fn_with_state(app.clone(), guard::every), DefaultBodyLimit::max(BODY_LIMIT)))
        .with_state(app.clone());
    below(app.policy().public_url.path(), routes)
}

/// The same routes also below the path of `public_url`: some proxies strip it, others do not.
fn below(path: &str, routes: Router) -> Router {
    let path = path.trim_end_matches('/').to_owned();
    if path.is_empty() {
        return routes;
    }
    Router::new().fallback(async move |mut request: Request| {
        let rest = request
            .uri()
            .path_and_query()
            .and_then(|own| own.as_str().strip_prefix(&path))
            .map(str::to_owned);
        if let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with(['/', '?'])) {
            let rest = if rest.starts_with('/') { rest } else { format!("/{rest}") };
            // What was part of an address is one.
            *request.uri_mut() = Uri::try_from(rest).unwrap_or_default();
        }
        routes.clone().call(request).await
    })
}

async fn ready(State(app): State<App>) -> StatusCode {
    if app.is_ready().await { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
