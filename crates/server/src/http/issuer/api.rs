//! What the operator's application calls to decide login sessions. The spelling is that of published Connectivly
//! clients, which read JSON from every answer; it lives here and nowhere else.

use axum::{
    Json,
    body::Bytes,
    extract::{ConnectInfo, FromRequestParts, Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use handfast_broker::ApiKeyScope;
use handfast_issuer::{
    Approval, ApprovalError, Client, ClientAuthenticationMethod, ClientMetadata, ClientProfile, Denial,
    GrantType, NewClientError, Params, RedirectUri, SubjectType,
};
use handfast_protocol::{Clock, MAX_JWT_LEN, OAuthErrorCode, Scopes, Secret, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::{issuer, storage_failed};
use crate::{app::App, http::caller::Caller, system::SystemClock, workers::Peer};

/// The published client asks without a key and learns one bit; with the key, the whole answer (RFC 7662 2.2).
pub(super) async fn introspect(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let shows_key =
        parts.headers.contains_key("x-api-key") || parts.headers.contains_key(header::AUTHORIZATION);
    if shows_key && let Err(refused) = Backend::from_request_parts(&mut parts, &app).await {
        return refused;
    }
    let Ok(body) = axum::body::to_bytes(body, MAX_JWT_LEN * 2).await else {
        return bad_request("the form is too long");
    };
    let params = Params::parse(&body);
    let Some(token) = params.value("token") else { return bad_request("the form must hold token") };
    match issuer(&app).introspect_any(token).await {
        Ok(whole) if shows_key => Json(whole).into_response(),
        // Who checks good tokens is never slowed down; who guesses is.
        Ok(whole)
            if whole["active"] == json!(false)
                && app.issuer_rules().introspections.admit(peer, &parts.headers).is_err() =>
        {
            let text = "too many unknown tokens without an API key; send X-API-KEY";
            answer(StatusCode::TOO_MANY_REQUESTS, text)
        }
        Ok(whole) => Json(json!({"active": whole["active"]})).into_response(),
        Err(error) => storage_failed(&error).into_response(),
    }
}

/// Replaces the signing keys; retired ones stay published while tokens signed with them live.
pub(super) async fn rotate_keys(State(app): State<App>, _: Backend) -> Response {
    match issuer(&app).rotate_keys().await {
        Ok(()) => Json(json!({"rotated": true})).into_response(),
        Err(error) => storage_failed(&error).into_response(),
    }
}

/// The operator's application, which shows the API key as `X-API-KEY` or as everywhere else.
pub(super) struct Backend;

impl FromRequestParts<App> for Backend {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        if let Some(key) = parts.headers.remove("x-api-key") {
            let bearer = [b"Bearer ", key.as_bytes()].concat();
            if let Ok(value) = HeaderValue::from_bytes(&bearer) {
                parts.headers.insert(header::AUTHORIZATION, value);
            }
        } else if !parts.headers.contains_key(header::AUTHORIZATION) && comes_from_a_page(&parts.headers) {
            return Err(answer(StatusCode::FORBIDDEN, "web pages may not call this address"));
        }
        let shows_key =
            parts.headers.contains_key(header::AUTHORIZATION) || parts.extensions.get::<Caller>().is_some();
        // Where an application has a login URL, the first start made it a key.
        if !shows_key && issuer(app).settings().login_url.is_some() {
            return Err(answer(StatusCode::UNAUTHORIZED, "an API key is needed: send it as X-API-KEY"));
        }
        let caller = Caller::from_request_parts(parts, app).await.map_err(IntoResponse::into_response)?;
        let scope = match parts.uri.path() {
            "/api/app" | "/api/keys/rotate" => ApiKeyScope::ClientsWrite,
            _ => ApiKeyScope::LoginSessionsWrite,
        };
        caller.require(scope).map(|()| Self).map_err(IntoResponse::into_response)
    }
}

/// Without an API key only programs of this machine may ask, never a web page in a browser of this machine.
fn comes_from_a_page(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site")
}

#[derive(Deserialize)]
struct ApproveBody {
    user: String,
    #[serde(default)]
    claims: Map<String, Value>,
    /// Seconds since 1970 (OpenID Connect Core 2).
    auth_time: Option<i64>,
    acr: Option<String>,
    #[serde(default)]
    amr: Vec<String>,
}

#[derive(Default, Deserialize)]
struct DenyBody {
    error: Option<String>,
    error_description: Option<String>,
}

/// The application as the published clients see it.
pub(super) fn describe(client: &Client) -> Value {
    json!({
        "id": client.client_id,
        "name": client.name,
        "client_id": client.client_id,
        "redirect_uri": client.metadata.redirect_uris,
    })
}

pub(super) async fn login_session(State(app): State<App>, _: Backend, Path(id): Path<String>) -> Response {
    match issuer(&app).login_session(&Secret::new(id.clone())).await {
        Ok(session) => {
            let request = &session.request;
            let mut answer = json!({
                "id": id,
                "app": describe(&session.client),
                "scopes": request.scopes,
            });
            let prompt = request.prompt.iter().map(|prompt| prompt.as_str()).collect::<Vec<_>>().join(" ");
            // A pairwise name would tell the application nothing.
            let knows_users_by_name = session.client.metadata.subject_type == SubjectType::Public;
            let optional = [
                ("prompt", (!prompt.is_empty()).then(|| json!(prompt))),
                ("max_age", request.max_age.map(|seconds| json!(seconds))),
                ("user", request.subject.as_ref().filter(|_| knows_users_by_name).map(|user| json!(user))),
                ("login_hint", request.login_hint.as_ref().map(|hint| json!(hint))),
                ("acr_values", request.acr_values.as_ref().map(|values| json!(values))),
                ("ui_locales", request.ui_locales.as_ref().map(|locales| json!(locales))),
                ("claims", request.claims.clone()),
                ("resources", (!request.resources.is_empty()).then(|| json!(request.resources))),
            ];
            for (name, value) in optional {
                if let Some(value) = value {
                    answer[name] = value;
                }
            }
            Json(answer).into_response()
        }
        Err(error) => refuse(&error),
    }
}

pub(super) async fn approve(
    State(app): State<App>,
    _: Backend,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let body: ApproveBody = match serde_json::from_slice(&body) {
        Ok(body) => body,
        Err(_) => return bad_request("the body must be JSON such as {\"user\": \"test@example.com\"}"),
    };
    let approval = Approval {
        user: body.user,
        claims: body.claims,
        auth_time: body.auth_time.map_or_else(|| SystemClock.now(), Timestamp::from_secs),
        acr: body.acr,
        amr: body.amr,
    };
    decided(issuer(&app).approve(&Secret::new(id), approval).await)
}

pub(super) async fn deny(
    State(app): State<App>,
    _: Backend,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    // Published clients send no body.
    let read = if body.is_empty() { Ok(DenyBody::default()) } else { serde_json::from_slice(&body) };
    let Ok(body) = read else {
        return bad_request("the body must be empty or JSON with error and error_description");
    };
    let code = body.error.as_deref().map_or(Some(OAuthErrorCode::AccessDenied), OAuthErrorCode::parse);
    let Some(code) = code else { return refuse(&ApprovalError::Code) };
    let denial = Denial { code, description: body.error_description };
    decided(issuer(&app).deny(&Secret::new(id), denial).await)
}

fn decided(decided: Result<String, ApprovalError>) -> Response {
    match decided {
        Ok(location) => Json(json!({"redirect_uri": location})).into_response(),
        Err(error) => refuse(&error),
    }
}

/// Registers an application. The published API knows the first three fields; without `profile` its access tokens are
/// those that the published package checks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AppBody {
    app_name: String,
    owner_id: String,
    redirect_uri: Vec<String>,
    #[serde(default = "connectivly")]
    profile: ClientProfile,
    #[serde(default)]
    token_endpoint_auth_method: ClientAuthenticationMethod,
    #[serde(default)]
    scopes: Scopes,
    grant_types: Option<Vec<GrantType>>,
    /// The public keys of an application that authenticates by `private_key_jwt`, or where it publishes them.
    jwks: Option<Value>,
    jwks_uri: Option<Url>,
}

fn connectivly() -> ClientProfile {
    ClientProfile::Connectivly
}

pub(super) async fn create_app(State(app): State<App>, _: Backend, body: Bytes) -> Response {
    let body: AppBody = match serde_json::from_slice(&body) {
        Ok(body) => body,
        Err(error) => {
            return bad_request(&format!(
                "the body must be JSON with app_name, owner_id and redirect_uri (a list): {error}"
            ));
        }
    };
    let redirect_uris =
        body.redirect_uri.into_iter().map(RedirectUri::try_from).collect::<Result<Vec<_>, _>>();
    let redirect_uris = match redirect_uris {
        Ok(redirect_uris) => redirect_uris,
        Err(error) => return bad_request(&error.to_string()),
    };
    let default = ClientMetadata::default();
    let metadata = ClientMetadata {
        redirect_uris,
        grant_types: body.grant_types.unwrap_or(default.grant_types.clone()),
        token_endpoint_auth_method: body.token_endpoint_auth_method,
        scopes: body.scopes,
        jwks: body.jwks,
        jwks_uri: body.jwks_uri,
        profile: body.profile,
        ..default
    };
    match issuer(&app).register(&body.owner_id, &body.app_name, metadata).await {
        Ok((client, secret)) => {
            let mut created = describe(&client);
            created["client_secret"] = json!(secret.map(Secret::into_exposed));
            (StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(created)).into_response()
        }
        Err(NewClientError::Store(error)) => storage_failed(&error).into_response(),
        Err(error @ NewClientError::Duplicate) => answer(StatusCode::CONFLICT, &error.to_string()),
        Err(error) => bad_request(&error.to_string()),
    }
}

fn refuse(error: &ApprovalError) -> Response {
    let status = match error {
        ApprovalError::Unknown => StatusCode::NOT_FOUND,
        ApprovalError::Decided => StatusCode::CONFLICT,
        ApprovalError::User | ApprovalError::Unmet(_) | ApprovalError::Code | ApprovalError::Description => {
            StatusCode::BAD_REQUEST
        }
        ApprovalError::Store(error) => storage_failed(error),
    };
    answer(status, &error.to_string())
}

fn bad_request(text: &str) -> Response {
    answer(StatusCode::BAD_REQUEST, text)
}

fn answer(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({"error": message, "detail": message}))).into_response()
}
