//! Connect tokens: by one of these the application's backend allows one connect, and says whose it is.

use core::time::Duration;
use std::collections::BTreeMap;

use handfast_protocol::{
    Clock, ConfigKey, ConnectionId, Randomness, Scopes, Secret, Sha256Hash, Timestamp, random_token,
};
use serde::{Deserialize, Serialize};

use crate::{Broker, InvalidIntegration, StoreError, parse_origins};

/// What every connect token begins with.
const PREFIX: &str = "hfc_";

/// How long a connect token may begin an attempt.
pub const CONNECT_TOKEN_LIFETIME: Duration = Duration::from_mins(10);

/// What a connect token allows, and nothing else: a page may repeat what its token says, but add nothing to it. A connect
/// parameter that the token leaves out is the user's to type into the window's form, never the page's to choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectGrant {
    /// The integrations it is good for; none named: every one.
    pub config_keys: Vec<ConfigKey>,
    /// Whose connection it is.
    pub connection_id: ConnectionId,
    /// The page's exact origin; none named: every one that the integration allows.
    pub origin: Option<String>,
    /// The connect parameters that are not left to the user.
    pub params: BTreeMap<String, String>,
    /// What may be asked for at most, and what is asked for where the page names nothing; none named: what the
    /// integration asks for.
    pub scopes: Option<Scopes>,
    /// The extra parameters of the authorization request, all of them.
    pub authorization_params: BTreeMap<String, String>,
}

/// What a page asks for, to be held against a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectRequest {
    /// The integration.
    pub config_key: ConfigKey,
    /// Whose connection it is to be.
    pub connection_id: ConnectionId,
    /// The page's origin, as its browser states it.
    pub origin: String,
    /// The connect parameters.
    pub params: BTreeMap<String, String>,
    /// The scopes, if the page names any.
    pub scopes: Option<Scopes>,
    /// The extra parameters of the authorization request.
    pub authorization_params: BTreeMap<String, String>,
}

