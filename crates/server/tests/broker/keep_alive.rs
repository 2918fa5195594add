//! Refresh tokens that die when they are not used are used in time, where the configuration wants it.

use serde_json::{Value, json};

use super::DATABASE;
use crate::{
    browser::Browser,
    provider::{Provider, tokens},
    server::{Server, eventually},
};

/// A server that renews what has been due for a second, and tokens that are due a minute before they die.
async fn world(lifetime: u64) -> (Provider, Server) {
    let provider = Provider::start().await;
    let mut entry = provider.entry();
    entry["refresh_margin"] = json!(60);
    let variables =
        [("HANDFAST_REFRESH_IDLE_AFTER", "1"), ("HANDFAST_DANGER_ALLOW_PRIVATE_ADDRESSES", "true")];
    let server = Server::start_with(DATABASE, entry, json!({}), &variables).await;
    provider.answer(200, tokens("access-1", "refresh-1", lifetime));
    (provider, server)
}

async fn connect(server: &Server, connection_id: &str) {
    let page = Browser::default().connect(server, connection_id).await;
    assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED");
}

/// A connection as the list shows it, which renews nothing.
async fn listed(server: &Server, connection_id: &str) -> Value {
    server.get(&["connections"], &[("connection_id", connection_id)]).await.1["connections"][0].clone()
}

#[tokio::test]
async fn a_token_that_nobody_asks_for_is_renewed_again_and_again() {
    let (provider, server) = world(60).await;
    connect(&server, "user-1").await;
    provider.answer(200, tokens("access-2", "refresh-2", 60));
    eventually(async || provider.refreshes() >= 3).await;
    let used = provider.token_requests().into_iter().filter_map(|mut fields| fields.remove("refresh_token"));
    assert_eq!(used.take(3).collect::<Vec<_>>(), ["refresh-1", "refresh-2", "refresh-2"]);
}

#[tokio::test]
async fn without_the_setting_nothing_is_renewed_before_somebody_asks() {
    let provider = Provider::start().await;
    let server = Server::start(DATABASE, &provider).await;
    let settings: Value = serde_json::from_str(&server.run(&["check", "--json"]).await).unwrap();
    assert_eq!(settings["settings"]["refresh_idle_after"], "0 (never)");
}

// What is dead stays dead; what fails is left alone for a while and then recovers.
#[tokio::test]
async fn a_refused_refresh_token_is_not_used_again_and_a_failure_recovers() {
    let (provider, server) = world(60).await;
    connect(&server, "dead").await;
    provider.answer(400, json!({"error": "invalid_grant"}));
    eventually(async || listed(&server, "dead").await["status"] == "needs_reconnect").await;
    assert_eq!(provider.refreshes(), 1);

    provider.answer(200, tokens("access-2", "refresh-2", 60));
    connect(&server, "living").await;
    provider.answer(503, json!({}));
    eventually(async || provider.refreshes() >= 2).await;
    provider.answer(200, tokens("access-3", "refresh-3", 60));
    // Sweeps come and go, and each finds the living one only.
    eventually(async || provider.refreshes() >= 5).await;
    assert_eq!(listed(&server, "living").await["status"], "active");
    let requests = provider.token_requests();
    let with_dead = requests
        .iter()
        .filter(|fields| fields.get("refresh_token").is_some_and(|token| token == "refresh-1"));
    assert_eq!(with_dead.count(), 1);
}

#[tokio::test]
async fn a_few_run_at_once_and_the_database_is_free_meanwhile() {
    const AT_ONCE: usize = 8;
    let (provider, server) = world(100_000).await;
    for number in 0..12 {
        connect(&server, &format!("user-{number}")).await;
    }
    provider.hold("refresh_token");
    provider.answer(200, tokens("access-2", "refresh-2", 100_000));
    // All have been due for long, from one moment to the next.
    server.execute("UPDATE connections SET refresh_at = 0").await;
    eventually(async || provider.refreshes() == AT_ONCE).await;
    for number in 0..12 {
        assert_eq!(listed(&server, &format!("user-{number}")).await["status"], "active");
    }
    assert_eq!(provider.refreshes(), AT_ONCE, "the others wait for their turn");
    for done in 1..=12 {
        provider.release();
        eventually(async || provider.refreshes() == (AT_ONCE + done).min(12)).await;
    }
    eventually(async || server.access_token("user-0").await == "access-2").await;
    assert_eq!(provider.refreshes(), 12);
}

#[tokio::test]
async fn told_to_end_the_server_finishes_the_refresh_that_runs_and_begins_no_other() {
    let (provider, mut server) = world(60).await;
    provider.hold("refresh_token");
    connect(&server, "user-1").await;
    provider.answer(200, tokens("access-2", "refresh-2", 100_000));
    eventually(async || provider.refreshes() == 1).await;
    server.terminate();
    provider.release();
    eventually(async || server.has_ended().is_some()).await;
    assert_eq!(server.has_ended().and_then(|status| status.code()), Some(0));
    server.start_again();
    assert_eq!(server.access_token("user-1").await, "access-2", "the rotated refresh token is not lost");
    assert_eq!(provider.refreshes(), 1);
}
