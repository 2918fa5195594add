//! The one question an API asks: may this request pass, and for whom?

use core::{fmt, future::Future, time::Duration};
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use handfast_protocol::{
    Clock, DpopError, DpopProof, DpopReplayGuard, DpopRequest, JwtError, Timestamp, UnverifiedJwt,
};

use crate::{
    AccessToken, AccessTokenError, DpopPolicy, FetchError, KeyError, Refusal, TokenFormats,
    access_token::Rules, keys::KeyCache,
};

/// What the operator of an API decides.
#[derive(Clone, Debug)]
pub struct ResourceSettings {
    /// The issuer identifier, exactly as tokens carry it in `iss`.
    pub issuer: String,
    /// What tokens for this API name in `aud`: what clients ask for as `resource` (RFC 8707), or the issuer itself
    /// where they ask for nothing and the issuer has no other default.
    pub audience: String,
    /// Scheme, host and port under which clients reach this API, and the path in front of it if a proxy removes one.
    /// DPoP proofs are made for this address.
    pub public_url: String,
    /// Which tokens are accepted.
    pub formats: TokenFormats,
    /// Whether every token has to be bound to a key.
    pub dpop: DpopPolicy,
    /// How far the issuer's clock may differ from ours; 30 seconds at first.
    pub leeway: Duration,
    /// The `realm` of challenges (RFC 9110 11.5).
    pub realm: String,
}

/// Why settings cannot be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A field is empty.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// `public_url` is not `http://..` or `https://..`.
    #[error("public_url must begin with https:// (or http:// on a developer's machine), not {0:?}")]
    PublicUrl(String),
}

/// An HTTP request as far as it matters here.
#[derive(Clone, Debug)]
pub struct RequestParts<'a> {
    /// The method, in upper case.
    pub method: &'a str,
    /// The path as the client sent it, from its first `/`; a query may follow.
    pub path: &'a str,
    /// Every `Authorization` header.
    pub authorization: Vec<&'a str>,
    /// Every `DPoP` header.
    pub dpop: Vec<&'a str>,
}

/// Validates access tokens for one API. Cloning it is cheap, and all clones share keys and memory of proofs.
#[derive(Clone)]
pub struct ResourceServer(Arc<Inner>);

struct Inner {
    settings: ResourceSettings,
    rules: Rules,
    keys: KeyCache,
    proofs: DpopReplayGuard,
    clock: Box<dyn Clock>,
}

impl ResourceSettings {
    /// The usual settings: RFC 9068 tokens, bearer or bound.
    #[must_use]
    pub fn new(
        issuer: impl Into<String>,
        audience: impl Into<String>,
        public_url: impl Into<String>,
    ) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            public_url: public_url.into(),
            formats: TokenFormats::default(),
            dpop: DpopPolicy::default(),
            leeway: Duration::from_secs(30),
            realm: "api".to_owned(),
        }
    }

    fn check(&self) -> Result<(), SettingsError> {
        for (name, value) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            if value.is_empty() {
                return Err(SettingsError::Empty(name));
            }
        }
        let rest =
            self.public_url.strip_prefix("https://").or_else(|| self.public_url.strip_prefix("http://"));
        match rest {
            Some(rest) if !rest.is_empty() => Ok(()),
            _ => Err(SettingsError::PublicUrl(self.public_url.clone())),
        }
    }
}

impl ResourceServer {
    /// An API protected by these settings. `fetch_keys` gets the body of the issuer's `jwks_uri`; it should give up
    /// after a few seconds. It is called at the first token, then at most once a second, and only when keys are older
    /// than five minutes or a token names an unknown one. If the issuer cannot be reached, its last keys serve for an
    /// hour.
    ///
    /// # Errors
    /// A setting cannot be right.
    pub fn new<F, A, B, E>(settings: ResourceSettings, fetch_keys: F) -> Result<Self, SettingsError>
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<B, E>> + Send + 'static,
        B: AsRef<[u8]>,
        E: Into<FetchError>,
    {
        Self::with_clock(settings, fetch_keys, SystemClock)
    }

