//! What lies in the database file.

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
