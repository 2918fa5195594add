//! Real server, real issuer, real browser: what the scenarios in `tests/` are played with.

pub mod application;
pub mod browser;
pub mod handfast;
pub mod provider;
pub mod published;
pub mod world;

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// How long anything may take that a person would wait for. Far more than it takes, so that a slow machine passes.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A client that waits no longer than a person would.
///
/// # Panics
/// Never: the client has nothing to load.
#[must_use]
pub fn http() -> reqwest::Client {
    reqwest::Client::builder().timeout(PATIENCE).build().expect("a client without certificates of its own")
}

/// Asks again and again until there is an answer.
///
/// # Panics
/// When [`PATIENCE`] is over, with `what` was waited for.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let answer = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let answer = timeout(PATIENCE, answer).await;
    answer.unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain: {what}"))
}

/// Prints a measured figure; the run collects these lines.
pub fn figure(name: &str, value: impl std::fmt::Display) {
    println!("figure: {name}: {value}");
}
