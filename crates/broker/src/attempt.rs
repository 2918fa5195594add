//! An attempt: one popup's life, from click to outcome.

use core::time::Duration;

use handfast_protocol::{AttemptId, ConfigKey, ConnectionId, ErrorCode, Sha256Hash, Timestamp};

use handfast_protocol::{Place, Sealed};

/// How long the user has at the provider, from the start request to the callback.
pub const ATTEMPT_LIFETIME: Duration = Duration::from_mins(10);

/// How long a taken attempt may go without an outcome. After that whoever took it is gone.
pub const COMPLETION_LIMIT: Duration = Duration::from_mins(1);

/// How long a refused start is remembered.
pub const REFUSAL_LIFETIME: Duration = Duration::from_mins(1);

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The connection is stored.
    Succeeded,
    /// Nothing was stored.
    Failed {
        /// Why, as a stable code.
        code: ErrorCode,
        /// Why, as a sentence. May hold the provider's own words.
        message: String,
    },
}

impl Outcome {
    /// An ending that is not success.
    pub fn failed(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::Failed { code, message: message.into() }
    }
}

/// How far an attempt is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The user is at the provider.
    Pending,
    /// The callback came at this instant and is being worked on.
    Taken(Timestamp),
    /// It is over.
    Ended(Outcome),
}

/// What is stored when an attempt starts.
#[derive(Clone, Debug)]
pub struct NewAttempt {
    /// Names the row: the hash of the attempt secret.
    pub secret_hash: Sha256Hash,
    /// Public name, made by the page.
    pub attempt_id: AttemptId,
    /// The hash of the start request's body: only the same request may start again.
    pub request_hash: Sha256Hash,
    /// The integration's id.
    pub integration_id: String,
    /// The integration's name at the start.
    pub config_key: ConfigKey,
    /// The connection to be.
    pub connection_id: ConnectionId,
    /// The origin that the browser stated; the result is posted to it alone.
    pub origin: String,
    /// Where the page goes on in redirect mode; `None` in a popup.
    pub return_to: Option<String>,
    /// The hash of `state` (RFC 6749 10.12).
    pub state_hash: Sha256Hash,
    /// The hash of the cookie that binds the browser.
    pub cookie_hash: Sha256Hash,
    /// What the callback needs, sealed.
    pub sealed_details: Sealed,
    /// When it started.
    pub created_at: Timestamp,
    /// When the callback comes too late.
    pub expires_at: Timestamp,
}

/// A start that was refused.
#[derive(Clone, Debug)]
pub struct RefusedAttempt {
    /// Names the row.
    pub secret_hash: Sha256Hash,
    /// Public name, made by the page.
    pub attempt_id: AttemptId,
    /// The path's config key, if it is one.
    pub config_key: Option<ConfigKey>,
    /// The request's connection id, if it is one.
    pub connection_id: Option<ConnectionId>,
    /// The origin that the browser stated.
    pub origin: String,
    /// Why.
    pub outcome: Outcome,
    /// When it was refused.
    pub created_at: Timestamp,
    /// When it is forgotten.
    pub expires_at: Timestamp,
}

/// Which attempts are asked for; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct AttemptFilter {
    /// With this integration.
    pub config_key: Option<ConfigKey>,
    /// For this connection.
    pub connection_id: Option<ConnectionId>,
}

/// An attempt as it is stored.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Names the row.
    pub secret_hash: Sha256Hash,
    /// Public name, made by the page.
    pub attempt_id: AttemptId,
    /// The integration's id; a refused start may have none.
    pub integration_id: Option<String>,
    /// The integration's name at the start; a refused start may have none.
    pub config_key: Option<ConfigKey>,
    /// The connection to be; a refused start may have none.
    pub connection_id: Option<ConnectionId>,
    /// The origin that the browser stated.
    pub origin: String,
    /// Where the page goes on in redirect mode.
    pub return_to: Option<String>,
    /// The hash of the newest `state`; a refused start has none.
    pub state_hash: Option<Sha256Hash>,
    /// The hash of the newest cookie; a refused start has none.
    pub cookie_hash: Option<Sha256Hash>,
    /// What the callback needs, sealed; a refused start has none.
    pub sealed_details: Option<Sealed>,
    /// When it started.
    pub created_at: Timestamp,
    /// When the callback comes too late.
    pub expires_at: Timestamp,
    /// When the callback came.
    pub taken_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

impl Attempt {
    /// How far the attempt is. One that was taken too long ago reads as interrupted.
    #[must_use]
    pub fn progress(&self, now: Timestamp) -> Progress {
        match (&self.outcome, self.taken_at) {
            (Some(outcome), _) => Progress::Ended(outcome.clone()),
            (None, Some(taken_at)) if now.since(taken_at) >= COMPLETION_LIMIT => {
                Progress::Ended(Outcome::failed(
                    ErrorCode::Interrupted,
                    "The server was stopped while it finished this attempt. Please try again.",
                ))
            }
            (None, Some(taken_at)) => Progress::Taken(taken_at),
            (None, None) if now >= self.expires_at => Progress::Ended(Outcome::failed(
                ErrorCode::Timeout,
                "This attempt took longer than ten minutes. Please try again.",
            )),
            (None, None) => Progress::Pending,
        }
    }
}

/// Where an attempt's details are sealed: bound to the hash of its state.
pub(crate) fn details_place<'a>(key: &'a [&'a str; 1]) -> Place<'a> {
    Place { table: "attempts", column: "sealed_details", key }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(taken_at: Option<Timestamp>, outcome: Option<Outcome>) -> Attempt {
        Attempt {
            secret_hash: Sha256Hash::of("secret"),
            attempt_id: AttemptId::parse(&"a".repeat(22)).unwrap(),
            integration_id: None,
            config_key: None,
            connection_id: None,
            origin: String::new(),
            return_to: None,
            state_hash: None,
            cookie_hash: None,
            sealed_details: None,
            created_at: Timestamp::from_secs(0),
            expires_at: Timestamp::from_secs(600),
            taken_at,
            outcome,
        }
    }

    fn code(progress: &Progress) -> Option<ErrorCode> {
        match progress {
            Progress::Ended(Outcome::Failed { code, .. }) => Some(*code),
            _ => None,
        }
    }

    #[test]
    fn taken_without_an_outcome_for_a_minute_reads_as_interrupted() {
        let taken = attempt(Some(Timestamp::from_secs(100)), None);
        assert_eq!(taken.progress(Timestamp::from_secs(159)), Progress::Taken(Timestamp::from_secs(100)));
        assert_eq!(code(&taken.progress(Timestamp::from_secs(160))), Some(ErrorCode::Interrupted));
        let ended = attempt(Some(Timestamp::from_secs(100)), Some(Outcome::Succeeded));
        assert_eq!(ended.progress(Timestamp::from_secs(160)), Progress::Ended(Outcome::Succeeded));
    }

    #[test]
    fn a_callback_that_never_comes_is_a_timeout() {
        let pending = attempt(None, None);
        assert_eq!(pending.progress(Timestamp::from_secs(599)), Progress::Pending);
        assert_eq!(code(&pending.progress(Timestamp::from_secs(600))), Some(ErrorCode::Timeout));
    }
}
