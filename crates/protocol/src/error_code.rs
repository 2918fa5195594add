//! The stable codes by which a connect attempt, a REST request and the SDK name what went wrong.

use crate::wire_words::wire_words;

wire_words! {
    /// What went wrong, as a stable code. The same spelling in the SDK, in messages, in REST answers and in logs.
    ErrorCode {
        /// The browser refused to open the window.
        PopupBlocked = "popup_blocked",
        /// The user closed the window, or turned back to the page for good.
        PopupClosed = "popup_closed",
        /// The attempt took longer than the application allows.
        Timeout = "timeout",
        /// The application aborted the attempt.
        Aborted = "aborted",
        /// The host given to `new Handfast` is not an http or https address.
        InvalidHost = "invalid_host",
        /// A config key or connection id that cannot be one.
        InvalidName = "invalid_name",
        /// The user, or the provider on their behalf, said no (RFC 6749 4.1.2.1).
        AccessDenied = "access_denied",
        /// No integration has this config key.
        UnknownIntegration = "unknown_integration",
        /// The page's origin is not on the integration's list.
        OriginNotAllowed = "origin_not_allowed",
        /// The page's Content-Security-Policy forbids the start form.
        CspBlocked = "csp_blocked",
        /// The page is in a sandboxed frame that may not open a usable window.
        Sandboxed = "sandboxed",
        /// The server was reached under a name that is not its `public_url`.
        WrongHost = "wrong_host",
        /// The callback came back in another browser than the one that started.
        WrongBrowser = "wrong_browser",
        /// SDK and server speak different versions of the protocol.
        UnsupportedProtocol = "unsupported_protocol",
        /// The provider answered with an error, or with something that is not an answer.
        ProviderError = "provider_error",
        /// The server was stopped in the middle of the exchange; whether the provider granted is unknown.
        Interrupted = "interrupted",
        /// The server could not be reached.
        Network = "network",
        /// The request is not one that this address understands.
        InvalidRequest = "invalid_request",
        /// A connect token is required, unknown, expired, used, or pins other values.
        InvalidConnectToken = "invalid_connect_token",
        /// `state` is unknown, expired or was used before.
        InvalidState = "invalid_state",
        /// The `iss` of the authorization response is not the provider's (RFC 9207).
        IssuerMismatch = "issuer_mismatch",
        /// The provider's signature on the callback does not hold.
        InvalidSignature = "invalid_signature",
        /// The integration's own settings are wrong.
        InvalidIntegration = "invalid_integration",
        /// A connect parameter that the provider needs is missing or not acceptable.
        InvalidParameter = "invalid_parameter",
        /// No connection has this config key and connection id.
        UnknownConnection = "unknown_connection",
        /// The provider no longer accepts the refresh token; the user has to connect again.
        NeedsReconnect = "needs_reconnect",
        /// The access token has expired and cannot be renewed at the moment.
        RefreshFailed = "refresh_failed",
        /// The request needs an API key.
        MissingApiKey = "missing_api_key",
        /// The API key is unknown or revoked.
        InvalidApiKey = "invalid_api_key",
        /// The API key lacks the scope for this request.
        InsufficientScope = "insufficient_scope",
        /// The thing to be created exists already.
        AlreadyExists = "already_exists",
        /// Nothing stands at this address.
        NotFound = "not_found",
        /// Too many requests from one place.
        RateLimited = "rate_limited",
        /// A mistake of the server's own.
        Internal = "internal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_as_itself() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::parse(code.as_str()), Some(*code));
        }
    }
}
