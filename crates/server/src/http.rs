//! Every route on one screen.

mod caller;
mod error;
mod extract;
mod guard;
mod integrations;
mod page;
mod pizzly;

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    middleware::{from_fn, from_fn_with_state, map_response},
    routing::get,
};

use crate::app::App;

/// The largest body of a REST request, in bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// The whole HTTP surface.
pub(crate) fn router(app: App) -> Router {
    let own = Router::new().route("/integrations", get(integrations::list).post(integrations::create)).route(
        "/integrations/{config_key}",
        get(integrations::show).patch(integrations::edit).delete(integrations::delete),
    );
    let pizzlys = Router::new()
        .route("/config", get(pizzly::list_configs).post(pizzly::create_config).put(pizzly::edit_config))
        .route("/config/{config_key}", get(pizzly::show_config).delete(pizzly::delete_config));
    let guard = from_fn_with_state(app.clone(), guard::rest);
    let rest = own
        .layer(guard.clone())
        // Outside the guard, so that its refusals are put into Pizzly's words too.
        .merge(pizzlys.layer(guard).layer(map_response(pizzly::speak)))
        .layer(DefaultBodyLimit::max(BODY_LIMIT));

    Router::new()
        .merge(rest)
        .route("/health", get(async || "ok"))
        .route("/ready", get(ready))
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(from_fn_with_state(app.clone(), guard::host))
        .layer(from_fn(guard::log))
        .with_state(app)
}

async fn ready(State(app): State<App>) -> StatusCode {
    if app.is_ready().await { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
