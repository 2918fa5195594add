//! What the broker needs from outside: attempts and connections that last, and someone who sends token requests.
//!
//! Each method is one atomic change: one statement, or one transaction inside one storage method.

use std::sync::Arc;

use handfast_protocol::{AttemptId, ConfigKey, ConnectionId, Sha256Hash, Timestamp};

use crate::attempt::{Attempt, AttemptFilter, NewAttempt, Outcome, RefusedAttempt};
use crate::connect_token::ConnectTokenStore;
use crate::connection::{Connection, ConnectionKey, NewConnection, RefreshFailure, RenewedCredentials};
use crate::integration::IntegrationStore;
use crate::token_endpoint::{TokenAnswer, TokenRequest};

/// The store failed; nothing is known about the change.
#[derive(Debug, thiserror::Error)]
#[error("the database failed: {0}")]
pub struct StoreError(#[source] Box<dyn core::error::Error + Send + Sync>);

impl StoreError {
    /// Wraps the store's own error.
    pub fn new(error: impl Into<Box<dyn core::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

/// Remembers attempts from their start until a while after their outcome.
pub trait Attempts: Send + Sync {
    /// Stores an attempt, or starts it again under a new state: the same secret, origin and request, not yet taken and not
    /// ended. Otherwise changes nothing and answers what stands in the way.
    fn put_attempt(
        &self,
        attempt: &NewAttempt,
    ) -> impl Future<Output = Result<Option<Attempt>, StoreError>> + Send;

    /// Keeps a refused start as the outcome of its attempt, unless an attempt of that secret exists or too many are kept.
    fn put_refused_attempt(
        &self,
        refused: &RefusedAttempt,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The newest attempts, newest first, before the one of this id if one is named.
    fn attempts(
        &self,
        filter: &AttemptFilter,
        before: Option<&AttemptId>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Attempt>, StoreError>> + Send;

    /// The attempt of this secret.
    fn attempt(
        &self,
        secret_hash: &Sha256Hash,
    ) -> impl Future<Output = Result<Option<Attempt>, StoreError>> + Send;

    /// The attempt that is, or was, waiting under this state.
    fn attempt_by_state(
        &self,
        state_hash: &Sha256Hash,
    ) -> impl Future<Output = Result<Option<Attempt>, StoreError>> + Send;

    /// The attempt that this cookie was set for, if it still waits for its callback.
    fn live_attempt_by_cookie(
        &self,
        cookie_hash: &Sha256Hash,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Attempt>, StoreError>> + Send;

    /// Takes the attempt that waits under this state: at most one caller ever gets it.
    fn take_attempt(
        &self,
        state_hash: &Sha256Hash,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Attempt>, StoreError>> + Send;

    /// Ends an attempt that was taken after `taken_after`, together with the connection it made. Answers whether it did.
    fn end_attempt(
        &self,
        secret_hash: &Sha256Hash,
        taken_after: Timestamp,
        outcome: &Outcome,
        connection: Option<&NewConnection>,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Ends an attempt that is not yet taken. Answers whether it did.
    fn cancel_attempt(
        &self,
        secret_hash: &Sha256Hash,
        outcome: &Outcome,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// Keeps connections.
pub trait Connections: Send + Sync {
    /// The connection of this integration and id.
    fn connection(
        &self,
        config_key: &ConfigKey,
        connection_id: &ConnectionId,
    ) -> impl Future<Output = Result<Option<Arc<Connection>>, StoreError>> + Send;

    /// Leases the right to refresh a connection of this version to `owner` until `until`, if no one else's lease runs.
    fn lease_refresh(
        &self,
        key: &ConnectionKey,
        version: i64,
        owner: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Replaces the credentials of a connection of this version and ends the lease. Answers whether it did.
    fn replace_credentials(
        &self,
        key: &ConnectionKey,
        version: i64,
        renewed: &RenewedCredentials,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Records a refresh that failed on a connection of this version and ends the lease. Answers whether it did.
    fn put_refresh_failure(
        &self,
        key: &ConnectionKey,
        version: i64,
        failure: &RefreshFailure,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Stores a connection in place of whatever its key holds.
    fn put_connection(
        &self,
        connection: &NewConnection,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Deletes a connection and answers what it was.
    fn delete_connection(
        &self,
        config_key: &ConfigKey,
        connection_id: &ConnectionId,
    ) -> impl Future<Output = Result<Option<Connection>, StoreError>> + Send;
}

/// Everything that is kept. Cheap to clone.
pub trait Store: IntegrationStore + ConnectTokenStore + Attempts + Connections + Clone + 'static {}

impl<S: IntegrationStore + ConnectTokenStore + Attempts + Connections + Clone + 'static> Store for S {}

/// Sends a request to a provider's endpoint and brings back whatever it answers.
pub trait TokenEndpoint: Send + Sync + 'static {
    /// Sends once: no redirects, bounded in size and time, and to public addresses only.
    fn send(&self, request: TokenRequest) -> impl Future<Output = Result<TokenAnswer, SendError>> + Send;
}

/// Why a token request brought no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The address is not one that may be called.
    #[error("{0} is not a public https address")]
    ForbiddenAddress(String),
    /// No connection, or no answer in time.
    #[error("{0} could not be reached")]
    Unreachable(String),
    /// The answer is larger than any token answer.
    #[error("{0} answered with too much data")]
    TooLarge(String),
}
