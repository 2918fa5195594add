//! The OAuth 2.1 and OpenID Connect authorization-server role.
//!
//! No axum, no sqlx, no reqwest, and never the broker: what the issuer needs from outside it names in `ports`.
//! [`Issuer`] holds the parts together; each verb lives in the file of its name.

mod account;
mod approval;
mod authorize;
mod client;
mod client_authentication;
mod client_keys;
mod device;
mod discovery;
mod grant;
mod introspection;
mod keys;
mod params;
mod ports;
mod pushed_request;
mod registration;
mod settings;
mod token;
mod userinfo;

pub use account::{AccountError, AuthorizedApplication, Logout, SignedIn};
pub use approval::{
    Approval, ApprovalError, ConsentDecision, ConsentError, ConsentPrompt, Decision, Denial, LoginPrompt,
    LoginSession, LoginSessionView,
};
pub use authorize::{
    AuthorizationRequest, AuthorizationResponse, AuthorizeError, AuthorizePageError, Authorized,
    ResponseMode, Unmet,
};
pub use client::{
    Client, ClientMetadata, ClientProfile, GrantType, NewClientError, NewClientSecret, RedirectUri,
    SubjectType,
};
pub use client_authentication::{ClientAuthenticationMethod, Credentials, ShownProof};
pub use device::{DeviceAuthorization, DeviceAuthorizationResponse, DeviceError, DeviceState, Pace};
pub use grant::{AuthorizationCode, BrowserSession, Conclusion, Consent, Grant, GrantDetails, RefreshToken};
pub use handfast_protocol::SigningAlgorithm;
pub use keys::StoredKey;
pub use params::Params;
pub use ports::{
    ClientStore, DeviceStore, DocumentError, Documents, GrantStore, KeyStore, LoginSessionStore, ReplayStore,
    Store, StoreError,
};
pub use pushed_request::PushedRequest;
pub use registration::RegistrationError;
pub use settings::{DemoUser, IssuerSettings, ScopeDescription};
pub use token::{TokenError, TokenResponse};
pub use userinfo::{BearerError, ShownToken, Userinfo, VerifiedAccessToken};

use std::sync::Arc;

use handfast_protocol::{Clock, Keyring, Randomness, Timestamp, random_token};

/// The authorization server: settings and keys around the ports it is given.
#[derive(Debug)]
pub struct Issuer<S, D, C, R> {
    settings: IssuerSettings,
    store: S,
    documents: D,
    clock: C,
    randomness: R,
    keyring: Arc<Keyring>,
    keys: keys::KeyCache,
    client_keys: client_keys::ClientKeys,
}

impl<S: Store, D: Documents, C: Clock, R: Randomness> Issuer<S, D, C, R> {
    /// Puts the parts together. Signing keys are loaded, or at the first start created, when they are first needed.
    pub fn new(
        settings: IssuerSettings,
        store: S,
        documents: D,
        clock: C,
        randomness: R,
        keyring: Arc<Keyring>,
    ) -> Self {
        let (keys, client_keys) = Default::default();
        Self { settings, store, documents, clock, randomness, keyring, keys, client_keys }
    }

    /// The settings in force.
    pub fn settings(&self) -> &IssuerSettings {
        &self.settings
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A name for a client, a grant or a session: 132 random bits as base64url.
    fn draw_id(&self) -> String {
        let mut id = random_token(&self.randomness).into_exposed();
        id.truncate(22);
        id
    }
}
