//! Strict readers of bodies, queries and paths: whatever does not fit is a problem document that names the field.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request, rejection::BytesRejection},
    http::{StatusCode, request::Parts},
};
use handfast_broker::json_mistake;
use handfast_protocol::{ConfigKey, ErrorCode};
use serde::de::{DeserializeOwned, IntoDeserializer};
use url::form_urlencoded;

use super::error::Problem;

/// A JSON body. Unknown and repeated fields are refused where `T` denies them.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = Bytes::from_request(request, state).await.map_err(|rejection| match rejection {
            BytesRejection::FailedToBufferBody(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Problem::invalid_request("the body is too large").status(StatusCode::PAYLOAD_TOO_LARGE)
            }
            _ => Problem::invalid_request("the body could not be read"),
        })?;
        parse_json(&body).map(Self)
    }
}

/// Reads JSON; the sentence of a refusal names field, line and column, never a value.
pub(crate) fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body)
        .map_err(|error| Problem::invalid_request(format!("the body: {}", json_mistake(&error))))
}

/// A query string. A parameter that is unknown or repeated is refused by name.
pub(crate) struct StrictQuery<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for StrictQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let pairs = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let mut fields = serde_json::Map::new();
        for (name, value) in pairs {
            if fields.insert(name.to_string(), value.into_owned().into()).is_some() {
                return Err(Problem::invalid_request(format!(
                    "the parameter {name:?} is repeated; send it once"
                )));
            }
        }
        T::deserialize(serde_json::Value::Object(fields).into_deserializer())
            .map(Self)
            .map_err(|error| Problem::invalid_request(format!("the query: {}", json_mistake(&error))))
    }
}

/// What stands in the path, as text.
pub(crate) struct TextPath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for TextPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) =
            text.map_err(|_| Problem::new(ErrorCode::InvalidName, "the name in the path is not UTF-8"))?;
        Ok(Self(text))
    }
}

/// The config key in the path.
pub(crate) struct ConfigKeyPath(pub(crate) ConfigKey);

impl<S: Send + Sync> FromRequestParts<S> for ConfigKeyPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let TextPath(text) = TextPath::from_request_parts(parts, state).await?;
        Ok(Self(ConfigKey::parse(&text)?))
    }
}
