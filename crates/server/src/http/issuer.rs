//! The issuer's routes. Where the issuer is not turned on, every one of them answers 404.

mod account;
mod api;
mod device;
mod pages;
mod protocol;
mod registration;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use handfast_issuer::{AuthorizationResponse, ResponseMode, StoreError};
use handfast_protocol::{Secret, Sha256Hash};

use crate::{app::App, issuer::Issuer};

/// Every route of the issuer.
pub(super) fn routes(app: &App) -> Router<App> {
    let for_pages = |methods: MethodRouter<App>| {
        methods.options(protocol::preflight).layer(middleware::map_response(protocol::with_cors))
    };
    let authorize = get(pages::authorize).post(pages::authorize_by_post);
    let token = for_pages(post(protocol::token));
    let revoke = for_pages(post(protocol::revoke));
    let userinfo = for_pages(get(protocol::userinfo).post(protocol::userinfo));
    let metadata = for_pages(get(protocol::metadata));
    Router::new()
        .route("/auth/oauth2/authorize", authorize.clone())
        .route("/auth/oauth2/token", token.clone())
        .route("/auth/oauth2/userinfo", userinfo)
        .route("/auth/jwks.json", for_pages(get(protocol::jwks)))
        .route("/auth/oauth2/.well-known/openid-configuration", metadata.clone())
        .route("/.well-known/oauth-authorization-server/auth/oauth2", metadata)
        .route("/auth/oauth2/register", for_pages(post(registration::register)))
        .route(
            "/auth/oauth2/register/{client_id}",
            get(registration::show).put(registration::replace).delete(registration::delete),
        )
        .route("/auth/oauth2/device_authorization", for_pages(post(device::authorize)))
        .route("/auth/device", get(device::page).post(device::answer_page))
        .route("/auth/device/done", get(device::done))
        .route("/auth/login/{id}", get(pages::login).post(pages::answer_login))
        .route("/auth/consent/{id}", get(pages::consent).post(pages::answer_consent))
        .route("/oauth/authorize", authorize)
        .route("/oauth/token", token)
        .route("/oauth/api/me", get(protocol::me))
        .route("/oauth2/revoke", revoke.clone())
        .route("/oauth", get(account::home))
        .route("/oauth/register", get(account::registration).post(account::register))
        .route("/oauth/applications", get(account::applications))
        .route("/oauth/applications/{client_id}", get(account::application).post(account::change_application))
        .route("/auth/applications", get(account::authorized).post(account::withdraw))
        .route("/auth/oauth2/logout", get(account::log_out).post(account::log_out))
        .route("/auth/oauth2/introspect", post(protocol::introspect))
        .route("/auth/oauth2/revoke", revoke)
        .route("/auth/oauth2/par", post(protocol::push))
        .route("/api/introspect", post(api::introspect))
        .route("/api/keys/rotate", post(api::rotate_keys))
        .route("/api/auth_session/{id}", get(api::login_session))
        .route("/api/auth_session/{id}/approve", post(api::approve))
        .route("/api/auth_session/{id}/deny", post(api::deny))
        .route("/api/app", post(api::create_app))
        .route_layer(middleware::from_fn_with_state(app.clone(), only_where_turned_on))
}

/// Answers 404 where there is no issuer; else adds the operator's Cross-Origin-Opener-Policy to what browsers show.
async fn only_where_turned_on(State(app): State<App>, request: Request, next: Next) -> Response {
    if app.issuer().is_none() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let mut response = next.run(request).await;
    if let Some(policy) = &app.issuer_rules().opener_policy {
        response.headers_mut().insert("cross-origin-opener-policy", policy.clone());
    }
    response
}

/// The issuer, which the layer above has seen to be there.
fn issuer(app: &App) -> &Issuer {
    app.issuer().expect("the route layer answers 404 where there is no issuer")
}

/// Logs a failure of the storage and answers without its details.
fn storage_failed(error: &StoreError) -> StatusCode {
    tracing::error!(%error, "the issuer's storage failed");
    StatusCode::INTERNAL_SERVER_ERROR
}

/// Sends the browser on; 303, so that it never repeats a form (RFC 9700 4.12).
fn redirect(location: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(location) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// Brings an authorization response to the client, the way it asked for.
fn deliver(response: &AuthorizationResponse) -> Response {
    match response.mode {
        ResponseMode::Query | ResponseMode::Fragment => redirect(&response.location()),
        ResponseMode::FormPost => pages::form_post(response).into_response(),
        ResponseMode::WebMessage => pages::web_message(response),
    }
}

/// The cookies by which the issuer knows a browser. Their names differ from the broker's, which may share the host.
struct Cookies<'a> {
    headers: &'a HeaderMap,
    secure: bool,
}

impl<'a> Cookies<'a> {
    fn new(app: &App, headers: &'a HeaderMap) -> Self {
        Self { headers, secure: issuer(app).settings().public_url.starts_with("https://") }
    }

    /// The prefix pins a cookie to this host (RFC 6265bis 4.1.3.2); browsers refuse it over http.
    fn prefix(&self) -> &'static str {
        if self.secure { "__Host-" } else { "" }
    }

    fn pairs(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let values = self.headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='))
    }

    /// One cookie per login session, so that two windows at once do not overwrite each other's.
    fn of_login_sessions(&self) -> Vec<Secret<String>> {
        let prefix = format!("{}issuer-login-", self.prefix());
        let ours = self.pairs().filter(|(name, _)| name.starts_with(&prefix));
        ours.take(200).map(|(_, value)| Secret::new(value.to_owned())).collect()
    }

    fn of_browser_session(&self) -> Option<Secret<String>> {
        let own_name = format!("{}issuer-session", self.prefix());
        self.pairs().find(|(name, _)| *name == own_name).map(|(_, value)| Secret::new(value.to_owned()))
    }

    fn set_login_session(&self, response: &mut Response, cookie: &Secret<String>) {
        let name = Sha256Hash::of(cookie.expose());
        let name = format!("issuer-login-{}", name.as_str().get(..16).unwrap_or_default());
        self.set(response, &name, cookie.expose(), 600);
    }

    fn set_browser_session(&self, response: &mut Response, cookie: &Secret<String>, max_age: u64) {
        self.set(response, "issuer-session", cookie.expose(), max_age);
    }

    fn set(&self, response: &mut Response, name: &str, value: &str, max_age: u64) {
        let secure = if self.secure { "Secure; " } else { "" };
        let cookie = format!(
            "{}{name}={value}; Path=/; {secure}HttpOnly; SameSite=Lax; Max-Age={max_age}",
            self.prefix()
        );
        let cookie =
            HeaderValue::from_str(&cookie).expect("a cookie of ours is made of base64url and ASCII words");
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}
