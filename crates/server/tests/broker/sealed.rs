//! What lies in the database file.

use serde_json::{Value, json};

use super::DATABASE;
use crate::{
    browser::{Attempt, Browser},
    provider::{Provider, tokens},
    server::Server,
};

// ASVS 5.0 11.4
#[tokio::test]
async fn secrets_lie_sealed_or_hashed_in_the_database() {
    let provider = Provider::start().await;
    let server = Server::start(DATABASE, &provider).await;
    let mut browser = Browser::default();
    provider.answer(200, tokens("access-in-the-clear", "refresh-in-the-clear", 3600));
    let attempt = Attempt::new("user-1");
    let state = browser.start(&server, &attempt).await.state();
    let cookie = browser.cookies.values().next().unwrap().clone();
    let files = |server: &Server| {
        let mut bytes = Vec::new();
        for entry in std::fs::read_dir(server.data_dir()).unwrap().map(Result::unwrap) {
            if entry.file_name().to_string_lossy().contains(".db")
                || entry.file_name().to_string_lossy().contains("sqlite")
            {
                bytes.extend(std::fs::read(entry.path()).unwrap());
            }
        }
        assert!(!bytes.is_empty(), "the database lies in the data folder");
        bytes
    };
    let pending = files(&server);
    browser.call_back(&server, &[("code", "code-in-the-clear"), ("state", &state)]).await;
    let stored = files(&server);
    let verifier = provider.token_requests()[0]["code_verifier"].clone();
    for secret in [
        "access-in-the-clear",
        "refresh-in-the-clear",
        "client-secret-1",
        "code-in-the-clear",
        &state,
        &cookie,
        &attempt.secret,
        &verifier,
    ] {
        for bytes in [&pending, &stored] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
        }
    }
}

#[tokio::test]
async fn a_second_server_on_the_same_data_is_refused() {
    let provider = Provider::start().await;
    let server = Server::start(DATABASE, &provider).await;
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_handfast"))
        .args(["serve", "--port", "0"])
        .env("HANDFAST_DATA_DIR", server.data_dir())
        .output()
        .unwrap();
    assert!(!second.status.success());
    let printed = String::from_utf8(second.stderr).unwrap();
    assert!(printed.contains("another handfast serves"), "{printed}");
}

#[tokio::test]
async fn the_sealing_key_changes_while_the_server_serves_and_a_cut_short_run_goes_on() {
    let provider = Provider::start().await;
    let mut server = Server::start(DATABASE, &provider).await;
    let mut browser = Browser::default();
    browser.connect(&server, "user-1").await;
    let pending = browser.start(&server, &Attempt::new("user-2")).await;
    let key_file = server.data_dir().join("sealing.keys");
    let first_key = std::fs::read_to_string(&key_file).unwrap();

    let rotate = async |server: &Server| {
        let url = format!("{}/sealing_keys/rotate", server.url);
        let answer = server.http.post(url).json(&json!({})).send().await.unwrap();
        answer.json::<Value>().await.unwrap()
    };
    let rotated = rotate(&server).await;
    assert_eq!(rotated["added_key"], true, "{rotated}");
    assert!(
        rotated["resealed"].as_u64().unwrap() >= 4,
        "proof, client secret, connection and attempt: {rotated}"
    );
    let both_keys = std::fs::read_to_string(&key_file).unwrap();
    assert!(both_keys.starts_with(first_key.trim()) && both_keys.lines().count() == 2);
    assert_eq!(server.access_token("user-1").await, "access-1");

    // The old key may go once nothing needs it: what was sealed with it is sealed anew.
    std::fs::write(&key_file, both_keys.lines().last().unwrap()).unwrap();
    server.kill_and_restart();
    assert_eq!(server.access_token("user-1").await, "access-1");
    let page = browser.call_back(&server, &[("code", "c"), ("state", &pending.state())]).await;
    assert_eq!(page.event_type(), "AUTHORIZATION_SUCEEDED", "{}", page.html);

    // As after a kill between the new key and the last value: the next run adds none.
    let newer = format!("{}\n{}\n", std::fs::read_to_string(&key_file).unwrap().trim(), "A".repeat(43));
    std::fs::write(&key_file, &newer).unwrap();
    server.kill_and_restart();
    let rotated = rotate(&server).await;
    assert_eq!(
        (&rotated["added_key"], rotated["resealed"].as_u64() >= Some(4)),
        (&json!(false), true),
        "{rotated}"
    );
    assert_eq!(std::fs::read_to_string(&key_file).unwrap(), newer);

    // Without its keys the server does not start, and says why.
    std::fs::write(&key_file, first_key).unwrap();
    server.kill();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_handfast"))
        .args(["serve", "--port", "0"])
        .env("HANDFAST_DATA_DIR", server.data_dir())
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && printed.contains("does not hold the keys"), "{printed}");
}
