//! Two servers on one database.

use serde_json::{Value, json};

use super::DATABASE;
use crate::{
    browser::{Attempt, Browser, ORIGIN, ask},
    provider::{Provider, tokens},
    server::{Server, eventually},
};

/// Two servers, and a connection `user-1` whose token is due at once.
async fn world() -> (Provider, Server, Server) {
    let provider = Provider::start().await;
    provider.answer(200, tokens("access-1", "refresh-1", 60));
    let mut entry = provider.entry();
    entry["refresh_margin"] = json!(60);
    let variables = [("HANDFAST_DANGER_ALLOW_PRIVATE_ADDRESSES", "true")];
    let one = Server::start_with(DATABASE, entry, json!({}), &variables).await;
    let two = one.replica();
    Browser::default().connect(&one, "user-1").await;
    (provider, one, two)
}

/// Rotating refresh tokens and two machines: `invalid_grant`, and the user had to reconnect.
#[tokio::test]
async fn defect_12_fifty_readers_at_two_servers_make_one_token_request() {
    let (provider, one, two) = world().await;
    provider.answer(200, tokens("access-2", "refresh-2", 100_000));
    let mut readers = Vec::new();
    for number in 0..50 {
        let server = if number % 2 == 0 { &one } else { &two };
        let (http, url) = (server.http.clone(), format!("{}/connections/user-1?config_key=acme", server.url));
        readers.push(tokio::spawn(async move {
            http.get(url).send().await.unwrap().json::<Value>().await.unwrap()
        }));
    }
    for reader in readers {
        assert_eq!(reader.await.unwrap()["credentials"]["access_token"], "access-2");
    }
    assert_eq!(provider.refreshes(), 1);
}

#[tokio::test]
async fn a_server_waits_for_the_other_ones_refresh_and_uses_it() {
    let (provider, one, two) = world().await;
    provider.answer(200, tokens("access-2", "refresh-2", 100_000));
    provider.hold("refresh_token");
    let release = async {
        eventually(async || provider.refreshes() == 1).await;
        provider.release();
    };
    let (first, second, ()) = tokio::join!(one.access_token("user-1"), two.access_token("user-1"), release);
    assert_eq!([first, second], ["access-2", "access-2"]);
    assert_eq!(provider.refreshes(), 1);
}

#[tokio::test]
async fn an_invalid_grant_does_not_undo_what_another_server_stored_meanwhile() {
    let (provider, one, two) = world().await;
    provider.hold("refresh_token");
    provider.answer(200, tokens("access-9", "refresh-9", 100_000));
    let reconnect = async {
        eventually(async || provider.refreshes() == 1).await;
        let page = Browser::default().connect(&two, "user-1").await;
        assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED");
        provider.answer(400, json!({"error": "invalid_grant"}));
        provider.release();
    };
    let (token, ()) = tokio::join!(one.access_token("user-1"), reconnect);
    assert_eq!(token, "access-9");
    assert_eq!(two.access_token("user-1").await, "access-9");
}

#[tokio::test]
async fn idle_connections_are_renewed_once_by_one_of_the_servers() {
    const CONNECTIONS: usize = 12;
    let provider = Provider::start().await;
    provider.answer(200, tokens("access-1", "refresh-1", 60));
    let mut entry = provider.entry();
    entry["refresh_margin"] = json!(60);
    let variables =
        [("HANDFAST_REFRESH_IDLE_AFTER", "1"), ("HANDFAST_DANGER_ALLOW_PRIVATE_ADDRESSES", "true")];
    let one = Server::start_with(DATABASE, entry, json!({}), &variables).await;
    let two = one.replica();
    // None ends before all are connected and what ends is fresh.
    provider.hold("refresh_token");
    let mut browser = Browser::default();
    for number in 0..CONNECTIONS {
        browser.connect(&one, &format!("user-{number}")).await;
    }
    provider.answer(200, tokens("access-2", "refresh-2", 100_000));
    for _ in 0..2 * CONNECTIONS {
        provider.release();
    }
    eventually(async || provider.refreshes() == CONNECTIONS).await;
    for number in 0..CONNECTIONS {
        let server = if number % 2 == 0 { &one } else { &two };
        assert_eq!(server.access_token(&format!("user-{number}")).await, "access-2");
    }
    assert_eq!(provider.refreshes(), CONNECTIONS, "nobody renewed what another one had");
}

#[tokio::test]
async fn an_attempt_begun_at_one_server_may_end_at_the_other() {
    let provider = Provider::start().await;
    // Behind one name, as behind a load balancer.
    let variables = [
        ("HANDFAST_PUBLIC_URL", "http://connect.localhost"),
        ("HANDFAST_DANGER_ALLOW_PRIVATE_ADDRESSES", "true"),
    ];
    let one = Server::start_with(DATABASE, provider.entry(), json!({}), &variables).await;
    let two = one.replica();
    let attempt = Attempt::new("user-2");
    let mut browser = Browser::default();
    let headers = [("origin", ORIGIN), ("host", "connect.localhost")];
    let state = browser.start_with(&one, "acme", &attempt, &headers).await.state();
    let params = [("code", "c"), ("state", state.as_str())];
    let poll = ask(&one, &attempt, "status", 25);
    let (page, outcome) = tokio::join!(browser.call_back(&two, &params), poll);
    assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED");
    assert_eq!(outcome["eventType"], "AUTHORIZATION_SUCEEDED");
}
