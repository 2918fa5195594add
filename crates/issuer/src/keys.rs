//! Signing keys: created, sealed at rest, rotated, published (RFC 7517), and the JWTs they sign (RFC 7515).

use core::fmt;
use std::sync::{Arc, RwLock};

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use handfast_protocol::{
    Clock, JwtClaims, Place, PublicJwk, Randomness, Sealed, Secret, SigningAlgorithm, Timestamp,
    UnverifiedJwt,
};
use serde_json::{Value, json};

use crate::{
    Issuer,
    ports::{Documents, Store, StoreError},
};

/// A signing key as it is kept.
#[derive(Clone, Debug)]
pub struct StoredKey {
    /// Its thumbprint (RFC 7638), which is the `kid`.
    pub id: String,
    /// What it signs with.
    pub algorithm: SigningAlgorithm,
    /// PKCS#8, sealed for this row.
    pub sealed_private_key: Sealed,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it only verifies.
    pub retired_at: Option<Timestamp>,
}

/// The keys in memory, read again every minute so that a rotation by another process is seen.
#[derive(Debug, Default)]
pub(crate) struct KeyCache(RwLock<Option<(Timestamp, Arc<KeyRing>)>>);

/// Every key that signs or still verifies.
pub(crate) struct KeyRing(Vec<SigningKey>);

struct SigningKey {
    id: String,
    algorithm: SigningAlgorithm,
    private: PrivateKey,
    public_jwk: Value,
    public: PublicJwk,
    created_at: Timestamp,
    retired_at: Option<Timestamp>,
}

enum PrivateKey {
    Rsa(rsa::KeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// A new key, as PKCS#8.
fn generate(algorithm: SigningAlgorithm) -> Secret<Vec<u8>> {
    let made = "key generation fails only where the system's random source does";
    Secret::new(match algorithm {
        SigningAlgorithm::Rs256 => {
            let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).expect(made);
            pair.as_der().expect(made).as_ref().to_vec()
        }
        SigningAlgorithm::Es256 => {
            let random = SystemRandom::new();
            EcdsaKeyPair::generate_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, &random)
                .expect(made)
                .as_ref()
                .to_vec()
        }
        SigningAlgorithm::EdDsa => {
            Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8()).expect(made).as_ref().to_vec()
        }
    })
}

impl PrivateKey {
    fn parse(algorithm: SigningAlgorithm, pkcs8: &[u8]) -> Option<Self> {
        Some(match algorithm {
            SigningAlgorithm::Rs256 => Self::Rsa(rsa::KeyPair::from_pkcs8(pkcs8).ok()?),
            SigningAlgorithm::Es256 => {
                Self::Ec(EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?)
            }
            SigningAlgorithm::EdDsa => Self::Ed(Ed25519KeyPair::from_pkcs8(pkcs8).ok()?),
        })
    }

    /// The members that the thumbprint covers (RFC 7638 3.2), in their order there.
    fn required_members(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rsa(pair) => {
                let public = pair.public_key();
                let exponent = public.exponent().big_endian_without_leading_zero().to_vec();
                let modulus = public.modulus().big_endian_without_leading_zero().to_vec();
                json!({"e": encode(&exponent), "kty": "RSA", "n": encode(&modulus)})
            }
            Self::Ec(pair) => {
                // Uncompressed point: 0x04, then 32 bytes of x and of y (SEC 1, 2.3.3).
                let point = pair.public_key().as_ref();
                json!({"crv": "P-256", "kty": "EC", "x": encode(&point[1..33]), "y": encode(&point[33..])})
            }
            Self::Ed(pair) => {
                json!({"crv": "Ed25519", "kty": "OKP", "x": encode(pair.public_key().as_ref())})
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let signs = "signing with a key of our own fails only where the system's random source does";
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut signature).expect(signs);
                signature
            }
            Self::Ec(pair) => pair.sign(&random, message).expect(signs).as_ref().to_vec(),
            Self::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }
}

