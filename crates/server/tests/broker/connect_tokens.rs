//! What a connect token says is all that its page may ask for; what it leaves out only the user may add.

use serde_json::{Value, json};

use super::DATABASE;
use crate::{
    browser::{Attempt, Browser, Page},
    provider::Provider,
    server::Server,
};

/// A provider whose address holds the user's shop and region.
async fn world() -> (Provider, Server, Browser) {
    let provider = Provider::start().await;
    let mut entry = provider.entry();
    entry["authorization_endpoint"] = json!("https://{shop}.{region}.test/authorize");
    entry["variables"] = json!({
        "shop": {"kind": "dns_label", "example": "my-shop"},
        "region": {"kind": "region", "example": "eu", "allowed": ["eu", "us"]},
    });
    let allow = [("HANDFAST_DANGER_ALLOW_PRIVATE_ADDRESSES", "true")];
    let integration = json!({"scopes": ["read", "write"]});
    let server = Server::start_with(DATABASE, entry, integration, &allow).await;
    (provider, server, Browser::default())
}

/// Starts an attempt with a token that says `pinned`, whose page asks for `asked`.
async fn start(server: &Server, browser: &mut Browser, pinned: Value, asked: Value) -> Page {
    let mut body = json!({"connection_id": "user-1", "config_keys": ["acme"]});
    body.as_object_mut().unwrap().extend(pinned.as_object().unwrap().clone());
    let answer = server.http.post(format!("{}/connect/tokens", server.url)).json(&body).send().await.unwrap();
    let made: Value = answer.json().await.unwrap();
    let attempt = Attempt::new("user-1").with(json!({"connect_token": made["connect_token"]})).with(asked);
    browser.start(server, &attempt).await
}

#[tokio::test]
async fn a_page_adds_nothing_to_what_its_token_says() {
    let (_provider, server, mut browser) = world().await;
    let all = json!({
        "params": {"shop": "my-shop", "region": "eu"}, "scopes": ["read"], "authorization_params": {"prompt": "login"},
    });
    for (pinned, asked, field) in [
        (json!({}), json!({"params": {"shop": "other"}}), "params"),
        (json!({}), json!({"scopes": ["admin"]}), "scopes"),
        (json!({}), json!({"authorization_params": {"prompt": "none"}}), "authorization_params"),
        (json!({"params": {"shop": "my-shop"}}), json!({"params": {"region": "us"}}), "params"),
        (all.clone(), json!({"params": {"shop": "other"}}), "params"),
        (all.clone(), json!({"scopes": ["read", "write"]}), "scopes"),
        (all.clone(), json!({"authorization_params": {"prompt": "none"}}), "authorization_params"),
        (all.clone(), json!({"authorization_params": {"login_hint": "x"}}), "authorization_params"),
    ] {
        let page = start(&server, &mut browser, pinned.clone(), asked.clone()).await;
        assert_eq!(page.error_code(), "invalid_connect_token", "{pinned} {asked}");
        assert!(page.html.contains(field), "{}", page.html);
    }
    assert!(browser.cookies.is_empty());

    // It may say the same again, ask for less, or for nothing.
    let params = json!({"shop": "my-shop", "region": "eu"});
    let same = json!({"params": params, "scopes": ["read"], "authorization_params": {"prompt": "login"}});
    for asked in [json!({}), same] {
        let page = start(&server, &mut browser, all.clone(), asked).await;
        assert_eq!(page.authorization_request().host_str(), Some("my-shop.eu.test"));
        let params = page.authorization_params();
        assert_eq!((params["scope"].as_str(), params["prompt"].as_str()), ("read", "login"));
    }
    let silent = json!({"params": params});
    let page = start(&server, &mut browser, silent.clone(), json!({})).await;
    assert_eq!(page.authorization_params()["scope"], "read write", "the integration's own");
    let page = start(&server, &mut browser, silent, json!({"scopes": ["write"]})).await;
    assert_eq!(page.authorization_params()["scope"], "write");
}

#[tokio::test]
async fn the_user_is_asked_for_what_the_token_leaves_out_and_cannot_change_what_it_says() {
    let (_provider, server, mut browser) = world().await;
    let page = start(&server, &mut browser, json!({"params": {"shop": "my-shop"}}), json!({})).await;
    assert!(page.html.contains("variable.region") && !page.html.contains("variable.shop"), "{}", page.html);
    let state = page.form()[0].1.clone();
    let typed = [("variable.region", "us"), ("variable.shop", "other")];
    let page = browser.fill_in(&server, &state, &typed).await;
    assert_eq!(page.authorization_request().host_str(), Some("my-shop.us.test"));
    let page = browser.call_back(&server, &[("code", "c"), ("state", &page.state())]).await;
    assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED", "{}", page.html);
    assert_eq!(server.connection("user-1").await.1["params"], json!({"shop": "my-shop", "region": "us"}));
}
