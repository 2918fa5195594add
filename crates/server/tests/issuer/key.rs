//! A client's own key: what it proves and asserts with.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use handfast_protocol::{PublicJwk, Sha256Hash};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    support::{Server, answer},
    world::{REDIRECT_URI, Registered, VERIFIER},
};

/// A key of a client.
pub(crate) struct Key {
    pair: EcdsaKeyPair,
    pub(crate) jwk: Value,
}

impl Key {
    pub(crate) fn new() -> Self {
        let signing = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(signing, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(signing, pkcs8.as_ref()).unwrap();
        let point = pair.public_key().as_ref();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = json!({"kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..])});
        Self { pair, jwk }
    }

    pub(crate) fn thumbprint(&self) -> String {
        PublicJwk::parse(&self.jwk).unwrap().thumbprint().to_owned()
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(header), encode(claims));
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A proof made now for a request to `url`.
    pub(crate) fn proof(&self, method: &str, url: &str, access_token: Option<&str>) -> String {
        let mut claims = json!({"jti": unique(), "htm": method, "htu": url, "iat": now()});
        if let Some(token) = access_token {
            claims["ath"] = json!(Sha256Hash::of(token).as_str());
        }
        self.sign(&json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk}), &claims)
    }
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) fn unique() -> String {
    static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(1);
    format!("id-{}", NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
}

pub(crate) fn token_url(server: &Server) -> String {
    format!("{}/auth/oauth2/token", server.address)
}

/// What an assertion of `client` says (RFC 7523 3).
pub(crate) fn assertion(server: &Server, client: &Registered) -> Value {
    json!({
        "iss": client.id, "sub": client.id, "aud": format!("{}/auth/oauth2", server.address),
        "exp": now() + 60, "iat": now(), "jti": unique(),
    })
}

/// Redeems a code; the client shows an assertion.
pub(crate) async fn redeem_by_assertion(server: &Server, assertion: &str, code: &str) -> (u16, Value) {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ];
    answer(server.request(Method::POST, "/auth/oauth2/token").form(&form)).await
}
