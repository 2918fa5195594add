//! `POST /import/connections` and `GET /export/connections`: connections as NDJSON, in from another system and out again.

use std::{collections::BTreeMap, future::poll_fn, pin::Pin};

use axum::{
    Json,
    body::{Body, Bytes, HttpBody},
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use handfast_broker::{
    ApiKeyScope, Connection, Credentials, ImportError, Imported, ImportedConnection, ImportedCredentials,
    OnExisting, TypedKind,
};
use handfast_protocol::{ConfigKey, ConnectionId, ErrorCode, Scopes, Secret, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    caller::Caller,
    connection_list::ListQuery,
    error::Problem,
    extract::{StrictQuery, parse_json},
    integrations::rfc3339,
};
use crate::app::App;

/// The longest line of an import, in bytes.
const LINE_LIMIT: usize = 64 * 1024;

/// How many failed lines an answer names; more are counted.
const MOST_NAMED: usize = 1000;

/// How many connections a page of an export holds at most.
const EXPORT_PAGE_LEN: u32 = 200;

/// What is done with connections that are there already.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportQuery {
    #[serde(default)]
    existing: Existing,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Existing {
    #[default]
    Keep,
    Replace,
}

/// One line: a connection as another system knew it.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    #[schemars(with = "String")]
    config_key: ConfigKey,
    #[schemars(with = "String")]
    connection_id: ConnectionId,
    credentials: LineCredentials,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    params: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    metadata: Map<String, Value>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", deny_unknown_fields)]
pub(super) enum LineCredentials {
    #[serde(rename = "OAUTH2")]
    OAuth2 {
        #[serde(skip_serializing_if = "Option::is_none")]
        access_token: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        refresh_token: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        expires_at: Option<Instant>,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<Vec<String>>")]
        granted_scopes: Option<Scopes>,
        #[serde(skip_serializing_if = "Option::is_none")]
        raw: Option<Value>,
    },
    #[serde(rename = "OAUTH1")]
    OAuth1 { oauth_token: String, oauth_token_secret: String },
    #[serde(rename = "API_KEY")]
    ApiKey { fields: BTreeMap<String, String> },
    #[serde(rename = "BASIC")]
    Basic { fields: BTreeMap<String, String> },
}

/// An instant as RFC 3339, or as seconds since 1970.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "String")]
pub(super) struct Instant(Timestamp);

impl TryFrom<Value> for Instant {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, &'static str> {
        let read = match &value {
            Value::Number(number) => number.as_i64().map(Timestamp::from_secs),
            Value::String(text) => {
                text.parse::<jiff::Timestamp>().ok().map(|at| Timestamp::from_millis(at.as_millisecond()))
            }
            _ => None,
        };
        read.map(Self)
            .ok_or("expires_at must be an instant such as \"2026-01-31T12:00:00Z\", or seconds since 1970")
    }
}

impl From<Instant> for String {
    fn from(instant: Instant) -> Self {
        rfc3339(instant.0)
    }
}

/// How an import went.
#[derive(Default, Serialize, JsonSchema)]
pub(crate) struct ImportBody {
    created: u64,
    replaced: u64,
    /// Was there already and stays.
    kept: u64,
    failed: u64,
    /// The first failed lines.
    failures: Vec<Failure>,
}

#[derive(Serialize, JsonSchema)]
struct Failure {
    /// Counted from 1.
    line: u64,
    #[schemars(with = "String")]
    code: ErrorCode,
    detail: String,
}

/// Reads a body of any length line by line. Each line is stored by itself: an import that was interrupted is run again,
/// and keeps what is there.
pub(crate) async fn import(
    caller: Caller,
    State(app): State<App>,
    StrictQuery(query): StrictQuery<ImportQuery>,
    body: Body,
) -> Result<Json<ImportBody>, Problem> {
    caller.require(ApiKeyScope::ConnectionsWrite)?;
    let on_existing = match query.existing {
        Existing::Keep => OnExisting::Keep,
        Existing::Replace => OnExisting::Replace,
    };
    let mut report = ImportBody::default();
    let mut lines = Lines { body, buffer: Vec::new(), ended: false };
    let mut number = 0;
    while let Some(line) = lines.next().await? {
        number += 1;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match import_line(&app, &line, on_existing).await {
            Ok(Imported::Created) => report.created += 1,
            Ok(Imported::Replaced) => report.replaced += 1,
            Ok(Imported::Kept) => report.kept += 1,
            Err(problem) if problem.code == ErrorCode::Internal => return Err(problem),
            Err(problem) => {
                report.failed += 1;
                if report.failures.len() < MOST_NAMED {
                    report.failures.push(Failure {
                        line: number,
                        code: problem.code,
                        detail: problem.detail,
                    });
                }
            }
        }
    }
    let ImportBody { created, replaced, kept, failed, .. } = &report;
    tracing::info!(created, replaced, kept, failed, "connections imported");
    Ok(Json(report))
}

fn typed(kind: TypedKind, fields: BTreeMap<String, String>) -> ImportedCredentials {
    let fields = fields.into_iter().map(|(name, value)| (name, Secret::new(value))).collect();
    ImportedCredentials::Typed { kind, fields }
}

