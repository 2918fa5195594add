//! Tokens stay alive: renewed when due, once for all who ask, and never lost.

use core::time::Duration;

use serde_json::{Value, json};

use super::DATABASE;
use crate::{
    browser::Browser,
    provider::{Provider, tokens},
    server::{Server, eventually},
};

/// A server with a connection `user-1` whose token is due at once and dies after `lifetime` seconds.
async fn world(lifetime: u64) -> (Provider, Server) {
    let provider = Provider::start().await;
    provider.answer(200, tokens("access-1", "refresh-1", lifetime));
    let mut entry = provider.entry();
    entry["refresh_margin"] = json!(lifetime);
    let server = Server::start_with(
        DATABASE,
        entry,
        json!({}),
        &[("HANDFAST_DANGER_ALLOW_PRIVATE_ADDRESSES", "true")],
    )
    .await;
    let page = Browser::default().connect(&server, "user-1").await;
    assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED");
    (provider, server)
}

fn fresh(access_token: &str, refresh_token: &str) -> Value {
    // Outlives the margin that made the first one due.
    tokens(access_token, refresh_token, 100_000)
}

#[tokio::test]
async fn fifty_readers_of_a_due_connection_make_one_token_request() {
    let (provider, server) = world(60).await;
    provider.answer(200, fresh("access-2", "refresh-2"));
    let readers = (0..50).map(|_| {
        let (http, url) = (server.http.clone(), format!("{}/connections/user-1?config_key=acme", server.url));
        tokio::spawn(async move { http.get(url).send().await.unwrap().json::<Value>().await.unwrap() })
    });
    for reader in readers.collect::<Vec<_>>() {
        assert_eq!(reader.await.unwrap()["credentials"]["access_token"], "access-2");
    }
    assert_eq!(provider.refreshes(), 1);
    assert_eq!(provider.token_requests()[1]["refresh_token"], "refresh-1");
}

// The margin is a fifth of a short lifetime, and never more than 15 minutes.
#[tokio::test]
async fn a_short_lived_token_is_not_renewed_on_every_call() {
    let provider = Provider::start().await;
    provider.answer(200, tokens("access-1", "refresh-1", 300));
    let server = Server::start(DATABASE, &provider).await;
    Browser::default().connect(&server, "user-1").await;
    for _ in 0..3 {
        assert_eq!(server.access_token("user-1").await, "access-1");
    }
    assert_eq!(provider.refreshes(), 0);
}

#[tokio::test]
async fn an_answer_without_a_refresh_token_leaves_the_old_one_in_place() {
    let (provider, server) = world(60).await;
    provider.answer(200, json!({"access_token": "access-2", "expires_in": 1}));
    provider.answer(
        200,
        json!({"access_token": "access-3", "expires_in": 100_000, "refresh_token": "refresh-3"}),
    );
    assert_eq!(server.access_token("user-1").await, "access-2");
    assert_eq!(server.access_token("user-1").await, "access-3");
    let refresh_tokens: Vec<_> = provider
        .token_requests()
        .into_iter()
        .filter_map(|mut fields| fields.remove("refresh_token"))
        .collect();
    assert_eq!(refresh_tokens, ["refresh-1", "refresh-1"]);
    let (_, body) = server.connection("user-1").await;
    assert_eq!(body["credentials"]["refresh_token"], "refresh-3");
}

#[tokio::test]
async fn a_failed_refresh_serves_the_old_token_and_recovers_by_itself() {
    let (provider, server) = world(60).await;
    provider.answer(503, json!({}));
    assert_eq!(server.access_token("user-1").await, "access-1", "it still lives");
    assert_eq!(server.access_token("user-1").await, "access-1");
    assert_eq!(provider.refreshes(), 1, "the second caller does not knock again at once");
    provider.answer(200, fresh("access-2", "refresh-2"));
    eventually(async || server.access_token("user-1").await == "access-2").await;
}

