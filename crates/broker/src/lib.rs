//! The OAuth client role: begins attempts, completes them, and keeps the tokens fresh.
//!
//! No axum, no sqlx, no reqwest: what the broker needs from outside it names in `ports`.

mod access_token;
mod api_key;
mod attempt;
mod attempt_status;
mod begin;
mod callback_signature;
mod catalog;
mod client_credentials;
mod complete;
mod connect_token;
mod connection;
mod connection_list;
mod cookie;
mod credential;
mod disconnect;
mod discovery;
mod event;
mod form;
mod id_token;
mod import;
mod install;
mod integration;
mod json;
mod keep_alive;
mod oauth1;
mod oauth1_flow;
mod policy;
mod ports;
mod quirk;
mod session_exchange;
mod token_endpoint;
mod variable;
mod waiters;

use std::sync::Arc;

use discovery::Documents;
use waiters::{Turns, Unfinished, Waiters};

pub use access_token::{AccessTokenError, OpenConnection, Refresh, RefreshError};
pub use api_key::{ApiKey, ApiKeyScope, ApiKeyStore, CreateApiKeyError, random_api_key};
pub use attempt::{
    ATTEMPT_LIFETIME, Attempt, AttemptFilter, COMPLETION_LIMIT, NewAttempt, Outcome, Progress,
    REFUSAL_LIFETIME, RefusedAttempt,
};
pub use attempt_status::{AttemptStatus, LONGEST_WAIT};
pub use begin::{BeginError, Begun, LegacyStart, NextStep, RefusedStart, StartForm};
pub use callback_signature::{
    CallbackSignature, CallbackSignatureError, CallbackSignatureMethod, verify_webhook_signature,
};
pub use catalog::{
    Catalog, CatalogError, ClientAuthentication, CodeChallengeMethod, Documentation, Evidence, Protocol,
    Provider, RefreshTokenPolicy, ScopeEncoding, SignatureMethod, TokenExchange, TokenRequestShape,
};
pub use client_credentials::ConnectClientError;
pub use complete::{Callback, CompleteError, Completed, Ended};
pub use connect_token::{
    CONNECT_TOKEN_LIFETIME, ConnectGrant, ConnectRequest, ConnectTokenError, ConnectTokenStore,
    CreateConnectTokenError,
};
pub use connection::{
    Connection, ConnectionKey, ConnectionStatus, Credentials, GrantType, NewConnection, RefreshFailure,
    RenewedCredentials, TokenSet, TypedKind,
};
pub use connection_list::{
    ConnectionFilter, ConnectionList, Cursor, EditMetadataError, MAX_METADATA_LEN, MAX_PAGE_LEN,
};
pub use cookie::{AttemptCookie, attempt_cookies};
pub use credential::{CredentialField, Verification};
pub use disconnect::Revocation;
pub use discovery::{DiscoveryError, VerifyIdTokenError};
pub use event::{EVENT_LIFETIME, Event, EventKind, EventStore, WebhookKey};
pub use form::{Filled, FilledForm, Form, FormField};
pub use handfast_protocol::{KeyId, Keyring, KeyringError, OpenError, Place, Sealed};
pub use id_token::{IdTokenError, SessionToken, verify_session_token};
pub use import::{
    ConnectionImport, ImportError, Imported, ImportedConnection, ImportedCredentials, OnExisting,
};
pub use install::InstallError;
pub use integration::{
    CreateIntegrationError, DeletedIntegration, EditIntegrationError, FindIntegrationError, Integration,
    IntegrationBook, IntegrationEdit, IntegrationRules, IntegrationStore, InvalidIntegration, NewIntegration,
    RedirectUriKind, StoredIntegration, parse_origins, parse_return_to,
};
pub use json::json_mistake;
pub use keep_alive::{IdleConnection, IdleConnections, IdleFilter, Sweep};
pub use oauth1::{OAuth1Credentials, Signer, UnsignedRequest};
pub use oauth1_flow::OAuth1Error;
pub use policy::{Policy, is_loopback_host, is_loopback_origin, is_loopback_url};
pub use ports::{Attempts, Connections, SendError, Store, StoreError, TokenEndpoint};
pub use quirk::{Quirk, QuirkError};
pub use session_exchange::{SessionExchange, SessionExchangeError};
pub use token_endpoint::{TokenAnswer, TokenError, TokenRequest};
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
    pub keyring: Arc<Keyring>,
    /// The rules of this server.
    pub policy: Policy,
    waiters: Waiters,
    refresh_turns: Turns<ConnectionKey>,
    documents: Documents,
    unfinished: Unfinished,
}

impl<S: Store, T, C, R> Broker<S, T, C, R> {
    /// Puts the broker together.
    pub fn new(
        store: S,
        catalog: Arc<Catalog>,
        keyring: Arc<Keyring>,
        policy: Policy,
        (token_endpoint, clock, randomness): (T, C, R),
    ) -> Self {
        let integrations = IntegrationBook::new(store.clone(), catalog, Arc::clone(&keyring));
        let (waiters, refresh_turns) = (Waiters::default(), Turns::default());
        Self {
            store,
            integrations,
            token_endpoint,
            clock,
            randomness,
            keyring,
            policy,
            waiters,
            refresh_turns,
            documents: Documents::default(),
            unfinished: Unfinished::default(),
        }
    }

    /// Waits until every code that is being redeemed and every token that is being renewed has been stored, also those
    /// whose callers have gone away.
    pub async fn settled(&self) {
        self.unfinished.ended().await;
    }
}
