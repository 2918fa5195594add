//! Web pages and rebound names are kept away from a loopback server.

use reqwest::{Method, header};
use serde_json::json;

use crate::support::{API_KEY, Options, Server, answer};

#[tokio::test]
async fn a_rebound_name_is_misdirected() {
    let server = Server::start();
    for host in ["evil.test", "localhost.evil.test:80", "127.0.0.1.evil.test"] {
        let (status, body) =
            answer(server.request(Method::GET, "/integrations").header(header::HOST, host)).await;
        assert_eq!((status, &body["code"]), (421, &json!("wrong_host")), "{host}");
    }
    for host in ["localhost", "127.0.0.1:3004", "[::1]", "app.localhost:1"] {
        let (status, _) =
            answer(server.request(Method::GET, "/integrations").header(header::HOST, host)).await;
        assert_eq!(status, 200, "{host}");
    }
}

#[tokio::test]
async fn a_listed_name_is_ours() {
    let server = Options::new().variable("HANDFAST_ALLOWED_HOSTS", "handfast, box:3004").start();
    for (host, expected) in [("handfast:3004", 200), ("box:3004", 200), ("box:1", 421)] {
        let (status, _) =
            answer(server.request(Method::GET, "/integrations").header(header::HOST, host)).await;
        assert_eq!(status, expected, "{host}");
    }
}

#[tokio::test]
async fn a_foreign_page_is_refused_unless_it_knows_a_key() {
    let server = Server::start();
    let foreign = [
        ("origin", "https://evil.test"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ];
    for (name, value) in foreign {
        let (status, body) = answer(server.request(Method::GET, "/integrations").header(name, value)).await;
        assert_eq!((status, &body["code"]), (403, &json!("origin_not_allowed")), "{name}: {value}");
    }
    let own = server.request(Method::GET, "/integrations").header("origin", &server.address);
    assert_eq!(answer(own.header("sec-fetch-site", "same-origin")).await.0, 200);

    let server = Options::new().variable("HANDFAST_API_KEY", API_KEY).start();
    let request = server.request(Method::GET, "/integrations").header("origin", "https://evil.test");
    assert_eq!(answer(request.bearer_auth(API_KEY)).await.0, 200);
}

#[tokio::test]
async fn a_form_cannot_write() {
    let server = Server::start();
    let body = r#"{"config_key":"a","provider_name":"github","client_id":"id"}"#;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
    ] {
        let request =
            server.request(Method::POST, "/integrations").header(header::CONTENT_TYPE, kind).body(body);
        assert_eq!(answer(request).await.0, 415, "{kind}");
    }
    let request = server.request(Method::POST, "/integrations").body(body);
    assert_eq!(answer(request).await.0, 415);
    let json = "application/json; charset=utf-8";
    let request = server.request(Method::POST, "/integrations").header(header::CONTENT_TYPE, json).body(body);
    assert_eq!(answer(request).await.0, 201);
}

#[tokio::test]
async fn every_refusal_has_a_code_and_a_sentence() {
    let server = Server::start();
    let refusals = [
        (Method::GET, "/nowhere", 404),
        (Method::PUT, "/integrations", 405),
        (Method::GET, "/connections/a", 400),
        (Method::GET, "/connections/a?config_key=b&config_key=c", 400),
        (Method::GET, "/connections/a?config_key=b", 404),
        (Method::GET, "/connections/%FF?config_key=b", 400),
        (Method::DELETE, "/integrations/%20", 400),
        (Method::POST, "/integrations", 415),
    ];
    for (method, path, expected) in refusals {
        let request = server.request(method.clone(), path);
        let (status, body) = answer(request).await;
        assert_eq!(status, expected, "{method} {path}: {body}");
        assert!(
            body["code"].is_string() && body["detail"].as_str().is_some_and(|text| text.len() > 10),
            "{body}"
        );
    }
    let (status, body) = answer(server.request(Method::GET, "/integrations").bearer_auth("wrong")).await;
    assert_eq!((status, &body["code"]), (401, &json!("invalid_api_key")));
}

#[tokio::test]
async fn what_stands_nowhere_is_a_problem_document() {
    let server = Server::start();
    let answer = server.request(Method::GET, "/nowhere").send().await.unwrap();
    assert_eq!(answer.status(), 404);
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(answer.headers()["x-request-id"].len(), 16);
}

#[tokio::test]
async fn log_lines_carry_the_request_id_and_no_secret() {
    let server =
        Options::new().variable("HANDFAST_API_KEY", API_KEY).variable("HANDFAST_LOG_FORMAT", "json").start();
    let new = json!({"config_key": "a", "provider_name": "github", "client_id": "id", "client_secret": "hush-hush-2"});
    let request =
        server.request(Method::POST, "/integrations?secret=hush-hush-3").bearer_auth(API_KEY).json(&new);
    let answer = request.send().await.unwrap();
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let log = server.kill_and_log();
    assert!(log.lines().any(|line| line.contains(&id) && line.contains("\"status\":201")), "{log}");
    for secret in ["hush-hush", API_KEY] {
        assert!(!log.contains(secret), "{log}");
    }
}