#[tokio::test]
async fn a_dead_token_that_cannot_be_renewed_is_an_error_only_while_the_provider_fails() {
    let (provider, server) = world(1).await;
    provider.answer(500, json!({}));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (status, body) = server.connection("user-1").await;
    assert_eq!((status, &body["code"]), (502, &json!("refresh_failed")));
    provider.answer(200, fresh("access-2", "refresh-2"));
    eventually(async || server.connection("user-1").await.0 == 200).await;
    assert_eq!(server.access_token("user-1").await, "access-2");
}

#[tokio::test]
async fn a_refused_refresh_token_asks_for_a_reconnect_which_keeps_the_id() {
    let (provider, server) = world(60).await;
    let (_, before) = server.connection("user-1").await;
    let refreshes = provider.refreshes();
    provider.answer(400, json!({"error": "invalid_grant"}));
    for _ in 0..3 {
        let (status, body) = server.connection("user-1").await;
        assert_eq!((status, &body["code"]), (409, &json!("needs_reconnect")));
    }
    assert_eq!(provider.refreshes(), refreshes + 1, "it stops asking");
    provider.answer(200, fresh("access-9", "refresh-9"));
    Browser::default().connect(&server, "user-1").await;
    let (status, after) = server.connection("user-1").await;
    assert_eq!((status, &after["credentials"]["access_token"]), (200, &json!("access-9")));
    assert_eq!((&after["id"], &after["created_at"]), (&before["id"], &before["created_at"]));
}

#[tokio::test]
async fn a_caller_who_hangs_up_does_not_lose_the_renewed_token() {
    let (provider, server) = world(60).await;
    provider.hold("refresh_token");
    provider.answer(200, fresh("access-2", "refresh-2"));
    let url = format!("{}/connections/user-1?config_key=acme", server.url);
    let caller = tokio::spawn(server.http.get(url).send());
    eventually(async || provider.refreshes() == 1).await;
    caller.abort();
    provider.release();
    assert_eq!(server.access_token("user-1").await, "access-2");
    assert_eq!(provider.refreshes(), 1);
}

#[tokio::test]
async fn a_refresh_can_be_forced() {
    let provider = Provider::start().await;
    let server = Server::start(DATABASE, &provider).await;
    Browser::default().connect(&server, "user-1").await;
    provider.answer(200, fresh("access-2", "refresh-2"));
    let (_, body) =
        server.get(&["connections", "user-1"], &[("config_key", "acme"), ("force_refresh", "true")]).await;
    assert_eq!(body["credentials"]["access_token"], "access-2");
    assert_eq!(server.access_token("user-1").await, "access-2");
}

#[tokio::test]
async fn a_refresh_that_a_kill_cut_short_is_retried_once_its_lease_ends() {
    let (provider, mut server) = world(60).await;
    provider.hold("refresh_token");
    provider.answer(200, fresh("access-2", "refresh-2"));
    let url = format!("{}/connections/user-1?config_key=acme", server.url);
    let caller = tokio::spawn(server.http.get(url).send());
    eventually(async || provider.refreshes() == 1).await;
    server.kill_and_restart();
    caller.abort();
    let release = async {
        eventually(async || provider.refreshes() == 2).await;
        provider.release();
    };
    let (one, two, ()) = tokio::join!(server.access_token("user-1"), server.access_token("user-1"), release);
    assert_eq!([one, two], ["access-2", "access-2"]);
    assert_eq!(provider.refreshes(), 2, "one at a time");
}

#[tokio::test]
async fn deleting_a_connection_revokes_it_at_the_provider_and_says_so() {
    let provider = Provider::start().await;
    let server = Server::start(DATABASE, &provider).await;
    Browser::default().connect(&server, "user-1").await;
    let url = format!("{}/connections/user-1?config_key=acme", server.url);
    let answer: Value = server.http.delete(&url).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer, json!({"revocation": "revoked"}));
    assert_eq!(provider.revocations()[0]["token"], "refresh-1");
    assert_eq!(provider.revocations()[0]["client_id"], "client-1");
    assert_eq!(server.http.delete(&url).send().await.unwrap().status(), 404);
}