impl SigningKey {
    fn parse(
        algorithm: SigningAlgorithm,
        pkcs8: &[u8],
        created_at: Timestamp,
        retired_at: Option<Timestamp>,
    ) -> Option<Self> {
        let private = PrivateKey::parse(algorithm, pkcs8)?;
        let mut public_jwk = private.required_members();
        let id = PublicJwk::parse(&public_jwk).ok()?.thumbprint().to_owned();
        public_jwk["kid"] = json!(id);
        public_jwk["use"] = json!("sig");
        public_jwk["alg"] = json!(algorithm.as_str());
        let public = PublicJwk::parse(&public_jwk).ok()?;
        Some(Self { id, algorithm, private, public_jwk, public, created_at, retired_at })
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

impl KeyRing {
    /// Signs `claims` as a JWT of type `typ`.
    pub(crate) fn sign(&self, algorithm: SigningAlgorithm, typ: &str, claims: &Value) -> Secret<String> {
        let key = self.signing(algorithm).expect("a ring is made with a key of every algorithm");
        let header = json!({"alg": algorithm.as_str(), "kid": key.id, "typ": typ});
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(&header), encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(key.private.sign(message.as_bytes()));
        Secret::new(format!("{message}.{signature}"))
    }

    /// The claims of a JWT that one of these keys signed; times are not looked at. `None` for anything else.
    pub(crate) fn verify(&self, jwt: &UnverifiedJwt<'_>) -> Option<JwtClaims> {
        let key_id = jwt.key_id()?;
        let key = self.0.iter().find(|key| key.id == key_id)?;
        jwt.verify(&key.public).ok()
    }

    /// The public keys (RFC 7517 5).
    pub(crate) fn jwks(&self) -> Value {
        json!({"keys": self.0.iter().map(|key| &key.public_jwk).collect::<Vec<_>>()})
    }

    fn signing(&self, algorithm: SigningAlgorithm) -> Option<&SigningKey> {
        self.0.iter().find(|key| key.algorithm == algorithm && key.retired_at.is_none())
    }
}

impl<S: Store, D: Documents, C: Clock, R: Randomness> Issuer<S, D, C, R> {
    /// Loads the signing keys; creates one of each algorithm where there is none, and replaces those past their age.
    pub(crate) async fn key_ring(&self) -> Result<Arc<KeyRing>, StoreError> {
        const REREAD_AFTER: core::time::Duration = core::time::Duration::from_mins(1);
        let now = self.now();
        let cached = self.keys.0.read().ok().and_then(|cache| cache.clone());
        if let Some((_, ring)) = cached.filter(|(read_at, _)| now.since(*read_at) < REREAD_AFTER) {
            return Ok(ring);
        }
        let mut ring = self.load_keys(now).await?;
        let mut created = false;
        for algorithm in SigningAlgorithm::ALL {
            let current = ring.signing(algorithm);
            if current.is_none_or(|key| now.since(key.created_at) > self.settings.key_lifetime) {
                let replace = current.map(|key| key.id.clone());
                self.create_key(algorithm, replace.as_deref(), now).await?;
                created = true;
            }
        }
        if created {
            // Another process may have been first; what the storage kept is what counts.
            ring = self.load_keys(now).await?;
        }
        Ok(self.cache_keys(ring, now))
    }

    /// Makes the signing keys ready, so that no request waits for their creation.
    ///
    /// # Errors
    /// The storage failed, or a key does not open.
    pub async fn prepare_keys(&self) -> Result<(), StoreError> {
        self.key_ring().await.map(drop)
    }

    /// Replaces every signing key; the old ones stay published while tokens signed with them live.
    ///
    /// # Errors
    /// The storage failed.
    pub async fn rotate_keys(&self) -> Result<(), StoreError> {
        let now = self.now();
        let ring = self.load_keys(now).await?;
        for algorithm in SigningAlgorithm::ALL {
            let replace = ring.signing(algorithm).map(|key| key.id.clone());
            self.create_key(algorithm, replace.as_deref(), now).await?;
        }
        let ring = self.load_keys(now).await?;
        self.cache_keys(ring, now);
        Ok(())
    }

    /// The public keys, as served at the `jwks_uri` (RFC 7517 5).
    ///
    /// # Errors
    /// The storage failed.
    pub async fn jwks(&self) -> Result<Value, StoreError> {
        Ok(self.key_ring().await?.jwks())
    }

    fn cache_keys(&self, ring: KeyRing, now: Timestamp) -> Arc<KeyRing> {
        let ring = Arc::new(ring);
        if let Ok(mut cache) = self.keys.0.write() {
            *cache = Some((now, Arc::clone(&ring)));
        }
        ring
    }

    async fn load_keys(&self, now: Timestamp) -> Result<KeyRing, StoreError> {
        // A token signed at the last moment lives one lifetime more; a minute for caches.
        let keep = self.settings.access_token_lifetime + core::time::Duration::from_mins(2);
        let stored = self.store.keys().await?;
        let needed = stored
            .into_iter()
            .filter(|key| key.retired_at.is_none_or(|retired_at| now.since(retired_at) < keep));
        let keys = needed.map(|key| self.open_key(&key)).collect::<Result<_, _>>()?;
        Ok(KeyRing(keys))
    }

    fn open_key(&self, key: &StoredKey) -> Result<SigningKey, StoreError> {
        let pkcs8 = self
            .keyring
            .open(place(&[&key.id]), &key.sealed_private_key)
            .map_err(|error| StoreError(Box::new(error)))?;
        SigningKey::parse(key.algorithm, pkcs8.expose(), key.created_at, key.retired_at)
            .ok_or_else(|| StoreError("a signing key in the database is not a key of its algorithm".into()))
    }

    async fn create_key(
        &self,
        algorithm: SigningAlgorithm,
        replace: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // An RSA key takes a while, in which the thread has other requests to answer.
        let generated = tokio::task::spawn_blocking(move || generate(algorithm)).await;
        let pkcs8 = generated.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        let key = SigningKey::parse(algorithm, pkcs8.expose(), now, None)
            .expect("a fresh key is a key of its algorithm");
        let sealed_private_key = self.keyring.seal(place(&[&key.id]), pkcs8.expose(), &self.randomness);
        let stored =
            StoredKey { id: key.id, algorithm, sealed_private_key, created_at: now, retired_at: None };
        self.store.put_key(&stored, replace, now).await
    }
}

fn place<'a>(key: &'a [&'a str]) -> Place<'a> {
    Place { table: "issuer_keys", column: "sealed_private_key", key }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> KeyRing {
        let parse = |algorithm: SigningAlgorithm| {
            SigningKey::parse(algorithm, generate(algorithm).expose(), Timestamp::default(), None).unwrap()
        };
        KeyRing(SigningAlgorithm::ALL.into_iter().map(parse).collect())
    }

    #[test]
    fn what_each_algorithm_signs_verifies_and_nothing_else_does() {
        let (ours, other) = (ring(), ring());
        for algorithm in SigningAlgorithm::ALL {
            let signed = ours.sign(algorithm, "at+jwt", &json!({"sub": "ada"}));
            let jwt = UnverifiedJwt::parse(signed.expose()).unwrap();
            assert!(jwt.is_of_type("at+jwt"));
            assert_eq!(ours.verify(&jwt).unwrap().text("sub"), Some("ada"));
            assert!(other.verify(&jwt).is_none());
            let changed = signed.expose().replacen('.', ".e", 1);
            assert!(ours.verify(&UnverifiedJwt::parse(&changed).unwrap()).is_none());
        }
    }

    #[test]
    fn published_keys_are_public_and_read_back() {
        let jwks = ring().jwks();
        for key in jwks["keys"].as_array().unwrap() {
            let read = PublicJwk::parse(key).unwrap();
            assert_eq!(read.key_id(), Some(read.thumbprint()));
            assert_eq!(key["use"], "sig");
        }
    }
}
