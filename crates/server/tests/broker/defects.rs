//! What users of such servers met elsewhere and must not meet here, under the numbers by which the defects are known.

use serde_json::{Value, json};

use super::DATABASE;
use crate::{
    browser::{Attempt, Browser},
    provider::{Provider, tokens},
    server::Server,
};

const ALLOW: (&str, &str) = ("HANDFAST_DANGER_ALLOW_PRIVATE_ADDRESSES", "true");

async fn world() -> (Provider, Server, Browser) {
    let provider = Provider::start().await;
    let server = Server::start(DATABASE, &provider).await;
    (provider, server, Browser::default())
}

/// Markup in a connection id ran as script; an apostrophe in the provider's words broke the page's own.
#[tokio::test]
async fn defect_02_markup_and_quotes_stay_text_and_the_application_is_told() {
    let (_provider, server, mut browser) = world().await;
    for text in [
        "</script><script>alert(1)</script>",
        "it's `\"${x}\\",
        "\u{2028}<!--",
        "<img src=x onerror=alert(1)>",
    ] {
        let page = browser.start(&server, &Attempt::new(text)).await;
        let params = [("error", "server_error"), ("error_description", text), ("state", &page.state())];
        let page = browser.call_back(&server, &params).await;
        let message = &page.data()["message"]["data"];
        assert_eq!(message["connectionId"], text, "the page's data read as JSON");
        assert!(message["error"]["message"].as_str().unwrap().contains(text), "{message}");
        assert_eq!(page.html.matches("<script").count(), 2, "the data and the page's own: {}", page.html);
        assert!(!page.html.contains("<img"), "{}", page.html);
    }
}

/// `params[subdomain]=evil.test/%23` sent the user, and then the client secret, to another host.
#[tokio::test]
async fn defect_03_no_parameter_leads_to_another_host() {
    let provider = Provider::start().await;
    let mut entry = provider.entry();
    entry["authorization_endpoint"] = json!("https://{subdomain}.example.test/authorize");
    entry["token_endpoint"] = json!("https://{subdomain}.example.test/token");
    entry["variables"] = json!({"subdomain": {"kind": "dns_label", "example": "my-team"}});
    let server = Server::start_with(DATABASE, entry, json!({"legacy_start": true}), &[ALLOW]).await;
    let mut browser = Browser::default();
    for hostile in [
        "evil.test/#",
        "evil.test/%23",
        "evil.test?",
        "a@evil.test",
        "..",
        "a.b",
        "evil.test\\",
        "\u{435}vil",
    ] {
        let attempt = Attempt::new("user-1").with(json!({"params": {"subdomain": hostile}}));
        let page = browser.start(&server, &attempt).await;
        assert_eq!(page.error_code(), "invalid_parameter", "{hostile}");
        assert!(page.html.contains("my-team"), "it gives an example: {}", page.html);
    }
    let path = "/oauth/connect/acme?connection_id=1&params[subdomain]=evil.test/%23";
    let referer = [("referer", "http://127.0.0.2:8080/")];
    let page = browser.request(&server, reqwest::Method::GET, path, &referer, None, true).await;
    assert_eq!(page.error_code(), "invalid_parameter");
    assert!(provider.token_requests().is_empty() && browser.cookies.is_empty());
}

/// Two overlapping connects settled each other's promises, or none.
#[tokio::test]
async fn defect_09_overlapping_attempts_end_each_with_its_own_result() {
    let (provider, server, mut browser) = world().await;
    let (one, two) = (Attempt::new("user-1"), Attempt::new("user-2"));
    let first = browser.start(&server, &one).await;
    let second = browser.start(&server, &two).await;
    // They come back in the other order.
    provider.answer(200, tokens("access-of-two", "refresh", 3600));
    let granted = browser.call_back(&server, &[("code", "c2"), ("state", &second.state())]).await;
    provider.answer(200, tokens("access-of-one", "refresh", 3600));
    let other = browser.call_back(&server, &[("code", "c1"), ("state", &first.state())]).await;
    for (page, attempt, id) in [(&granted, &two, "user-2"), (&other, &one, "user-1")] {
        assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED");
        assert_eq!(page.data()["message"]["attempt_id"], attempt.id);
        assert_eq!(page.data()["message"]["data"]["connectionId"], id);
    }
    assert_eq!(server.access_token("user-1").await, "access-of-one");
    assert_eq!(server.access_token("user-2").await, "access-of-two");
}

