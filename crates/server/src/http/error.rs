//! Errors as HTTP answers: problem documents (RFC 9457) with a stable code, and the one table from errors to statuses.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use handfast_broker::{
    AccessTokenError, ConnectClientError, CreateApiKeyError, CreateConnectTokenError, CreateIntegrationError,
    EditIntegrationError, EditMetadataError, FindIntegrationError, InvalidIntegration, SessionExchangeError,
    StoreError,
};
use handfast_protocol::{ConfigKey, ConnectionId, ErrorCode, NameError};
use schemars::JsonSchema;
use serde::Serialize;

/// A problem document (RFC 9457 3) whose extension members are `code` and, where one field is to blame, `field`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    #[serde(serialize_with = "status_number")]
    #[schemars(with = "u16")]
    status: StatusCode,
    #[schemars(with = "String")]
    pub(crate) code: ErrorCode,
    pub(crate) detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
}

// Serde hands over a reference.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
fn status_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    /// A problem with the status that belongs to the code.
    pub(crate) fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        let status = status_of(code);
        let title = status.canonical_reason().unwrap_or("Error");
        Self { kind: "about:blank", title, status, code, detail: detail.into(), field: None }
    }

    /// The request is not one that this address understands.
    pub(crate) fn invalid_request(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequest, detail)
    }

    /// A mistake of our own, or of the database. The cause is logged here and not told.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "the request failed");
        Self::new(
            ErrorCode::Internal,
            "the server made a mistake; its log names the cause under this request's id",
        )
    }

    /// The integration has no such connection.
    pub(crate) fn unknown_connection(config_key: &ConfigKey, connection_id: &ConnectionId) -> Self {
        AccessTokenError::UnknownConnection {
            config_key: config_key.clone(),
            connection_id: connection_id.clone(),
        }
        .into()
    }

    /// Names the field to blame.
    pub(crate) fn field(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }

    /// Another status than the code's own.
    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self.title = status.canonical_reason().unwrap_or("Error");
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // A compatibility layer may put it in other words.
        response.extensions_mut().insert(self);
        response
    }
}

/// The one table from codes to statuses.
const fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::MissingApiKey | ErrorCode::InvalidApiKey => StatusCode::UNAUTHORIZED,
        ErrorCode::InsufficientScope
        | ErrorCode::OriginNotAllowed
        | ErrorCode::AccessDenied
        | ErrorCode::WrongBrowser => StatusCode::FORBIDDEN,
        ErrorCode::UnknownIntegration | ErrorCode::UnknownConnection | ErrorCode::NotFound => {
            StatusCode::NOT_FOUND
        }
        ErrorCode::AlreadyExists | ErrorCode::NeedsReconnect => StatusCode::CONFLICT,
        ErrorCode::WrongHost => StatusCode::MISDIRECTED_REQUEST,
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::ProviderError | ErrorCode::RefreshFailed | ErrorCode::Network => StatusCode::BAD_GATEWAY,
        ErrorCode::Timeout | ErrorCode::Interrupted => StatusCode::GATEWAY_TIMEOUT,
        ErrorCode::InvalidIntegration => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

impl From<NameError> for Problem {
    fn from(error: NameError) -> Self {
        Self::new(ErrorCode::InvalidName, error.to_string()).field(error.field)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::internal(&error)
    }
}

impl From<ConnectClientError> for Problem {
    fn from(error: ConnectClientError) -> Self {
        match error {
            ConnectClientError::Find(error) => error.into(),
            ConnectClientError::Store(error) => error.into(),
            ConnectClientError::Variable(_) => Self::new(error.code(), error.to_string()).field("params"),
            _ => Self::new(error.code(), error.to_string()),
        }
    }
}

impl From<SessionExchangeError> for Problem {
    fn from(error: SessionExchangeError) -> Self {
        let field = match error {
            SessionExchangeError::Connect(error) => return error.into(),
            SessionExchangeError::UnknownToken(_) => "requested_token",
            SessionExchangeError::NotSupported | SessionExchangeError::SessionToken(_) => "session_token",
        };
        Self::new(error.code(), error.to_string()).field(field)
    }
}

