//! Connect tokens on a public server: without one nothing starts, and one starts one attempt.

use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::{Method, header};
use serde_json::{Value, json};

use super::options;
use crate::support::{API_KEY, Server, answer};

const HOST: &str = "connect.example.com";
const ORIGIN: &str = "https://app.example.com";

async fn server() -> Server {
    let server = options()
        .variable("HANDFAST_PUBLIC_URL", &format!("https://{HOST}"))
        .variable("HANDFAST_API_KEY", API_KEY)
        .variable("HANDFAST_ALLOWED_ORIGINS", ORIGIN)
        .start();
    for config_key in ["github", "other"] {
        let new = json!({"config_key": config_key, "provider_name": "github", "client_id": "id", "client_secret": "s"});
        assert_eq!(rest(&server, "/integrations", &new).await.0, 201);
    }
    server
}

async fn rest(server: &Server, path: &str, body: &Value) -> (u16, Value) {
    let request = server.request(Method::POST, path).header(header::HOST, HOST).bearer_auth(API_KEY);
    answer(request.json(body)).await
}

async fn token(server: &Server, pinned: Value) -> String {
    let (status, body) = rest(server, "/connect/tokens", &pinned).await;
    assert_eq!(status, 201, "{body}");
    body["connect_token"].as_str().unwrap().to_owned()
}

/// A start request of a page; its attempt is new unless `attempt` names one.
fn start(connection_id: &str, token: Option<&str>, attempt: Option<u32>) -> Value {
    static ATTEMPTS: AtomicU32 = AtomicU32::new(1000);
    let attempt = attempt.unwrap_or_else(|| ATTEMPTS.fetch_add(1, Ordering::Relaxed));
    json!({
        "protocol": 1,
        "attempt_id": format!("{attempt:0>22}"),
        "attempt_secret": format!("{attempt:0>43}"),
        "connection_id": connection_id,
        "connect_token": token,
        "mode": "popup",
    })
}

/// Posts it as a browser would, and answers the page.
async fn page(server: &Server, config_key: &str, request: &Value) -> String {
    let answer = server
        .request(Method::POST, &format!("/oauth/connect/{config_key}"))
        .header(header::HOST, HOST)
        .header(header::ORIGIN, ORIGIN)
        .form(&[("request", request.to_string())])
        .send();
    answer.await.unwrap().text().await.unwrap()
}

fn starts(page: &str) -> bool {
    page.contains("https://github.com/login/oauth/authorize")
}

// The browser must not choose whose connection it overwrites.
#[tokio::test]
async fn only_the_backend_says_whose_connection_it_is() {
    let server = server().await;
    let refused = page(&server, "github", &start("user-1", None, None)).await;
    assert!(!starts(&refused) && refused.contains("invalid_connect_token"), "{refused}");
    let token = token(&server, json!({"config_keys": ["github"], "connection_id": "user-1"})).await;
    for (config_key, connection_id) in [("github", "user-2"), ("other", "user-1")] {
        let refused = page(&server, config_key, &start(connection_id, Some(&token), None)).await;
        assert!(!starts(&refused) && refused.contains("invalid_connect_token"), "{refused}");
    }
    // A refusal leaves the token unused.
    assert!(starts(&page(&server, "github", &start("user-1", Some(&token), None)).await));
}

#[tokio::test]
async fn a_token_is_used_up_by_an_attempt_and_not_by_a_request() {
    let server = server().await;
    let token = token(&server, json!({"connection_id": "user-1", "origin": ORIGIN})).await;
    let request = start("user-1", Some(&token), Some(1));
    assert!(starts(&page(&server, "github", &request).await));
    assert!(starts(&page(&server, "github", &request).await), "a reload repeats the request");
    let another = page(&server, "github", &start("user-1", Some(&token), Some(2))).await;
    assert!(!starts(&another) && another.contains("used before"), "{another}");
}

#[tokio::test]
async fn a_token_is_made_by_who_may_and_of_what_fits() {
    let server = server().await;
    let request = server.request(Method::POST, "/connect/tokens").header(header::HOST, HOST);
    let (status, body) = answer(request.json(&json!({"connection_id": "user-1"}))).await;
    assert_eq!((status, &body["code"]), (401, &json!("missing_api_key")));
    let (status, body) =
        rest(&server, "/connect/tokens", &json!({"connection_id": "u", "origin": "null"})).await;
    assert_eq!((status, &body["field"]), (400, &json!("origin")));
    assert_eq!(rest(&server, "/connect/tokens", &json!({"config_keys": ["github"]})).await.0, 400);
}
