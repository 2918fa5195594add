//! OAuth 1.0a, from the temporary credentials to the connection (RFC 5849).

use serde_json::{Value, json};
use url::Url;

use super::DATABASE;
use crate::{
    browser::{Attempt, Browser, Page, ask},
    oauth1_provider::{CLIENT_SECRET, OAuth1Provider},
    server::Server,
};

async fn world(method: &str) -> (OAuth1Provider, Server, Browser) {
    let provider = OAuth1Provider::start(method).await;
    let integration = json!({"client_secret": CLIENT_SECRET});
    let allow = [("HANDFAST_DANGER_ALLOW_PRIVATE_ADDRESSES", "true")];
    let server = Server::start_with(DATABASE, provider.entry(), integration, &allow).await;
    (provider, server, Browser::default())
}

/// The user comes back with these parameters.
async fn call_back(
    provider: &OAuth1Provider,
    server: &Server,
    browser: &mut Browser,
    params: &[(&str, &str)],
) -> Page {
    let mut callback = Url::parse(&provider.callback()).unwrap();
    assert_eq!(callback.path(), "/oauth/callback");
    callback.query_pairs_mut().extend_pairs(params);
    browser.visit(server, &callback[url::Position::BeforePath..]).await
}

const GRANTED: [(&str, &str); 2] = [("oauth_token", "temporary-1"), ("oauth_verifier", "ver ifier/1")];

#[tokio::test]
async fn every_signature_method_leads_to_a_connection() {
    for method in ["HMAC-SHA1", "HMAC-SHA256", "PLAINTEXT"] {
        let (provider, server, mut browser) = world(method).await;
        let attempt = Attempt::new("user-1");
        let page = browser.start(&server, &attempt).await;
        let request = page.authorization_request();
        assert_eq!(&request[..url::Position::AfterPath], format!("{}/authorize", provider.url));
        assert_eq!(page.authorization_params()["oauth_token"], "temporary-1", "{method}");
        assert_eq!(page.authorization_params().len(), 2, "and what the entry's address says");
        let page = call_back(&provider, &server, &mut browser, &GRANTED).await;
        assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED", "{method}: {}", page.html);
        assert!(page.html.contains("ada"), "it says whose account it is");

        let (_, body) = server.connection("user-1").await;
        assert_eq!(body["credentials"]["type"], "OAUTH1");
        assert_eq!(body["credentials"]["oauth_token"], "token-1");
        assert_eq!(body["credentials"]["oauth_token_secret"], "token secret 1");
        assert_eq!(body["credentials"]["raw"]["user_id"], "7");
        assert_eq!(body["params"]["user_id"], "7");
        for secret in ["temporary", "token secret", "client secret"] {
            assert!(!page.html.contains(secret), "{}", page.html);
        }
    }
}

#[tokio::test]
async fn every_dialect_of_pizzly_finds_its_own_names() {
    let (provider, server, mut browser) = world("HMAC-SHA1").await;
    browser.start(&server, &Attempt::new("user-1")).await;
    call_back(&provider, &server, &mut browser, &GRANTED).await;
    let raw = json!({
        "oauth_token": "token-1", "oauth_token_secret": "token secret 1", "user_id": "7", "screen_name": "ada",
    });
    for (parameter, pointer, names) in [
        ("integration_key", "/connection", ["oAuthToken", "oAuthTokenSecret"]),
        ("provider_config_key", "", ["oAuthToken", "oAuthTokenSecret"]),
        ("provider_config_key", "", ["oauth_token", "oauth_token_secret"]),
    ] {
        let (status, body) = server.get(&["connection", "user-1"], &[(parameter, "acme")]).await;
        let connection = body.pointer(pointer).unwrap();
        assert_eq!((status, &connection["credentials"]["type"]), (200, &json!("OAUTH1")));
        assert_eq!(connection["credentials"][names[0]], "token-1");
        assert_eq!(connection["credentials"][names[1]], "token secret 1");
        assert_eq!(connection["credentials"]["raw"], raw);
        assert_eq!(connection["raw_response"], raw);
    }
}

#[tokio::test]
async fn a_refusal_reads_as_access_denied_however_the_provider_words_it() {
    for params in [
        [("denied", "temporary-1")],
        [("oauth_problem", "user_refused")],
        [("oauth_problem", "permission_denied")],
        [("error", "access_denied")],
    ] {
        let (provider, server, mut browser) = world("HMAC-SHA1").await;
        browser.start(&server, &Attempt::new("user-1")).await;
        let page = call_back(&provider, &server, &mut browser, &params).await;
        assert_eq!(page.error_code(), "access_denied", "{params:?}");
        assert_eq!(provider.redeemed(), 0);
    }
}

#[tokio::test]
async fn an_answer_for_another_token_or_without_a_verifier_redeems_nothing() {
    for (params, code) in [
        (vec![("oauth_token", "temporary-2"), ("oauth_verifier", "v")], "invalid_state"),
        (vec![("oauth_verifier", "v")], "invalid_state"),
        (vec![("oauth_token", "temporary-1")], "provider_error"),
        (vec![("oauth_token", "temporary-1"), ("oauth_verifier", "another")], "provider_error"),
    ] {
        let (provider, server, mut browser) = world("HMAC-SHA1").await;
        browser.start(&server, &Attempt::new("user-1")).await;
        let page = call_back(&provider, &server, &mut browser, &params).await;
        assert_eq!(page.error_code(), code, "{params:?}");
        assert_eq!((provider.redeemed(), server.connection("user-1").await.0), (0, 404));
    }
}

#[tokio::test]
async fn a_provider_that_gives_no_temporary_credentials_is_an_outcome_with_its_words() {
    let (provider, server, mut browser) = world("HMAC-SHA1").await;
    provider.refuse("consumer_key_refused");
    let attempt = Attempt::new("user-1");
    let page = browser.start(&server, &attempt).await;
    assert_eq!(page.error_code(), "provider_error");
    assert!(page.html.contains("consumer_key_refused") && page.html.contains("Look again"), "{}", page.html);
    assert!(browser.cookies.is_empty());
    assert_eq!(ask(&server, &attempt, "status", 0).await["data"]["error"]["type"], "provider_error");
}

#[tokio::test]
async fn a_token_secret_of_an_attempt_in_progress_survives_a_kill_sealed() {
    let (provider, mut server, mut browser) = world("HMAC-SHA256").await;
    browser.start(&server, &Attempt::new("user-1")).await;
    server.kill_and_restart();
    let page = call_back(&provider, &server, &mut browser, &GRANTED).await;
    assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED", "{}", page.html);
    let (status, body) =
        server.get(&["connections", "user-1"], &[("config_key", "acme"), ("force_refresh", "true")]).await;
    assert_eq!(
        (status, body["code"].clone()),
        (502, Value::from("refresh_failed")),
        "there is nothing to renew it with"
    );
}
