//! What must not work: foreign pages and browsers, stolen and repeated answers, markup, private addresses, copied rows.

use reqwest::Method;
use serde_json::json;

use super::DATABASE;
use crate::{
    browser::{Attempt, Browser, ORIGIN, ask},
    provider::Provider,
    server::Server,
};

async fn world() -> (Provider, Server, Browser) {
    let provider = Provider::start().await;
    let server = Server::start(DATABASE, &provider).await;
    (provider, server, Browser::default())
}

// ASVS 5.0 10.2.1
#[tokio::test]
async fn no_page_of_a_foreign_origin_starts_an_attempt() {
    let (_provider, server, mut browser) = world().await;
    server.edit_integration("acme", json!({"allowed_origins": ["https://app.example.com"]})).await;
    let origins = [
        "null",
        "https://evil.test",
        "https://app.example.com.evil.test",
        "https://app.example.com:444",
        ORIGIN,
    ];
    for origin in origins {
        let page = browser.start_with(&server, "acme", &Attempt::new("user-1"), &[("origin", origin)]).await;
        assert_eq!(page.error_code(), "origin_not_allowed", "{origin}");
    }
    let page = browser.start_with(&server, "acme", &Attempt::new("user-1"), &[]).await;
    assert_eq!(page.error_code(), "origin_not_allowed", "no Origin at all");
    assert!(browser.cookies.is_empty());
    let page = browser
        .start_with(&server, "acme", &Attempt::new("user-1"), &[("origin", "https://app.example.com")])
        .await;
    assert_eq!(page.authorization_params()["client_id"], "client-1");
}

#[tokio::test]
async fn a_start_inside_a_frame_or_by_a_fetch_is_refused() {
    let (_provider, server, mut browser) = world().await;
    for header in [
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-mode", "no-cors"),
        ("sec-fetch-dest", "iframe"),
        ("sec-fetch-dest", "empty"),
    ] {
        let page =
            browser.start_with(&server, "acme", &Attempt::new("user-1"), &[("origin", ORIGIN), header]).await;
        assert_eq!(page.error_code(), "invalid_request", "{header:?}");
    }
    assert!(browser.cookies.is_empty());
}

#[tokio::test]
async fn a_start_under_another_name_of_the_server_is_a_wrong_host() {
    let (_provider, server, mut browser) = world().await;
    let host = format!("127.0.0.1:{}", server.port());
    let attempt = Attempt::new("user-1");
    let page = browser.start_with(&server, "acme", &attempt, &[("origin", ORIGIN), ("host", &host)]).await;
    assert_eq!(page.error_code(), "wrong_host");
    assert!(page.html.contains(&server.url), "the right name is told");
    let page =
        browser.start_with(&server, "acme", &attempt, &[("origin", ORIGIN), ("host", "rebound.test")]).await;
    assert_eq!(page.status, 421);
}

// RFC 9700 4.7.1, ASVS 5.0 10.1.2
#[tokio::test]
async fn an_answer_carried_to_another_browser_ends_the_attempt_for_everyone() {
    let (provider, server, mut browser) = world().await;
    let attempt = Attempt::new("user-1");
    let state = browser.start(&server, &attempt).await.state();
    let mut victim = Browser::default();
    let repeat = victim.call_back(&server, &[("code", "c"), ("state", &state)]).await;
    assert_eq!(ask(&server, &attempt, "status", 0).await["status"], "pending", "nothing is touched yet");
    let page = victim.submit(&server, &repeat).await;
    assert_eq!(page.error_code(), "wrong_browser");
    assert_eq!(ask(&server, &attempt, "status", 0).await["data"]["error"]["type"], "wrong_browser");
    let replayed = browser.call_back(&server, &[("code", "c"), ("state", &state)]).await;
    assert_eq!(replayed.error_code(), "wrong_browser");
    assert!(provider.token_requests().is_empty());
    assert_eq!(server.connection("user-1").await.0, 404);
}

#[tokio::test]
async fn a_cookie_of_another_attempt_does_not_do() {
    let (provider, server, mut browser) = world().await;
    let state = browser.start(&server, &Attempt::new("user-1")).await.state();
    for value in browser.cookies.values_mut() {
        *value = "A".repeat(43);
    }
    let page = browser.call_back(&server, &[("code", "c"), ("state", &state)]).await;
    assert_eq!(page.error_code(), "wrong_browser");
    assert!(provider.token_requests().is_empty());
}

