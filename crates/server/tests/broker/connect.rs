//! The connect protocol, rule by rule: start, callback, result, status and cancel, start by a GET.

use reqwest::Method;
use serde_json::json;

use super::DATABASE;
use crate::{
    browser::{Attempt, Browser, ORIGIN, Page, ask},
    provider::Provider,
    server::Server,
};

async fn world() -> (Provider, Server, Browser) {
    let provider = Provider::start().await;
    let server = Server::start(DATABASE, &provider).await;
    (provider, server, Browser::default())
}

#[tokio::test]
async fn a_start_leads_to_the_provider_and_back_to_a_stored_connection() {
    let (provider, server, mut browser) = world().await;
    server.edit_integration("acme", json!({"scopes": ["read", "write all"]})).await;
    let attempt = Attempt::new("user-1");
    let page = browser.start(&server, &attempt).await;

    assert_eq!(page.status, 200);
    assert!(page.authorization_request().as_str().starts_with(&format!("{}/authorize?", provider.url)));
    let params = page.authorization_params();
    assert_eq!(params["fixed"], "1");
    assert_eq!(params["response_type"], "code");
    assert_eq!(params["client_id"], "client-1");
    assert_eq!(params["redirect_uri"], format!("{}/oauth/callback", server.url));
    assert_eq!(params["scope"], "read write all");
    assert_eq!(params["code_challenge_method"], "S256");
    assert_eq!(params["state"].len(), 43);

    assert_eq!(ask(&server, &attempt, "status", 0).await, json!({"status": "pending"}));
    let page = browser.call_back(&server, &[("code", "code-1"), ("state", &page.state())]).await;
    let data = json!({
        "connectionId": "user-1", "configKey": "acme", "providerConfigKey": "acme", "integrationKey": "acme",
    });
    assert_eq!(
        page.data()["message"],
        json!({"handfast": 1, "attempt_id": attempt.id, "eventType": "AUTHORIZATION_SUCEEDED", "data": data})
    );
    assert_eq!(page.data()["origin"], ORIGIN);
    assert!(page.html.contains("Fake &amp; Co") && page.html.contains("user-1"));
    assert!(browser.cookies.is_empty(), "the attempt's cookie is deleted at its end");
    assert_eq!(
        ask(&server, &attempt, "status", 0).await,
        json!({"status": "final", "eventType": "AUTHORIZATION_SUCEEDED", "data": data})
    );

    let redeemed = &provider.token_requests()[0];
    assert_eq!(redeemed["grant_type"], "authorization_code");
    assert_eq!(redeemed["code"], "code-1");
    assert_eq!(redeemed["redirect_uri"], params["redirect_uri"]);
    assert_eq!(redeemed["client_secret"], "client-secret-1");
    let verifier = handfast_protocol::CodeVerifier::parse(&redeemed["code_verifier"]).unwrap();
    assert_eq!(verifier.challenge().as_str(), params["code_challenge"]);

    let (status, connection) = server.connection("user-1").await;
    assert_eq!(status, 200);
    assert_eq!(connection["credentials"]["access_token"], "access-1");
    assert_eq!(connection["granted_scopes"], json!(["read", "write"]));
}

