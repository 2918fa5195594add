//! What the page may ask of its own attempt: how far it is, and that it end.

use core::time::Duration;

use handfast_protocol::{AttemptId, AttemptSecret, Clock, ErrorCode, Randomness, Sha256Hash};

use crate::attempt::{Attempt, Outcome, Progress};
use crate::{Broker, Store, StoreError, TokenEndpoint};

/// The longest wait for an outcome. Proxies cut idle requests after 30 seconds at the earliest.
pub const LONGEST_WAIT: Duration = Duration::from_secs(25);

/// How often another replica's work is looked for.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// What the server knows of an attempt.
#[derive(Debug)]
pub enum AttemptStatus {
    /// Its start request has not arrived, or it was forgotten.
    Unknown,
    /// It has not ended.
    Pending,
    /// It has ended.
    Final(Box<Attempt>, Outcome),
}

impl<S: Store, T: TokenEndpoint, C: Clock, R: Randomness> Broker<S, T, C, R> {
    /// How far an attempt is, after waiting up to `wait` for its outcome. A second call for the same attempt takes the
    /// place of the first, which is then answered at once.
    pub async fn attempt_status(
        &self,
        id: &AttemptId,
        secret: &AttemptSecret,
        wait: Duration,
    ) -> Result<AttemptStatus, StoreError> {
        let secret_hash = Sha256Hash::of(secret.expose());
        self.wait_for_outcome(id, &secret_hash, wait.min(LONGEST_WAIT)).await
    }

    /// Ends an attempt: a later callback stores nothing. Where the callback came first, answers its outcome.
    pub async fn cancel_attempt(
        &self,
        id: &AttemptId,
        secret: &AttemptSecret,
    ) -> Result<AttemptStatus, StoreError> {
        let secret_hash = Sha256Hash::of(secret.expose());
        if self.store.attempt(&secret_hash).await?.is_none_or(|attempt| attempt.attempt_id != *id) {
            return Ok(AttemptStatus::Unknown);
        }
        let outcome =
            Outcome::failed(ErrorCode::Aborted, "The page gave this attempt up. Nothing was stored.");
        self.store.cancel_attempt(&secret_hash, &outcome).await?;
        self.waiters.wake(&secret_hash);
        self.wait_for_outcome(id, &secret_hash, LONGEST_WAIT).await
    }

    pub(crate) async fn wait_for_outcome(
        &self,
        id: &AttemptId,
        secret_hash: &Sha256Hash,
        wait: Duration,
    ) -> Result<AttemptStatus, StoreError> {
        let deadline = tokio::time::Instant::now() + wait;
        // In line before the first look: news between the look and the wait is not lost.
        let mut waiting = self.waiters.wait_for(secret_hash);
        let mut is_replaced = false;
        loop {
            let attempt = self.store.attempt(secret_hash).await?.filter(|attempt| attempt.attempt_id == *id);
            let status = match attempt {
                None => AttemptStatus::Unknown,
                Some(attempt) => match attempt.progress(self.clock.now()) {
                    Progress::Ended(outcome) => return Ok(AttemptStatus::Final(Box::new(attempt), outcome)),
                    Progress::Pending | Progress::Taken(_) => AttemptStatus::Pending,
                },
            };
            let now = tokio::time::Instant::now();
            if now >= deadline || is_replaced {
                return Ok(status);
            }
            tokio::select! {
                () = waiting.woken.notified() => {}
                () = tokio::time::sleep_until(deadline.min(now + LOOK_AGAIN_AFTER)) => {}
                // One last look: whoever took the place may have ended the attempt.
                _ = &mut waiting.replaced => is_replaced = true,
            }
        }
    }
}
