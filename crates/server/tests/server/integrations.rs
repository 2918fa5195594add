//! Integrations over REST, in our words and in Pizzly's.

use reqwest::Method;
use serde_json::{Value, json};

use super::options;
use crate::support::{API_KEY, answer};

fn github(config_key: &str) -> Value {
    json!({
        "config_key": config_key,
        "provider_name": "github",
        "client_id": "id",
        "client_secret": "hush",
        "scopes": ["repo", "user"],
        "allowed_origins": ["https://App.example.com/"],
    })
}

#[tokio::test]
async fn an_integration_is_created_edited_and_deleted() {
    let server = options().start();
    let (status, created) = server.send(Method::POST, "/integrations", github("a")).await;
    assert_eq!(status, 201);
    assert_eq!(created["allowed_origins"], json!(["https://app.example.com"]));
    assert_eq!(server.send(Method::POST, "/integrations", github("a")).await.1["code"], "already_exists");

    let (status, edited) = server
        .send(Method::PATCH, "/integrations/a", json!({"client_id": "other", "legacy_start": true}))
        .await;
    assert_eq!((status, &edited["client_id"], &edited["legacy_start"]), (200, &json!("other"), &json!(true)));
    assert_eq!(edited["scopes"], json!(["repo", "user"]));

    let delete = || answer(server.request(Method::DELETE, "/integrations/a"));
    assert_eq!(delete().await, (204, Value::Null));
    assert_eq!(delete().await.0, 404);
    assert_eq!(server.get("/integrations/a").await.1["code"], "unknown_integration");
}

#[tokio::test]
async fn a_mistake_names_its_field() {
    let server = options().start();
    let with = |field: &str, value: Value| {
        let mut body = github("a");
        body[field] = value;
        body
    };
    for (field, value) in [
        ("provider_name", json!("gihtub")),
        ("client_id", json!("")),
        ("client_secret", json!("line\nbreak")),
        ("allowed_origins", json!(["https://a.test/path"])),
        ("provider_overrides", json!({"token_endpiont": "https://a.test"})),
    ] {
        let (status, body) = server.send(Method::POST, "/integrations", with(field, value)).await;
        assert_eq!((status, &body["field"]), (400, &json!(field)), "{body}");
    }
    for (field, value) in
        [("config_key", json!("a b")), ("colour", json!("red")), ("scopes", json!("hush-1"))]
    {
        let (status, body) = server.send(Method::POST, "/integrations", with(field, value)).await;
        assert_eq!(status, 400, "{body}");
        assert!(!body["detail"].as_str().unwrap().contains("hush-1"), "{body}");
    }
    let repeated = r#"{"config_key":"a","config_key":"b","provider_name":"github","client_id":"i"}"#;
    let request = server.request(Method::POST, "/integrations").header("content-type", "application/json");
    let (status, body) = answer(request.body(repeated)).await;
    assert!(status == 400 && body["detail"].as_str().unwrap().contains("config_key"), "{body}");
    let large = with("client_id", json!("a".repeat(100_000)));
    assert_eq!(server.send(Method::POST, "/integrations", large).await.0, 413);
}

#[tokio::test]
async fn a_private_provider_needs_no_rebuild() {
    let server = options()
        .file(
            "[providers.acme]\ndisplay_name = \"Acme\"\nauthorization_endpoint = \"https://acme.example/authorize\"\n\
             token_endpoint = \"https://acme.example/token\"\nevidence = \"documentation\"\n",
        )
        .start();
    let mut body = github("a");
    body["provider_name"] = json!("acme");
    assert_eq!(server.send(Method::POST, "/integrations", body).await.0, 201);
}

#[tokio::test]
async fn a_providers_page_shows_the_redirect_uri_that_its_integrations_have() {
    let server = options().start();
    // The second's users name the server that they log in at.
    for name in ["github", "mastodon"] {
        let mut body = github(name);
        body["provider_name"] = json!(name);
        let (_, created) = server.send(Method::POST, "/integrations", body).await;
        let path = format!("/providers/{name}");
        let request = server.request(Method::GET, &path).header("accept", "application/json");
        let shown = answer(request).await.1["redirect_uri"].as_str().unwrap().to_owned();
        assert_eq!(created["redirect_uri"], shown.replace("CONFIG_KEY", name));
        assert_eq!(shown.ends_with("/CONFIG_KEY"), name == "mastodon", "{shown}");
        let page = server.request(Method::GET, &path).send().await.unwrap().text().await.unwrap();
        assert!(page.contains(&shown), "{page}");
    }
}

#[tokio::test]
async fn a_secret_is_masked_unless_the_key_may_read_it() {
    let server = options().start();
    server.send(Method::POST, "/integrations", github("a")).await;
    assert_eq!(server.get("/integrations/a").await.1["client_secret"], "********");
    assert_eq!(server.get("/config/a").await.1["config"]["oauth_client_secret"], "********");
    let server = server.kill().variable("HANDFAST_API_KEY", API_KEY).start();
    let (_, body) = answer(server.request(Method::GET, "/config/a").bearer_auth(API_KEY)).await;
    assert_eq!(body["config"]["oauth_client_secret"], "hush");
}

#[tokio::test]
async fn pizzlys_routes_speak_pizzlys_words() {
    let server = options().start();
    assert_eq!(server.get("/config").await, (200, json!({"configs": []})));
    let mut body = json!({});
    for field in ["provider_config_key", "provider", "oauth_client_id", "oauth_client_secret", "oauth_scopes"]
    {
        let refused = server.send(Method::POST, "/config", body.clone()).await;
        assert_eq!(refused, (400, json!({"error": format!("Missing param {field}.")})));
        body[field] = json!(if field == "provider" { "github" } else { "a,b" });
        if field == "provider_config_key" {
            body[field] = json!("k");
        }
    }
    let (status, created) = server.send(Method::POST, "/config", body.clone()).await;
    assert!(status == 200 && created["config_id"].is_u64(), "{created}");
    let (_, shown) = server.get("/config/k").await;
    assert_eq!(shown["config"]["id"], created["config_id"]);
    assert_eq!(shown["config"]["oauth_scopes"], "a,b");
    assert_eq!(shown["config"]["unique_key"], "k");
    body["oauth_client_id"] = json!("other");
    assert_eq!(server.send(Method::PUT, "/config", body).await, (200, Value::Null));
    assert_eq!(server.get("/config").await.1["configs"][0]["oauth_client_id"], "other");
    let delete = || answer(server.request(Method::DELETE, "/config/k"));
    assert_eq!((delete().await, delete().await), ((200, Value::Null), (200, Value::Null)));
    let unknown = json!({"error": "There is no matching provider configuration with key: k"});
    assert_eq!(server.get("/config/k").await, (400, unknown));
}

#[tokio::test]
async fn pizzlys_refusals_of_keys_are_its_sentences() {
    let server = options().variable("HANDFAST_API_KEY", API_KEY).start();
    let missing = "Authentication failed. The request is missing a valid secret key.";
    assert_eq!(server.get("/config").await, (401, json!({"error": missing})));
    let invalid = "Authentication failed. The provided secret key is invalid.";
    let wrong = server.request(Method::GET, "/config").basic_auth("wrong", Some(""));
    assert_eq!(answer(wrong).await, (401, json!({"error": invalid})));
}
