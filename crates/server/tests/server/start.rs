//! The ways to start, and the refusals.

use std::{fs, time::Instant};

use reqwest::Method;
use serde_json::json;

use crate::support::{API_KEY, Options, Server, handfast, printed};

#[tokio::test]
async fn a_loopback_server_needs_nothing() {
    let server = Server::start();
    assert!(server.address.starts_with("http://localhost:"), "{}", server.address);
    let answer = server.request(Method::GET, "/health").send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "ok");
    assert_eq!(server.get("/integrations").await, (200, json!({"integrations": []})));
}

#[test]
fn another_address_is_refused_without_public_url_and_without_key() {
    let refused = Options::new().variable("HANDFAST_LISTEN", "0.0.0.0:0").start_refused();
    assert!(refused.contains("public_url"), "{refused}");
    let refused = Options::new()
        .variable("HANDFAST_LISTEN", "0.0.0.0:0")
        .variable("HANDFAST_PUBLIC_URL", "https://connect.example.com")
        .start_refused();
    assert!(refused.contains("API key"), "{refused}");
}

#[test]
fn a_public_name_makes_a_loopback_listener_public() {
    let refused =
        Options::new().variable("HANDFAST_PUBLIC_URL", "https://connect.example.com").start_refused();
    assert!(refused.contains("API key"), "{refused}");
}

#[test]
fn an_unknown_setting_is_refused_by_name() {
    let refused = Options::new().file("allowed_origin = []").start_refused();
    assert!(refused.contains("line 1") && refused.contains("allowed_origin"), "{refused}");
}

#[tokio::test]
async fn a_server_with_a_key_answers_only_who_shows_it() {
    let server = Options::new().variable("HANDFAST_API_KEY", API_KEY).start();
    let (status, body) = server.get("/integrations").await;
    assert_eq!((status, &body["code"]), (401, &json!("missing_api_key")));
    let bearer = |key: &str| server.request(Method::GET, "/integrations").bearer_auth(key).send();
    assert_eq!(bearer("wrong").await.unwrap().status(), 401);
    assert_eq!(bearer(API_KEY).await.unwrap().status(), 200);
    let basic = server.request(Method::GET, "/integrations").basic_auth(API_KEY, Some("")).send();
    assert_eq!(basic.await.unwrap().status(), 200);
}

#[cfg(unix)]
#[test]
fn the_key_file_and_its_folder_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let server = Options::new().argument("--demo").start();
    let folder = server.data_dir().join("demo");
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.join("sealing.keys")), 0o600);
    assert_eq!(mode(folder), 0o700);
}

#[tokio::test]
async fn integrations_outlive_a_kill_and_their_secrets_lie_sealed() {
    let server = Server::start();
    let new = json!({"config_key": "a", "provider_name": "github", "client_id": "id", "client_secret": "hush-hush-1"});
    assert_eq!(server.send(Method::POST, "/integrations", new).await.0, 201);
    let server = server.kill().start();
    assert_eq!(server.get("/integrations/a").await.0, 200);
    for file in fs::read_dir(server.data_dir()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(11).any(|window| window == b"hush-hush-1"));
    }
}

#[test]
fn a_lost_or_foreign_key_file_is_a_clear_error() {
    let server = Server::start();
    let path = server.data_dir().join("sealing.keys");
    let again = server.kill();
    fs::remove_file(&path).unwrap();
    let refused = again.start_refused();
    assert!(refused.contains("sealing.keys is missing"), "{refused}");
    assert!(!path.exists(), "a new key was made although the database is sealed with another");

    let server = Server::start();
    let path = server.data_dir().join("sealing.keys");
    let again = server.kill();
    fs::write(&path, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n").unwrap();
    let refused = again.start_refused();
    assert!(refused.contains("sealing.keys") && refused.contains("nothing was changed"), "{refused}");
}

#[test]
fn check_names_what_is_wrong_and_hides_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let check = || {
        let mut command = handfast(folder.path());
        command.arg("check").env("HANDFAST_API_KEY", API_KEY);
        command
    };
    let fine = check().output().unwrap();
    assert!(fine.status.success() && !printed(&fine).contains(API_KEY), "{}", printed(&fine));
    let wrong = check().env("HANDFAST_DATABASE_URL", "sqlite:/nowhere/at/all.db").output().unwrap();
    assert_eq!(wrong.status.code(), Some(1));
    assert!(printed(&wrong).contains("database_url"), "{}", printed(&wrong));
}

