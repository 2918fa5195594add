//! The public keys of clients that sign: registered with them, or published at their `jwks_uri` and fetched when they
//! are needed.

use core::time::Duration;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use handfast_protocol::{Clock, JwkSet, PublicJwk, Randomness, Timestamp, UnverifiedJwt};
use url::Url;

use crate::{
    Issuer,
    client::Client,
    ports::{Documents, Store},
};

/// Keys younger than this are taken as they are.
const FRESH: Duration = Duration::from_hours(1);

/// However many unknown keys appear, a client's address is asked no more often than this.
const PAUSE: Duration = Duration::from_mins(1);

/// At how many addresses everything is forgotten.
const MANY: usize = 1000;

/// What clients published last, by address.
#[derive(Debug, Default)]
pub(crate) struct ClientKeys(Mutex<HashMap<Url, Published>>);

/// What one address answered last.
#[derive(Clone, Debug)]
struct Published {
    asked_at: Timestamp,
    keys: Arc<JwkSet>,
}

impl Published {
    /// Whether what is kept is the last word about a key that was found in it or not. The client may have begun to sign
    /// with a new one (OpenID Connect Core 10.1.1), or have withdrawn an old one.
    fn is_last_word(&self, found: bool, now: Timestamp) -> bool {
        let age = now.since(self.asked_at);
        age < PAUSE || (age < FRESH && found)
    }
}

impl ClientKeys {
    fn at(&self, url: &Url) -> Option<Published> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(url).cloned()
    }

    fn put(&self, url: &Url, published: Published) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MANY {
            all.clear();
        }
        all.insert(url.clone(), published);
    }
}

impl<S: Store, D: Documents, C: Clock, R: Randomness> Issuer<S, D, C, R> {
    /// The key of `client` that a JWT names; the error is a sentence for the client.
    pub(crate) async fn client_key(
        &self,
        client: &Client,
        jwt: &UnverifiedJwt<'_>,
    ) -> Result<PublicJwk, String> {
        let unknown = || "it names no registered key of the client".to_owned();
        let Some(url) = &client.metadata.jwks_uri else {
            let keys = client.metadata.jwks.as_ref().and_then(JwkSet::parse).unwrap_or_default();
            return keys.find(jwt).cloned().ok_or_else(unknown);
        };
        let now = self.now();
        let kept = self.client_keys.at(url);
        if let Some(kept) = &kept {
            let key = kept.keys.find(jwt);
            if kept.is_last_word(key.is_some(), now) {
                return key.cloned().ok_or_else(unknown);
            }
        }
        let (keys, problem) = match self.fetch_keys(url).await {
            Ok(keys) => (Arc::new(keys), None),
            Err(problem) => (kept.map(|kept| kept.keys).unwrap_or_default(), Some(problem)),
        };
        self.client_keys.put(url, Published { asked_at: now, keys: Arc::clone(&keys) });
        keys.find(jwt).cloned().ok_or_else(|| problem.unwrap_or_else(unknown))
    }

    async fn fetch_keys(&self, url: &Url) -> Result<JwkSet, String> {
        let body =
            self.documents.fetch(url).await.map_err(|error| format!("the client's jwks_uri: {error}"))?;
        let keys = serde_json::from_slice(&body).ok().and_then(|set| JwkSet::parse(&set));
        keys.ok_or_else(|| "the client's jwks_uri does not answer a JWK set".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OpenID Connect Core 10.1.1.
    #[test]
    fn an_unknown_key_makes_us_ask_again_and_not_at_once() {
        let published = Published { asked_at: Timestamp::from_secs(0), keys: Arc::default() };
        let is_last_word = |found, seconds| published.is_last_word(found, Timestamp::from_secs(seconds));
        assert!(is_last_word(true, 0) && is_last_word(true, 3599) && !is_last_word(true, 3600));
        assert!(is_last_word(false, 0) && is_last_word(false, 59) && !is_last_word(false, 60));
    }
}