#[tokio::test]
async fn a_repeated_answer_shows_the_recorded_outcome_and_redeems_nothing() {
    let (provider, server, mut browser) = world().await;
    let state = browser.start(&server, &Attempt::new("user-1")).await.state();
    let cookies = browser.cookies.clone();
    browser.call_back(&server, &[("code", "c"), ("state", &state)]).await;
    browser.cookies = cookies;
    let page = browser.call_back(&server, &[("code", "other"), ("state", &state)]).await;
    assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED");
    assert_eq!(provider.token_requests().len(), 1);
    let mut stranger = Browser::default();
    let repeat = stranger.call_back(&server, &[("code", "c"), ("state", &state)]).await;
    let page = stranger.submit(&server, &repeat).await;
    assert!(page.html.contains("invalid_state") && !page.html.contains("user-1"), "{}", page.html);
}

#[tokio::test]
async fn images_frames_fetches_and_prefetches_of_a_callback_touch_nothing() {
    let (provider, server, mut browser) = world().await;
    let attempt = Attempt::new("user-1");
    let state = browser.start(&server, &attempt).await.state();
    let path = format!("/oauth/callback?code=c&state={state}");
    for (method, header) in [
        (Method::GET, ("sec-fetch-dest", "image")),
        (Method::GET, ("sec-fetch-dest", "iframe")),
        (Method::GET, ("sec-fetch-dest", "empty")),
        (Method::GET, ("sec-purpose", "prefetch")),
        (Method::HEAD, ("accept", "*/*")),
    ] {
        let page = browser.request(&server, method, &path, &[header], None, true).await;
        assert_eq!(page.status, 403, "{header:?}");
        assert_eq!(page.headers["cache-control"], "no-store");
    }
    assert!(provider.token_requests().is_empty());
    assert_eq!(ask(&server, &attempt, "status", 0).await["status"], "pending");
}

#[tokio::test]
async fn an_answer_without_a_known_state_ends_the_one_live_attempt_and_no_other() {
    let (_provider, server, mut browser) = world().await;
    let one = Attempt::new("user-1");
    browser.start(&server, &one).await;
    let repeat = browser.call_back(&server, &[("code", "c"), ("state", "unknown")]).await;
    let page = browser.submit(&server, &repeat).await;
    assert_eq!(
        (page.error_code().as_str(), &page.data()["message"]["attempt_id"]),
        ("invalid_state", &json!(one.id))
    );

    browser.cookies.clear();
    let (two, three) = (Attempt::new("user-2"), Attempt::new("user-3"));
    browser.start(&server, &two).await;
    browser.start(&server, &three).await;
    let page = browser.call_back(&server, &[("error", "access_denied")]).await;
    assert!(page.html.contains("invalid_state"), "{}", page.html);
    for attempt in [&two, &three] {
        assert_eq!(ask(&server, attempt, "status", 0).await["status"], "pending");
    }
}

// ASVS 5.0 10.2.2; RFC 9207 2.4
#[tokio::test]
async fn an_answer_of_another_issuer_is_refused() {
    let provider = Provider::start().await;
    let mut entry = provider.entry();
    entry["issuer"] = json!("https://issuer.test");
    entry["authorization_response_iss_parameter_supported"] = json!(true);
    let server = Server::start_with(
        DATABASE,
        entry,
        json!({}),
        &[("HANDFAST_DANGER_ALLOW_PRIVATE_ADDRESSES", "true")],
    )
    .await;
    let mut browser = Browser::default();
    for iss in [None, Some("https://evil.test"), Some("https://issuer.test/")] {
        let state = browser.start(&server, &Attempt::new("user-1")).await.state();
        let mut params = vec![("code", "c"), ("state", state.as_str())];
        params.extend(iss.map(|iss| ("iss", iss)));
        assert_eq!(browser.call_back(&server, &params).await.error_code(), "issuer_mismatch", "{iss:?}");
    }
    assert!(provider.token_requests().is_empty());
    let state = browser.start(&server, &Attempt::new("user-1")).await.state();
    let params = [("code", "c"), ("state", &state), ("iss", "https://issuer.test")];
    assert_eq!(browser.call_back(&server, &params).await.event_type(), "AUTHORIZATION_SUCEEDED");
}

#[tokio::test]
async fn a_callback_on_another_integrations_address_is_refused() {
    let (provider, server, mut browser) = world().await;
    server.add_integration("other", json!({})).await;
    let state = browser.start(&server, &Attempt::new("user-1")).await.state();
    let page = browser.visit(&server, &format!("/oauth/callback/other?code=c&state={state}")).await;
    assert_eq!(page.error_code(), "issuer_mismatch");
    assert!(provider.token_requests().is_empty());
}

