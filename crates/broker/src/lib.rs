//! The OAuth client role: begins attempts, completes them, and keeps the tokens fresh.
//!
//! No axum, no sqlx, no reqwest: what the broker needs from outside it names in `ports`.

mod attempt;
mod callback_signature;
mod catalog;
mod connection;
mod credential;
mod integration;
mod policy;
mod ports;
mod quirk;
mod seal;
mod token_endpoint;
mod variable;

pub use attempt::{ATTEMPT_LIFETIME, Attempt, COMPLETION_LIMIT, NewAttempt, Outcome, Progress, REFUSAL_LIFETIME, RefusedAttempt};
pub use callback_signature::{CallbackSignature, CallbackSignatureMethod};
pub use catalog::{
    Catalog, CatalogError, ClientAuthentication, CodeChallengeMethod, Documentation, Evidence, Protocol,
    Provider, RefreshTokenPolicy, ScopeEncoding, SignatureMethod, TokenRequestShape,
};
pub use connection::{
    Connection, ConnectionKey, ConnectionStatus, Credentials, NewConnection, RefreshFailure, RenewedCredentials, TokenSet,
};
pub use credential::{CredentialField, Verification};
pub use integration::{
    CreateIntegrationError, DeletedIntegration, EditIntegrationError, FindIntegrationError, Integration, IntegrationBook,
    IntegrationEdit, IntegrationStore, InvalidIntegration, NewIntegration, StoredIntegration, parse_origins,
};
pub use policy::{Policy, is_loopback_host, is_loopback_origin};
pub use ports::{Attempts, Connections, SendError, Store, StoreError, TokenEndpoint};
pub use quirk::Quirk;
pub use seal::{KeyId, Keyring, KeyringError, OpenError, Place, Sealed};
pub use token_endpoint::{TokenAnswer, TokenRequest};
pub use variable::{UrlTemplate, Variable, VariableError, VariableKind, VariableValues};

/// The broker: every verb of the OAuth client role over its ports.
#[derive(Debug)]
pub struct Broker<S, T, C, R> {
    /// Everything that is kept.
    pub store: S,
    /// Finds integrations, and keeps them in the same store.
    pub integrations: IntegrationBook<S>,
    /// Who sends token requests.
    pub token_endpoint: T,
    /// Tells the time.
    pub clock: C,
    /// Draws randomness.
    pub randomness: R,
    /// Seals and opens; shared with the integrations.
    pub keyring: std::sync::Arc<Keyring>,
    /// The rules of this server.
    pub policy: Policy,
}
