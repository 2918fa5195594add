//! What the issuer needs from outside: a place to keep things, where each method is one atomic change, and a way to what
//! clients publish.

use core::future::Future;

use handfast_protocol::{Sealed, Sha256Hash, Timestamp};
use url::Url;

use crate::{
    approval::{Decision, LoginSession},
    authorize::AuthorizationRequest,
    client::Client,
    device::{DeviceAuthorization, Pace},
    grant::{AuthorizationCode, BrowserSession, Conclusion, Consent, Grant, RefreshToken},
    keys::StoredKey,
    pushed_request::PushedRequest,
};

/// The storage could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("the issuer's storage failed: {0}")]
pub struct StoreError(#[source] pub Box<dyn core::error::Error + Send + Sync>);

/// Everything the issuer keeps.
pub trait Store: KeyStore + ClientStore + LoginSessionStore + GrantStore + DeviceStore + ReplayStore {}

impl<T: KeyStore + ClientStore + LoginSessionStore + GrantStore + DeviceStore + ReplayStore> Store for T {}

/// A document that a client's registration points to could not be fetched. The sentence names no secret.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DocumentError(pub String);

/// Fetches what clients publish: no redirects, bounded in size and time, and from public addresses only.
pub trait Documents: Send + Sync {
    /// The body of a successful answer to `GET`.
    fn fetch(&self, url: &Url) -> impl Future<Output = Result<Vec<u8>, DocumentError>> + Send;
}

/// Keeps signing keys, sealed.
pub trait KeyStore: Send + Sync {
    /// Every key, newest first.
    fn keys(&self) -> impl Future<Output = Result<Vec<StoredKey>, StoreError>> + Send;

    /// The sealed salt of pairwise subjects, once there is one.
    fn pairwise_salt(&self) -> impl Future<Output = Result<Option<Sealed>, StoreError>> + Send;

    /// Keeps the salt, unless there is one already.
    fn put_pairwise_salt(&self, salt: &Sealed) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Keeps `key` as the one that signs with its algorithm. Where another one signs already it is retired at `now` if
    /// `replace` names it; otherwise nothing changes.
    fn put_key(
        &self,
        key: &StoredKey,
        replace: Option<&str>,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Keeps client registrations.
pub trait ClientStore: Send + Sync {
    /// The client with this `client_id`.
    fn client(&self, client_id: &str) -> impl Future<Output = Result<Option<Client>, StoreError>> + Send;

    /// Keeps a new client; `false` if its `client_id`, or its name for the same owner, is taken.
    fn put_client(&self, client: &Client) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Keeps a client in the place of the one with the same `client_id`; `false` if there is none, or if its name is
    /// taken by another client of the owner.
    fn replace_client(&self, client: &Client) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Forgets a client and revokes what it was granted; `false` if there is none.
    fn delete_client(
        &self,
        client_id: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The clients of one owner, by name.
    fn clients_of(&self, owner: &str) -> impl Future<Output = Result<Vec<Client>, StoreError>> + Send;
}

/// Keeps authorization requests that wait for the user.
pub trait LoginSessionStore: Send + Sync {
    /// Keeps a new login session.
    fn put_login_session(
        &self,
        session: &LoginSession,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The login session with this id, unless it has expired.
    fn login_session(
        &self,
        id_hash: &Sha256Hash,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<LoginSession>, StoreError>> + Send;

    /// The login session that was decided under this consent id, unless it has ended or expired.
    fn login_session_of_consent(
        &self,
        consent_hash: &Sha256Hash,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<LoginSession>, StoreError>> + Send;

    /// Records the application's decision, once; `false` if there was one before.
    fn decide_login_session(
        &self,
        id_hash: &Sha256Hash,
        decision: &Decision,
        consent_hash: &Sha256Hash,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Keeps a pushed request.
    fn put_pushed_request(
        &self,
        pushed: &PushedRequest,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Takes the client's pushed request, once, unless it has expired.
    fn take_pushed_request(
        &self,
        hash: &Sha256Hash,
        client_id: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<AuthorizationRequest>, StoreError>> + Send;

    /// Ends a login session without a grant, once; `false` if it had ended before.
    fn end_login_session(
        &self,
        id_hash: &Sha256Hash,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// Keeps what users allowed, and the codes and tokens that follow from it.
pub trait GrantStore: Send + Sync {
    /// Ends the login session and keeps grant, code, remembered consent and browser session, all or nothing; `false`
    /// if the login session had ended before.
    fn conclude(&self, conclusion: &Conclusion) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Keeps a grant that no user gave (RFC 6749 4.4).
    fn put_grant(&self, grant: &Grant) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The code and its grant, whatever their state.
    fn code(
        &self,
        code_hash: &Sha256Hash,
    ) -> impl Future<Output = Result<Option<(AuthorizationCode, Grant)>, StoreError>> + Send;

    /// Uses the code up and keeps the refresh token it buys; `false` if it was used before.
    fn take_code(
        &self,
        code_hash: &Sha256Hash,
        refresh_token: Option<&RefreshToken>,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The refresh token and its grant, whatever their state.
    fn refresh_token(
        &self,
        token_hash: &Sha256Hash,
    ) -> impl Future<Output = Result<Option<(RefreshToken, Grant)>, StoreError>> + Send;

    /// Uses a refresh token up and keeps its successor; `false` if it was used before.
    fn rotate_refresh_token(
        &self,
        token_hash: &Sha256Hash,
        successor: &RefreshToken,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The grant with this id, whatever its state.
    fn grant(&self, grant_id: &str) -> impl Future<Output = Result<Option<Grant>, StoreError>> + Send;

    /// Revokes a grant and every token of it.
    fn revoke_grant(
        &self,
        grant_id: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// What `user` consented to for `client_id` before.
    fn consent(
        &self,
        user: &str,
        client_id: &str,
    ) -> impl Future<Output = Result<Option<Consent>, StoreError>> + Send;

    /// Everything that `user` consented to, newest first.
    fn consents_of(&self, user: &str) -> impl Future<Output = Result<Vec<Consent>, StoreError>> + Send;

    /// Forgets the user's consent for a client and revokes what it was granted.
    fn withdraw(
        &self,
        user: &str,
        client_id: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Begins a browser session.
    fn put_browser_session(
        &self,
        session: &BrowserSession,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Ends a browser session.
    fn end_browser_session(
        &self,
        id_hash: &Sha256Hash,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Forgets everything that nobody can use any more.
    fn forget_expired(&self, now: Timestamp) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The browser session with this id, unless it has expired.
    fn browser_session(
        &self,
        id_hash: &Sha256Hash,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<BrowserSession>, StoreError>> + Send;
}

/// Remembers what must not come twice, for every server on the database.
pub trait ReplayStore: Send + Sync {
    /// Takes note of a proof until `expires_at`; `false` if it came before and would still be good at `now`.
    fn is_first_use(
        &self,
        proof: &Sha256Hash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// Keeps devices that wait for their users (RFC 8628).
pub trait DeviceStore: Send + Sync {
    /// Keeps a device that waits; `false` if its user code is taken.
    fn put_device(
        &self,
        device: &DeviceAuthorization,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Notes under which hash the user's answer will come, and gives the device; `None` if no device waits for this
    /// code, or if it was typed [`DeviceAuthorization::MOST_TIMES_TYPED`] times. Only the latest answer counts.
    fn claim_device(
        &self,
        user_code: &str,
        answer_to: &Sha256Hash,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<DeviceAuthorization>, StoreError>> + Send;

    /// Records the grant, or without one the denial, once; `false` if nothing waits for this answer.
    fn decide_device(
        &self,
        answer_to: &Sha256Hash,
        grant_id: Option<&str>,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The device with this code, whatever its state, and whether it kept its pace.
    fn poll_device(
        &self,
        device_code_hash: &Sha256Hash,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<(DeviceAuthorization, Pace)>, StoreError>> + Send;

    /// Uses a granted device code up and keeps the refresh token it buys; `false` if it was used before.
    fn take_device(
        &self,
        device_code_hash: &Sha256Hash,
        refresh_token: &RefreshToken,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}
