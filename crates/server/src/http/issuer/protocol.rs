//! The endpoints that programs call: token, userinfo, keys and metadata.

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use handfast_issuer::{
    BearerError, Credentials, Params, ShownProof, ShownToken, TokenError, Userinfo, VerifiedAccessToken,
};
use handfast_protocol::{OAuthErrorCode, Secret, SigningAlgorithm};
use serde_json::{Value, json};

use super::{issuer, storage_failed};
use crate::app::App;

/// Any page may call these endpoints from script: what they answer is protected by what the caller shows, and no
/// cookie is read.
pub(super) async fn with_cors(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("WWW-Authenticate, DPoP-Nonce"),
    );
    response
}

pub(super) async fn preflight() -> impl IntoResponse {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type, DPoP"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, headers)
}

pub(super) async fn metadata(State(app): State<App>) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(issuer(&app).metadata()))
}

pub(super) async fn jwks(State(app): State<App>) -> Response {
    match issuer(&app).jwks().await {
        Ok(jwks) => ([(header::CACHE_CONTROL, "public, max-age=60")], Json(jwks)).into_response(),
        Err(error) => storage_failed(&error).into_response(),
    }
}

/// A request to one of the endpoints that authenticate clients: what it asks, and what it shows (RFC 6749 2.3, 3.2).
pub(super) struct ClientRequest {
    pub(super) params: Params,
    pub(super) credentials: Credentials,
}

