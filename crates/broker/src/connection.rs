//! A connection: one end user's grant to one integration, and the credentials it brought.

use std::collections::BTreeMap;

use handfast_protocol::{ConfigKey, ConnectionId, Scopes, Secret, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use handfast_protocol::{Place, Sealed};

/// Names a connection's row, also before it exists.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionKey {
    /// The integration's id.
    pub integration_id: String,
    /// The application's name for the connection.
    pub connection_id: ConnectionId,
}

impl ConnectionKey {
    /// What the credentials' seal is bound to.
    #[must_use]
    pub fn parts(&self) -> [&str; 2] {
        [&self.integration_id, self.connection_id.as_str()]
    }
}

/// Where a connection's credentials are sealed: bound to integration id and connection id.
pub(crate) fn credentials_place<'a>(key: &'a [&'a str; 2]) -> Place<'a> {
    Place { table: "connections", column: "sealed_credentials", key }
}

/// Whether a connection still works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionStatus {
    /// As far as we know it does.
    Active,
    /// The provider no longer accepts the refresh token; the user has to connect again.
    NeedsReconnect,
}

impl ConnectionStatus {
    /// The word that is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::NeedsReconnect => "needs_reconnect",
        }
    }

    /// Reads the word that is stored.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::NeedsReconnect].into_iter().find(|status| status.as_str() == text)
    }
}

/// A connection as it is stored, its credentials sealed.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Random and opaque.
    pub id: String,
    /// Names the row.
    pub key: ConnectionKey,
    /// The integration's name.
    pub config_key: ConfigKey,
    /// Whether it still works.
    pub status: ConnectionStatus,
    /// The credentials.
    pub sealed_credentials: Sealed,
    /// Grows with each change of the credentials.
    pub version: i64,
    /// When the access token dies, if the provider said.
    pub expires_at: Option<Timestamp>,
    /// From when on the access token is renewed before it is handed out; `None` if it cannot be.
    pub refresh_at: Option<Timestamp>,
    /// What the provider granted.
    pub granted_scopes: Scopes,
    /// The connect parameters, and the values kept from callback and token answer.
    pub params: BTreeMap<String, String>,
    /// What the application keeps with it.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// Refreshes that failed since the last one that did not.
    pub refresh_failures: i64,
    /// No refresh before this instant.
    pub retry_at: Option<Timestamp>,
    /// Until when somebody holds the right to refresh.
    pub lease_expires_at: Option<Timestamp>,
    /// When it was first made.
    pub created_at: Timestamp,
    /// When anything about it last changed.
    pub updated_at: Timestamp,
}

/// A connection to be stored in place of whatever its key holds; id, `created_at` and metadata of an older one stay.
#[derive(Clone, Debug)]
pub struct NewConnection {
    /// The id if there is no older one.
    pub id: String,
    /// Names the row.
    pub key: ConnectionKey,
    /// The credentials.
    pub sealed_credentials: Sealed,
    /// See [`Connection::expires_at`].
    pub expires_at: Option<Timestamp>,
    /// See [`Connection::refresh_at`].
    pub refresh_at: Option<Timestamp>,
    /// See [`Connection::granted_scopes`].
    pub granted_scopes: Scopes,
    /// See [`Connection::params`].
    pub params: BTreeMap<String, String>,
    /// Now.
    pub now: Timestamp,
}

/// What a refresh brought.
#[derive(Clone, Debug)]
pub struct RenewedCredentials {
    /// The credentials.
    pub sealed_credentials: Sealed,
    /// See [`Connection::expires_at`].
    pub expires_at: Option<Timestamp>,
    /// See [`Connection::refresh_at`].
    pub refresh_at: Option<Timestamp>,
    /// See [`Connection::granted_scopes`].
    pub granted_scopes: Scopes,
    /// Now.
    pub now: Timestamp,
}

/// What a refresh that failed leaves behind.
#[derive(Clone, Debug)]
pub struct RefreshFailure {
    /// Whether the connection is worth another try.
    pub status: ConnectionStatus,
    /// No refresh before this instant.
    pub retry_at: Option<Timestamp>,
    /// A sentence that says what went wrong.
    pub reason: String,
    /// Now.
    pub now: Timestamp,
}

/// What opens the provider's API.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// RFC 6749.
    OAuth2(TokenSet),
    /// RFC 5849 2.3.
    OAuth1 {
        /// `oauth_token`.
        token: Secret<String>,
        /// `oauth_token_secret`.
        token_secret: Secret<String>,
        /// The whole answer.
        raw: Secret<Box<RawValue>>,
    },
    /// What the user typed, by the names of the provider's entry.
    Typed {
        /// What kind it is.
        kind: TypedKind,
        /// The fields.
        fields: BTreeMap<String, Secret<String>>,
    },
}

