//! API keys: what the application's backend shows us.

use core::time::Duration;

use handfast_protocol::{Clock, Randomness, Secret, Sha256Hash, Timestamp, random_token};
use serde::{Deserialize, Serialize};

use crate::{Broker, StoreError};

/// What every key begins with, so that people and secret scanners recognise one.
const PREFIX: &str = "hf_";

/// The longest name of a key, in characters.
const MAX_NAME_CHARS: usize = 100;

macro_rules! scopes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// What a key may do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum ApiKeyScope {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)*
        }

        impl ApiKeyScope {
            /// Every scope.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The scope as it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

scopes! {
    /// List connections, and read one with its fresh token.
    ConnectionsRead = "connections:read",
    /// Edit, import and delete connections.
    ConnectionsWrite = "connections:write",
    /// List and read integrations.
    IntegrationsRead = "integrations:read",
    /// Create, edit and delete integrations.
    IntegrationsWrite = "integrations:write",
    /// See client secrets, and export connections with their tokens.
    SecretsRead = "secrets:read",
    /// Make connect tokens.
    Connect = "connect",
    /// Create, list and revoke API keys.
    KeysWrite = "keys:write",
    /// See events, and send them again.
    WebhooksWrite = "webhooks:write",
    /// Approve login sessions of the issuer.
    LoginSessionsWrite = "login_sessions:write",
    /// Register clients of the issuer.
    ClientsWrite = "clients:write",
}

/// An API key as it is kept: without the key itself.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Random and public: names the key where it is listed or revoked.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<ApiKeyScope>,
    /// The last four characters, by which people tell keys apart.
    pub hint: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops to work; `None`: never by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether it works at `now`.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| now < at)
    }

    /// Whether it may do this.
    #[must_use]
    pub fn allows(&self, scope: ApiKeyScope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// Keeps API keys by their hash.
pub trait ApiKeyStore: Send + Sync {
    /// Adds a key.
    fn insert_api_key(
        &self,
        key: &ApiKey,
        hash: &Sha256Hash,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The key of this hash, also one that no longer works.
    fn api_key(&self, hash: &Sha256Hash) -> impl Future<Output = Result<Option<ApiKey>, StoreError>> + Send;

    /// All keys, also those that no longer work, oldest first.
    fn api_keys(&self) -> impl Future<Output = Result<Vec<ApiKey>, StoreError>> + Send;

    /// Revokes a key. Answers whether there is one of this id; revoking it again changes nothing.
    fn revoke_api_key(
        &self,
        id: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// Why an API key cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateApiKeyError {
    /// The name is empty, too long or holds a control character.
    #[error("name: must be 1 to {MAX_NAME_CHARS} characters without control characters, such as \"backend\"")]
    Name,
    /// No scope at all.
    #[error("scopes: name at least one")]
    NoScope,
    /// Nobody hands on what they do not have.
    #[error("scopes: your own API key lacks {}, so it cannot hand it on", .0.as_str())]
    NotYours(ApiKeyScope),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Draws a new key: 256 random bits as base64url after a prefix.
pub fn random_api_key(randomness: &impl Randomness) -> Secret<String> {
    Secret::new(format!("{PREFIX}{}", random_token(randomness).into_exposed()))
}

impl<S: ApiKeyStore, T, C: Clock, R: Randomness> Broker<S, T, C, R> {
    /// Makes a key and answers it, the only time that it is shown.
    ///
    /// # Errors
    /// Names the field that is not acceptable.
    pub async fn create_api_key(
        &self,
        name: &str,
        mut scopes: Vec<ApiKeyScope>,
        lifetime: Option<Duration>,
        maker: Option<&ApiKey>,
    ) -> Result<(ApiKey, Secret<String>), CreateApiKeyError> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
            return Err(CreateApiKeyError::Name);
        }
        scopes.sort_unstable();
        scopes.dedup();
        if scopes.is_empty() {
            return Err(CreateApiKeyError::NoScope);
        }
        if let Some(foreign) = maker.and_then(|maker| scopes.iter().find(|scope| !maker.allows(**scope))) {
            return Err(CreateApiKeyError::NotYours(*foreign));
        }
        let secret = random_api_key(&self.randomness);
        let mut id = random_token(&self.randomness).into_exposed();
        id.truncate(16);
        let now = self.clock.now();
        let key = ApiKey {
            id,
            name: name.to_owned(),
            scopes,
            hint: secret.expose()[secret.expose().len() - 4..].to_owned(),
            created_at: now,
            expires_at: lifetime.map(|lifetime| now + lifetime),
            revoked_at: None,
        };
        self.store.insert_api_key(&key, &Sha256Hash::of(secret.expose())).await?;
        Ok((key, secret))
    }

    /// The key that a request shows, if it works.
    ///
    /// # Errors
    /// The store failed.
    pub async fn verify_api_key(&self, shown: &Secret<String>) -> Result<Option<ApiKey>, StoreError> {
        let found = self.store.api_key(&Sha256Hash::of(shown.expose())).await?;
        Ok(found.filter(|key| key.is_active(self.clock.now())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stops_to_work_when_it_is_revoked_or_expires() {
        let at = Timestamp::from_secs;
        let key = |expires_at, revoked_at| ApiKey {
            id: "id".to_owned(),
            name: "name".to_owned(),
            scopes: vec![ApiKeyScope::Connect],
            hint: "abcd".to_owned(),
            created_at: at(0),
            expires_at,
            revoked_at,
        };
        assert!(key(None, None).is_active(at(100)));
        assert!(key(Some(at(100)), None).is_active(at(99)));
        assert!(!key(Some(at(100)), None).is_active(at(100)));
        assert!(!key(None, Some(at(1))).is_active(at(100)));
        assert!(
            key(None, None).allows(ApiKeyScope::Connect) && !key(None, None).allows(ApiKeyScope::KeysWrite)
        );
    }

    #[test]
    fn a_scope_is_written_in_json_as_in_text() {
        for scope in ApiKeyScope::ALL {
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.as_str());
        }
    }
}
