//! Token requests and answers as plain values, made and read by pure functions.

use handfast_protocol::Secret;
use url::Url;

/// A request to a provider's endpoint, ready to be sent.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Where to.
    pub url: Secret<Url>,
    /// Header fields, such as `Authorization`.
    pub headers: Vec<(&'static str, Secret<String>)>,
    /// The body.
    pub body: Option<Secret<String>>,
}

/// Whatever a provider's endpoint answered.
#[derive(Clone, Debug)]
pub struct TokenAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type`, if any.
    pub content_type: Option<String>,
    /// The body, at most [`TokenAnswer::MAX_BYTES`].
    pub body: Secret<Vec<u8>>,
}

impl TokenAnswer {
    /// The largest answer that is read, in bytes.
    pub const MAX_BYTES: usize = 256 * 1024;
}