/// No `expires_in` in the answer: never refreshed. A refresh answer without `refresh_token`: the old one was lost.
#[tokio::test]
async fn defect_11_silent_answers_still_leave_a_token_that_can_be_renewed() {
    let (provider, server, mut browser) = world().await;
    provider.answer(200, json!({"access_token": "access-1", "refresh_token": "refresh-1"}));
    browser.connect(&server, "user-1").await;
    let force = [("config_key", "acme"), ("force_refresh", "true")];
    for expected in ["access-2", "access-3"] {
        provider.answer(200, json!({"access_token": expected}));
        let (status, body) = server.get(&["connections", "user-1"], &force).await;
        assert_eq!((status, &body["credentials"]["access_token"]), (200, &json!(expected)), "{body}");
        assert_eq!(body["credentials"]["refresh_token"], "refresh-1", "the old one stays");
    }
    let refreshes = provider.token_requests();
    assert!(refreshes[1..].iter().all(|fields| fields["refresh_token"] == "refresh-1"));

    // Where an entry knows the lifetime that the answers keep to themselves, the token is renewed when that is over.
    let mut entry = provider.entry();
    entry["access_token_lifetime"] = json!(60);
    entry["refresh_margin"] = json!(60);
    let server = Server::start_with(DATABASE, entry, json!({}), &[ALLOW]).await;
    provider.answer(200, json!({"access_token": "access-4", "refresh_token": "refresh-4"}));
    browser.connect(&server, "user-1").await;
    provider.answer(200, json!({"access_token": "access-5"}));
    assert_eq!(server.access_token("user-1").await, "access-5");
}

/// Deleting a connection did not revoke it at the provider.
#[tokio::test]
async fn defect_13_deleting_a_connection_revokes_it_and_says_what_was_done() {
    let (provider, server, mut browser) = world().await;
    let delete = async |server: &Server, id: &str| -> Value {
        let address = format!("{}/connections/{id}?config_key=acme", server.url);
        server.http.delete(address).send().await.unwrap().json().await.unwrap()
    };
    browser.connect(&server, "user-1").await;
    assert_eq!(delete(&server, "user-1").await, json!({"revocation": "revoked"}));
    let request = &provider.revocations()[0];
    assert_eq!(
        (request["token"].as_str(), request["token_type_hint"].as_str()),
        ("refresh-1", "refresh_token")
    );
    assert_eq!(server.connection("user-1").await.0, 404);

    // Where there is no refresh token, the access token is revoked.
    provider.answer(200, json!({"access_token": "access-2"}));
    browser.connect(&server, "user-2").await;
    delete(&server, "user-2").await;
    assert_eq!(provider.revocations()[1]["token"], "access-2");

    let mut entry = provider.entry();
    entry["revocation_endpoint"] = json!("http://127.0.0.1:1/revoke");
    let unreachable = Server::start_with(DATABASE, entry.clone(), json!({}), &[ALLOW]).await;
    browser.connect(&unreachable, "user-1").await;
    let answer = delete(&unreachable, "user-1").await;
    assert_eq!(answer["revocation"], "failed");
    assert!(answer["reason"].as_str().unwrap().contains("could not be reached"), "{answer}");
    assert_eq!(unreachable.connection("user-1").await.0, 404, "it is gone here all the same");

    entry.as_object_mut().unwrap().remove("revocation_endpoint");
    let silent = Server::start_with(DATABASE, entry, json!({}), &[ALLOW]).await;
    browser.connect(&silent, "user-1").await;
    assert_eq!(delete(&silent, "user-1").await, json!({"revocation": "not_supported"}));
}