#[tokio::test]
async fn an_integration_with_a_redirect_uri_of_its_own_is_called_back_there_only() {
    let (provider, server, mut browser) = world().await;
    server.add_integration("own", json!({"provider_overrides": {"own_redirect_uri": true}})).await;
    let headers = [("origin", ORIGIN)];
    let page = browser.start_with(&server, "own", &Attempt::new("user-1"), &headers).await;
    assert_eq!(page.authorization_params()["redirect_uri"], format!("{}/oauth/callback/own", server.url));
    let shared = browser.call_back(&server, &[("code", "c"), ("state", &page.state())]).await;
    assert_eq!(shared.error_code(), "issuer_mismatch");
    assert!(provider.token_requests().is_empty());

    let page = browser.start_with(&server, "own", &Attempt::new("user-1"), &headers).await;
    let path = format!("/oauth/callback/own?code=c&state={}", page.state());
    let page = browser.visit(&server, &path).await;
    assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED", "{}", page.html);
    let redeemed = &provider.token_requests()[0];
    assert_eq!(redeemed["redirect_uri"], format!("{}/oauth/callback/own", server.url));
}

// RFC 6749 3.1
#[tokio::test]
async fn a_repeated_parameter_is_refused_by_name() {
    let (provider, server, mut browser) = world().await;
    let state = browser.start(&server, &Attempt::new("user-1")).await.state();
    let page = browser.call_back(&server, &[("code", "a"), ("code", "b"), ("state", &state)]).await;
    assert!(page.data()["message"]["data"]["error"]["message"].as_str().unwrap().contains("\"code\""));
    assert!(provider.token_requests().is_empty());
}

#[tokio::test]
async fn a_refusal_that_repeats_what_was_sent_is_told_without_it() {
    let (provider, server, mut browser) = world().await;
    let page = browser.start(&server, &Attempt::new("user-1")).await;
    let state = page.state();
    let repeated = "code-to-hide of client-secret-1 is not for http://127.0.0.1";
    provider.answer(400, json!({"error": "invalid_grant", "error_description": repeated.repeat(20)}));
    let page = browser.call_back(&server, &[("code", "code-to-hide"), ("state", &state)]).await;
    let told = page.data()["message"]["data"]["error"]["message"].as_str().unwrap().to_owned();
    assert!(told.contains("invalid_grant ([hidden] of [hidden] is not for http"), "{told}");
    assert!(!page.html.contains("code-to-hide") && told.len() < 400, "{told}");
}

#[tokio::test]
async fn markup_and_quotes_are_text_wherever_they_come_from() {
    let (_provider, server, mut browser) = world().await;
    let hostile = "\"'`</script><script>alert(1)</script>\n\u{1f600}<!--&amp;";
    let attempt = Attempt::new(hostile);
    let page = browser.start(&server, &attempt).await;
    let params = [("error", "server_error"), ("error_description", hostile), ("state", &page.state())];
    let page = browser.call_back(&server, &params).await;
    assert!(!page.html.contains("<script>alert"), "{}", page.html);
    let data = &page.data()["message"]["data"];
    assert_eq!(data["connectionId"], hostile);
    assert!(data["error"]["message"].as_str().unwrap().contains(hostile));
    assert_eq!(page.error_code(), "provider_error");

    let page = browser.connect(&server, hostile).await;
    assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED", "{}", page.html);
    let (status, connection) = server.connection(hostile).await;
    assert_eq!((status, &connection["connection_id"]), (200, &json!(hostile)));
}

#[tokio::test]
async fn connection_ids_may_hold_slashes_also_unescaped() {
    let (_provider, server, mut browser) = world().await;
    for id in ["a/b/c", "/a", "a%2Fb", "a?b#c", "\u{fc}\u{1f600}", "a b+c"] {
        browser.connect(&server, id).await;
        let (status, body) = server.connection(id).await;
        assert_eq!((status, &body["connection_id"]), (200, &json!(id)));
    }
    // As published clients write it: the slashes as they are.
    let answer = server
        .http
        .get(format!("{}/connection/a/b/c?provider_config_key=acme", server.url))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["connection_id"], "a/b/c");
}

#[tokio::test]
async fn the_token_endpoint_is_never_at_a_private_address() {
    let provider = Provider::start().await;
    let server = Server::start_with(DATABASE, provider.entry(), json!({}), &[]).await;
    let page = Browser::default().connect(&server, "user-1").await;
    assert_eq!(page.error_code(), "provider_error");
    assert!(page.html.contains("public"), "{}", page.html);
    assert!(provider.token_requests().is_empty());
}
