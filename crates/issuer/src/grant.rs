//! What a user allowed a client, and what hangs on it: codes, refresh tokens, remembered consent, browser sessions.

use handfast_protocol::{CodeChallenge, Scopes, Sha256Hash, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One authorization: the family of the code and the tokens it bought. Revoking it ends them all.
#[derive(Clone, Debug)]
pub struct Grant {
    /// 128 random bits as base64url.
    pub id: String,
    /// The client it was given to.
    pub client_id: String,
    /// The user who gave it, as the application names them.
    pub user: String,
    /// When it was given.
    pub created_at: Timestamp,
    /// When it ends, however often it is refreshed.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// The rest of it.
    pub details: GrantDetails,
}

/// What was granted, and what the application said about the user.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct GrantDetails {
    /// The scopes granted.
    pub scopes: Scopes,
    /// The claims about the user that the application gave.
    #[serde(default)]
    pub claims: Map<String, Value>,
    /// When the user last logged in (OpenID Connect Core 2, `auth_time`).
    pub auth_time: Timestamp,
    /// The authentication context the application stated.
    #[serde(default)]
    pub acr: Option<String>,
    /// The authentication methods the application stated.
    #[serde(default)]
    pub amr: Vec<String>,
    /// The resources the user saw in the request (RFC 8707).
    #[serde(default)]
    pub resources: Vec<String>,
    /// The `claims` parameter (OpenID Connect Core 5.5).
    #[serde(default)]
    pub requested_claims: Option<Value>,
    /// The browser session in which it was given, for logout.
    #[serde(default)]
    pub sid: Option<String>,
}

impl Grant {
    /// Whether tokens of it are accepted at `now`.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }
}

/// An authorization code as it is kept: hashed, bound to client, redirect URI and challenge.
#[derive(Clone, Debug)]
pub struct AuthorizationCode {
    /// The hash of the code.
    pub hash: Sha256Hash,
    /// The grant it stands for.
    pub grant_id: String,
    /// The redirect URI as the authorization request gave it; none if it gave none.
    pub redirect_uri: Option<String>,
    /// The challenge that came with the request.
    pub code_challenge: Option<CodeChallenge>,
    /// The nonce that came with the request.
    pub nonce: Option<String>,
    /// The DPoP key to which the code is bound (RFC 9449 10).
    pub dpop_jkt: Option<String>,
    /// When it dies unused.
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
}

/// A refresh token as it is kept.
#[derive(Clone, Debug)]
pub struct RefreshToken {
    /// The hash of the token.
    pub hash: Sha256Hash,
    /// The grant it belongs to.
    pub grant_id: String,
    /// When it dies unused.
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
    /// The DPoP key to which a public client's token is bound (RFC 9449 5).
    pub dpop_jkt: Option<String>,
}

/// What a user consented to before, for one client.
#[derive(Clone, Debug)]
pub struct Consent {
    /// The user.
    pub user: String,
    /// The client.
    pub client_id: String,
    /// Every scope consented to.
    pub scopes: Scopes,
    /// When the latest consent was given.
    pub granted_at: Timestamp,
}

/// A browser in which a user logged in, remembered for `prompt=none`, `max_age` and logout.
#[derive(Clone, Debug)]
pub struct BrowserSession {
    /// The hash of the cookie's value.
    pub id_hash: Sha256Hash,
    /// The session id in ID tokens (`sid`).
    pub sid: String,
    /// What the application said about the user.
    pub approval: crate::approval::Approval,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Everything that is kept at the moment a client gets its answer, all or nothing.
#[derive(Clone, Debug)]
pub struct Conclusion {
    /// The login session that ends; none when a browser session answered.
    pub login_session: Option<Sha256Hash>,
    /// The new grant.
    pub grant: Grant,
    /// The code that stands for it.
    pub code: AuthorizationCode,
    /// The consent to remember.
    pub consent: Option<Consent>,
    /// The browser session to begin.
    pub browser_session: Option<BrowserSession>,
}
