//! The machine's own clock and randomness.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand;
use handfast_protocol::{Clock, Randomness, Timestamp};

/// The system clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

/// The system's cryptographically secure random source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemRandomness;

impl Randomness for SystemRandomness {
    fn fill(&self, bytes: &mut [u8]) {
        rand::fill(bytes).expect("the operating system's random source answers once the process has started");
    }
}
