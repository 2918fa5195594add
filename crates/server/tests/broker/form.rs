//! The form in an attempt's window that asks for what the start request did not bring.

use reqwest::Method;
use serde_json::json;

use super::DATABASE;
use crate::{
    browser::{Attempt, Browser, Page, ask},
    provider::Provider,
    server::Server,
};

/// A provider whose address holds the user's shop.
async fn world() -> (Provider, Server, Browser) {
    let provider = Provider::start().await;
    let mut entry = provider.entry();
    entry["authorization_endpoint"] = json!("https://{shop}.shops.test/authorize");
    entry["variables"] = json!({
        "shop": {"kind": "dns_label", "example": "my-shop", "label": "Name of your shop", "suffix": ".shops.test"},
    });
    let allow = [("HANDFAST_DANGER_ALLOW_PRIVATE_ADDRESSES", "true")];
    let server = Server::start_with(DATABASE, entry, json!({}), &allow).await;
    (provider, server, Browser::default())
}

/// Types `shop` into the form and submits it.
async fn fill_in(server: &Server, browser: &mut Browser, page: &Page, shop: &str) -> Page {
    let headers = [
        ("origin", "null"),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    let mut form = page.form();
    form.push(("variable.shop".to_owned(), shop.to_owned()));
    browser.request(server, Method::POST, "/oauth/form", &headers, Some(&form), true).await
}

#[tokio::test]
async fn a_missing_variable_is_asked_for_and_kept_with_the_connection() {
    let (provider, mut server, mut browser) = world().await;
    let attempt =
        Attempt::new("user-1").with(json!({"scopes": ["read"], "authorization_params": {"prompt": "x"}}));
    let page = browser.start(&server, &attempt).await;
    for text in ["Connect Fake &amp; Co", "Name of your shop", "my-shop", ".shops.test"] {
        assert!(page.html.contains(text), "{text}: {}", page.html);
    }
    assert!(page.html.contains("name=\"variable.shop\""), "{}", page.html);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("form-action 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(ask(&server, &attempt, "status", 0).await, json!({"status": "pending"}));

    server.kill_and_restart();
    let page = fill_in(&server, &mut browser, &page, " https://My-Shop.shops.test/admin ").await;
    let request = page.authorization_request();
    assert_eq!(request.host_str(), Some("my-shop.shops.test"));
    assert_eq!(page.authorization_params()["scope"], "read");
    assert_eq!(page.authorization_params()["prompt"], "x");
    let page = browser.call_back(&server, &[("code", "c"), ("state", &page.state())]).await;
    assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED", "{}", page.html);
    assert_eq!(server.connection("user-1").await.1["params"]["shop"], "my-shop");
    assert_eq!(provider.token_requests().len(), 1);
}

#[tokio::test]
async fn a_value_that_will_not_do_is_shown_again_with_the_reason() {
    let (_provider, server, mut browser) = world().await;
    let attempt = Attempt::new("user-1");
    let mut page = browser.start(&server, &attempt).await;
    for bad in ["evil.test/#", "a@b", "..", "%2f", "\u{430}-shop", "<script>", "", &"a".repeat(10_000)] {
        page = fill_in(&server, &mut browser, &page, bad).await;
        assert!(page.html.contains("aria-invalid=\"true\"") && page.html.contains("role=\"alert\""), "{bad}");
        assert!(bad.is_empty() || page.html.contains("will not do"), "{bad}: {}", page.html);
        assert!(!page.html.contains("<script"), "{}", page.html);
    }
    let page = fill_in(&server, &mut browser, &page, "my-shop").await;
    assert_eq!(page.authorization_request().host_str(), Some("my-shop.shops.test"));
}

#[tokio::test]
async fn a_value_that_the_page_gave_is_not_asked_for_and_a_bad_one_is_refused() {
    let (_provider, server, mut browser) = world().await;
    let given = Attempt::new("user-1").with(json!({"params": {"shop": "my-shop"}}));
    assert_eq!(
        browser.start(&server, &given).await.authorization_request().host_str(),
        Some("my-shop.shops.test")
    );
    let bad = Attempt::new("user-1").with(json!({"params": {"shop": "a.b"}}));
    assert_eq!(browser.start(&server, &bad).await.error_code(), "invalid_parameter");
}

#[tokio::test]
async fn only_the_browser_that_was_asked_may_answer_and_only_from_our_own_page() {
    let (_provider, server, mut browser) = world().await;
    let attempt = Attempt::new("user-1");
    let page = browser.start(&server, &attempt).await;
    let other = fill_in(&server, &mut Browser::default(), &page, "my-shop").await;
    assert!(other.html.contains("invalid_state"), "{}", other.html);
    let mut form = page.form();
    form.push(("variable.shop".to_owned(), "my-shop".to_owned()));
    for header in
        [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("sec-fetch-dest", "iframe")]
    {
        let refused =
            browser.request(&server, Method::POST, "/oauth/form", &[header], Some(&form), true).await;
        assert_eq!(refused.status, 403, "{header:?}");
    }
    let page = fill_in(&server, &mut browser, &page, "my-shop").await;
    assert_eq!(page.authorization_request().host_str(), Some("my-shop.shops.test"));
}

#[tokio::test]
async fn an_attempt_that_ended_or_started_again_leaves_its_form_without_effect() {
    let (_provider, server, mut browser) = world().await;
    let attempt = Attempt::new("user-1");
    let first = browser.start(&server, &attempt).await;
    let second = browser.start(&server, &attempt).await;
    let replaced = fill_in(&server, &mut browser, &first, "my-shop").await;
    assert!(replaced.html.contains("invalid_state"), "{}", replaced.html);
    ask(&server, &attempt, "cancel", 0).await;
    let late = fill_in(&server, &mut browser, &second, "my-shop").await;
    assert!(late.html.contains("aborted"), "{}", late.html);

    // The state of a form is not one that a callback could use.
    let attempt = Attempt::new("user-2");
    let page = browser.start(&server, &attempt).await;
    let state = page.form()[0].1.clone();
    let page = browser.call_back(&server, &[("code", "c"), ("state", &state)]).await;
    assert_eq!(page.error_code(), "invalid_state");
}

#[tokio::test]
async fn what_the_address_needs_is_asked_for_even_if_the_callback_repeats_it_and_nothing_else_is() {
    let provider = Provider::start().await;
    let mut entry = provider.entry();
    entry["authorization_endpoint"] = json!("https://{shop}.shops.test/authorize");
    entry["variables"] = json!({
        "shop": {"kind": "dns_label", "example": "my-shop", "suffix": ".shops.test", "callback_param": "shop"},
        "region": {"kind": "region", "example": "eu", "allowed": ["eu", "us"], "default": "eu"},
        "key_id": {"kind": "path_segment", "example": "ABC123"},
    });
    let allow = [("HANDFAST_DANGER_ALLOW_PRIVATE_ADDRESSES", "true")];
    let server = Server::start_with(DATABASE, entry, json!({}), &allow).await;
    let mut browser = Browser::default();
    let page = browser.start(&server, &Attempt::new("user-1")).await;
    assert!(page.html.contains("variable.shop"), "{}", page.html);
    assert!(
        !page.html.contains("variable.region") && !page.html.contains("variable.key_id"),
        "{}",
        page.html
    );
    let page = fill_in(&server, &mut browser, &page, "my-shop").await;
    let answer = [("code", "c"), ("shop", "other-shop.shops.test"), ("state", &page.state())];
    assert_eq!(
        browser.call_back(&server, &answer).await.error_code(),
        "invalid_parameter",
        "another shop answers"
    );
}
