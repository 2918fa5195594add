//! Every route on one screen.

mod page;

use axum::{Router, extract::State, http::StatusCode, routing::get};

use crate::app::App;

/// The whole HTTP surface.
pub(crate) fn router(app: App) -> Router {
    Router::new().route("/health", get(async || "ok")).route("/ready", get(ready)).with_state(app)
}

async fn ready(State(app): State<App>) -> StatusCode {
    if app.is_ready().await { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