    /// The same by another clock.
    ///
    /// # Errors
    /// A setting cannot be right.
    pub fn with_clock<F, A, B, E>(
        settings: ResourceSettings,
        fetch_keys: F,
        clock: impl Clock + 'static,
    ) -> Result<Self, SettingsError>
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<B, E>> + Send + 'static,
        B: AsRef<[u8]>,
        E: Into<FetchError>,
    {
        settings.check()?;
        let rules = Rules {
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            formats: settings.formats,
            leeway: settings.leeway,
        };
        let keys = KeyCache::new(fetch_keys);
        let proofs = DpopReplayGuard::default();
        Ok(Self(Arc::new(Inner { settings, rules, keys, proofs, clock: Box::new(clock) })))
    }

    /// The token of a request that may pass. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// The request may not pass; [`ResourceServer::challenges`] tells the client what it needs.
    pub async fn authenticate(&self, request: &RequestParts<'_>) -> Result<AccessToken, Refusal> {
        let Inner { settings, rules, keys, proofs, clock } = &*self.0;
        let (scheme, text) = credentials(&request.authorization)?;
        let now = clock.now();
        let jwt = UnverifiedJwt::parse(text).map_err(AccessTokenError::from)?;
        let key = keys.find(&jwt, now).await.map_err(|error| match error {
            KeyError::Unknown => Refusal::UnknownKey,
            unavailable @ KeyError::Unavailable(_) => Refusal::Unavailable(unavailable),
        })?;
        let token = rules.verify(&jwt, &key, now)?;
        match (scheme, token.bound_to()) {
            (Scheme::Bearer, None) if settings.dpop == DpopPolicy::WhereBound => Ok(token),
            (Scheme::Bearer, Some(_)) => Err(Refusal::ProofMissing),
            (_, None) => Err(Refusal::NotBound),
            (Scheme::Dpop, Some(thumbprint)) => {
                let [proof] = *request.dpop else {
                    let none = request.dpop.is_empty();
                    return Err(if none { Refusal::ProofMissing } else { DpopError::Repeated.into() });
                };
                let url = format!("{}{}", settings.public_url.trim_end_matches('/'), request.path);
                let made_for = DpopRequest { method: request.method, url: &url, access_token: Some(text) };
                let proof = DpopProof::verify(proof, &made_for, now)?;
                if proof.thumbprint() != thumbprint {
                    return Err(Refusal::OtherKey);
                }
                proofs.admit(&proof, now)?;
                Ok(token)
            }
        }
    }

    /// Whether a token has every one of `scopes`.
    ///
    /// # Errors
    /// [`Refusal::Scope`] with all of them, so that the client can ask for what it needs at once (RFC 6750 3.1).
    pub fn require_scopes(&self, token: &AccessToken, scopes: &[String]) -> Result<(), Refusal> {
        if scopes.iter().all(|scope| token.scopes().contains(scope)) {
            return Ok(());
        }
        Err(Refusal::Scope(scopes.join(" ")))
    }

    /// The values of `WWW-Authenticate` for a refused request, one header each.
    #[must_use]
    pub fn challenges(&self, request: &RequestParts<'_>, refusal: &Refusal) -> Vec<String> {
        let with_proof = matches!(credentials(&request.authorization), Ok((Scheme::Dpop, _)));
        refusal.challenges(self.0.settings.dpop, &self.0.settings.realm, with_proof)
    }
}

impl fmt::Debug for ResourceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ResourceServer").field(&self.0.settings).finish()
    }
}

#[derive(Clone, Copy)]
enum Scheme {
    Bearer,
    Dpop,
}

/// The token and how it is shown. Any other scheme, such as Basic, shows none.
fn credentials<'a>(authorization: &[&'a str]) -> Result<(Scheme, &'a str), Refusal> {
    let value = match *authorization {
        [] => return Err(Refusal::Missing),
        [value] => value.trim(),
        _ => return Err(Refusal::Repeated),
    };
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Scheme::Bearer,
        "dpop" => Scheme::Dpop,
        _ => return Err(Refusal::Missing),
    };
    match token.trim() {
        "" => Err(AccessTokenError::from(JwtError::Malformed).into()),
        token => Ok((scheme, token)),
    }
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}
