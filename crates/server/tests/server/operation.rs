//! What keeps a public server in operation: limits, metrics, and a path of its own behind a proxy.

use reqwest::Method;
use serde_json::json;

use crate::support::{API_KEY, Options, Server, answer};

const HOST: &str = "connect.example.com";

fn public() -> Options {
    Options::new()
        .variable("HANDFAST_PUBLIC_URL", &format!("https://{HOST}/auth"))
        .variable("HANDFAST_API_KEY", API_KEY)
}

async fn status(server: &Server, path: &str, forwarded_for: &str) -> u16 {
    let request =
        server.request(Method::GET, path).header("host", HOST).header("x-forwarded-for", forwarded_for);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn an_address_that_asks_too_often_has_to_wait() {
    let server = public()
        .variable("HANDFAST_REQUESTS_PER_MINUTE", "3")
        .variable("HANDFAST_TRUSTED_PROXIES", "127.0.0.1,::1")
        .start();
    for _ in 0..3 {
        assert_eq!(status(&server, "/oauth/connect/none", "192.0.2.1").await, 200);
    }
    let request = server.request(Method::GET, "/oauth/connect/none").header("host", HOST);
    let refused = request.header("x-forwarded-for", "192.0.2.1").send().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert!(refused.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() <= 21);
    assert_eq!(
        status(&server, "/oauth/connect/none", "192.0.2.2").await,
        200,
        "another address has its own bucket"
    );
    assert_eq!(status(&server, "/health", "192.0.2.1").await, 200, "probes are not limited");
}

#[tokio::test]
async fn an_address_cannot_claim_to_be_another() {
    let server = public().variable("HANDFAST_REQUESTS_PER_MINUTE", "2").start();
    assert_eq!(status(&server, "/oauth/connect/none", "192.0.2.1").await, 200);
    assert_eq!(status(&server, "/oauth/connect/none", "192.0.2.2").await, 200);
    assert_eq!(status(&server, "/oauth/connect/none", "192.0.2.3").await, 429);
}

#[tokio::test]
async fn the_path_of_public_url_is_found_with_and_without_it() {
    let server = public().start();
    for path in ["/auth/integrations", "/integrations"] {
        let request = server.request(Method::GET, path).header("host", HOST).bearer_auth(API_KEY);
        assert_eq!(answer(request).await, (200, json!({"integrations": []})), "{path}");
    }
    for path in ["/authintegrations", "/other/integrations"] {
        let request = server.request(Method::GET, path).header("host", HOST).bearer_auth(API_KEY);
        assert_eq!(answer(request).await.0, 404, "{path}");
    }
    let request = server.request(Method::GET, "/auth/openapi.json").header("host", HOST);
    assert_eq!(answer(request).await.1["servers"][0]["url"], format!("https://{HOST}/auth"));
}

#[tokio::test]
async fn metrics_count_requests_by_route_and_name_nobody() {
    let server = Options::new().variable("HANDFAST_API_KEY", API_KEY).start();
    let ask = |path: &str| server.request(Method::GET, path).bearer_auth(API_KEY).send();
    ask("/connections/user-77?config_key=a").await.unwrap();
    assert_eq!(answer(server.request(Method::GET, "/metrics")).await.0, 401);
    let text = ask("/metrics").await.unwrap().text().await.unwrap();
    let counted = "handfast_http_request_seconds_count{route=\"/connections/{*connection_id}\",method=\"GET\",status=\"404\"} 1";
    assert!(text.contains(counted), "{text}");
    assert!(text.contains("handfast_webhooks_due 0") && !text.contains("user-77"), "{text}");
}

#[tokio::test]
async fn ready_asks_the_database() {
    let server = Server::start();
    assert_eq!(server.request(Method::GET, "/ready").send().await.unwrap().status(), 200);
}
