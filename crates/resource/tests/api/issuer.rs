//! An issuer that exists in memory: keys that sign tokens and proofs, and a JWK set that can rotate or go away.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
};

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use handfast_protocol::{PublicJwk, Sha256Hash};
use handfast_resource::{Clock, ResourceServer, ResourceSettings, SettingsError, Timestamp};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://auth.example.com/auth/oauth2";
pub(crate) const AUDIENCE: &str = "https://api.example.com";
/// When every test begins, in seconds.
pub(crate) const NOW: i64 = 1_800_000_000;

pub(crate) struct Issuer {
    key: Key,
    jwks: Mutex<Value>,
    now: AtomicI64,
    pub(crate) fetches: AtomicUsize,
    pub(crate) away: AtomicBool,
}

pub(crate) struct Key {
    pair: Pair,
    jwk: Value,
}

enum Pair {
    Rsa(rsa::KeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Issuer {
    pub(crate) fn new() -> Self {
        let key = Key::ed25519("one");
        let jwks = Mutex::new(json!({"keys": [key.jwk]}));
        Self {
            key,
            jwks,
            now: AtomicI64::new(NOW),
            fetches: AtomicUsize::new(0),
            away: AtomicBool::new(false),
        }
    }

    /// The key it starts with.
    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// Publishes these keys and no others.
    pub(crate) fn publish<'a>(&self, keys: impl IntoIterator<Item = &'a Key>) {
        let keys: Vec<_> = keys.into_iter().map(|key| key.jwk.clone()).collect();
        *self.jwks.lock().unwrap() = json!({ "keys": keys });
    }

    pub(crate) fn pass_seconds(&self, seconds: i64) {
        self.now.fetch_add(seconds, Ordering::SeqCst);
    }

    /// The claims of a good token for `ada`.
    pub(crate) fn claims(&self) -> Value {
        let now = self.now.load(Ordering::SeqCst);
        json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "client_id": "client1", "scope": "openid documents",
            "iat": now, "exp": now + 60, "jti": "1",
        })
    }

    pub(crate) fn resource(self: &Arc<Self>, settings: ResourceSettings) -> ResourceServer {
        self.try_resource(settings).unwrap()
    }

    pub(crate) fn try_resource(
        self: &Arc<Self>,
        settings: ResourceSettings,
    ) -> Result<ResourceServer, SettingsError> {
        let fetched = Arc::clone(self);
        let fetch = move || {
            let issuer = Arc::clone(&fetched);
            async move {
                issuer.fetches.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                if issuer.away.load(Ordering::SeqCst) {
                    return Err("the issuer is away");
                }
                Ok(issuer.jwks.lock().unwrap().to_string())
            }
        };
        ResourceServer::with_clock(settings, fetch, OwnClock(Arc::clone(self)))
    }
}

struct OwnClock(Arc<Issuer>);

impl Clock for OwnClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.0.now.load(Ordering::SeqCst))
    }
}

impl Key {
    pub(crate) fn rs256(id: &str) -> Self {
        // Making an RSA key takes long: all tests share one.
        static PKCS8: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let pkcs8 = PKCS8.get_or_init(|| {
            let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
            pair.as_der().unwrap().as_ref().to_vec()
        });
        let pair = rsa::KeyPair::from_pkcs8(pkcs8).unwrap();
        let (e, n) = (pair.public_key().exponent(), pair.public_key().modulus());
        let (e, n) = (e.big_endian_without_leading_zero(), n.big_endian_without_leading_zero());
        let jwk = json!({"kty": "RSA", "e": encode(e), "n": encode(n), "kid": id});
        Self { jwk, pair: Pair::Rsa(pair) }
    }

    pub(crate) fn es256(id: &str) -> Self {
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
        let point = pair.public_key().as_ref();
        let jwk = json!({"kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..]), "kid": id});
        Self { jwk, pair: Pair::Ec(pair) }
    }

    pub(crate) fn ed25519(id: &str) -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()), "kid": id});
        Self { jwk, pair: Pair::Ed(pair) }
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::Ec(_) => "ES256",
            Pair::Ed(_) => "EdDSA",
        }
    }

    pub(crate) fn thumbprint(&self) -> String {
        PublicJwk::parse(&self.jwk).unwrap().thumbprint().to_owned()
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let message =
            format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).unwrap();
                signature
            }
            Pair::Ec(pair) => pair.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", encode(&signature))
    }

    /// RFC 9068.
    pub(crate) fn access_token(&self, claims: &Value) -> String {
        self.sign(&json!({"alg": self.algorithm(), "kid": self.jwk["kid"], "typ": "at+jwt"}), claims)
    }

    /// RFC 9449 4.2.
    pub(crate) fn proof(&self, id: &str, method: &str, url: &str, access_token: Option<&str>) -> String {
        let mut jwk = self.jwk.clone();
        jwk.as_object_mut().unwrap().remove("kid");
        let mut claims = json!({"jti": id, "htm": method, "htu": url, "iat": NOW});
        if let Some(token) = access_token {
            claims["ath"] = json!(Sha256Hash::of(token).as_str());
        }
        self.sign(&json!({"typ": "dpop+jwt", "alg": self.algorithm(), "jwk": jwk}), &claims)
    }
}

/// The same object with one member changed, or with `null` removed.
pub(crate) fn with(object: &Value, name: &str, value: Value) -> Value {
    let mut object = object.clone();
    let members = object.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), value);
    }
    object
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
