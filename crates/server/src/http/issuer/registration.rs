//! Dynamic client registration (RFC 7591) and its management (RFC 7592): open in a demonstration, else behind the
//! operator's initial access token.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use handfast_issuer::RegistrationError;
use handfast_protocol::{OAuthErrorCode, Secret, Sha256Hash};
use serde_json::{Value, json};

use super::{issuer, protocol, storage_failed};
use crate::app::App;

pub(super) async fn register(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    let answer = if may_register(&app, &headers) {
        match read(&body) {
            Ok(document) => issuer(&app).register_dynamically(&document).await,
            Err(error) => Err(error),
        }
    } else {
        Err(RegistrationError::Unauthorized)
    };
    answered(answer, StatusCode::CREATED)
}

pub(super) async fn show(
    State(app): State<App>,
    headers: HeaderMap,
    Path(client_id): Path<String>,
) -> Response {
    answered(issuer(&app).registration(&client_id, token(&headers).as_ref()).await, StatusCode::OK)
}

pub(super) async fn replace(
    State(app): State<App>,
    headers: HeaderMap,
    Path(client_id): Path<String>,
    body: Bytes,
) -> Response {
    let answer = match read(&body) {
        Ok(document) => {
            issuer(&app).replace_registration(&client_id, token(&headers).as_ref(), &document).await
        }
        Err(error) => Err(error),
    };
    answered(answer, StatusCode::OK)
}

pub(super) async fn delete(
    State(app): State<App>,
    headers: HeaderMap,
    Path(client_id): Path<String>,
) -> Response {
    match issuer(&app).delete_registration(&client_id, token(&headers).as_ref()).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => refused(&error),
    }
}

/// RFC 7591 3: the initial access token, compared by its hash.
fn may_register(app: &App, headers: &HeaderMap) -> bool {
    let own = app.issuer_rules().initial_access_token.as_ref();
    let shown = token(headers).map(|token| Sha256Hash::of(token.expose()));
    issuer(app).settings().demo || (own.is_some() && shown.as_ref() == own)
}

fn token(headers: &HeaderMap) -> Option<Secret<String>> {
    protocol::bearer(headers).map(|token| Secret::new(token.to_owned()))
}

fn read(body: &Bytes) -> Result<Value, RegistrationError> {
    serde_json::from_slice(body).map_err(|_| RegistrationError::Refused {
        code: OAuthErrorCode::InvalidClientMetadata,
        description: "the body must be a JSON object with the client's metadata".to_owned(),
    })
}

fn answered(answer: Result<Value, RegistrationError>, status: StatusCode) -> Response {
    match answer {
        Ok(information) => protocol::no_store((status, Json(information))),
        Err(error) => refused(&error),
    }
}

fn refused(error: &RegistrationError) -> Response {
    match error {
        RegistrationError::Refused { code, description } => {
            let answer = json!({"error": code.as_str(), "error_description": description});
            protocol::no_store((StatusCode::BAD_REQUEST, Json(answer)))
        }
        RegistrationError::Unauthorized => {
            let answer = json!({"error": "invalid_token", "error_description": error.to_string()});
            let mut response = protocol::no_store((StatusCode::UNAUTHORIZED, Json(answer)));
            let challenge = HeaderValue::from_static("Bearer realm=\"handfast\", error=\"invalid_token\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            response
        }
        RegistrationError::Store(error) => storage_failed(error).into_response(),
    }
}
