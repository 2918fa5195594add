//! A provider that signs what it sends (Shopify): callbacks, install links, online and expiring tokens.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use handfast_broker::{Catalog, Provider};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::harness::{CLIENT_ID, CLIENT_SECRET, Harness, now, signed};
use crate::support::answer;

const NAME: &str = "shopify";

async fn harness() -> Harness {
    let provider: Provider = Catalog::embedded().find(NAME).unwrap().clone();
    let harness = Harness::start([provider]).await;
    let integration = json!({
        "config_key": NAME,
        "provider_name": NAME,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "scopes": ["read_products", "write_orders"],
        "install_url": "https://app.example.com/install?from=shop",
    });
    let (status, created) = answer(harness.request(Method::POST, "/integrations").json(&integration)).await;
    assert_eq!(status, 201, "{created}");
    harness
}

fn query(params: &[(&str, &str)]) -> Vec<(String, String)> {
    params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn with_signature(mut params: Vec<(String, String)>) -> Vec<(String, String)> {
    params.push(("hmac".to_owned(), signed(&params)));
    params
}

/// Begins for `my-store` and answers the page that a callback with these parameters gets.
async fn callback(harness: &Harness, params: impl FnOnce(&str) -> Vec<(String, String)>) -> String {
    let (url, cookie) = harness.begin(NAME, &json!({ "shop": "my-store" })).await;
    let url = Url::parse(&url).unwrap();
    let state = url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let request =
        harness.request(Method::GET, "/oauth/callback").query(&params(&state)).header("cookie", cookie);
    request.send().await.unwrap().text().await.unwrap()
}

fn good(state: &str, shop: &str, timestamp: i64) -> Vec<(String, String)> {
    let timestamp = timestamp.to_string();
    with_signature(query(&[("code", "c"), ("shop", shop), ("state", state), ("timestamp", &timestamp)]))
}

#[tokio::test]
async fn only_a_callback_that_is_signed_in_time_and_for_the_shop_that_started_is_redeemed() {
    let harness = harness().await;
    let store = "my-store.myshopify.com";
    let unsigned =
        callback(&harness, |state| query(&[("code", "c"), ("shop", store), ("state", state)])).await;
    assert!(unsigned.contains("invalid_signature"), "{unsigned}");
    let changed = callback(&harness, |state| {
        let mut params = good(state, store, now());
        params[0].1 = "another".to_owned();
        params
    })
    .await;
    assert!(changed.contains("invalid_signature"), "{changed}");
    for timestamp in [now() - 86_405, now() + 305] {
        let page = callback(&harness, |state| good(state, store, timestamp)).await;
        assert!(page.contains("invalid_signature"), "{page}");
    }
    for shop in ["other-store.myshopify.com", "my-store.evil.test", "my-store"] {
        let page = callback(&harness, |state| good(state, shop, now())).await;
        // The bare name is the same shop; the others are not.
        assert_eq!(page.contains("invalid_parameter"), shop != "my-store", "{shop}: {page}");
    }
    assert!(harness.find(NAME, "token").is_some(), "the bare name was redeemed");
    harness.take(NAME, "token");
    let page = callback(&harness, |state| good(state, store, now() - 86_390)).await;
    assert!(page.contains("AUTHORIZATION_SUCEEDED"), "{page}");
    let request = harness.take(NAME, "token");
    assert_eq!(request.url, "https://my-store.myshopify.com/admin/oauth/access_token");
}

#[tokio::test]
async fn online_tokens_are_asked_for_by_one_more_parameter() {
    let harness = harness().await;
    let online = json!({ "grant_options[]": "per-user" });
    // Merchants paste whole addresses.
    let shop = json!({ "shop": "https://My-Store.myshopify.com/admin" });
    let (url, _) = harness.begin_with(NAME, &shop, &online).await;
    assert!(url.contains("/my-store.myshopify.com/admin/oauth/authorize?"), "{url}");
    assert!(url.contains("&grant_options%5B%5D=per-user&"), "{url}");
    assert!(url.ends_with("&scope=read_products%2Cwrite_orders"), "{url}");
}

#[tokio::test]
async fn expiring_tokens_are_asked_for_by_one_more_field_and_rotate() {
    let harness = harness().await;
    let edit = json!({ "provider_overrides": { "token_params": { "expiring": "1" } } });
    let edited = answer(harness.request(Method::PATCH, "/integrations/shopify").json(&edit)).await;
    assert_eq!(edited.0, 200, "{}", edited.1);
    let store = "my-store.myshopify.com";
    let page = callback(&harness, |state| good(state, store, now())).await;
    assert!(page.contains("AUTHORIZATION_SUCEEDED"), "{page}");
    assert_eq!(harness.take(NAME, "token").params()["expiring"], "1");

    let read = "/connections/user-1?config_key=shopify&force_refresh=true";
    let (status, connection) = answer(harness.request(Method::GET, read)).await;
    assert_eq!(status, 200, "{connection}");
    assert_eq!(connection["credentials"]["access_token"], "access-2");
    let refresh = harness.find(NAME, "refresh").unwrap_or_else(|| harness.take(NAME, "token")).params();
    assert_eq!((&*refresh["grant_type"], &*refresh["refresh_token"]), ("refresh_token", "refresh-1"));
    assert_eq!(connection["credentials"]["refresh_token"], "refresh-2", "{connection}");
}

/// A session token as the provider's embedded page makes it.
fn session_token(claims: &Value, secret: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&json!({ "alg": "HS256", "typ": "JWT" })), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes())))
}

