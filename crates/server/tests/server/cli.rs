//! The commands, against a running server.

use serde_json::Value;

use crate::support::{API_KEY, Options, Server, handfast, printed};

#[test]
fn the_guides_commands_run_as_written() {
    let server = Server::start();
    let empty = server.command(&["config:list"]);
    assert!(empty.status.success() && printed(&empty).contains("no integrations"), "{}", printed(&empty));
    let created = server.command(&["config:create", "github", "github", "ID", "SECRET", "repo,user"]);
    assert!(created.status.success(), "{}", printed(&created));
    let listed = server.command(&["config:list"]);
    assert!(
        printed(&listed).contains("github") && !printed(&listed).contains("SECRET"),
        "{}",
        printed(&listed)
    );
}

#[test]
fn json_is_for_programs() {
    let server = Server::start();
    let arguments = [
        "config",
        "create",
        "g",
        "github",
        "ID",
        "SECRET",
        "repo",
        "--origin",
        "https://a.test",
        "--legacy-start",
        "--json",
    ];
    let created: Value = serde_json::from_slice(&server.command(&arguments).stdout).unwrap();
    assert_eq!(created["allowed_origins"][0], "https://a.test");
    assert_eq!(created["legacy_start"], true);
    let edited =
        server.command(&["config", "edit", "g", "--only-scopes", "a,b", "--legacy-start", "false", "--json"]);
    let edited: Value = serde_json::from_slice(&edited.stdout).unwrap();
    assert_eq!((&edited["scopes"][1], &edited["legacy_start"]), (&Value::from("b"), &Value::from(false)));
    assert!(server.command(&["config", "delete", "g"]).status.success());
}

#[test]
fn exit_codes_mean_something() {
    let server = Options::new().variable("HANDFAST_API_KEY", API_KEY).start();
    assert_eq!(server.command(&["config", "list"]).status.code(), Some(4));
    let with_key = |arguments: &[&str]| {
        let mut command = handfast(&server.data_dir());
        command.args(arguments).env("HANDFAST_HOST", &server.address).env("HANDFAST_API_KEY", API_KEY);
        command.output().unwrap().status.code()
    };
    assert_eq!(with_key(&["config", "list"]), Some(0));
    assert_eq!(with_key(&["config", "get", "nothing"]), Some(3));
    assert_eq!(with_key(&["config", "create", "a b", "github", "i", "s"]), Some(6));
    assert_eq!(with_key(&["config", "create"]), Some(2));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(with_key(&["config", "list", "--host", &format!("http://{nobody}")]), Some(5));
}
