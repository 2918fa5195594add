//! Who waits for whom inside this process: long polls for an outcome, callers for a refresh.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use handfast_protocol::Sha256Hash;
use tokio::sync::{Notify, OwnedMutexGuard, oneshot, watch};

/// The long polls: one per attempt.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Mutex<HashMap<String, Waiter>>);

#[derive(Debug)]
struct Waiter {
    woken: Arc<Notify>,
    /// Dropped when another poll takes the place.
    _replaced: oneshot::Sender<()>,
}

/// A place in the line, given up when dropped.
pub(crate) struct Waiting<'a> {
    waiters: &'a Waiters,
    name: String,
    pub(crate) woken: Arc<Notify>,
    pub(crate) replaced: oneshot::Receiver<()>,
}

impl Waiters {
    /// Waits for news of an attempt in place of whoever did so before.
    pub(crate) fn wait_for(&self, secret_hash: &Sha256Hash) -> Waiting<'_> {
        let woken = Arc::new(Notify::new());
        let (sender, replaced) = oneshot::channel();
        let name = secret_hash.as_str().to_owned();
        self.lock().insert(name.clone(), Waiter { woken: Arc::clone(&woken), _replaced: sender });
        Waiting { waiters: self, name, woken, replaced }
    }

    /// There is news of an attempt.
    pub(crate) fn wake(&self, secret_hash: &Sha256Hash) {
        if let Some(waiter) = self.lock().get(secret_hash.as_str()) {
            waiter.woken.notify_one();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Waiter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waiters = self.waiters.lock();
        if waiters.get(&self.name).is_some_and(|waiter| Arc::ptr_eq(&waiter.woken, &self.woken)) {
            waiters.remove(&self.name);
        }
    }
}

/// Lets one task at a time work on each key.
#[derive(Debug)]
pub(crate) struct Turns<K>(Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>);

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Clone> Turns<K> {
    /// Waits for the turn of `key`; it ends when the guard is dropped.
    pub(crate) async fn take(&self, key: &K) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Those that nobody holds are forgotten here, so that the map stays as small as the present need.
            if turns.len() > 1000 {
                turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            }
            Arc::clone(turns.entry(key.clone()).or_default())
        };
        turn.lock_owned().await
    }
}

/// Counts what has to be finished before the process may end.
#[derive(Debug, Default)]
pub(crate) struct Unfinished(watch::Sender<usize>);

/// Something that has begun; finished when dropped.
#[must_use]
pub(crate) struct Working<'a>(&'a Unfinished);

impl Unfinished {
    pub(crate) fn begin(&self) -> Working<'_> {
        self.0.send_modify(|count| *count += 1);
        Working(self)
    }

    /// Waits until nothing is left.
    pub(crate) async fn ended(&self) {
        // Fails only once the sender is gone, and that is ours.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}
