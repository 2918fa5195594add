//! Who asks: the API key of a request, in the Bearer form or in the Basic form that Pizzly's clients send.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use handfast_broker::{ApiKey, ApiKeyScope};
use handfast_protocol::{ErrorCode, Secret, Sha256Hash};

use super::error::Problem;
use crate::app::App;

/// Who asks, once their key is known to be good.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// A program of this machine, at a server that does not ask for keys.
    Anonymous,
    /// The holder of the configuration's key, or of the data folder.
    Operator,
    /// The holder of an API key.
    ApiKey(ApiKey),
}

impl Caller {
    /// Refuses a caller whose key lacks `scope`.
    pub(crate) fn require(&self, scope: ApiKeyScope) -> Result<(), Problem> {
        match self {
            Self::Anonymous | Self::Operator => Ok(()),
            Self::ApiKey(key) if key.allows(scope) => Ok(()),
            Self::ApiKey(_) => {
                let sentence = format!("the API key lacks the scope {}", scope.as_str());
                Err(Problem::new(ErrorCode::InsufficientScope, sentence))
            }
        }
    }

    /// Whether client secrets may be shown: only to who shows that they may.
    pub(crate) fn may_read_secrets(&self) -> bool {
        match self {
            Self::Anonymous => false,
            Self::Operator => true,
            Self::ApiKey(key) => key.allows(ApiKeyScope::SecretsRead),
        }
    }

    /// The API key, if there is one whose scopes bound what may be handed on.
    pub(crate) fn api_key(&self) -> Option<&ApiKey> {
        match self {
            Self::ApiKey(key) => Some(key),
            Self::Anonymous | Self::Operator => None,
        }
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        // Set where a command works on the data folder itself.
        if let Some(caller) = parts.extensions.get::<Self>() {
            return Ok(caller.clone());
        }
        let Some(key) = presented_key(&parts.headers)? else {
            if app.needs_api_key() {
                return Err(Problem::new(
                    ErrorCode::MissingApiKey,
                    "an API key is needed: send `Authorization: Bearer <key>`",
                ));
            }
            return Ok(Self::Anonymous);
        };
        let hash = Sha256Hash::of(key.expose());
        if app.is_configured_api_key(&hash) {
            return Ok(Self::Operator);
        }
        if let Some(known) = app.api_key_cache().find(&hash) {
            return Ok(Self::ApiKey(known));
        }
        let Some(found) = app.broker().verify_api_key(&key).await? else {
            return Err(Problem::new(ErrorCode::InvalidApiKey, "the API key is unknown, expired or revoked"));
        };
        app.api_key_cache().put(&hash, found.clone());
        Ok(Self::ApiKey(found))
    }
}

/// The keys seen last, so that not every request asks the database. A key that another replica revoked, or that
/// expires, works on for as long as an entry lives.
#[derive(Debug, Default)]
pub(crate) struct ApiKeyCache(Mutex<HashMap<String, (ApiKey, Instant)>>);

impl ApiKeyCache {
    const LIFETIME: Duration = Duration::from_secs(5);
    const MAX_LEN: usize = 1000;

    fn find(&self, hash: &Sha256Hash) -> Option<ApiKey> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (key, put_at) = entries.get(hash.as_str())?;
        (put_at.elapsed() < Self::LIFETIME).then(|| key.clone())
    }

    fn put(&self, hash: &Sha256Hash, key: ApiKey) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= Self::MAX_LEN {
            entries.retain(|_, (_, put_at)| put_at.elapsed() < Self::LIFETIME);
        }
        if entries.len() < Self::MAX_LEN {
            entries.insert(hash.as_str().to_owned(), (key, Instant::now()));
        }
    }

    /// Forgets every key: one was revoked.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The key that a request shows; an empty one counts as none.
pub(crate) fn presented_key(headers: &HeaderMap) -> Result<Option<Secret<String>>, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let refused = |sentence: &str| Problem::new(ErrorCode::InvalidApiKey, sentence);
    let unreadable =
        || refused("the Authorization header is neither `Bearer <key>` nor `Basic base64(<key>:)`");
    if values.next().is_some() {
        return Err(refused("the Authorization header is repeated; send it once"));
    }
    let (scheme, credentials) =
        value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(unreadable)?;
    let credentials = credentials.trim();
    let key = if scheme.eq_ignore_ascii_case("bearer") {
        credentials.to_owned()
    } else if scheme.eq_ignore_ascii_case("basic") {
        let decoded = STANDARD.decode(credentials).map_err(|_| unreadable())?;
        let pair = String::from_utf8(decoded).map_err(|_| unreadable())?;
        // The key is the user name; the password is empty.
        pair.split_once(':').map_or(pair.as_str(), |(user, _)| user).to_owned()
    } else {
        return Err(unreadable());
    };
    Ok(Some(key).filter(|key| !key.is_empty()).map(Secret::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(value: &str) -> Result<Option<String>, Problem> {
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
        presented_key(&headers).map(|key| key.map(Secret::into_exposed))
    }

    #[test]
    fn bearer_and_pizzlys_basic_form_carry_the_key() {
        assert_eq!(key("Bearer abc").unwrap().as_deref(), Some("abc"));
        assert_eq!(key("basic YWJjOg==").unwrap().as_deref(), Some("abc"));
        assert_eq!(key("Basic Og==").unwrap(), None);
    }

    #[test]
    fn other_forms_are_refused() {
        for bad in ["abc", "Digest abc", "Basic %%%"] {
            assert!(key(bad).is_err(), "{bad}");
        }
    }
}