/// The kinds of credentials that a user types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TypedKind {
    /// A key that the user copied out of the provider's settings.
    ApiKey,
    /// A user name and a password, or what stands in for them (RFC 7617).
    Basic,
}

/// How a token set was had, and so how it is had again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// A user granted it (RFC 6749 4.1): by the refresh token.
    #[default]
    AuthorizationCode,
    /// The client asked in its own name (RFC 6749 4.4): by asking again.
    ClientCredentials,
}

/// What a token answer brought (RFC 6749 5.1), kept together.
#[derive(Clone, Debug)]
pub struct TokenSet {
    /// How it was had.
    pub grant_type: GrantType,
    /// RFC 6749 1.4.
    pub access_token: Secret<String>,
    /// RFC 6749 7.1, as the provider spelt it.
    pub token_type: Option<String>,
    /// RFC 6749 1.5.
    pub refresh_token: Option<Secret<String>>,
    /// OpenID Connect Core 3.1.3.3.
    pub id_token: Option<Secret<String>>,
    /// When the access token arrived.
    pub issued_at: Timestamp,
    /// When the access token dies.
    pub expires_at: Option<Timestamp>,
    /// What the provider says it granted; `None` if it says nothing.
    pub granted_scopes: Option<Scopes>,
    /// The whole answer, as JSON: most readers of a connection only hand it on.
    pub raw: Secret<Box<RawValue>>,
}

/// The form in which credentials are sealed. The only place where they become text.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SealedForm {
    Oauth2 {
        #[serde(default)]
        grant_type: GrantType,
        access_token: String,
        token_type: Option<String>,
        refresh_token: Option<String>,
        id_token: Option<String>,
        issued_at: Timestamp,
        expires_at: Option<Timestamp>,
        granted_scopes: Option<Scopes>,
        raw: Box<RawValue>,
    },
    Oauth1 {
        token: String,
        token_secret: String,
        raw: Box<RawValue>,
    },
    Typed {
        kind: TypedKind,
        fields: BTreeMap<String, String>,
    },
}

/// A provider's answer as it is kept.
pub(crate) fn raw_answer(answer: &impl Serialize) -> Secret<Box<RawValue>> {
    Secret::new(to_raw_value(answer).expect("an answer is made of text"))
}

impl Credentials {
    /// The text to be sealed.
    pub(crate) fn to_sealed_form(&self) -> Secret<Vec<u8>> {
        let form = match self {
            Self::OAuth2(set) => SealedForm::Oauth2 {
                grant_type: set.grant_type,
                access_token: set.access_token.expose().clone(),
                token_type: set.token_type.clone(),
                refresh_token: set.refresh_token.as_ref().map(|token| token.expose().clone()),
                id_token: set.id_token.as_ref().map(|token| token.expose().clone()),
                issued_at: set.issued_at,
                expires_at: set.expires_at,
                granted_scopes: set.granted_scopes.clone(),
                raw: set.raw.expose().clone(),
            },
            Self::OAuth1 { token, token_secret, raw } => SealedForm::Oauth1 {
                token: token.expose().clone(),
                token_secret: token_secret.expose().clone(),
                raw: raw.expose().clone(),
            },
            Self::Typed { kind, fields } => SealedForm::Typed {
                kind: *kind,
                fields: fields.iter().map(|(name, value)| (name.clone(), value.expose().clone())).collect(),
            },
        };
        Secret::new(serde_json::to_vec(&form).expect("credentials are made of text"))
    }

    /// Reads what was sealed; `None` if this version cannot.
    pub(crate) fn from_sealed_form(text: &Secret<Vec<u8>>) -> Option<Self> {
        Some(match serde_json::from_slice(text.expose()).ok()? {
            SealedForm::Oauth2 {
                grant_type,
                access_token,
                token_type,
                refresh_token,
                id_token,
                issued_at,
                expires_at,
                granted_scopes,
                raw,
            } => Self::OAuth2(TokenSet {
                grant_type,
                access_token: Secret::new(access_token),
                token_type,
                refresh_token: refresh_token.map(Secret::new),
                id_token: id_token.map(Secret::new),
                issued_at,
                expires_at,
                granted_scopes,
                raw: Secret::new(raw),
            }),
            SealedForm::Typed { kind, fields } => Self::Typed {
                kind,
                fields: fields.into_iter().map(|(name, value)| (name, Secret::new(value))).collect(),
            },
            SealedForm::Oauth1 { token, token_secret, raw } => Self::OAuth1 {
                token: Secret::new(token),
                token_secret: Secret::new(token_secret),
                raw: Secret::new(raw),
            },
        })
    }
}
