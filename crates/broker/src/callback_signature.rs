//! Providers that sign their callbacks: the signature, as data and as code.

use serde::{Deserialize, Serialize};

/// How a provider signs the query with which it calls back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbackSignature {
    /// What is computed.
    pub method: CallbackSignatureMethod,
    /// The parameter that carries the signature and is not part of the message.
    pub param: String,
    /// The parameter that carries the time of signing, in seconds since 1970.
    pub timestamp_param: String,
    /// How old the signature may be, in seconds.
    pub max_age: u64,
}

/// What is computed over the callback's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackSignatureMethod {
    /// HMAC-SHA256 keyed with the client secret, in lower-case hex, over the sorted `key=value` pairs joined by `&`.
    HmacSha256SortedPairs,
}
