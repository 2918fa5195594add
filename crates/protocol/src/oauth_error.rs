//! The error codes of OAuth's own answers.

use crate::wire_words::wire_words;

wire_words! {
    /// An error code of RFC 6749 4.1.2.1 or 5.2, or of an extension that one of our halves speaks.
    ///
    /// Another server may send any word; keep such a word as text beside `None`.
    OAuthErrorCode {
        /// RFC 6749 4.1.2.1 and 5.2: a parameter is missing, repeated or malformed.
        InvalidRequest = "invalid_request",
        /// RFC 6749 5.2: client authentication failed.
        InvalidClient = "invalid_client",
        /// RFC 6749 5.2: the code or refresh token is invalid, expired, revoked or another client's.
        InvalidGrant = "invalid_grant",
        /// RFC 6749 4.1.2.1 and 5.2: the client may not use this grant or response type.
        UnauthorizedClient = "unauthorized_client",
        /// RFC 6749 5.2: the grant type is not supported.
        UnsupportedGrantType = "unsupported_grant_type",
        /// RFC 6749 4.1.2.1 and 5.2: the scope is unknown or exceeds what was granted.
        InvalidScope = "invalid_scope",
        /// RFC 6749 4.1.2.1: the resource owner or the server denied the request.
        AccessDenied = "access_denied",
        /// RFC 6749 4.1.2.1: the response type is not supported.
        UnsupportedResponseType = "unsupported_response_type",
        /// RFC 6749 4.1.2.1: an unexpected condition.
        ServerError = "server_error",
        /// RFC 6749 4.1.2.1: overloaded or under maintenance.
        TemporarilyUnavailable = "temporarily_unavailable",
        /// RFC 6750 3.1: the access token is expired, revoked or malformed.
        InvalidToken = "invalid_token",
        /// RFC 6750 3.1: the access token lacks a scope.
        InsufficientScope = "insufficient_scope",
        /// RFC 8707 2: the resource is unknown or malformed.
        InvalidTarget = "invalid_target",
        /// RFC 9449 5: the DPoP proof is invalid.
        InvalidDpopProof = "invalid_dpop_proof",
        /// RFC 9449 8: a nonce is required in the DPoP proof.
        UseDpopNonce = "use_dpop_nonce",
        /// RFC 8628 3.5: the user has not decided yet.
        AuthorizationPending = "authorization_pending",
        /// RFC 8628 3.5: as above, and poll less often.
        SlowDown = "slow_down",
        /// RFC 8628 3.5: the device code has expired.
        ExpiredToken = "expired_token",
        /// RFC 7591 3.2.2: a redirect URI is not acceptable.
        InvalidRedirectUri = "invalid_redirect_uri",
        /// RFC 7591 3.2.2: a metadata field is not acceptable.
        InvalidClientMetadata = "invalid_client_metadata",
        /// OpenID Connect Core 3.1.2.6: the user has to log in, and `prompt=none` forbids it.
        LoginRequired = "login_required",
        /// OpenID Connect Core 3.1.2.6: the user has to consent, and `prompt=none` forbids it.
        ConsentRequired = "consent_required",
        /// OpenID Connect Core 3.1.2.6: some interaction is needed, and `prompt=none` forbids it.
        InteractionRequired = "interaction_required",
        /// OpenID Connect Core 3.1.2.6: the user has to choose an account, and `prompt=none` forbids it.
        AccountSelectionRequired = "account_selection_required",
        /// OpenID Connect Core Unmet Authentication Requirements 1.0: the user did not log in as the client insists.
        UnmetAuthenticationRequirements = "unmet_authentication_requirements",
        /// RFC 9101: the request object is not acceptable.
        InvalidRequestObject = "invalid_request_object",
        /// OpenID Connect Core 6.1: request objects by reference are not supported.
        RequestUriNotSupported = "request_uri_not_supported",
        /// OpenID Connect Core 6.1: request objects are not supported.
        RequestNotSupported = "request_not_supported",
    }
}
