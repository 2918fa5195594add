//! Dynamic client registration.

use reqwest::Method;
use serde_json::json;

use super::DATABASE;
use crate::support::answer;

/// RFC 7591 3, RFC 7592 2.
#[tokio::test]
async fn a_client_registers_reads_changes_and_deletes_itself() {
    let server = DATABASE.demo().start();
    let document = json!({
        "client_name": "My client",
        "redirect_uris": ["http://127.0.0.1:9/cb", "https://client.example/cb"],
        "scope": "openid email",
        "an unknown member": true,
    });
    let (status, created) = server.send(Method::POST, "/auth/oauth2/register", document.clone()).await;
    assert_eq!(status, 201, "{created}");
    assert_eq!((&created["client_name"], &created["scope"]), (&json!("My client"), &json!("openid email")));
    assert_eq!(created["token_endpoint_auth_method"], json!("client_secret_basic"));
    assert_eq!(created["client_secret_expires_at"], json!(0));
    let path = created["registration_client_uri"].as_str().unwrap().strip_prefix(&server.address).unwrap();
    let token = created["registration_access_token"].as_str().unwrap();
    let ask = |method, token| server.request(method, path).bearer_auth(token);
    assert_eq!(answer(ask(Method::GET, "wrong")).await.0, 401);
    let (status, read) = answer(ask(Method::GET, token)).await;
    assert_eq!((status, &read["client_id"]), (200, &created["client_id"]));
    assert!(read.get("client_secret").is_none(), "a secret is shown once");
    let mut changed = document;
    changed["client_id"] = created["client_id"].clone();
    changed["client_name"] = json!("Another name");
    let (status, changed) = answer(ask(Method::PUT, token).json(&changed)).await;
    assert_eq!((status, &changed["client_name"]), (200, &json!("Another name")));
    assert_eq!(ask(Method::DELETE, token).send().await.unwrap().status(), 204);
    assert_eq!(answer(ask(Method::GET, token)).await.0, 401);
}

/// RFC 7591 3.2.2, ASVS 10.4.7.
#[tokio::test]
async fn metadata_that_cannot_be_kept_are_refused_by_name() {
    let server = DATABASE.demo().start();
    for (more, error) in [
        (json!({"redirect_uris": ["http://client.example/cb"]}), "invalid_redirect_uri"),
        (json!({"redirect_uris": []}), "invalid_redirect_uri"),
        (json!({"response_types": ["token"]}), "invalid_client_metadata"),
        (json!({"grant_types": ["implicit"]}), "invalid_client_metadata"),
        (json!({"request_object_signing_alg": "RS256"}), "invalid_client_metadata"),
        (json!({"token_endpoint_auth_method": "tls_client_auth"}), "invalid_client_metadata"),
    ] {
        let mut document = json!({"redirect_uris": ["https://client.example/cb"]});
        document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, refused) = server.send(Method::POST, "/auth/oauth2/register", document).await;
        assert_eq!((status, &refused["error"]), (400, &json!(error)), "{more}");
    }
}

/// RFC 7591 3: outside a demonstration registering takes the operator's token.
#[tokio::test]
async fn registration_is_behind_the_initial_access_token() {
    let document = json!({"redirect_uris": ["https://client.example/cb"]});
    let closed = DATABASE.issuer().start();
    assert_eq!(closed.send(Method::POST, "/auth/oauth2/register", document.clone()).await.0, 401);
    let server = DATABASE.issuer().variable("HANDFAST_ISSUER_INITIAL_ACCESS_TOKEN", "come-in").start();
    let register =
        |token| server.request(Method::POST, "/auth/oauth2/register").bearer_auth(token).json(&document);
    assert_eq!(answer(register("wrong")).await.0, 401);
    assert_eq!(answer(register("come-in")).await.0, 201);
}
