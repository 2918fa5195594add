//! What users of such servers met elsewhere and must not meet here: sixteen defects, each a test that has its number.
//!
//! They stand here in order, but for three that need something else than a server: 8 in
//! `tests/end_to_end/tests/scenarios/defects.rs`, 12 (two servers) in `replicas.rs`, 16 in
//! `tests/package/tests/loading.rs`. How 7 looks in a real window is seen in `cut_opener.rs` beside 8.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::DATABASE;
use crate::{
    browser::{Attempt, Browser, ORIGIN, Page, ask},
    provider::{Provider, tokens},
    server::{Database, Server},
};

const ALLOW: (&str, &str) = ("HANDFAST_DANGER_ALLOW_PRIVATE_ADDRESSES", "true");

async fn world() -> (Provider, Server, Browser) {
    let provider = Provider::start().await;
    let server = Server::start(DATABASE, &provider).await;
    (provider, server, Browser::default())
}

/// One failed refresh broke the connection until a restart.
#[tokio::test]
async fn defect_01_a_connection_recovers_from_a_failed_refresh_by_itself() {
    let (provider, server, mut browser) = world().await;
    browser.connect(&server, "user-1").await;
    let force = [("config_key", "acme"), ("force_refresh", "true")];
    for (status, body) in [(500, json!({})), (429, json!("slow down")), (200, json!({"access_token": ""}))] {
        provider.answer(status, body);
        server.get(&["connections", "user-1"], &force).await;
        assert_eq!(server.access_token("user-1").await, "access-1", "the old one, which still lives");
    }
    provider.answer(200, tokens("access-2", "refresh-2", 3600));
    let (status, renewed) = server.get(&["connections", "user-1"], &force).await;
    assert_eq!((status, &renewed["credentials"]["access_token"]), (200, &json!("access-2")));
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

/// A missing connection id, a replayed or unknown state, a refused key: a bare error page, and the promise never settled.
#[tokio::test]
async fn defect_04_every_ending_reaches_the_page_with_a_code_and_a_sentence() {
    let (provider, server, mut browser) = world().await;
    let tells = |page: &Page, code: &str| {
        let data = page.data();
        let error = &data["message"]["data"]["error"];
        assert_eq!((error["type"].as_str(), data["origin"].as_str()), (Some(code), Some(ORIGIN)));
        assert!(error["message"].as_str().is_some_and(|sentence| sentence.len() > 10), "{error}");
    };
    for (more, code) in [
        (json!({"connection_id": ""}), "invalid_name"),
        (json!({"connect_token": "hfc_none"}), "invalid_connect_token"),
        (json!({"params": {"none": "x"}}), "invalid_parameter"),
        (json!({"mode": "none"}), "invalid_request"),
    ] {
        let attempt = Attempt::new("user-1").with(more);
        tells(&browser.start(&server, &attempt).await, code);
        assert_eq!(ask(&server, &attempt, "status", 0).await["data"]["error"]["type"], code);
    }
    let unknown = browser.start_with(&server, "none", &Attempt::new("user-1"), &[("origin", ORIGIN)]).await;
    tells(&unknown, "unknown_integration");

    let unknown_state = json!({"code": "c", "state": "unknown"});
    for (answer, code) in [
        (json!({"error": "access_denied"}), "access_denied"),
        (json!({"error": "server_error"}), "provider_error"),
        (json!({}), "provider_error"),
        (unknown_state, "invalid_state"),
    ] {
        browser.cookies.clear();
        let attempt = Attempt::new("user-1");
        let state = browser.start(&server, &attempt).await.state();
        let mut params = vec![("state", answer["state"].as_str().unwrap_or(&state))];
        params.extend(["code", "error"].iter().filter_map(|name| Some((*name, answer[name].as_str()?))));
        let mut page = browser.call_back(&server, &params).await;
        if !page.form().is_empty() {
            page = browser.submit(&server, &page).await;
        }
        tells(&page, code);
        assert_eq!(ask(&server, &attempt, "status", 0).await["data"]["error"]["type"], code);
    }
    provider.answer(400, json!({"error": "invalid_grant"}));
    tells(&browser.connect(&server, "user-1").await, "provider_error");
    assert_eq!(server.connection("user-1").await.0, 404);
}

/// State in process memory, guessable, without expiry, not bound to the browser; lost at restart.
#[tokio::test]
async fn defect_05_a_state_is_random_bound_short_lived_used_once_and_survives_a_restart() {
    let (provider, mut server, mut browser) = world().await;
    let first = browser.start(&server, &Attempt::new("user-1")).await.state();
    let second = browser.start(&server, &Attempt::new("user-2")).await.state();
    assert!(first.len() == 43 && second.len() == 43 && first != second, "256 bits in base64url");
    server.kill_and_restart();

    let mut other = Browser::default();
    let repeat = other.call_back(&server, &[("code", "c"), ("state", &first)]).await;
    assert_eq!(other.submit(&server, &repeat).await.error_code(), "wrong_browser");
    let page = browser.call_back(&server, &[("code", "c"), ("state", &second)]).await;
    assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED");
    browser.call_back(&server, &[("code", "c"), ("state", &second)]).await;
    assert_eq!(provider.token_requests().len(), 1, "one state, one code");

    let late = browser.start(&server, &Attempt::new("user-3")).await.state();
    server.execute("UPDATE attempts SET expires_at = created_at").await;
    browser.call_back(&server, &[("code", "c"), ("state", &late)]).await;
    assert_eq!((provider.token_requests().len(), server.connection("user-3").await.0), (1, 404));
}

/// The success page was sent before the connection was stored.
#[tokio::test]
async fn defect_06_what_the_page_says_is_stored_is_stored_whatever_happens_next() {
    let (_provider, mut server, mut browser) = world().await;
    let attempt = Attempt::new("user-1");
    let state = browser.start(&server, &attempt).await.state();
    let page = browser.call_back(&server, &[("code", "c"), ("state", &state)]).await;
    server.kill_and_restart();
    assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED");
    assert_eq!(server.access_token("user-1").await, "access-1");
    assert_eq!(ask(&server, &attempt, "status", 0).await["eventType"], "AUTHORIZATION_SUCEEDED");
}

/// A provider that cuts the opener (Cross-Origin-Opener-Policy) looked like a closed window, or the page waited for ever.
#[tokio::test]
async fn defect_07_the_server_tells_the_outcome_that_the_window_cannot() {
    let (_provider, server, mut browser) = world().await;
    for (answer, event_type) in
        [(("code", "c"), "AUTHORIZATION_SUCEEDED"), (("error", "access_denied"), "AUTHORIZATION_FAILED")]
    {
        let attempt = Attempt::new("user-1");
        let page = browser.start(&server, &attempt).await;
        let state = page.state();
        let asked = ask(&server, &attempt, "status", 25);
        let params = [answer, ("state", state.as_str())];
        let (outcome, result) = tokio::join!(asked, browser.call_back(&server, &params));
        assert_eq!(
            (outcome["status"].as_str(), outcome["eventType"].as_str()),
            (Some("final"), Some(event_type))
        );
        for page in [&page, &result] {
            assert!(!page.headers.contains_key("cross-origin-opener-policy"), "we cut nothing ourselves");
        }
    }
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

/// A refresh margin of 15 minutes refreshed short-lived tokens on every call.
#[tokio::test]
async fn defect_10_a_token_is_fresh_for_four_fifths_of_its_life() {
    let (provider, server, mut browser) = world().await;
    for (connection_id, lifetime) in [("minutes", 600), ("hours", 7200)] {
        provider.answer(200, tokens(connection_id, "refresh-1", lifetime));
        browser.connect(&server, connection_id).await;
        for _ in 0..3 {
            assert_eq!(server.access_token(connection_id).await, connection_id);
        }
    }
    assert_eq!(provider.refreshes(), 0);
    // Of the ten minutes 119 seconds are left, of the two hours 899.
    let age = "UPDATE connections SET expires_at = expires_at - 481000, refresh_at = refresh_at - 481000 \
               WHERE connection_id = 'minutes'";
    server.execute(age).await;
    let age = "UPDATE connections SET expires_at = expires_at - 6301000, refresh_at = refresh_at - 6301000 \
               WHERE connection_id = 'hours'";
    server.execute(age).await;
    let mut server = server;
    server.kill_and_restart();
    provider.answer(200, tokens("renewed", "refresh-2", 3600));
    for connection_id in ["minutes", "hours"] {
        assert_eq!(server.access_token(connection_id).await, "renewed");
    }
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
    browser.connect(&server, "user-1").await;
    assert_eq!(server.delete("user-1").await, json!({"revocation": "revoked"}));
    let request = &provider.revocations()[0];
    assert_eq!(
        (request["token"].as_str(), request["token_type_hint"].as_str()),
        ("refresh-1", "refresh_token")
    );
    assert_eq!(server.connection("user-1").await.0, 404);

    // Where there is no refresh token, the access token is revoked.
    provider.answer(200, json!({"access_token": "access-2"}));
    browser.connect(&server, "user-2").await;
    server.delete("user-2").await;
    assert_eq!(provider.revocations()[1]["token"], "access-2");

    let mut entry = provider.entry();
    entry["revocation_endpoint"] = json!("http://127.0.0.1:1/revoke");
    let unreachable = Server::start_with(DATABASE, entry.clone(), json!({}), &[ALLOW]).await;
    browser.connect(&unreachable, "user-1").await;
    let answer = unreachable.delete("user-1").await;
    assert_eq!(answer["revocation"], "failed");
    assert!(answer["reason"].as_str().unwrap().contains("could not be reached"), "{answer}");
    assert_eq!(unreachable.connection("user-1").await.0, 404, "it is gone here all the same");

    entry.as_object_mut().unwrap().remove("revocation_endpoint");
    let silent = Server::start_with(DATABASE, entry, json!({}), &[ALLOW]).await;
    browser.connect(&silent, "user-1").await;
    assert_eq!(silent.delete("user-1").await, json!({"revocation": "not_supported"}));
}

/// Adding a provider needed a fork. Encryption keys could not be rotated. Secrets were stored and listed in the clear.
#[tokio::test]
async fn defect_14_a_provider_is_a_table_keys_rotate_and_secrets_are_sealed_and_masked() {
    // The provider of these tests is no part of the binary: it stands in the server's own file.
    let (_provider, mut server, mut browser) = world().await;
    assert_eq!(browser.connect(&server, "user-1").await.event_type(), "AUTHORIZATION_SUCEEDED");

    let (_, listed) = server.get(&["integrations"], &[]).await;
    assert_eq!(listed["integrations"][0]["client_secret"], "********");
    assert_eq!(server.get(&["config"], &[]).await.1["configs"][0]["oauth_client_secret"], "********");
    let stored = server.stored().await;
    for secret in ["client-secret-1", "access-1", "refresh-1"] {
        assert!(!stored.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }

    if DATABASE == Database::Postgres {
        server.add_sealing_key();
    }
    let printed = server.run(&["key", "rotate"]).await;
    assert!(printed.contains("values were sealed anew"), "{printed}");
    assert_eq!(server.access_token("user-1").await, "access-1");
}

/// Anyone could overwrite another user's connection, since the browser chose the connection id.
#[tokio::test]
async fn defect_15_only_the_backend_says_whose_connection_it_is() {
    let provider = Provider::start().await;
    let variables = [
        ("HANDFAST_PUBLIC_URL", "https://connect.example.com"),
        ("HANDFAST_API_KEY", "test-key-0123456789abcdef0123456789"),
        ("HANDFAST_ALLOWED_ORIGINS", ORIGIN),
        ALLOW,
    ];
    let server = Server::start_behind(DATABASE, &provider, &variables).await;
    let headers = [("origin", ORIGIN), ("host", "connect.example.com")];
    let mut browser = Browser::default();
    let page = browser.start_with(&server, "acme", &Attempt::new("user-1"), &headers).await;
    assert_eq!(page.error_code(), "invalid_connect_token", "without a token");

    let pinned = json!({"connection_id": "user-1", "config_keys": ["acme"]});
    let answer = server.http.post(format!("{}/connect/tokens", server.url)).json(&pinned).send().await;
    let made: Value = answer.unwrap().json().await.unwrap();
    let with_token = json!({"connect_token": made["connect_token"]});
    let other = Attempt::new("user-2").with(with_token.clone());
    let page = browser.start_with(&server, "acme", &other, &headers).await;
    assert_eq!(page.error_code(), "invalid_connect_token", "with another user's");
    let own = Attempt::new("user-1").with(with_token);
    let page = browser.start_with(&server, "acme", &own, &headers).await;
    assert_eq!(page.authorization_params()["client_id"], "client-1");
}

#[test]
fn each_of_the_sixteen_has_a_test() {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let files = [
        "crates/server/tests/broker/defects.rs",
        "crates/server/tests/broker/replicas.rs",
        "tests/end_to_end/tests/scenarios/defects.rs",
        "tests/package/tests/loading.rs",
    ];
    let text: String = files.iter().map(|file| fs::read_to_string(tree.join(file)).expect(file)).collect();
    for number in 1..=16 {
        assert!(text.contains(&format!("fn defect_{number:02}_")), "{number}");
    }
}
