//! The address of the Handfast server.

use web_sys::Url;

use crate::connect_error::ConnectError;

/// An http or https address without query, fragment or user name, and without a slash at its end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Host(String);

impl Host {
    /// Reads an address such as `https://connect.example.com` or `https://example.com/handfast`.
    pub(crate) fn parse(text: &str) -> Result<Self, ConnectError> {
        let url = Url::new(text).map_err(|_| Self::invalid())?;
        let href = url.href();
        // In a parsed http address `?`, `#` and `@` before the path stand for nothing else.
        let http = href.starts_with("http://") || href.starts_with("https://");
        if !http || href.bytes().any(|byte| matches!(byte, b'?' | b'#' | b'@')) {
            return Err(Self::invalid());
        }
        Ok(Self(href.strip_suffix('/').unwrap_or(&href).to_owned()))
    }

    /// An address that [`Host::parse`] has given out before.
    #[cfg(feature = "npm")]
    pub(crate) fn parsed(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The address, to which a path beginning with a slash can be appended.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a page of this origin is the server's.
    pub(crate) fn is_at(&self, origin: &str) -> bool {
        self.0.strip_prefix(origin).is_some_and(|path| path.is_empty() || path.starts_with('/'))
    }

    fn invalid() -> ConnectError {
        ConnectError::new(
            handfast_protocol::ErrorCode::InvalidHost,
            "host must be the http or https address of your Handfast server, such as \"http://localhost:3004\"",
        )
    }
}
