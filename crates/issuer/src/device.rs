//! Device authorization (RFC 8628): a device without a browser shows a code, its user types it elsewhere.
//!
//! What follows the typed code is an ordinary login session whose answer comes back to a page of ours. A secret in
//! `state` says which device the answer is for, so that nobody can hand a device a grant of their own.

use core::time::Duration;

use handfast_protocol::{
    Clock, OAuthErrorCode, Randomness, Scopes, Secret, Sha256Hash, Timestamp, random_token,
};

use crate::{
    Issuer,
    authorize::{AuthorizationRequest, Prompt, parse_scopes},
    client::{Client, GrantType},
    client_authentication::Credentials,
    params::Params,
    ports::{Documents, Store, StoreError},
    token::TokenError,
};

/// A device that waits for its user, as it is kept.
#[derive(Clone, Debug)]
pub struct DeviceAuthorization {
    /// The hash of what the device shows at the token endpoint.
    pub device_code_hash: Sha256Hash,
    /// What the user types: 8 letters, without the hyphen.
    pub user_code: String,
    /// The client on the device.
    pub client_id: String,
    /// What it asks for.
    pub scopes: Scopes,
    /// When both codes die.
    pub expires_at: Timestamp,
    /// What became of it.
    pub state: DeviceState,
}

impl DeviceAuthorization {
    /// How often its code may be typed (RFC 8628 5.1): who mistypes something needs it twice or three times.
    pub const MOST_TIMES_TYPED: i64 = 5;
}

/// What became of a device's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceState {
    /// The user has not decided.
    Pending,
    /// The user said no.
    Denied,
    /// The user said yes; the device has not fetched its tokens.
    Granted {
        /// The grant they come from.
        grant_id: String,
    },
    /// The device has its tokens.
    Taken,
}

/// How soon a device may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As slowly as it should.
    Kept,
    /// Too soon; from now on it has to wait five seconds longer (RFC 8628 3.5).
    TooFast,
}

/// What the device gets (RFC 8628 3.2).
#[derive(Debug)]
pub struct DeviceAuthorizationResponse {
    /// For the token endpoint.
    pub device_code: Secret<String>,
    /// For the user: `BCDF-GHJK`.
    pub user_code: String,
    /// Where the user types it.
    pub verification_uri: String,
}

/// Why the user's code leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// Not a code that waits.
    #[error("This code is not one that waits. Look at your device again; a code is good for ten minutes.")]
    UnknownCode,
    /// The answer was not for this device, or came twice.
    #[error("This answer was used before, or more than ten minutes have passed. Begin again on your device.")]
    UnknownAnswer,
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Letters that cannot be confused and make no words (RFC 8628 6.1): eight of them are 34 bits.
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// The page that takes the user's code.
const PAGE: &str = "/auth/device";

impl DeviceAuthorizationResponse {
    /// How long both codes live.
    pub const LIFETIME: Duration = Duration::from_mins(10);
    /// How long a device waits between two requests.
    pub const INTERVAL: Duration = Duration::from_secs(5);
}

impl<S: Store, D: Documents, C: Clock, R: Randomness> Issuer<S, D, C, R> {
    /// Answers a device authorization request.
    ///
    /// # Errors
    /// As RFC 6749 5.2 names them.
    pub async fn authorize_device(
        &self,
        params: &Params,
        credentials: &Credentials,
    ) -> Result<DeviceAuthorizationResponse, TokenError> {
        if let Some(name) = params.repeated() {
            let text = format!("the parameter {name:?} stands more than once");
            return Err(TokenError::new(OAuthErrorCode::InvalidRequest, text));
        }
        let client = self.authenticate(credentials, params).await?;
        if !client.metadata.grant_types.contains(&GrantType::DeviceCode) {
            let text = "the client is not registered for the device_code grant";
            return Err(TokenError::new(OAuthErrorCode::UnauthorizedClient, text));
        }
        let scopes = parse_scopes(&self.settings, &client, params.value("scope")).ok_or_else(|| {
            TokenError::new(OAuthErrorCode::InvalidScope, "none of the scopes asked for exists here")
        })?;
        let device_code = random_token(&self.randomness);
        let mut device = DeviceAuthorization {
            device_code_hash: Sha256Hash::of(device_code.expose()),
            user_code: self.draw_user_code(),
            client_id: client.client_id,
            scopes,
            expires_at: self.now() + DeviceAuthorizationResponse::LIFETIME,
            state: DeviceState::Pending,
        };
        while !self.store.put_device(&device).await? {
            // Another device shows the same code at this moment.
            device.user_code = self.draw_user_code();
        }
        let (first, second) = device.user_code.split_at(4);
        Ok(DeviceAuthorizationResponse {
            device_code,
            user_code: format!("{first}-{second}"),
            verification_uri: self.settings.endpoint(PAGE),
        })
    }

    fn draw_user_code(&self) -> String {
        let mut code = String::with_capacity(8);
        while code.len() < 8 {
            let mut byte = [0];
            self.randomness.fill(&mut byte);
            // The largest multiple of 20 in a byte: beyond it some letters would be likelier than others.
            if byte[0] < 240 {
                code.push(char::from(ALPHABET[usize::from(byte[0]) % ALPHABET.len()]));
            }
        }
        code
    }

