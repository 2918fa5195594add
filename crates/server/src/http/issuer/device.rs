//! Device authorization: the endpoint that devices call, and the pages where their users type the code.

use axum::{
    Json,
    body::Bytes,
    extract::{ConnectInfo, RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use handfast_issuer::{DeviceAuthorizationResponse, DeviceError, Params};
use maud::html;
use serde_json::json;
use url::form_urlencoded;

use super::{
    Cookies, issuer,
    pages::login_location,
    protocol::{ClientRequest, no_store},
    redirect, storage_failed,
};
use crate::{
    app::App,
    http::page::{FormAction, Page},
    workers::Peer,
};

/// RFC 8628 3.1 and 3.2.
pub(super) async fn authorize(State(app): State<App>, client: ClientRequest) -> Response {
    match issuer(&app).authorize_device(&client.params, &client.credentials).await {
        Ok(device) => {
            let query: String = form_urlencoded::Serializer::new(String::new())
                .append_pair("user_code", &device.user_code)
                .finish();
            no_store(Json(json!({
                "device_code": device.device_code.expose(),
                "user_code": device.user_code,
                "verification_uri": device.verification_uri,
                "verification_uri_complete": format!("{}?{query}", device.verification_uri),
                "expires_in": DeviceAuthorizationResponse::LIFETIME.as_secs(),
                "interval": DeviceAuthorizationResponse::INTERVAL.as_secs(),
            })))
        }
        Err(error) => client.refuse(&error),
    }
}

/// Asks for the code; an address that brings it along (RFC 8628 3.3.1) still asks whether the device shows the same.
pub(super) async fn page(RawQuery(query): RawQuery) -> Page {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    code_page(params.value("user_code").unwrap_or_default(), None)
}

fn code_page(user_code: &str, problem: Option<&str>) -> Page {
    let body = html! {
        h1 { "Connect a device" }
        p { "Type the code that your device shows. Go on only if you began this on a device of your own." }
        @if let Some(problem) = problem {
            p.error role="alert" id="problem" { (problem) }
        }
        form method="post" {
            label for="user_code" { "Code" }
            input type="text" id="user_code" name="user_code" value=(user_code) required maxlength="20"
                autocomplete="off" autocapitalize="characters" spellcheck="false" placeholder="BCDF-GHJK"
                aria-describedby=[problem.map(|_| "problem")] aria-invalid=[problem.map(|_| "true")];
            p { button { "Continue" } }
        }
    };
    Page::new("Connect a device", body).form_action(FormAction::Redirecting)
}

/// Takes the code and sends the user to log in and decide.
pub(super) async fn answer_page(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = Params::parse(&body);
    let typed = form.value("user_code").unwrap_or_default();
    if let Err(wait) = app.issuer_rules().user_codes.admit(peer, &headers) {
        let text = "Too many codes came from your address. Wait a minute and try again.";
        let page = code_page(typed, Some(text)).status(StatusCode::TOO_MANY_REQUESTS);
        return ([(header::RETRY_AFTER, wait.as_secs() + 1)], page).into_response();
    }
    match issuer(&app).begin_device_login(typed).await {
        Ok((id, cookie)) => {
            let mut response = redirect(&login_location(&app, &id));
            Cookies::new(&app, &headers).set_login_session(&mut response, &cookie);
            response
        }
        Err(DeviceError::Store(error)) => storage_failed(&error).into_response(),
        Err(error) => {
            code_page(typed, Some(&error.to_string())).status(StatusCode::BAD_REQUEST).into_response()
        }
    }
}

/// Where the decision comes back to.
pub(super) async fn done(State(app): State<App>, RawQuery(query): RawQuery) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    let (status, title, text) = match issuer(&app).finish_device_login(&params).await {
        Ok(true) => {
            (StatusCode::OK, "Your device is connected", "It goes on by itself in a few seconds.".to_owned())
        }
        Ok(false) => {
            (StatusCode::OK, "Your device is not connected", "You said no. Nothing was shared.".to_owned())
        }
        Err(DeviceError::Store(error)) => return storage_failed(&error).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, "This cannot go on", error.to_string()),
    };
    let body = html! {
        h1 { (title) }
        p { (text) }
        p.soft { "You can close this window." }
    };
    Page::new(title, body).status(status).into_response()
}
