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

#[test]
fn providers_are_listed_searched_and_shown_with_the_private_ones() {
    let folder = tempfile::tempdir().unwrap();
    let private = "[providers.acme]\ndisplay_name = \"Acme\"\nissuer = \"https://acme.test\"\n";
    std::fs::write(folder.path().join("handfast.toml"), private).unwrap();
    let run = |arguments: &[&str]| handfast(folder.path()).args(arguments).output().unwrap();
    let listed = printed(&run(&["providers", "list"]));
    assert!(listed.lines().count() > 400 && listed.contains("acme"), "{listed}");
    let searched = printed(&run(&["providers", "search", "Acme"]));
    assert!(searched.contains("own") && searched.lines().count() == 2, "{searched}");
    let shown = printed(&run(&["providers", "show", "gmail"]));
    assert!(shown.starts_with("[google]\n") && shown.contains("access_type = \"offline\""), "{shown}");
    let json: Value = serde_json::from_slice(&run(&["providers", "show", "acme", "--json"]).stdout).unwrap();
    assert_eq!(json["issuer"], "https://acme.test");
    let unknown = run(&["providers", "show", "nobody"]);
    assert!(!unknown.status.success() && printed(&unknown).contains("providers search nobody"));
}
