//! An integration that names an issuer by its address: metadata, keys, and id tokens that are verified.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use super::harness::{CLIENT_ID, CLIENT_SECRET, Harness, now};
use crate::support::answer;

/// An issuer that no catalogue knows.
#[derive(Clone)]
struct Issuer {
    address: SocketAddr,
    key: Arc<Mutex<(String, EcdsaKeyPair)>>,
    /// Claims that replace those of a good id token.
    claims: Arc<Mutex<Value>>,
    metadata_reads: Arc<AtomicUsize>,
}

fn new_key(id: &str) -> (String, EcdsaKeyPair) {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    (id.to_owned(), EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap())
}

/// Where OpenID Connect Discovery 1.0 (4) puts the metadata of our issuer, and where RFC 8414 (3.1) does.
const OPENID: &str = "/tenant/.well-known/openid-configuration";
const RFC_8414: &str = "/.well-known/oauth-authorization-server/tenant";

impl Issuer {
    async fn start() -> Self {
        Self::start_with_metadata_at(OPENID).await
    }

    async fn start_with_metadata_at(path: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = Self {
            address: listener.local_addr().unwrap(),
            key: Arc::new(Mutex::new(new_key("key-1"))),
            claims: Arc::default(),
            metadata_reads: Arc::default(),
        };
        let router = Router::new()
            .route(path, get(async |State(issuer): State<Self>| issuer.metadata()))
            .route("/keys", get(async |State(issuer): State<Self>| issuer.keys()))
            .route("/token", post(async |State(issuer): State<Self>, body: String| issuer.token(&body)))
            .with_state(issuer.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        issuer
    }

    fn name(&self) -> String {
        format!("http://{}/tenant", self.address)
    }

    fn metadata(&self) -> Json<Value> {
        self.metadata_reads.fetch_add(1, Ordering::Relaxed);
        let address = |path: &str| format!("http://{}{path}", self.address);
        Json(json!({
            "issuer": self.name(),
            "authorization_endpoint": address("/authorize"),
            "token_endpoint": address("/token"),
            "jwks_uri": address("/keys"),
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "authorization_response_iss_parameter_supported": true,
        }))
    }

    fn keys(&self) -> Json<Value> {
        let key = self.key.lock().unwrap();
        let point = key.1.public_key().as_ref();
        let part = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
        Json(json!({ "keys": [
            { "kty": "EC", "crv": "P-256", "use": "sig", "kid": key.0, "x": part(1..33), "y": part(33..65) },
        ] }))
    }

    fn token(&self, body: &str) -> Json<Value> {
        let form: Vec<(String, String)> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let field = |name: &str| form.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
        // The metadata says that the secret comes in the body. The code carries the nonce.
        assert_eq!(field("client_secret"), Some(CLIENT_SECRET));
        let mut claims = json!({
            "iss": self.name(),
            "sub": "subject-1",
            "aud": CLIENT_ID,
            "exp": now() + 300,
            "iat": now(),
            "nonce": field("code"),
            "email": "user@example.com",
        });
        if let Some(replaced) = self.claims.lock().unwrap().as_object() {
            claims.as_object_mut().unwrap().extend(replaced.clone());
        }
        Json(json!({
            "access_token": "access-1",
            "token_type": "Bearer",
            "expires_in": 3600,
            "id_token": self.sign(&claims),
        }))
    }

    fn sign(&self, claims: &Value) -> String {
        let key = self.key.lock().unwrap();
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&json!({ "alg": "ES256", "kid": key.0 })), part(claims));
        let signature = key.1.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Connects and answers the page at the end.
async fn connect(harness: &Harness, issuer: &Issuer) -> String {
    let (url, cookie) = harness.begin("own", &json!({})).await;
    let url = Url::parse(&url).unwrap();
    assert_eq!(url.path(), "/authorize");
    let param = |name: &str| url.query_pairs().find(|(own, _)| own == name).unwrap().1.into_owned();
    let (code, state, iss) = (param("nonce"), param("state"), issuer.name());
    let params = [("code", code.as_str()), ("state", state.as_str()), ("iss", iss.as_str())];
    let callback = harness.request(Method::GET, "/oauth/callback").query(&params).header("cookie", cookie);
    callback.send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn an_issuer_needs_no_entry_and_its_id_tokens_are_verified() {
    let harness = Harness::start([]).await;
    let issuer = Issuer::start().await;
    let integration = json!({
        "config_key": "own",
        "provider_name": issuer.name(),
        "provider_overrides": { "id_token_claims": ["email"] },
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "scopes": ["openid", "email"],
    });
    let (status, created) = answer(harness.request(Method::POST, "/integrations").json(&integration)).await;
    assert_eq!(status, 201, "{created}");
    let page = connect(&harness, &issuer).await;
    assert!(page.contains("AUTHORIZATION_SUCEEDED"), "{page}");
    let (_, connection) = answer(harness.request(Method::GET, "/connections/user-1?config_key=own")).await;
    assert_eq!(
        connection["params"],
        json!({ "sub": "subject-1", "email": "user@example.com" }),
        "{connection}"
    );

    for (claims, problem) in [
        (json!({ "iss": "https://other.test" }), "another issuer"),
        (json!({ "aud": "client-2" }), "another client"),
        (json!({ "nonce": "another" }), "another attempt"),
        (json!({ "exp": now() - 3600 }), "not valid at this time"),
        (json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" }), "another access token"),
    ] {
        *issuer.claims.lock().unwrap() = claims;
        let page = connect(&harness, &issuer).await;
        assert!(page.contains("provider_error") && page.contains(problem), "{problem}: {page}");
    }
    *issuer.claims.lock().unwrap() = Value::Null;
    let reads = issuer.metadata_reads.load(Ordering::Relaxed);
    assert_eq!(reads, 1, "metadata is remembered");

    // A new key of the same id is not believed; the old keys are still remembered.
    *issuer.key.lock().unwrap() = new_key("key-1");
    let page = connect(&harness, &issuer).await;
    assert!(page.contains("its signature does not hold"), "{page}");
}

#[tokio::test]
async fn an_oauth_server_is_found_where_rfc_8414_puts_its_metadata() {
    let harness = Harness::start([]).await;
    let issuer = Issuer::start_with_metadata_at(RFC_8414).await;
    let integration = json!({
        "config_key": "own",
        "provider_name": issuer.name(),
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "scopes": ["openid"],
    });
    let (status, created) = answer(harness.request(Method::POST, "/integrations").json(&integration)).await;
    assert_eq!(status, 201, "{created}");
    let page = connect(&harness, &issuer).await;
    assert!(page.contains("AUTHORIZATION_SUCEEDED"), "{page}");
    assert_eq!(issuer.metadata_reads.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_issuer_that_calls_itself_otherwise_is_refused_by_name() {
    let harness = Harness::start([]).await;
    let issuer = Issuer::start().await;
    let slashed = format!("{}/", issuer.name());
    let integration = json!({ "config_key": "own", "provider_name": slashed, "client_id": CLIENT_ID, "client_secret": "s" });
    let (status, _) = answer(harness.request(Method::POST, "/integrations").json(&integration)).await;
    assert_eq!(status, 201);
    let (_, page, _) = harness.start_request("own", &json!({})).await;
    assert!(page.contains("provider_error") && page.contains("calls itself"), "{page}");
    let plain = json!({ "config_key": "x", "provider_name": "http://issuer.test", "client_id": "c" });
    let (status, refused) = answer(harness.request(Method::POST, "/integrations").json(&plain)).await;
    assert!(status == 400 && refused["detail"].as_str().unwrap().contains("https address"), "{refused}");
}
