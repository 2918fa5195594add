//! `GET /oauth/install/{config_key}`: a signed link from the provider's side, which leads to the application's own page.

use axum::{
    extract::{Path, RawQuery, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use handfast_broker::InstallError;
use url::form_urlencoded;

use super::attempt_pages;
use crate::app::App;

/// Leads the browser on, or says why not. Starts nothing, so that anyone may send such a link to anyone.
pub(crate) async fn lead(
    State(app): State<App>,
    Path(config_key): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let params: Vec<_> = form_urlencoded::parse(query.as_deref().unwrap_or_default().as_bytes()).collect();
    let error = match app.broker().install(&config_key, &params).await {
        Ok(url) => {
            let location = HeaderValue::from_str(url.as_str()).expect("a URL is visible ASCII");
            // The signed query of this address is nobody else's business.
            let headers = [
                (header::LOCATION, location),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
                (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            ];
            return (StatusCode::SEE_OTHER, headers).into_response();
        }
        Err(error) => error,
    };
    tracing::info!(code = %error.code(), reason = %error, "install link refused");
    let status = match error {
        InstallError::UnknownIntegration(_) | InstallError::NotInstallable(..) => StatusCode::NOT_FOUND,
        InstallError::InvalidSignature(_) | InstallError::Variable(_) => StatusCode::BAD_REQUEST,
        InstallError::InvalidIntegration(_) | InstallError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    attempt_pages::no_attempt(error.code(), &error.to_string()).status(status).into_response()
}