async fn import_line(app: &App, line: &[u8], on_existing: OnExisting) -> Result<Imported, Problem> {
    let line: Line = parse_json(line)?;
    let credentials = match line.credentials {
        LineCredentials::OAuth2 { access_token, refresh_token, expires_at, granted_scopes, raw } => {
            ImportedCredentials::OAuth2 {
                access_token: access_token.map(Secret::new),
                refresh_token: refresh_token.map(Secret::new),
                expires_at: expires_at.map(|instant| instant.0),
                granted_scopes,
                raw: raw.map(Secret::new),
            }
        }
        LineCredentials::OAuth1 { oauth_token, oauth_token_secret } => ImportedCredentials::OAuth1 {
            token: Secret::new(oauth_token),
            token_secret: Secret::new(oauth_token_secret),
        },
        LineCredentials::ApiKey { fields } => typed(TypedKind::ApiKey, fields),
        LineCredentials::Basic { fields } => typed(TypedKind::Basic, fields),
    };
    let imported = ImportedConnection {
        config_key: line.config_key,
        connection_id: line.connection_id,
        credentials,
        params: line.params,
        metadata: line.metadata,
    };
    Ok(app.broker().import_connection(imported, on_existing).await?)
}

/// The lines of a body that arrives in pieces.
struct Lines {
    body: Body,
    buffer: Vec<u8>,
    ended: bool,
}

impl Lines {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(searched + end + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.pop();
                return Ok(Some(line));
            }
            if self.ended {
                let last = std::mem::take(&mut self.buffer);
                return Ok(Some(last).filter(|line| !line.is_empty()));
            }
            searched = self.buffer.len();
            if searched > LINE_LIMIT {
                return Err(Problem::invalid_request(format!("a line is longer than {LINE_LIMIT} bytes")));
            }
            match self.piece().await? {
                Some(piece) => self.buffer.extend_from_slice(&piece),
                None => self.ended = true,
            }
        }
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            let frame = poll_fn(|context| Pin::new(&mut self.body).poll_frame(context)).await;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|_| Problem::invalid_request("the body ended too early"))?;
            // Trailers hold no lines.
            if let Ok(piece) = frame.into_data() {
                return Ok(Some(piece));
            }
        }
    }
}

/// A page of connections with their tokens, one a line as an import takes it. `Link` leads to the next page.
pub(crate) async fn export(
    caller: Caller,
    State(app): State<App>,
    StrictQuery(query): StrictQuery<ListQuery>,
) -> Result<Response, Problem> {
    caller.require(ApiKeyScope::ConnectionsRead)?;
    caller.require(ApiKeyScope::SecretsRead)?;
    let (filter, cursor, limit) = query.read(EXPORT_PAGE_LEN)?;
    let (page, next) = app.broker().connections(&filter, cursor.as_ref(), limit).await?;
    let mut text = String::new();
    for connection in page {
        let line = line_of(&app, connection)?;
        text += &serde_json::to_string(&line).map_err(|error| Problem::internal(&error))?;
        text.push('\n');
    }
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    if let Some(next) = next {
        let mut link = url::form_urlencoded::Serializer::new(String::new());
        link.append_pair("cursor", &next.to_string()).append_pair("limit", &limit.to_string());
        if let Some(config_key) = &filter.config_key {
            link.append_pair("config_key", config_key.as_str());
        }
        if let Ok(value) = HeaderValue::from_str(&format!("<?{}>; rel=\"next\"", link.finish())) {
            headers.insert(header::LINK, value);
        }
    }
    Ok(response)
}

fn line_of(app: &App, connection: Connection) -> Result<Line, Problem> {
    let credentials =
        app.broker().export_credentials(&connection).map_err(|error| Problem::internal(&error))?;
    let exposed = |secret: Secret<String>| Some(secret.into_exposed()).filter(|text| !text.is_empty());
    let credentials = match credentials {
        Credentials::OAuth2(set) => LineCredentials::OAuth2 {
            access_token: exposed(set.access_token),
            refresh_token: set.refresh_token.and_then(exposed),
            expires_at: set.expires_at.map(Instant),
            granted_scopes: Some(connection.granted_scopes),
            raw: serde_json::from_str(set.raw.expose().get()).ok(),
        },
        Credentials::OAuth1 { token, token_secret, .. } => LineCredentials::OAuth1 {
            oauth_token: token.into_exposed(),
            oauth_token_secret: token_secret.into_exposed(),
        },
        Credentials::Typed { kind, fields } => {
            let fields = fields.into_iter().map(|(name, value)| (name, value.into_exposed())).collect();
            match kind {
                TypedKind::ApiKey => LineCredentials::ApiKey { fields },
                TypedKind::Basic => LineCredentials::Basic { fields },
            }
        }
    };
    Ok(Line {
        config_key: connection.config_key,
        connection_id: connection.key.connection_id,
        credentials,
        params: connection.params,
        metadata: connection.metadata,
    })
}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::UnknownIntegration(_) => Self::new(ErrorCode::UnknownIntegration, error.to_string()),
            ImportError::InvalidParameter(_) => {
                Self::new(ErrorCode::InvalidParameter, error.to_string()).field("params")
            }
            ImportError::NoToken => Self::invalid_request(error.to_string()).field("credentials"),
            ImportError::MetadataTooLarge => Self::invalid_request(error.to_string()).field("metadata"),
            ImportError::Find(error) => error.into(),
            ImportError::Store(error) => error.into(),
        }
    }
}
