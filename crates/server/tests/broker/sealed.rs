//! What lies in the database, and how the key that seals it is changed.

use std::{fs, process::Stdio};

use serde_json::{Value, json};

use super::DATABASE;
use crate::{
    browser::{Attempt, Browser},
    provider::{Provider, tokens},
    server::{Database, Server, eventually},
};

// ASVS 5.0 11.4
#[tokio::test]
async fn secrets_lie_sealed_or_hashed_in_the_database() {
    let provider = Provider::start().await;
    let server = Server::start(DATABASE, &provider).await;
    let mut browser = Browser::default();
    provider.answer(200, tokens("access-in-the-clear", "refresh-in-the-clear", 3600));
    let post = async |path: &str, body: Value| {
        let answer = server.http.post(format!("{}{path}", server.url)).json(&body).send().await.unwrap();
        answer.json::<Value>().await.unwrap()
    };
    let api_key = post("/api_keys", json!({"name": "backend", "scopes": ["connect"]})).await;
    let connect_token = post("/connect/tokens", json!({"connection_id": "user-1"})).await;
    let attempt = Attempt::new("user-1");
    let state = browser.start(&server, &attempt).await.state();
    let cookie = browser.cookies.values().next().unwrap().clone();
    let pending = server.stored().await;
    browser.call_back(&server, &[("code", "code-in-the-clear"), ("state", &state)]).await;
    let stored = server.stored().await;
    let verifier = provider.token_requests()[0]["code_verifier"].clone();
    for secret in [
        "access-in-the-clear",
        "refresh-in-the-clear",
        "client-secret-1",
        "code-in-the-clear",
        api_key["api_key"].as_str().unwrap(),
        connect_token["connect_token"].as_str().unwrap(),
        &state,
        &cookie,
        &attempt.secret,
        &verifier,
    ] {
        // PostgreSQL writes bytes as hexadecimal digits.
        let digits = secret.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        for (bytes, text) in
            [&pending, &stored].into_iter().flat_map(|bytes| [(bytes, secret), (bytes, &digits)])
        {
            assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()), "{secret}");
        }
    }
    let named = |bytes: &[u8]| bytes.windows(6).any(|window| window == b"user-1");
    assert!(named(&pending) && named(&stored), "the tables were looked at");
}

#[tokio::test]
async fn the_sealing_key_changes_while_the_server_serves() {
    let provider = Provider::start().await;
    let mut server = Server::start(DATABASE, &provider).await;
    let mut browser = Browser::default();
    browser.connect(&server, "user-1").await;
    let pending = browser.start(&server, &Attempt::new("user-2")).await;
    let key_file = server.data_dir().join("sealing.keys");
    let first_key = fs::read_to_string(&key_file).unwrap();

    if DATABASE == Database::Postgres {
        // Other replicas would not know a key that one of them draws.
        let refused = server.try_run(&["key", "rotate"]).await;
        assert_eq!(refused.status.code(), Some(6));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("key file of each server"));
        server.add_sealing_key();
    }
    let rotated = server.run(&["key", "rotate", "--json"]).await;
    let rotated: Value = serde_json::from_str(&rotated).unwrap();
    assert_eq!(rotated["added_key"], DATABASE == Database::Sqlite);
    assert!(
        rotated["resealed"].as_u64() >= Some(4),
        "proof, client secret, connection and attempt: {rotated}"
    );
    assert_eq!(server.access_token("user-1").await, "access-1");

    // The old key may go once nothing needs it: what was sealed with it is sealed anew.
    let both_keys = fs::read_to_string(&key_file).unwrap();
    assert!(both_keys.starts_with(first_key.trim()) && both_keys.lines().count() == 2);
    fs::write(&key_file, both_keys.lines().last().unwrap()).unwrap();
    server.kill_and_restart();
    assert_eq!(server.access_token("user-1").await, "access-1");
    let page = browser.call_back(&server, &[("code", "c"), ("state", &pending.state())]).await;
    assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED", "{}", page.html);

    // Without its keys the server does not start, and says why.
    fs::write(&key_file, first_key).unwrap();
    server.kill();
    let refused = server.try_run(&["serve", "--port", "0"]).await;
    let printed = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && printed.contains("does not hold the keys"), "{printed}");
}

#[tokio::test]
async fn a_change_of_the_key_that_a_kill_cut_short_is_gone_on_with() {
    const CONNECTIONS: usize = 2000;
    let provider = Provider::start().await;
    let mut server = Server::start(DATABASE, &provider).await;
    server.import(CONNECTIONS).await;
    if DATABASE == Database::Postgres {
        server.add_sealing_key();
    }
    let mut rotation = server.command(&["key", "rotate"]);
    let mut rotation = rotation.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually(async || server.sealing_keys_in_use().await == 2).await;
    server.kill();
    assert!(!rotation.wait().unwrap().success(), "it ended before the server was killed");
    assert_eq!(server.sealing_keys_in_use().await, 2, "some are sealed with the old key, some with the new");

    server.start_again();
    for number in [0, CONNECTIONS / 2, CONNECTIONS - 1] {
        assert_eq!(server.access_token(&format!("user-{number}")).await, format!("imported-{number}"));
    }
    let printed = server.run(&["key", "rotate"]).await;
    assert!(printed.contains("A run was gone on with"), "no second key is added: {printed}");
    assert_eq!(server.sealing_keys_in_use().await, 1);
    for number in [0, CONNECTIONS / 2, CONNECTIONS - 1] {
        assert_eq!(server.access_token(&format!("user-{number}")).await, format!("imported-{number}"));
    }
}
