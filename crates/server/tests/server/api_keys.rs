//! API keys: scopes, revocation, and what is kept of them.

use reqwest::Method;
use serde_json::{Value, json};

use super::options;
use crate::support::{API_KEY, Server, answer};

fn server() -> Server {
    options().variable("HANDFAST_API_KEY", API_KEY).start()
}

async fn make(server: &Server, maker: &str, scopes: &[&str]) -> (u16, Value) {
    let body = json!({"name": "backend", "scopes": scopes});
    answer(server.request(Method::POST, "/api_keys").bearer_auth(maker).json(&body)).await
}

async fn ask(server: &Server, key: &str, method: Method, path: &str) -> u16 {
    let request = server.request(method, path).bearer_auth(key).header("content-type", "application/json");
    answer(request).await.0
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say_and_nothing_else() {
    let server = server();
    let (status, made) = make(&server, API_KEY, &["integrations:read"]).await;
    assert_eq!(status, 201);
    let key = made["api_key"].as_str().unwrap();
    assert!(key.starts_with("hf_") && key.ends_with(made["hint"].as_str().unwrap()));
    assert_eq!(ask(&server, key, Method::GET, "/integrations").await, 200);
    for (method, path) in [
        (Method::DELETE, "/integrations/a"),
        (Method::GET, "/connections/a?config_key=b"),
        (Method::DELETE, "/connections/a?config_key=b"),
        (Method::GET, "/connection/a?config_key=b"),
        (Method::GET, "/attempts"),
        (Method::GET, "/events"),
        (Method::GET, "/api_keys"),
        (Method::DELETE, "/api_keys/a"),
        (Method::DELETE, "/config/a"),
    ] {
        assert_eq!(ask(&server, key, method.clone(), path).await, 403, "{method} {path}");
    }
}

#[tokio::test]
async fn a_key_hands_on_only_what_it_has() {
    let server = server();
    let (_, made) = make(&server, API_KEY, &["keys:write", "connect"]).await;
    let key = made["api_key"].as_str().unwrap();
    assert_eq!(make(&server, key, &["connect"]).await.0, 201);
    let (status, body) = make(&server, key, &["secrets:read"]).await;
    assert_eq!((status, &body["code"]), (403, &json!("insufficient_scope")));
    assert_eq!(make(&server, key, &["everything"]).await.0, 400);
    assert_eq!(make(&server, key, &[]).await.1["field"], "scopes");
}

#[tokio::test]
async fn a_revoked_key_stops_at_once() {
    let server = server();
    let (_, made) = make(&server, API_KEY, &["integrations:read"]).await;
    let (key, id) = (made["api_key"].as_str().unwrap(), made["id"].as_str().unwrap());
    assert_eq!(ask(&server, key, Method::GET, "/integrations").await, 200);
    assert_eq!(ask(&server, API_KEY, Method::DELETE, &format!("/api_keys/{id}")).await, 204);
    assert_eq!(ask(&server, key, Method::GET, "/integrations").await, 401);
    assert_eq!(ask(&server, API_KEY, Method::DELETE, "/api_keys/none").await, 404);
    let (_, listed) = answer(server.request(Method::GET, "/api_keys").bearer_auth(API_KEY)).await;
    assert!(listed["api_keys"][0]["revoked_at"].is_string(), "{listed}");
    assert!(!listed.to_string().contains(key), "a listed key shows itself");
}
