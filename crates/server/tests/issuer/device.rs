//! Device authorization (RFC 8628): a device without a browser, and its user with one.

use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use super::DATABASE;
use crate::{
    support::{Server, answer},
    world::{Browser, Registered},
};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

async fn device_client(server: &Server) -> Registered {
    let grants = json!([GRANT, "refresh_token"]);
    server
        .client(json!({"token_endpoint_auth_method": "none", "grant_types": grants, "redirect_uri": []}))
        .await
}

async fn begin(server: &Server, client: &Registered) -> Value {
    let form = [("client_id", client.id.as_str()), ("scope", "openid email")];
    let request = server.request(Method::POST, "/auth/oauth2/device_authorization").form(&form);
    let (status, device) = answer(request).await;
    assert_eq!(status, 200, "{device}");
    device
}

async fn poll(server: &Server, client: &Registered, device: &Value) -> (u16, Value) {
    let code = device["device_code"].as_str().unwrap();
    let form = [("grant_type", GRANT), ("device_code", code), ("client_id", &client.id)];
    answer(server.request(Method::POST, "/auth/oauth2/token").form(&form)).await
}

async fn refused(server: &Server, client: &Registered, device: &Value, error: &str) {
    let (status, refused) = poll(server, client, device).await;
    assert_eq!((status, &refused["error"]), (400, &json!(error)), "{refused}");
}

/// Types the code and lets the application approve: the address of the consent page.
async fn type_code(server: &Server, browser: &Browser, user_code: &str) -> String {
    let page = browser.post(&format!("{}/auth/device", server.address), &[("user_code", user_code)]).await;
    let id = page.answer()["token"].clone();
    let (status, approved) = server.approve(&id, json!({"user": "ada"})).await;
    assert_eq!(status, 200, "{approved}");
    approved["redirect_uri"].as_str().unwrap().to_owned()
}

async fn decide(browser: &Browser, consent: &str, decision: &str) -> (Url, String) {
    let csrf_token = browser.get(consent).await.field("csrf_token");
    let page = browser.post(consent, &[("csrf_token", &csrf_token), ("decision", decision)]).await;
    let location = page.location();
    let done = browser.get(location.as_str()).await;
    assert_eq!(done.status, 200, "{}", done.body);
    (location, done.body)
}

/// RFC 8628 3.2 to 3.5.
#[tokio::test]
async fn a_device_waits_until_its_user_has_typed_the_code_and_said_yes() {
    let server = DATABASE.issuer().start();
    let client = device_client(&server).await;
    let device = begin(&server, &client).await;
    assert_eq!((&device["expires_in"], &device["interval"]), (&json!(600), &json!(5)));
    assert_eq!(device["verification_uri"], json!(format!("{}/auth/device", server.address)));
    refused(&server, &client, &device, "authorization_pending").await;
    refused(&server, &client, &device, "slow_down").await;

    let browser = Browser::new();
    let complete = device["verification_uri_complete"].as_str().unwrap();
    let page = browser.get(complete).await;
    let user_code = device["user_code"].as_str().unwrap();
    assert!(page.body.contains(user_code), "{}", page.body);
    let consent = type_code(&server, &browser, &user_code.to_lowercase().replace('-', " ")).await;
    let (done, text) = decide(&browser, &consent, "allow").await;
    assert!(text.contains("Your device is connected"), "{text}");
    let again = browser.get(done.as_str()).await;
    assert_eq!(again.status, 400, "{}", again.body);

    let (status, tokens) = poll(&server, &client, &device).await;
    assert_eq!((status, &tokens["scope"]), (200, &json!("openid email")), "{tokens}");
    assert_eq!(server.userinfo(tokens["access_token"].as_str().unwrap()).await.1["sub"], json!("ada"));
    assert_eq!(server.refresh(&client, tokens["refresh_token"].as_str().unwrap()).await.0, 200);
    refused(&server, &client, &device, "invalid_grant").await;
}

/// RFC 8628 3.5 and 5.
#[tokio::test]
async fn a_denied_unknown_or_foreign_code_gets_no_tokens() {
    let server = DATABASE.issuer().start();
    let client = device_client(&server).await;
    let device = begin(&server, &client).await;
    let browser = Browser::new();
    let wrong = browser.post(&format!("{}/auth/device", server.address), &[("user_code", "BCDF-BCDF")]).await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.body.contains("not one that waits"), "{}", wrong.body);

    let consent = type_code(&server, &browser, device["user_code"].as_str().unwrap()).await;
    let (_, text) = decide(&browser, &consent, "deny").await;
    assert!(text.contains("not connected"), "{text}");
    refused(&server, &client, &device, "access_denied").await;

    refused(&server, &client, &json!({"device_code": "unknown"}), "invalid_grant").await;
    let other = device_client(&server).await;
    refused(&server, &other, &begin(&server, &client).await, "invalid_grant").await;
    let standard = server.client(json!({"token_endpoint_auth_method": "none"})).await;
    let form = [("client_id", standard.id.as_str())];
    let request = server.request(Method::POST, "/auth/oauth2/device_authorization").form(&form);
    assert_eq!(answer(request).await.1["error"], json!("unauthorized_client"));
}

/// RFC 8628 5.1: who tries codes is slowed down, and a code is typed a few times at most.
#[tokio::test]
async fn codes_are_typed_by_hand_and_not_guessed() {
    let server = DATABASE.issuer().start();
    let client = device_client(&server).await;
    let device = begin(&server, &client).await;
    let browser = Browser::new();
    let url = format!("{}/auth/device", server.address);
    let type_in = async |code: &str| browser.post(&url, &[("user_code", code)]).await;
    for _ in 0..5 {
        assert_eq!(type_in(device["user_code"].as_str().unwrap()).await.status, 303);
    }
    assert_eq!(type_in(device["user_code"].as_str().unwrap()).await.status, 400, "typed five times before");
    let mut slowed = None;
    // Ten pass, and then one in six seconds.
    for _ in 0..100 {
        let page = type_in("BCDF-BCDF").await;
        if page.status == 429 {
            slowed = Some(page);
            break;
        }
        assert_eq!(page.status, 400, "{}", page.body);
    }
    let slowed = slowed.expect("nobody types a hundred codes in seconds");
    assert!(slowed.body.contains("Too many codes") && !slowed.header("retry-after").is_empty());
    refused(&server, &client, &device, "authorization_pending").await;
}

/// The answer belongs to the browser that typed the code: another grant cannot be put in its place.
#[tokio::test]
async fn nobody_hands_a_device_a_grant_of_their_own() {
    let server = DATABASE.issuer().start();
    let client = device_client(&server).await;
    let device = begin(&server, &client).await;
    let own = begin(&server, &client).await;
    let browser = Browser::new();
    let consent = type_code(&server, &browser, own["user_code"].as_str().unwrap()).await;
    let asked = browser.get(&consent).await;
    assert!(asked.body.contains("Your device gets this access"), "{}", asked.body);
    let csrf_token = asked.field("csrf_token");
    let page = browser.post(&consent, &[("csrf_token", &csrf_token), ("decision", "allow")]).await;
    let mut forged = page.location();
    let code = page.answer()["code"].clone();
    forged.query_pairs_mut().clear().append_pair("code", &code).append_pair("state", "guessed");
    assert_eq!(browser.get(forged.as_str()).await.status, 400);
    refused(&server, &client, &device, "authorization_pending").await;
    refused(&server, &client, &own, "authorization_pending").await;
}
