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