#[tokio::test]
async fn a_session_token_is_exchanged_for_an_offline_or_an_online_token() {
    let harness = harness().await;
    let claims = json!({
        "iss": "https://my-store.myshopify.com/admin",
        "dest": "https://my-store.myshopify.com",
        "aud": CLIENT_ID,
        "sub": "42",
        "exp": now() + 60,
        "nbf": now(),
        "iat": now(),
    });
    let exchange = |token: String, requested: &str| {
        let body = json!({
            "config_key": NAME,
            "connection_id": "my-store",
            "grant_type": "token_exchange",
            "session_token": token,
            "requested_token": requested,
        });
        answer(harness.request(Method::POST, "/connections").json(&body))
    };
    for requested in ["offline", "online"] {
        let token = session_token(&claims, CLIENT_SECRET);
        let (status, connection) = exchange(token.clone(), requested).await;
        assert_eq!(status, 201, "{connection}");
        assert_eq!(connection["credentials"]["access_token"], "access-1");
        assert_eq!(connection["params"], json!({ "shop": "my-store", "sub": "42" }));
        let request = harness.take(NAME, "token");
        assert_eq!(request.url, "https://my-store.myshopify.com/admin/oauth/access_token");
        let expected = [
            ("client_id", CLIENT_ID),
            ("client_secret", CLIENT_SECRET),
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            (
                "requested_token_type",
                &format!("urn:shopify:params:oauth:token-type:{requested}-access-token"),
            ),
            ("subject_token", &token),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
        ];
        assert!(request.params().iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(expected));
    }
    let changed = |claim: &str, value: Value| {
        let mut changed = claims.clone();
        changed[claim] = value;
        changed
    };
    for (token, code) in [
        (session_token(&claims, "another secret"), "invalid_signature"),
        (session_token(&changed("aud", json!("client-2")), CLIENT_SECRET), "invalid_signature"),
        (session_token(&changed("exp", json!(now() - 20)), CLIENT_SECRET), "invalid_signature"),
        (
            session_token(&changed("dest", json!("https://other.myshopify.com")), CLIENT_SECRET),
            "invalid_signature",
        ),
    ] {
        let (_, refused) = exchange(token, "offline").await;
        assert_eq!(
            (&refused["code"], &refused["field"]),
            (&json!(code), &json!("session_token")),
            "{refused}"
        );
    }
    let (status, refused) = exchange(session_token(&claims, CLIENT_SECRET), "eternal").await;
    assert!(
        status == 400 && refused["detail"].as_str().unwrap().contains("offline or online"),
        "{status} {refused}"
    );
    assert!(harness.find(NAME, "token").is_none(), "nothing else was asked of the provider");
}

#[tokio::test]
async fn install_links_are_believed_if_signed_and_lead_to_the_applications_page() {
    let harness = harness().await;
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let link = |params: Vec<(String, String)>| {
        client.get(format!("{}/oauth/install/{NAME}", harness.server.address)).query(&params).send()
    };
    let timestamp = now().to_string();
    let params = |shop: &str| query(&[("host", "YWRtaW4"), ("shop", shop), ("timestamp", &timestamp)]);
    let led = link(with_signature(params("my-store.myshopify.com"))).await.unwrap();
    assert_eq!(led.status(), StatusCode::SEE_OTHER);
    assert_eq!(led.headers()["location"], "https://app.example.com/install?from=shop&shop=my-store");
    assert_eq!(led.headers()["referrer-policy"], "no-referrer");
    assert!(led.headers().get("set-cookie").is_none(), "a link starts nothing");
    let old = (now() - 90_000).to_string();
    for (params, code) in [
        (params("my-store.myshopify.com"), "invalid_signature"),
        (
            with_signature(query(&[("shop", "my-store.myshopify.com"), ("timestamp", &old)])),
            "invalid_signature",
        ),
        (with_signature(params("my-store.evil.test")), "invalid_parameter"),
        (with_signature(query(&[("timestamp", &timestamp)])), "invalid_parameter"),
    ] {
        let refused = link(params).await.unwrap();
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
        assert!(refused.text().await.unwrap().contains(code), "{code}");
    }
    let unknown = harness.request(Method::GET, "/oauth/install/nobody").send().await.unwrap();
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    let edit: Value = json!({ "install_url": "" });
    let (status, _) =
        answer(harness.request(Method::PATCH, &format!("/integrations/{NAME}")).json(&edit)).await;
    assert_eq!(status, 200);
    let closed = link(with_signature(params("my-store.myshopify.com"))).await.unwrap();
    assert_eq!(closed.status(), StatusCode::NOT_FOUND);
}
