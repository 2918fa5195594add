//! The words that the SDK, the broker and the issuer share.
//!
//! Nothing here does IO, and everything compiles to WebAssembly. The feature `serde` adds JSON, the feature `crypto`
//! adds hashing, sealing and PKCE, the feature `jwt` signed JWTs and DPoP proofs; the browser half uses none of them.

mod callback_message;
#[cfg(feature = "jwt")]
mod dpop;
mod error_code;
#[cfg(feature = "crypto")]
mod hash;
#[cfg(feature = "jwt")]
mod jwt;
mod names;
mod oauth_error;
#[cfg(feature = "crypto")]
mod pkce;
mod ports;
#[cfg(feature = "jwt")]
mod replay;
mod scope;
#[cfg(feature = "crypto")]
mod seal;
mod secret;
mod timestamp;
mod wire_words;

pub use callback_message::{
    CALLBACK_MESSAGE_VERSION, EVENT_FAILED, EVENT_SUCCEEDED, PROTOCOL_VERSION, STATUS_FINAL, STATUS_PENDING,
    STATUS_UNKNOWN,
};
#[cfg(feature = "jwt")]
pub use dpop::{DpopError, DpopProof, DpopReplayGuard, DpopRequest};
pub use error_code::ErrorCode;
#[cfg(feature = "crypto")]
pub use hash::{Sha256Hash, random_token};
#[cfg(feature = "jwt")]
pub use jwt::{
    JwkError, JwkSet, JwtClaims, JwtError, MAX_JWT_LEN, PublicJwk, SigningAlgorithm, UnverifiedJwt,
};
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