/// Keeps connect tokens by their hash.
pub trait ConnectTokenStore: Send + Sync {
    /// Adds a token.
    fn insert_connect_token(
        &self,
        hash: &Sha256Hash,
        grant: &ConnectGrant,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// What an unexpired token pins, if it is unused or was used by this very attempt.
    fn connect_grant(
        &self,
        hash: &Sha256Hash,
        attempt_secret_hash: &Sha256Hash,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<ConnectGrant>, StoreError>> + Send;

    /// Uses an unexpired token up for an attempt. Answers whether it was unused, or used by this very attempt.
    fn use_connect_token(
        &self,
        hash: &Sha256Hash,
        attempt_secret_hash: &Sha256Hash,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// Why a connect token cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateConnectTokenError {
    /// Not an origin.
    #[error("origin: {0:?} is not an origin such as \"https://app.example.com\" (no path, no \"null\")")]
    Origin(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a connect token does not allow an attempt. The sentence names what differs, never a value of the token.
#[derive(Debug, thiserror::Error)]
pub enum ConnectTokenError {
    /// Never made, expired, or used by another attempt.
    #[error("it is unknown, expired or was used before")]
    Unknown,
    /// The page asks for something else than the token says.
    #[error("it was made for another {0}")]
    Pinned(&'static str),
    /// The page asks for more than the token says.
    #[error(
        "it does not pin what the page asks for in {0}; your backend has to name it when it makes the token"
    )]
    NotPinned(&'static str),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ConnectGrant {
    /// The request as the token allows it, where `own_scopes` is what the integration asks for by itself.
    ///
    /// # Errors
    /// Names the first thing that differs.
    pub fn allow(
        &self,
        mut request: ConnectRequest,
        own_scopes: &Scopes,
    ) -> Result<ConnectRequest, ConnectTokenError> {
        if !self.config_keys.is_empty() && !self.config_keys.contains(&request.config_key) {
            return Err(ConnectTokenError::Pinned("config_key"));
        }
        if self.connection_id != request.connection_id {
            return Err(ConnectTokenError::Pinned("connection_id"));
        }
        if self.origin.as_ref().is_some_and(|origin| *origin != request.origin) {
            return Err(ConnectTokenError::Pinned("origin"));
        }
        request.params = pin("params", &self.params, &request.params)?;
        request.authorization_params =
            pin("authorization_params", &self.authorization_params, &request.authorization_params)?;
        let most = self.scopes.as_ref().unwrap_or(own_scopes);
        let asked = request.scopes.filter(|asked| !asked.is_empty()).unwrap_or_else(|| most.clone());
        if !asked.is_subset_of(most) {
            return Err(ConnectTokenError::NotPinned("scopes"));
        }
        request.scopes = Some(asked);
        Ok(request)
    }
}

/// The pinned values, if the page asks for none but these.
fn pin(
    field: &'static str,
    pinned: &BTreeMap<String, String>,
    asked: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, ConnectTokenError> {
    for (name, value) in asked {
        match pinned.get(name) {
            Some(own) if own == value => {}
            Some(_) => return Err(ConnectTokenError::Pinned(field)),
            None => return Err(ConnectTokenError::NotPinned(field)),
        }
    }
    Ok(pinned.clone())
}

impl<S: ConnectTokenStore, T, C: Clock, R: Randomness> Broker<S, T, C, R> {
    /// Makes a connect token; answers it, the only time that it is shown, and when it expires.
    ///
    /// # Errors
    /// Names the field that is not acceptable.
    pub async fn create_connect_token(
        &self,
        mut grant: ConnectGrant,
    ) -> Result<(Secret<String>, Timestamp), CreateConnectTokenError> {
        if let Some(origin) = &grant.origin {
            let parsed = parse_origins(&[origin]).map_err(|error| match error {
                InvalidIntegration::Origin(text) => CreateConnectTokenError::Origin(text),
                _ => CreateConnectTokenError::Origin(origin.clone()),
            })?;
            grant.origin = parsed.into_iter().next();
        }
        let token = Secret::new(format!("{PREFIX}{}", random_token(&self.randomness).into_exposed()));
        let now = self.clock.now();
        let expires_at = now + CONNECT_TOKEN_LIFETIME;
        self.store.insert_connect_token(&Sha256Hash::of(token.expose()), &grant, now, expires_at).await?;
        Ok((token, expires_at))
    }

    /// Holds a request against its connect token, and uses the token up for this attempt: the same attempt may start
    /// again with it, no other one. A request that the token does not allow leaves it unused.
    ///
    /// # Errors
    /// The token does not hold, or pins something else.
    pub(crate) async fn spend_connect_token(
        &self,
        token: &Secret<String>,
        attempt_secret_hash: &Sha256Hash,
        request: ConnectRequest,
        own_scopes: &Scopes,
    ) -> Result<ConnectRequest, ConnectTokenError> {
        let (hash, now) = (Sha256Hash::of(token.expose()), self.clock.now());
        let grant = self.store.connect_grant(&hash, attempt_secret_hash, now).await?;
        let allowed = grant.ok_or(ConnectTokenError::Unknown)?.allow(request, own_scopes)?;
        if self.store.use_connect_token(&hash, attempt_secret_hash, now).await? {
            Ok(allowed)
        } else {
            Err(ConnectTokenError::Unknown)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn grant() -> ConnectGrant {
        ConnectGrant {
            config_keys: vec![ConfigKey::parse("github").unwrap()],
            connection_id: ConnectionId::parse("user-1").unwrap(),
            origin: Some("https://app.test".to_owned()),
            params: map(&[("shop", "a")]),
            scopes: Some(Scopes::parse_list("repo,user")),
            authorization_params: map(&[("prompt", "consent")]),
        }
    }

    fn request() -> ConnectRequest {
        ConnectRequest {
            config_key: ConfigKey::parse("github").unwrap(),
            connection_id: ConnectionId::parse("user-1").unwrap(),
            origin: "https://app.test".to_owned(),
            params: BTreeMap::new(),
            scopes: None,
            authorization_params: BTreeMap::new(),
        }
    }

    fn allow(grant: &ConnectGrant, request: ConnectRequest) -> Result<ConnectRequest, ConnectTokenError> {
        grant.allow(request, &Scopes::parse_list("read,write"))
    }

    #[test]
    fn pinned_values_take_their_place_and_may_be_repeated() {
        let allowed = allow(&grant(), request()).unwrap();
        assert_eq!(allowed.params, map(&[("shop", "a")]));
        assert_eq!(allowed.scopes, Some(Scopes::parse_list("repo,user")));
        assert_eq!(allowed.authorization_params, map(&[("prompt", "consent")]));
        assert_eq!(allow(&grant(), allowed.clone()).unwrap(), allowed);
    }

    #[test]
    fn a_page_may_ask_for_less_but_not_for_more() {
        let less = ConnectRequest { scopes: Some(Scopes::parse_list("user")), ..request() };
        assert_eq!(allow(&grant(), less.clone()).unwrap().scopes, less.scopes);
        let more = ConnectRequest { scopes: Some(Scopes::parse_list("user,admin")), ..request() };
        assert!(matches!(allow(&grant(), more), Err(ConnectTokenError::NotPinned("scopes"))));
    }

    #[test]
    fn what_a_token_leaves_out_the_page_cannot_add() {
        let silent = ConnectGrant {
            origin: None,
            params: BTreeMap::new(),
            scopes: None,
            authorization_params: BTreeMap::new(),
            ..grant()
        };
        let asked = ConnectRequest { scopes: Some(Scopes::parse_list("read")), ..request() };
        assert_eq!(
            allow(&silent, asked.clone()).unwrap().scopes,
            asked.scopes,
            "some of the integration's own"
        );
        assert_eq!(allow(&silent, request()).unwrap().scopes, Some(Scopes::parse_list("read,write")));
        let additions = [
            ("scopes", ConnectRequest { scopes: Some(Scopes::parse_list("read,admin")), ..request() }),
            ("params", ConnectRequest { params: map(&[("shop", "b")]), ..request() }),
            (
                "authorization_params",
                ConnectRequest { authorization_params: map(&[("prompt", "none")]), ..request() },
            ),
        ];
        for (field, addition) in additions {
            let refused = allow(&silent, addition);
            assert!(matches!(refused, Err(ConnectTokenError::NotPinned(named)) if named == field), "{field}");
        }
    }

    #[test]
    fn whatever_is_pinned_cannot_be_another() {
        let others = [
            ("config_key", ConnectRequest { config_key: ConfigKey::parse("gitlab").unwrap(), ..request() }),
            (
                "connection_id",
                ConnectRequest { connection_id: ConnectionId::parse("user-2").unwrap(), ..request() },
            ),
            ("origin", ConnectRequest { origin: "https://evil.test".to_owned(), ..request() }),
            ("params", ConnectRequest { params: map(&[("shop", "b")]), ..request() }),
            (
                "authorization_params",
                ConnectRequest { authorization_params: map(&[("prompt", "none")]), ..request() },
            ),
        ];
        for (field, other) in others {
            let refused = allow(&grant(), other);
            assert!(matches!(refused, Err(ConnectTokenError::Pinned(named)) if named == field), "{field}");
        }
        let more = ConnectRequest { params: map(&[("shop", "a"), ("region", "eu")]), ..request() };
        assert!(matches!(allow(&grant(), more), Err(ConnectTokenError::NotPinned("params"))));
    }
}
