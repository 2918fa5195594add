//! The constants of the message by which the callback page tells the application's page how an attempt ended.
//!
//! The server writes the message as JSON into its result page; the SDK reads it property by property, without a JSON
//! library. It carries identifiers only, never a token, code or secret.

/// The version of the connect protocol, sent in the start request as `protocol`.
pub const PROTOCOL_VERSION: u32 = 1;

/// The value of the message's `handfast` property.
pub const CALLBACK_MESSAGE_VERSION: u32 = 1;

/// The `eventType` of a success. The spelling is the one published Pizzly clients listen for.
pub const EVENT_SUCCEEDED: &str = "AUTHORIZATION_SUCEEDED";

/// The `eventType` of every other ending.
pub const EVENT_FAILED: &str = "AUTHORIZATION_FAILED";

/// The `status` of an attempt the server has not heard of: its start request has not arrived.
///
/// `POST /oauth/attempt` answers JSON: `{"status": "unknown"}`, `{"status": "pending"}`, or
/// `{"status": "final", "eventType": .., "data": {..}}` with the callback message's own `eventType` and `data`.
pub const STATUS_UNKNOWN: &str = "unknown";

/// The `status` of an attempt that has started and not ended.
pub const STATUS_PENDING: &str = "pending";

/// The `status` of an attempt that has ended; the answer then also holds what the callback message holds.
pub const STATUS_FINAL: &str = "final";