impl From<AccessTokenError> for Problem {
    fn from(error: AccessTokenError) -> Self {
        match error {
            AccessTokenError::Open(_) | AccessTokenError::Store(_) => Self::internal(&error),
            _ => Self::new(error.code(), error.to_string()),
        }
    }
}

impl From<InvalidIntegration> for Problem {
    fn from(error: InvalidIntegration) -> Self {
        let field = match &error {
            InvalidIntegration::UnknownProvider(_) | InvalidIntegration::Issuer(_) => "provider_name",
            InvalidIntegration::Overrides(_) => "provider_overrides",
            InvalidIntegration::ClientId => "client_id",
            InvalidIntegration::InstallUrl => "install_url",
            InvalidIntegration::ClientSecret => "client_secret",
            InvalidIntegration::Origin(_) => "allowed_origins",
            InvalidIntegration::ReturnTo(_) => "allowed_return_to",
        };
        Self::invalid_request(error.to_string()).field(field)
    }
}

impl From<FindIntegrationError> for Problem {
    fn from(error: FindIntegrationError) -> Self {
        match error {
            FindIntegrationError::Invalid { .. } => {
                Self::new(ErrorCode::InvalidIntegration, error.to_string())
            }
            FindIntegrationError::Open { .. } => Self::internal(&error),
            FindIntegrationError::Store(error) => error.into(),
        }
    }
}

impl From<EditMetadataError> for Problem {
    fn from(error: EditMetadataError) -> Self {
        match error {
            EditMetadataError::UnknownConnection { .. } => {
                Self::new(ErrorCode::UnknownConnection, error.to_string())
            }
            EditMetadataError::TooLarge => Self::invalid_request(error.to_string()).field("metadata"),
            EditMetadataError::Conflict => {
                Self::invalid_request(error.to_string()).status(StatusCode::CONFLICT)
            }
            EditMetadataError::Store(error) => error.into(),
        }
    }
}

impl From<CreateApiKeyError> for Problem {
    fn from(error: CreateApiKeyError) -> Self {
        match error {
            CreateApiKeyError::Name => Self::invalid_request(error.to_string()).field("name"),
            CreateApiKeyError::NoScope => Self::invalid_request(error.to_string()).field("scopes"),
            CreateApiKeyError::NotYours(_) => {
                Self::new(ErrorCode::InsufficientScope, error.to_string()).field("scopes")
            }
            CreateApiKeyError::Store(error) => error.into(),
        }
    }
}

impl From<CreateConnectTokenError> for Problem {
    fn from(error: CreateConnectTokenError) -> Self {
        match error {
            CreateConnectTokenError::Origin(_) => Self::invalid_request(error.to_string()).field("origin"),
            CreateConnectTokenError::Store(error) => error.into(),
        }
    }
}

impl From<CreateIntegrationError> for Problem {
    fn from(error: CreateIntegrationError) -> Self {
        match error {
            CreateIntegrationError::AlreadyExists(_) => {
                Self::new(ErrorCode::AlreadyExists, error.to_string())
            }
            CreateIntegrationError::Invalid(error) => error.into(),
            CreateIntegrationError::Store(error) => error.into(),
        }
    }
}

impl From<EditIntegrationError> for Problem {
    fn from(error: EditIntegrationError) -> Self {
        match error {
            EditIntegrationError::Unknown(_) => Self::new(ErrorCode::UnknownIntegration, error.to_string()),
            EditIntegrationError::Conflict(_) => {
                Self::invalid_request(error.to_string()).status(StatusCode::CONFLICT)
            }
            EditIntegrationError::Invalid(error) => error.into(),
            EditIntegrationError::Store(error) => error.into(),
        }
    }
}

/// Answers where nothing stands.
pub(crate) async fn not_found() -> Problem {
    Problem::new(ErrorCode::NotFound, "nothing stands at this address; /openapi.json lists what does")
}

/// Answers where something stands, but not for this method.
pub(crate) async fn method_not_allowed() -> Problem {
    Problem::invalid_request("this address does not take this method").status(StatusCode::METHOD_NOT_ALLOWED)
}