#[cfg(unix)]
#[tokio::test]
async fn told_to_end_it_lets_the_request_in_progress_finish() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut server = Server::start();
    let address = server.address.trim_start_matches("http://").to_owned();
    let mut socket = tokio::net::TcpStream::connect(&address).await.unwrap();
    let body = r#"{"config_key":"a","provider_name":"github","client_id":"id"}"#;
    let head = format!(
        "POST /integrations HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Expect: 100-continue\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    // The server asks for the body: the request is in progress.
    let mut buffer = [0; 1024];
    let read = socket.read(&mut buffer).await.unwrap();
    assert!(buffer[..read].starts_with(b"HTTP/1.1 100"), "{}", String::from_utf8_lossy(&buffer[..read]));
    let began_at = Instant::now();
    server.terminate();
    socket.write_all(body.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 201"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(server.ended().code(), Some(0));
    assert!(began_at.elapsed().as_secs() < 30);
}

#[tokio::test]
async fn the_demonstration_is_ready_at_once() {
    let server = Options::new().argument("--demo").start();
    let (status, integration) = server.get("/integrations/demo").await;
    assert_eq!((status, &integration["provider_name"]), (200, &json!("demo")));
    // A second start registers the two with each other once more, perhaps at another port.
    let server = server.kill().argument("--demo").start();
    assert_eq!(server.get("/integrations/demo").await.0, 200);
    assert_eq!(server.get("/integrations").await.1["integrations"].as_array().unwrap().len(), 1);
}

#[test]
fn a_demonstration_says_what_it_has_ready() {
    let mut server = Options::new().argument("--demo").start();
    assert!(server.next_line().starts_with("API Key: hf_"));
    assert_eq!(server.next_line(), "Client 1 App\n");
    assert_eq!(server.next_line(), "Client ID: client1\n");
    assert_eq!(server.next_line(), "Client Secret: secret1\n");
}

#[test]
fn a_first_key_made_on_the_data_folder_opens_a_public_server() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| handfast(folder.path()).args(arguments).output().unwrap();
    let made = run(&["key", "create", "first", "--local", "--scope", "integrations:read"]);
    assert!(made.status.success(), "{}", printed(&made));
    let key = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let listed = run(&["key", "list", "--local"]);
    assert!(printed(&listed).contains("first") && !printed(&listed).contains(&key), "{}", printed(&listed));

    let server = Options::on(folder).variable("HANDFAST_PUBLIC_URL", "https://connect.example.com").start();
    let mut command = handfast(&server.data_dir());
    command.args(["config", "create", "a", "github", "i", "s", "--local"]);
    assert!(command.output().unwrap().status.success(), "the data folder is free beside a running server");

    // Connections it keeps at hand, so only it may change them.
    let refused = handfast(&server.data_dir()).args(["connection", "list", "--local"]).output().unwrap();
    assert!(!refused.status.success(), "{}", printed(&refused));
    assert!(printed(&refused).contains("leave out --local"), "{}", printed(&refused));
}

#[test]
fn half_a_webhook_is_refused() {
    let refused = Options::new().variable("HANDFAST_WEBHOOK_URL", "https://app.test").start_refused();
    assert!(refused.contains("webhook_secret"), "{refused}");
    let refused = Options::new()
        .variable("HANDFAST_WEBHOOK_URL", "https://app.test")
        .variable("HANDFAST_WEBHOOK_SECRET", "hush-hush")
        .start_refused();
    assert!(refused.contains("webhook_secret") && !refused.contains("hush-hush"), "{refused}");
}
