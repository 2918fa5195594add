//! The issuer's public keys: fetched once for all callers, kept for a bounded time, fetched again when an unknown key
//! appears.

use core::{future::Future, pin::Pin, time::Duration};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use handfast_protocol::{JwkSet, PublicJwk, Timestamp, UnverifiedJwt};
use tokio::sync::watch;

/// Why the keys could not be fetched, in the words of the application's HTTP client.
pub type FetchError = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no key for a token.
#[derive(Clone, Debug, thiserror::Error)]
pub enum KeyError {
    /// The issuer publishes no key of this name.
    #[error("the token is signed with a key that the issuer does not publish")]
    Unknown,
    /// The keys were never fetched, or too long ago.
    #[error("the issuer's keys cannot be fetched: {0}")]
    Unavailable(Arc<str>),
}

type Fetched = Pin<Box<dyn Future<Output = Result<Vec<u8>, FetchError>> + Send>>;
type Fetch = Box<dyn Fn() -> Fetched + Send + Sync>;

/// The cache. A fetch runs in a task of its own, so that a caller who goes away does not stop it.
#[derive(Clone)]
pub(crate) struct KeyCache(Arc<Inner>);

struct Inner {
    fetch: Fetch,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    keys: Option<(Timestamp, JwkSet)>,
    /// The last fetch that has ended, and what went wrong.
    ended: Option<(Timestamp, Option<Arc<str>>)>,
    /// Changes, by closing, when the fetch under way ends.
    under_way: Option<watch::Receiver<()>>,
}

/// What to do for one token.
enum Next {
    Answer(Result<PublicJwk, KeyError>),
    Wait(watch::Receiver<()>),
}

impl KeyCache {
    /// Keys younger than this are used as they are; older ones are used while they are fetched again.
    const FRESH_FOR: Duration = Duration::from_mins(5);
    /// Older keys are not used any more, even if the issuer cannot be reached.
    const USABLE_FOR: Duration = Duration::from_hours(1);
    /// However many unknown keys appear, the issuer is asked no more often than this.
    const PAUSE: Duration = Duration::from_secs(1);
    /// A longer answer is not a JWK set of an issuer.
    const MAX_LEN: usize = 256 * 1024;

    pub(crate) fn new<F, A, B, E>(fetch: F) -> Self
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<B, E>> + Send + 'static,
        B: AsRef<[u8]>,
        E: Into<FetchError>,
    {
        let fetch: Fetch = Box::new(move || {
            let answer = fetch();
            Box::pin(async move { answer.await.map(|body| body.as_ref().to_vec()).map_err(Into::into) })
        });
        Self(Arc::new(Inner { fetch, state: Mutex::default() }))
    }

    /// The key that a token names. Has to be called within a tokio runtime.
    pub(crate) async fn find(&self, jwt: &UnverifiedJwt<'_>, now: Timestamp) -> Result<PublicJwk, KeyError> {
        match self.next(jwt, now) {
            Next::Answer(answer) => answer,
            Next::Wait(mut ended) => {
                // Nothing is ever sent: an error says that the task has dropped its end.
                let _ = ended.changed().await;
                self.0.state().answer(jwt, now)
            }
        }
    }

    fn next(&self, jwt: &UnverifiedJwt<'_>, now: Timestamp) -> Next {
        let mut state = self.0.state();
        let answer = state.answer(jwt, now);
        let fresh =
            state.keys.as_ref().is_some_and(|(fetched_at, _)| now.since(*fetched_at) < Self::FRESH_FOR);
        if answer.is_ok() && fresh {
            return Next::Answer(answer);
        }
        let paused = state.ended.as_ref().is_some_and(|(ended_at, _)| now.since(*ended_at) < Self::PAUSE);
        if state.under_way.is_none() && !paused {
            state.under_way = Some(self.start(now));
        }
        match &state.under_way {
            Some(under_way) if answer.is_err() => Next::Wait(under_way.clone()),
            _ => Next::Answer(answer),
        }
    }

    fn start(&self, now: Timestamp) -> watch::Receiver<()> {
        let (ends, under_way) = watch::channel(());
        let fetching = Fetching { cache: Arc::clone(&self.0), now, result: None, _ends: ends };
        let answer = (self.0.fetch)();
        tokio::spawn(async move { fetching.end(answer.await.and_then(|body| parse(&body))) });
        under_way
    }
}

fn parse(body: &[u8]) -> Result<JwkSet, FetchError> {
    if body.len() > KeyCache::MAX_LEN {
        return Err(format!("the answer is longer than {} bytes", KeyCache::MAX_LEN).into());
    }
    let keys = JwkSet::parse(&serde_json::from_slice(body)?).ok_or("the answer is not a JWK set")?;
    if keys.is_empty() {
        return Err("the answer holds no key that verifies RS256, ES256 or EdDSA".into());
    }
    Ok(keys)
}

/// A fetch under way. Its end is noted when it is dropped, also if the HTTP client panicked.
struct Fetching {
    cache: Arc<Inner>,
    now: Timestamp,
    result: Option<Result<JwkSet, FetchError>>,
    _ends: watch::Sender<()>,
}

impl Fetching {
    fn end(mut self, result: Result<JwkSet, FetchError>) {
        self.result = Some(result);
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        let mut state = self.cache.state();
        state.under_way = None;
        let problem = match self.result.take() {
            Some(Ok(keys)) => {
                state.keys = Some((self.now, keys));
                None
            }
            Some(Err(error)) => Some(error.to_string().into()),
            None => Some("the request was broken off".into()),
        };
        state.ended = Some((self.now, problem));
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn answer(&self, jwt: &UnverifiedJwt<'_>, now: Timestamp) -> Result<PublicJwk, KeyError> {
        match &self.keys {
            Some((fetched_at, keys)) if now.since(*fetched_at) < KeyCache::USABLE_FOR => {
                keys.find(jwt).cloned().ok_or(KeyError::Unknown)
            }
            _ => {
                let problem = self.ended.as_ref().and_then(|(_, problem)| problem.clone());
                Err(KeyError::Unavailable(problem.unwrap_or_else(|| "not tried yet".into())))
            }
        }
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyCache(..)")
    }
}
