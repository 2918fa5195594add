//! Events: what happened to connections, told to the application by signed webhooks (Standard Webhooks).

use core::time::Duration;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use handfast_protocol::{ConfigKey, ConnectionId, Secret, Timestamp};

use crate::StoreError;

/// What every webhook secret begins with.
const SECRET_PREFIX: &str = "whsec_";

/// How long after each failed delivery the next one is tried; after the last one nobody tries any more.
const BACK_OFF: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(10),
    Duration::from_hours(1),
    Duration::from_hours(4),
    Duration::from_hours(12),
    Duration::from_hours(24),
    Duration::from_hours(24),
];

/// How long an event is kept.
pub const EVENT_LIFETIME: Duration = Duration::from_hours(30 * 24);

/// What happened to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A user connected, for the first time or again.
    Created,
    /// The access token could not be renewed, and will be tried again.
    RefreshFailed,
    /// The provider no longer accepts the refresh token; the user has to connect again.
    NeedsReconnect,
    /// The connection was deleted.
    Deleted,
}

impl EventKind {
    const ALL: [Self; 4] = [Self::Created, Self::RefreshFailed, Self::NeedsReconnect, Self::Deleted];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "connection.created",
            Self::RefreshFailed => "connection.refresh_failed",
            Self::NeedsReconnect => "connection.needs_reconnect",
            Self::Deleted => "connection.deleted",
        }
    }

    /// Reads the word that is stored.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Something that happened, and whether the application knows.
#[derive(Clone, Debug)]
pub struct Event {
    /// Random; the same at every delivery, so that the application can tell a repetition.
    pub id: String,
    /// What happened.
    pub kind: EventKind,
    /// To which integration's connection.
    pub config_key: ConfigKey,
    /// To which connection.
    pub connection_id: ConnectionId,
    /// Why, where something failed.
    pub reason: Option<String>,
    /// When.
    pub created_at: Timestamp,
    /// How often a delivery was tried.
    pub deliveries: i64,
    /// When the next one is due; `None`: none is.
    pub deliver_at: Option<Timestamp>,
    /// When the application took it.
    pub delivered_at: Option<Timestamp>,
}

impl Event {
    /// When to try again after this many failed deliveries; `None`: never.
    #[must_use]
    pub fn next_delivery(deliveries: i64, now: Timestamp) -> Option<Timestamp> {
        let failed = usize::try_from(deliveries).ok()?.checked_sub(1)?;
        BACK_OFF.get(failed).map(|pause| now + *pause)
    }
}

/// Keeps events from the transaction that made them true until they are old.
pub trait EventStore: Send + Sync {
    /// The newest events, newest first, before the one of this id if one is named.
    fn events(
        &self,
        before: Option<&str>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Event>, StoreError>> + Send;

    /// Takes an event that is due for delivery, which no one else gets until `until`, and counts the delivery.
    fn take_due_event(
        &self,
        now: Timestamp,
        until: Timestamp,
    ) -> impl Future<Output = Result<Option<Event>, StoreError>> + Send;

    /// Records how a delivery went: taken by the application, or due again.
    fn put_delivery(
        &self,
        id: &str,
        delivered_at: Option<Timestamp>,
        deliver_at: Option<Timestamp>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Makes an event due once more. Answers whether there is one of this id.
    fn replay_event(&self, id: &str, now: Timestamp)
    -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// The key that signs webhooks.
#[derive(Clone)]
pub struct WebhookKey(hmac::Key);

impl core::fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("WebhookKey(..)")
    }
}

impl WebhookKey {
    /// Reads a secret as Standard Webhooks writes it: `whsec_` and 24 to 64 bytes in base64; `None` if it is not one.
    #[must_use]
    pub fn parse(secret: &Secret<String>) -> Option<Self> {
        let bytes = STANDARD.decode(secret.expose().strip_prefix(SECRET_PREFIX)?).ok()?;
        (24..=64).contains(&bytes.len()).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The header `webhook-signature` for a message, version 1: HMAC-SHA256 over id, seconds and body.
    #[must_use]
    pub fn sign(&self, id: &str, sent_at: Timestamp, body: &str) -> String {
        let tag = hmac::sign(&self.0, format!("{id}.{}.{body}", sent_at.as_secs()).as_bytes());
        format!("v1,{}", STANDARD.encode(tag.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_matches_the_standards_vector() {
        // The example of the Standard Webhooks specification.
        let key =
            WebhookKey::parse(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned())).unwrap();
        let signature = key.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            Timestamp::from_secs(1_614_265_330),
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_of_another_shape_is_refused() {
        for bad in ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert!(WebhookKey::parse(&Secret::new(bad.to_owned())).is_none(), "{bad}");
        }
    }

    #[test]
    fn deliveries_are_tried_for_days_and_then_no_more() {
        let now = Timestamp::from_secs(0);
        assert_eq!(Event::next_delivery(1, now), Some(Timestamp::from_secs(5)));
        assert_eq!(Event::next_delivery(9, now), Some(Timestamp::from_secs(24 * 60 * 60)));
        assert_eq!(Event::next_delivery(10, now), None);
        assert_eq!(Event::next_delivery(0, now), None);
    }
}
