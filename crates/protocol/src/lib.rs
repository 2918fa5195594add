//! The words that the SDK, the broker and the issuer share.
//!
//! Nothing here does IO, and everything compiles to WebAssembly. The feature `serde` adds JSON, the feature `crypto`
//! adds hashing and PKCE; the browser half uses neither.

mod callback_message;
mod error_code;
#[cfg(feature = "crypto")]
mod hash;
mod names;
mod oauth_error;
#[cfg(feature = "crypto")]
mod pkce;
mod ports;
mod scope;
#[cfg(feature = "crypto")]
mod seal;
mod secret;
mod timestamp;

pub use callback_message::{
    CALLBACK_MESSAGE_VERSION, EVENT_FAILED, EVENT_SUCCEEDED, PROTOCOL_VERSION, STATUS_FINAL, STATUS_PENDING,
    STATUS_UNKNOWN,
};
pub use error_code::ErrorCode;
#[cfg(feature = "crypto")]
pub use hash::{Sha256Hash, random_token};
pub use names::{AttemptId, AttemptSecret, ConfigKey, ConnectionId, NameError};
pub use oauth_error::OAuthErrorCode;
#[cfg(feature = "crypto")]
pub use pkce::{CodeChallenge, CodeVerifier};
pub use ports::{Clock, Randomness};
pub use scope::Scopes;
#[cfg(feature = "crypto")]
pub use seal::{KeyId, Keyring, KeyringError, OpenError, Place, Sealed};
pub use secret::Secret;
pub use timestamp::Timestamp;
