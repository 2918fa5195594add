//! Remembers for a while what must not come twice, in bounded memory.

use core::time::Duration;
use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use aws_lc_rs::digest;

use crate::Timestamp;

/// Recognises what came before within one window, and for up to one more.
///
/// Memory is bounded: two generations of at most `capacity` hashes of 32 bytes. Where more than that comes within one
/// window, the oldest are forgotten early rather than new requests refused. Several processes each have their own.
#[derive(Debug)]
pub(crate) struct ReplayGuard {
    capacity: usize,
    window: Duration,
    seen: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    current: HashSet<[u8; 32]>,
    previous: HashSet<[u8; 32]>,
    began_at: Timestamp,
}

impl ReplayGuard {
    /// A guard that remembers up to `capacity` texts per window.
    #[must_use]
    pub(crate) fn new(capacity: usize, window: Duration) -> Self {
        Self { capacity, window, seen: Mutex::default() }
    }

    /// Takes note of `id`; `false` if it came before. Call it last, when everything else about the request has been
    /// checked.
    #[must_use]
    pub(crate) fn is_first_use(&self, id: &str, now: Timestamp) -> bool {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, id.as_bytes()).as_ref());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let age = now.since(seen.began_at);
        if age >= self.window || seen.current.len() >= self.capacity {
            seen.previous = std::mem::take(&mut seen.current);
            if age >= self.window * 2 {
                seen.previous.clear();
            }
            seen.began_at = now;
        }
        !seen.previous.contains(&hash) && seen.current.insert(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(1_000_000 + seconds)
    }

    #[test]
    fn what_came_before_is_recognised_for_a_window() {
        let guard = ReplayGuard::new(10, Duration::from_mins(2));
        assert!(guard.is_first_use("a", at(0)));
        for seconds in [0, 60, 120] {
            assert!(!guard.is_first_use("a", at(seconds)), "{seconds}");
            assert!(guard.is_first_use(&seconds.to_string(), at(seconds)));
        }
        assert!(guard.is_first_use("a", at(361)));
    }

    #[test]
    fn memory_is_bounded() {
        let guard = ReplayGuard::new(4, Duration::from_mins(2));
        for number in 0..100 {
            assert!(guard.is_first_use(&number.to_string(), at(0)));
        }
        let remembered = {
            let seen = guard.seen.lock().unwrap();
            seen.current.len() + seen.previous.len()
        };
        assert!((4..=8).contains(&remembered));
        assert!(!guard.is_first_use("99", at(0)));
    }
}
