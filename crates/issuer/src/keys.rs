//! Signing keys: created, sealed at rest, rotated, published (RFC 7517), and the JWTs they sign and verify (RFC 7515).

use core::fmt;
use std::sync::{Arc, RwLock};

use aws_lc_rs::{
    digest,
    encoding::AsDer,
    rand::SystemRandom,
    rsa,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use handfast_protocol::{Clock, Place, Randomness, Sealed, Secret, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::Jwk};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    Issuer,
    ports::{Store, StoreError},
};

/// The algorithms the issuer signs with (RFC 7518 3.1, RFC 8037 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits.
    #[default]
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

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
    decoding: DecodingKey,
    created_at: Timestamp,
    retired_at: Option<Timestamp>,
}

enum PrivateKey {
    Rsa(rsa::KeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// Longer JWTs are refused unread.
pub(crate) const MAX_JWT_LEN: usize = 16 * 1024;

impl SigningAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Reads a name; `None` for any other.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    const fn for_verification(self) -> Algorithm {
        match self {
            Self::Rs256 => Algorithm::RS256,
            Self::Es256 => Algorithm::ES256,
            Self::EdDsa => Algorithm::EdDSA,
        }
    }

    /// A new key, as PKCS#8.
    fn generate(self) -> Secret<Vec<u8>> {
        let made = "key generation fails only where the system's random source does";
        Secret::new(match self {
            Self::Rs256 => {
                let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).expect(made);
                pair.as_der().expect(made).as_ref().to_vec()
            }
            Self::Es256 => {
                let random = SystemRandom::new();
                EcdsaKeyPair::generate_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, &random)
                    .expect(made)
                    .as_ref()
                    .to_vec()
            }
            Self::EdDsa => {
                Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8()).expect(made).as_ref().to_vec()
            }
        })
    }
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

/// The thumbprint of a JWK (RFC 7638), from its required members; `None` if they are not there.
pub(crate) fn thumbprint(jwk: &Value) -> Option<String> {
    let members: &[&str] = match jwk.get("kty")?.as_str()? {
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        _ => return None,
    };
    let mut canonical = Map::new();
    for member in members {
        canonical.insert((*member).to_owned(), json!(jwk.get(*member)?.as_str()?));
    }
    // The map keeps its keys sorted, as the thumbprint wants them.
    let text = Value::Object(canonical).to_string();
    Some(URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes())))
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
        let id = thumbprint(&public_jwk)?;
        public_jwk["kid"] = json!(id);
        public_jwk["use"] = json!("sig");
        public_jwk["alg"] = json!(algorithm.as_str());
        let jwk: Jwk = serde_json::from_value(public_jwk.clone()).ok()?;
        let decoding = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self { id, algorithm, private, public_jwk, decoding, created_at, retired_at })
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

    /// The claims of a JWT that one of these keys signed, with its `typ`; times are not looked at. `None` for
    /// anything else: another algorithm than the key's, an unknown `crit`, an oversized text.
    pub(crate) fn verify(&self, jwt: &str) -> Option<(Option<String>, Map<String, Value>)> {
        let header = read_header(jwt)?;
        let kid = header.kid?;
        let key = self.0.iter().find(|key| key.id == kid)?;
        let claims = verify_signature(jwt, &key.decoding, key.algorithm.for_verification())?;
        Some((header.typ, claims))
    }

    /// The public keys (RFC 7517 5).
    pub(crate) fn jwks(&self) -> Value {
        json!({"keys": self.0.iter().map(|key| &key.public_jwk).collect::<Vec<_>>()})
    }

    fn signing(&self, algorithm: SigningAlgorithm) -> Option<&SigningKey> {
        self.0.iter().find(|key| key.algorithm == algorithm && key.retired_at.is_none())
    }
}

/// The header of a JWT, if its length and `crit` allow to go on (RFC 7515 4.1.11).
pub(crate) fn read_header(jwt: &str) -> Option<jsonwebtoken::Header> {
    if jwt.len() > MAX_JWT_LEN {
        return None;
    }
    let header = jsonwebtoken::decode_header(jwt).ok()?;
    header.crit.is_none().then_some(header)
}

/// The claims of a JWT signed by `key` with `algorithm`; no claim is looked at.
pub(crate) fn verify_signature(
    jwt: &str,
    key: &DecodingKey,
    algorithm: Algorithm,
) -> Option<Map<String, Value>> {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    jsonwebtoken::decode(jwt, key, &validation).ok().map(|data| data.claims)
}

impl<S: Store, C: Clock, R: Randomness> Issuer<S, C, R> {
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
        let pkcs8 = algorithm.generate();
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
            SigningKey::parse(algorithm, algorithm.generate().expose(), Timestamp::default(), None).unwrap()
        };
        KeyRing(SigningAlgorithm::ALL.into_iter().map(parse).collect())
    }

    /// RFC 7638 3.1.
    #[test]
    fn thumbprint_matches_the_rfc_vector() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let jwk = json!({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"});
        assert_eq!(thumbprint(&jwk).unwrap(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn what_each_algorithm_signs_verifies_and_nothing_else_does() {
        let (ours, other) = (ring(), ring());
        for algorithm in SigningAlgorithm::ALL {
            let jwt = ours.sign(algorithm, "JWT", &json!({"sub": "ada"}));
            let (typ, claims) = ours.verify(jwt.expose()).unwrap();
            assert_eq!((typ.as_deref(), &claims["sub"]), (Some("JWT"), &json!("ada")));
            assert!(other.verify(jwt.expose()).is_none());
            let changed = jwt.expose().replacen('.', ".e", 1);
            assert!(ours.verify(&changed).is_none());
        }
    }

    /// RFC 8725 3.1 and 3.2, RFC 7515 4.1.11, ASVS 9.1.2.
    #[test]
    fn alg_none_unknown_crit_and_oversized_texts_are_refused() {
        let ours = ring();
        let jwt = ours.sign(SigningAlgorithm::Rs256, "JWT", &json!({"sub": "ada"})).into_exposed();
        let parts = jwt.split('.').collect::<Vec<_>>();
        let kid = &ours.0[0].id;
        let with = |header: Value, signature: &str| {
            format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(header.to_string()), parts[1])
        };
        assert!(ours.verify(&with(json!({"alg": "none", "kid": kid}), "")).is_none());
        assert!(ours.verify(&with(json!({"alg": "HS256", "kid": kid}), parts[2])).is_none());
        let crit = json!({"alg": "RS256", "kid": kid, "crit": ["b64"], "b64": true});
        let message = with(crit, "");
        let message = message.trim_end_matches('.');
        let signature = URL_SAFE_NO_PAD.encode(ours.0[0].private.sign(message.as_bytes()));
        assert!(ours.verify(&format!("{message}.{signature}")).is_none());
        let long = ours.sign(SigningAlgorithm::Rs256, "JWT", &json!({"sub": "a".repeat(MAX_JWT_LEN)}));
        assert!(ours.verify(long.expose()).is_none());
    }
}