    /// Takes the code that the user typed and begins the login session in which they decide: its id, and the cookie
    /// that binds it to the browser.
    ///
    /// # Errors
    /// The code is not one that waits.
    pub async fn begin_device_login(
        &self,
        typed: &str,
    ) -> Result<(Secret<String>, Secret<String>), DeviceError> {
        let user_code = normalize_user_code(typed).ok_or(DeviceError::UnknownCode)?;
        let now = self.now();
        let answer_to = random_token(&self.randomness);
        let claimed = self.store.claim_device(&user_code, &Sha256Hash::of(answer_to.expose()), now).await?;
        let device = claimed.ok_or(DeviceError::UnknownCode)?;
        let request = AuthorizationRequest {
            client_id: device.client_id,
            redirect_uri: self.device_redirect_uri(),
            redirect_uri_given: true,
            scopes: device.scopes,
            state: Some(answer_to.into_exposed()),
            // Nobody lets a device in by typing a code that somebody sent them (RFC 8628 5.4) without being asked.
            prompt: vec![Prompt::Consent],
            ..AuthorizationRequest::default()
        };
        Ok(self.begin_login(request).await?)
    }

    pub(crate) fn device_redirect_uri(&self) -> String {
        self.settings.endpoint("/auth/device/done")
    }

    /// Takes the answer that came back to our own page; whether the device was let in.
    ///
    /// # Errors
    /// The answer is not one to a code that waits.
    pub async fn finish_device_login(&self, params: &Params) -> Result<bool, DeviceError> {
        let now = self.now();
        let answer_to = params.value("state").map(Sha256Hash::of).ok_or(DeviceError::UnknownAnswer)?;
        let Some(code) = params.value("code").map(Sha256Hash::of) else {
            let denied = self.store.decide_device(&answer_to, None, now).await?;
            return if denied { Ok(false) } else { Err(DeviceError::UnknownAnswer) };
        };
        let (code, grant) = self.store.code(&code).await?.ok_or(DeviceError::UnknownAnswer)?;
        let ours = code.redirect_uri == Some(self.device_redirect_uri()) && now < code.expires_at;
        if !ours || !self.store.take_code(&code.hash, None, now).await? {
            return Err(DeviceError::UnknownAnswer);
        }
        if self.store.decide_device(&answer_to, Some(&grant.id), now).await? {
            return Ok(true);
        }
        self.store.revoke_grant(&grant.id, now).await?;
        Err(DeviceError::UnknownAnswer)
    }

    /// The grant that a device asks for at the token endpoint (RFC 8628 3.5).
    pub(crate) async fn poll_device(
        &self,
        client: &Client,
        params: &Params,
    ) -> Result<(Sha256Hash, String), TokenError> {
        let code = params
            .value("device_code")
            .ok_or_else(|| TokenError::new(OAuthErrorCode::InvalidRequest, "device_code is missing"))?;
        let hash = Sha256Hash::of(code);
        let now = self.now();
        let polled = self.store.poll_device(&hash, now).await?;
        let Some((device, pace)) = polled.filter(|(device, _)| device.client_id == client.client_id) else {
            let text = "the device code is unknown or another client's";
            return Err(TokenError::new(OAuthErrorCode::InvalidGrant, text));
        };
        let refuse = |code, text: &str| Err(TokenError::new(code, text));
        match device.state {
            DeviceState::Taken => refuse(OAuthErrorCode::InvalidGrant, "the device code was used"),
            DeviceState::Denied => refuse(OAuthErrorCode::AccessDenied, "the user said no"),
            _ if now >= device.expires_at => {
                refuse(OAuthErrorCode::ExpiredToken, "the device code has expired; begin again")
            }
            DeviceState::Granted { grant_id } => Ok((hash, grant_id)),
            DeviceState::Pending if pace == Pace::TooFast => {
                refuse(OAuthErrorCode::SlowDown, "wait five seconds longer between requests from now on")
            }
            DeviceState::Pending => {
                refuse(OAuthErrorCode::AuthorizationPending, "the user has not decided yet")
            }
        }
    }
}

/// Whatever case, spaces and hyphens people type (RFC 8628 6.1); `None` if it is no code.
fn normalize_user_code(typed: &str) -> Option<String> {
    let code: String =
        typed.chars().filter(|c| !matches!(c, '-' | ' ')).map(|c| c.to_ascii_uppercase()).take(9).collect();
    (code.len() == 8 && code.bytes().all(|byte| ALPHABET.contains(&byte))).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_may_type_a_code_as_they_like() {
        // RFC 8628 6.1.
        for typed in ["BCDF-GHJK", "bcdfghjk", " bcdf ghjk "] {
            assert_eq!(normalize_user_code(typed).as_deref(), Some("BCDFGHJK"), "{typed}");
        }
        for typed in ["", "BCDF-GHJ", "BCDF-GHJKL", "ABCD-EFGH", "BCDF-GHJ1", "ÄÖÜB-CDFG"] {
            assert_eq!(normalize_user_code(typed), None, "{typed}");
        }
    }
}