impl FromRequest<App> for ClientRequest {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (method, uri, headers) =
            (request.method().clone(), request.uri().clone(), request.headers().clone());
        let body = Bytes::from_request(request, app).await.map_err(IntoResponse::into_response)?;
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let credentials = Credentials {
            authorization: authorization.map(|value| Secret::new(value.to_owned())),
            proof: shown_proof(&method, &uri, &headers),
        };
        let client = Self { params: Params::parse(&body), credentials };
        // RFC 6749 3.2: parameters travel in a form.
        if is_form(&headers) {
            return Ok(client);
        }
        Err(client.refuse(&TokenError::Refused {
            code: OAuthErrorCode::InvalidRequest,
            description: "the request must be application/x-www-form-urlencoded".to_owned(),
        }))
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

impl ClientRequest {
    /// RFC 6749 5.2.
    pub(super) fn refuse(&self, error: &TokenError) -> Response {
        let (code, description) = match error {
            TokenError::Refused { code, description } => (*code, description.as_str()),
            TokenError::Store(error) => {
                let status = storage_failed(error);
                let code = OAuthErrorCode::ServerError.as_str();
                let answer = json!({"error": code, "error_description": "try again later"});
                return no_store((status, Json(answer)));
            }
        };
        let status = match code {
            OAuthErrorCode::InvalidClient => StatusCode::UNAUTHORIZED,
            _ => StatusCode::BAD_REQUEST,
        };
        let answer = json!({"error": code.as_str(), "error_description": description});
        let mut response = no_store((status, Json(answer)));
        if code == OAuthErrorCode::InvalidClient && self.credentials.authorization.is_some() {
            let challenge = HeaderValue::from_static("Basic realm=\"handfast\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

pub(super) async fn token(State(app): State<App>, client: ClientRequest) -> Response {
    match issuer(&app).token(&client.params, &client.credentials).await {
        Ok(tokens) => no_store(Json(tokens.to_json())),
        Err(error) => client.refuse(&error),
    }
}

pub(super) async fn introspect(State(app): State<App>, client: ClientRequest) -> Response {
    match issuer(&app).introspect(&client.params, &client.credentials).await {
        Ok(answer) => no_store(Json(answer)),
        Err(error) => client.refuse(&error),
    }
}

pub(super) async fn revoke(State(app): State<App>, client: ClientRequest) -> Response {
    match issuer(&app).revoke(&client.params, &client.credentials).await {
        Ok(()) => no_store(StatusCode::OK),
        Err(error) => client.refuse(&error),
    }
}

/// RFC 9126 2.
pub(super) async fn push(State(app): State<App>, client: ClientRequest) -> Response {
    match issuer(&app).push_request(&client.params, &client.credentials).await {
        Ok((request_uri, lifetime)) => {
            let answer = json!({"request_uri": request_uri.expose(), "expires_in": lifetime.as_secs()});
            no_store((StatusCode::CREATED, Json(answer)))
        }
        Err(error) => client.refuse(&error),
    }
}

pub(super) async fn userinfo(
    State(app): State<App>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // RFC 6750 2.2: a form may carry the token; never a query.
    let in_form = || {
        let token = Params::parse(&body).value("access_token").map(|token| Secret::new(token.to_owned()));
        token.map(|token| ShownToken { token, with_proof: false })
    };
    let token = shown_token(&headers).or_else(|| (method == Method::POST).then(in_form).flatten());
    let proof = shown_proof(&method, &uri, &headers);
    match issuer(&app).userinfo(token.as_ref(), &proof).await {
        Ok(userinfo) => answer_userinfo(&app, userinfo, token.as_ref()).await,
        Err(error) => bearer_error(&error),
    }
}

/// The operator's application may answer itself; a client may be registered for a signed answer.
async fn answer_userinfo(app: &App, mut userinfo: Userinfo, token: Option<&ShownToken>) -> Response {
    if let Some(url) = &issuer(app).settings().userinfo_url {
        match app
            .issuer_rules()
            .userinfo_client
            .ask(url, &userinfo.user, token.map_or("", |shown| shown.token.expose()))
            .await
        {
            Ok(mut claims) => {
                // The subject stays ours: a pairwise one must not be replaced by the user's own name.
                claims.insert("sub".to_owned(), userinfo.claims["sub"].clone());
                userinfo.claims = claims;
            }
            Err(error) => {
                tracing::warn!(
                    error = &*error as &dyn std::error::Error,
                    "the application's userinfo did not answer"
                );
                let answer = json!({"error": OAuthErrorCode::TemporarilyUnavailable.as_str()});
                return no_store((StatusCode::BAD_GATEWAY, Json(answer)));
            }
        }
    }
    match issuer(app).sign_userinfo(&userinfo).await {
        Ok(Some(jwt)) => no_store(([(header::CONTENT_TYPE, "application/jwt")], jwt.into_exposed())),
        Ok(None) => no_store(Json(Value::Object(userinfo.claims))),
        Err(error) => storage_failed(&error).into_response(),
    }
}

/// The published spelling of the small OAuth 2 server.
pub(super) async fn me(State(app): State<App>, headers: HeaderMap) -> Response {
    let token = match bearer(&headers) {
        Some(token) => issuer(&app).verify_access_token(token).await.map_err(BearerError::Store),
        None => Err(BearerError::Missing),
    };
    // A token that is bound to a key is no bearer token (RFC 9449 7.2).
    let unbound = |token: &VerifiedAccessToken| !token.claims.contains_key("cnf");
    match token.and_then(|token| token.filter(unbound).ok_or(BearerError::InvalidToken)) {
        Ok(token) => no_store(Json(json!({"username": token.grant.user}))),
        Err(error) => bearer_error(&error),
    }
}

/// RFC 9449 4.1.
fn shown_proof(method: &Method, uri: &Uri, headers: &HeaderMap) -> ShownProof {
    // A header that is not text counts as a proof that cannot be right.
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    ShownProof {
        headers: headers.get_all("dpop").iter().map(text).collect(),
        method: method.as_str().to_owned(),
        path: uri.path().to_owned(),
    }
}

/// The token of `Authorization: Bearer ..` or `Authorization: DPoP ..`.
fn shown_token(headers: &HeaderMap) -> Option<ShownToken> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let with_proof = scheme.eq_ignore_ascii_case("DPoP");
    let known = with_proof || scheme.eq_ignore_ascii_case("Bearer");
    known.then(|| ShownToken { token: Secret::new(token.trim().to_owned()), with_proof })
}

/// The token of `Authorization: Bearer ..`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
}

pub(super) fn no_store(answer: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")], answer).into_response()
}

/// RFC 6750 3.
fn bearer_error(error: &BearerError) -> Response {
    let (status, code) = match error {
        BearerError::Missing => (StatusCode::UNAUTHORIZED, None),
        BearerError::InvalidToken | BearerError::Proof(_) => {
            (StatusCode::UNAUTHORIZED, Some(OAuthErrorCode::InvalidToken))
        }
        BearerError::InsufficientScope(_) => (StatusCode::FORBIDDEN, Some(OAuthErrorCode::InsufficientScope)),
        BearerError::Store(error) => return storage_failed(error).into_response(),
    };
    let challenge = match (code, error) {
        (Some(code), BearerError::InsufficientScope(scope)) => {
            format!("Bearer realm=\"handfast\", error=\"{code}\", scope=\"{scope}\"")
        }
        (Some(code), BearerError::Proof(text)) => {
            let algorithms = SigningAlgorithm::ALL.map(SigningAlgorithm::as_str).join(" ");
            format!(
                "DPoP realm=\"handfast\", error=\"{code}\", error_description=\"{text}\", algs=\"{algorithms}\""
            )
        }
        (Some(code), _) => {
            format!("Bearer realm=\"handfast\", error=\"{code}\", error_description=\"{error}\"")
        }
        (None, _) => "Bearer realm=\"handfast\"".to_owned(),
    };
    // The sentences of `BearerError` hold no quote.
    let challenge = HeaderValue::from_str(&challenge).expect("a challenge is made of visible ASCII");
    let answer = code.map(|code| json!({"error": code.as_str(), "error_description": error.to_string()}));
    let mut response = no_store((status, Json(answer.unwrap_or_else(|| json!({})))));
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}