#[tokio::test]
async fn the_start_page_carries_the_headers_of_rule_three() {
    let (_provider, server, mut browser) = world().await;
    let page = browser.start(&server, &Attempt::new("user-1")).await;
    let header = |name: &str| page.headers[name].to_str().unwrap();
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert!(!page.headers.contains_key("cross-origin-opener-policy"));
    let policy = header("content-security-policy");
    for part in [
        "default-src 'none'",
        "script-src 'nonce-",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe-inline"));
    let cookie = header("set-cookie");
    let (name, rest) = cookie.split_once('=').unwrap();
    assert_eq!(name.len(), "handfast-".len() + 16);
    assert!(name["handfast-".len()..].bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(&rest[43..], "; Path=/; HttpOnly; SameSite=Lax; Max-Age=600");
}

#[tokio::test]
async fn behind_https_the_cookie_is_host_bound_and_secure_whatever_the_request_says() {
    let provider = Provider::start().await;
    let variables = [
        ("HANDFAST_PUBLIC_URL", "https://connect.localhost"),
        ("HANDFAST_DANGER_ALLOW_PRIVATE_ADDRESSES", "true"),
    ];
    let server = Server::start_behind(DATABASE, &provider, &variables).await;
    let headers = [("origin", ORIGIN), ("host", "connect.localhost")];
    let page = Browser::default().start_with(&server, "acme", &Attempt::new("user-1"), &headers).await;
    let cookie = page.headers["set-cookie"].to_str().unwrap();
    assert!(
        cookie.starts_with("__Host-handfast-") && cookie.contains("; Path=/; Secure; HttpOnly; SameSite=Lax"),
        "{cookie}"
    );
    assert_eq!(page.authorization_params()["redirect_uri"], "https://connect.localhost/oauth/callback");
}

#[tokio::test]
async fn the_same_request_may_start_again_until_its_callback_and_the_older_state_dies() {
    let (_provider, server, mut browser) = world().await;
    let attempt = Attempt::new("user-1");
    let first = browser.start(&server, &attempt).await;
    let second = browser.start(&server, &attempt).await;
    assert_ne!(first.state(), second.state());

    let other =
        Browser::default().start(&server, &attempt.clone().with(json!({"connection_id": "user-2"}))).await;
    assert_eq!(other.error_code(), "invalid_request", "another body is another attempt");

    browser.cookies.retain(|name, _| *name != cookie_of(&second));
    let stale = browser.call_back(&server, &[("code", "c"), ("state", &first.state())]).await;
    assert!(stale.html.contains("invalid_state"), "{}", stale.html);
    browser.start(&server, &attempt).await;
    let third = browser.start(&server, &attempt).await;
    let page = browser.call_back(&server, &[("code", "c"), ("state", &third.state())]).await;
    assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED");
    assert_eq!(browser.start(&server, &attempt).await.error_code(), "invalid_request");
}

fn cookie_of(page: &Page) -> String {
    page.headers["set-cookie"].to_str().unwrap().split('=').next().unwrap().to_owned()
}

#[tokio::test]
async fn parallel_attempts_in_one_browser_end_each_with_its_own_result() {
    let (_provider, server, mut browser) = world().await;
    let (one, two) = (Attempt::new("user-1"), Attempt::new("user-2"));
    let first = browser.start(&server, &one).await;
    let second = browser.start(&server, &two).await;
    let denied = browser.call_back(&server, &[("error", "access_denied"), ("state", &first.state())]).await;
    let granted = browser.call_back(&server, &[("code", "c"), ("state", &second.state())]).await;
    assert_eq!(denied.data()["message"]["attempt_id"], one.id);
    assert_eq!(denied.error_code(), "access_denied");
    assert_eq!(granted.data()["message"]["attempt_id"], two.id);
    assert_eq!(granted.event_type(), "AUTHORIZATION_SUCEEDED");
    assert_eq!(server.connection("user-1").await.0, 404);
    assert_eq!(server.connection("user-2").await.0, 200);
}

#[tokio::test]
async fn the_flow_survives_a_kill_between_request_and_callback() {
    let (_provider, mut server, mut browser) = world().await;
    let attempt = Attempt::new("user-1");
    let page = browser.start(&server, &attempt).await;
    server.kill_and_restart();
    let page = browser.call_back(&server, &[("code", "c"), ("state", &page.state())]).await;
    assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED");
    assert_eq!(server.access_token("user-1").await, "access-1");
}

#[tokio::test]
async fn a_callback_without_the_cookie_is_repeated_once_from_our_own_origin() {
    let (provider, server, mut browser) = world().await;
    let page = browser.start(&server, &Attempt::new("user-1")).await;
    let form = [("code".to_owned(), "\"<c&'>".to_owned()), ("state".to_owned(), page.state())];
    // `response_mode=form_post`: a cross-site POST, without the cookie.
    let repeat = browser.request(&server, Method::POST, "/oauth/callback", &[], Some(&form), false).await;
    assert!(
        repeat.html.contains(&format!("action=\"{}/oauth/callback/continue\"", server.url)),
        "{}",
        repeat.html
    );
    assert!(repeat.headers["content-security-policy"].to_str().unwrap().contains("form-action 'self'"));
    assert_eq!(repeat.form(), form);
    assert!(provider.token_requests().is_empty());
    let page = browser.submit(&server, &repeat).await;
    assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED");
    assert_eq!(provider.token_requests()[0]["code"], "\"<c&'>");
}

#[tokio::test]
async fn a_long_poll_hears_of_the_outcome_when_it_is_there() {
    let (provider, server, mut browser) = world().await;
    let attempt = Attempt::new("user-1");
    let page = browser.start(&server, &attempt).await;
    provider.hold("authorization_code");
    let poll = ask(&server, &attempt, "status", 25);
    let callback = async {
        let state = page.state();
        let params = [("code", "c"), ("state", state.as_str())];
        let callback = browser.call_back(&server, &params);
        let release = async {
            crate::server::eventually(async || !provider.token_requests().is_empty()).await;
            provider.release();
        };
        tokio::join!(callback, release).0
    };
    let (answer, page) = tokio::join!(poll, callback);
    assert_eq!(answer["eventType"], "AUTHORIZATION_SUCEEDED");
    assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED");
}

#[tokio::test]
async fn a_second_poll_takes_the_place_of_the_first() {
    let (_provider, server, mut browser) = world().await;
    let attempt = Attempt::new("user-1");
    browser.start(&server, &attempt).await;
    let first = async {
        let answer = ask(&server, &attempt, "status", 25).await;
        // Whichever came first is released by the other, and releases that one by its cancel.
        ask(&server, &attempt, "cancel", 0).await;
        answer
    };
    let second = async {
        let answer = ask(&server, &attempt, "status", 25).await;
        ask(&server, &attempt, "cancel", 0).await;
        answer
    };
    let (first, second) = tokio::join!(first, second);
    let statuses = [first["status"].as_str().unwrap(), second["status"].as_str().unwrap()];
    assert!(statuses.contains(&"pending") && statuses.contains(&"final"), "{statuses:?}");
}

#[tokio::test]
async fn only_the_attempt_secret_tells_an_attempts_status() {
    let (_provider, server, mut browser) = world().await;
    let attempt = Attempt::new("user-1");
    browser.start(&server, &attempt).await;
    let stranger = Attempt { secret: "x".repeat(43), ..attempt.clone() };
    assert_eq!(ask(&server, &stranger, "status", 0).await, json!({"status": "unknown"}));
    assert_eq!(ask(&server, &stranger, "cancel", 0).await, json!({"status": "unknown"}));
    assert_eq!(ask(&server, &attempt, "status", 0).await, json!({"status": "pending"}));
    let bad = Attempt { secret: "short".to_owned(), ..attempt };
    assert_eq!(ask(&server, &bad, "status", 0).await["code"], "invalid_name");
}

#[tokio::test]
async fn the_backend_sees_how_attempts_went_and_none_of_their_secrets() {
    let (_provider, server, mut browser) = world().await;
    browser.connect(&server, "user-1").await;
    let waiting = Attempt::new("user-2");
    browser.start(&server, &waiting).await;
    let denied = Attempt::new("user-2");
    let state = browser.start(&server, &denied).await.state();
    browser.call_back(&server, &[("error", "access_denied"), ("state", &state)]).await;
    let refused = Attempt::new("user-3").with(json!({"params": {"unknown": "x"}}));
    browser.start(&server, &refused).await;

    let attempts = async |query: &[(&str, &str)]| {
        let (status, body) = server.get(&["attempts"], query).await;
        assert_eq!(status, 200, "{body}");
        server.assert_tells_no_secret(&body.to_string());
        assert!(!body.to_string().contains(&state), "{body}");
        body["attempts"].as_array().unwrap().clone()
    };
    let all = attempts(&[]).await;
    assert_eq!(all.len(), 4);
    let told = |attempt: &Attempt| {
        let listed = all.iter().find(|listed| listed["attempt_id"] == attempt.id).unwrap();
        json!([listed["connection_id"], listed["state"], listed["error"], listed["origin"]])
    };
    assert_eq!(told(&waiting), json!(["user-2", "pending", null, ORIGIN]));
    assert_eq!(told(&denied), json!(["user-2", "failed", "access_denied", ORIGIN]));
    assert_eq!(told(&refused), json!(["user-3", "failed", "invalid_parameter", ORIGIN]));
    let of_first = attempts(&[("config_key", "acme"), ("connection_id", "user-1")]).await;
    assert_eq!((of_first.len(), &of_first[0]["state"]), (1, &json!("succeeded")));
    assert!(attempts(&[("config_key", "another")]).await.is_empty());
    assert_eq!(attempts(&[("before", all[0]["attempt_id"].as_str().unwrap())]).await, all[1..]);
    let mistaken = server.get(&["attempts"], &[("before", "short")]).await;
    assert_eq!((mistaken.0, &mistaken.1["code"]), (400, &json!("invalid_name")));

    let printed = server.run(&["attempt", "list", "user-2"]).await;
    assert!(printed.contains("access_denied") && printed.contains("pending"), "{printed}");
    assert!(!printed.contains("user-1"), "{printed}");
}

#[tokio::test]
async fn after_a_cancel_the_callback_stores_nothing_and_says_so() {
    let (provider, server, mut browser) = world().await;
    let attempt = Attempt::new("user-1");
    let page = browser.start(&server, &attempt).await;
    let cancelled = ask(&server, &attempt, "cancel", 0).await;
    assert_eq!(cancelled["data"]["error"]["type"], "aborted");
    let late = browser.call_back(&server, &[("code", "c"), ("state", &page.state())]).await;
    assert!(late.html.contains("Nothing was stored"), "{}", late.html);
    assert!(provider.token_requests().is_empty());
    assert_eq!(server.connection("user-1").await.0, 404);
}

#[tokio::test]
async fn a_cancel_that_loses_the_race_answers_the_outcome() {
    let (provider, server, mut browser) = world().await;
    let attempt = Attempt::new("user-1");
    let page = browser.start(&server, &attempt).await;
    provider.hold("authorization_code");
    let state = page.state();
    let params = [("code", "c"), ("state", state.as_str())];
    let callback = browser.call_back(&server, &params);
    let cancel = async {
        crate::server::eventually(async || !provider.token_requests().is_empty()).await;
        let release = async { provider.release() };
        tokio::join!(ask(&server, &attempt, "cancel", 0), release).0
    };
    let (page, cancelled) = tokio::join!(callback, cancel);
    assert_eq!(cancelled["eventType"], "AUTHORIZATION_SUCEEDED");
    assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED");
    assert_eq!(server.connection("user-1").await.0, 200);
}

#[tokio::test]
async fn a_refused_start_is_told_to_its_origin_and_kept_as_the_outcome() {
    let (provider, server, mut browser) = world().await;
    let attempt = Attempt::new("user-1");
    let headers = [("origin", "https://evil.test")];
    let page = browser.start_with(&server, "acme", &attempt, &headers).await;
    assert_eq!(page.error_code(), "origin_not_allowed");
    assert_eq!(page.data()["origin"], "https://evil.test");
    assert_eq!(page.data()["message"]["attempt_id"], attempt.id);
    assert!(browser.cookies.is_empty() && provider.token_requests().is_empty());
    assert_eq!(ask(&server, &attempt, "status", 0).await["data"]["error"]["type"], "origin_not_allowed");

    let attempt = Attempt::new("user-1");
    let page = browser.start_with(&server, "no-such", &attempt, &[("origin", ORIGIN)]).await;
    assert_eq!(page.error_code(), "unknown_integration");
    assert_eq!(ask(&server, &attempt, "status", 0).await["data"]["error"]["type"], "unknown_integration");
}

#[tokio::test]
async fn a_request_that_cannot_be_read_names_the_field() {
    let (_provider, server, mut browser) = world().await;
    for (more, code, word) in [
        (json!({"protocol": 2}), "unsupported_protocol", "update the server"),
        (json!({"protocol": 0}), "unsupported_protocol", "handfast"),
        (json!({"connection_id": ""}), "invalid_name", "connection_id"),
        (json!({"mode": "window"}), "invalid_request", "mode"),
        (json!({"surprise": 1}), "invalid_request", "surprise"),
        (json!({"params": {"subdomain": "x"}}), "invalid_parameter", "subdomain"),
        (
            json!({"authorization_params": {"redirect_uri": "https://evil.test"}}),
            "invalid_parameter",
            "redirect_uri",
        ),
        (json!({"mode": "redirect"}), "invalid_request", "return_to"),
        (json!({"mode": "redirect", "return_to": "https://evil.test/"}), "invalid_request", "return_to"),
    ] {
        let page = browser.start(&server, &Attempt::new("user-1").with(more)).await;
        assert_eq!(page.error_code(), code, "{word}");
        let message = page.data()["message"]["data"]["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(word), "{word}: {message}");
    }
    assert!(browser.cookies.is_empty());
}

#[tokio::test]
async fn a_plain_get_explains_itself_and_starts_nothing() {
    let (_provider, server, mut browser) = world().await;
    for path in [
        "/oauth/connect/acme",
        "/oauth/connect/acme?connection_id=user-1",
        "/oauth/connect/no-such?connection_id=1",
    ] {
        let page = browser.visit(&server, path).await;
        assert_eq!(page.status, 200);
        assert!(page.html.contains("Nothing was started"), "{}", page.html);
        assert!(!page.html.contains(&server.url) && browser.cookies.is_empty());
    }
}

#[tokio::test]
async fn published_pizzly_clients_start_by_a_get_where_the_integration_lets_them() {
    let (_provider, server, mut browser) = world().await;
    let referer = [("referer", "http://127.0.0.2:8080/")];
    let path = "/oauth/connect/acme?pizzly_pkey=k&connection_id=me+you@example.com";
    let page = browser.request(&server, Method::GET, path, &referer, None, true).await;
    assert_eq!(page.error_code(), "invalid_request", "not unless it says so");
    assert_eq!(page.data()["origin"], ORIGIN, "and the page is told");

    server.edit_integration("acme", json!({"legacy_start": true})).await;
    let page = browser.visit(&server, path).await;
    assert!(page.html.contains("Nothing was started"), "no Referer, no start");
    let page =
        browser.request(&server, Method::GET, path, &[("referer", "https://evil.test/")], None, true).await;
    assert_eq!(page.error_code(), "origin_not_allowed");
    let page = browser.request(&server, Method::HEAD, path, &referer, None, true).await;
    assert!(page.status == 403 && browser.cookies.is_empty());

    let page = browser.request(&server, Method::GET, path, &referer, None, true).await;
    assert_eq!(page.data()["needs_opener"], true);
    let page = browser.call_back(&server, &[("code", "c"), ("state", &page.state())]).await;
    assert_eq!(page.data()["origin"], ORIGIN);
    assert_eq!(
        page.data()["message"]["data"]["connectionId"],
        "me+you@example.com",
        "a plus sign is a plus sign"
    );
    let (status, body) =
        server.get(&["connection", "me+you@example.com"], &[("integration_key", "acme")]).await;
    assert_eq!((status, &body["connection"]["credentials"]["accessToken"]), (200, &json!("access-1")));
}

#[tokio::test]
async fn redirect_mode_goes_back_to_an_address_of_the_same_origin() {
    let (_provider, server, mut browser) = world().await;
    let return_to = format!("{ORIGIN}/settings?tab=1");
    let attempt = Attempt::new("user-1").with(json!({"mode": "redirect", "return_to": return_to}));
    let page = browser.start(&server, &attempt).await;
    let page = browser.call_back(&server, &[("code", "c"), ("state", &page.state())]).await;
    assert_eq!(page.data()["return_to"], return_to);
    assert_eq!(ask(&server, &attempt, "status", 0).await["eventType"], "AUTHORIZATION_SUCEEDED");
}
