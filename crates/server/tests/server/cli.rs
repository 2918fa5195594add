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
    let private = "[providers.acme]\ndisplay_name = \"Acme\"\nissuer = \"https://acme.test\"\nown_redirect_uri = true\n";
    std::fs::write(folder.path().join("handfast.toml"), private).unwrap();
    let run = |arguments: &[&str]| handfast(folder.path()).args(arguments).output().unwrap();
    let listed = printed(&run(&["providers", "list"]));
    assert!(listed.lines().count() > 400 && listed.contains("acme"), "{listed}");
    let searched = printed(&run(&["providers", "search", "Acme"]));
    assert!(searched.contains("own") && searched.lines().count() == 2, "{searched}");
    let shown = printed(&run(&["providers", "show", "gmail"]));
    assert!(shown.starts_with("[google]\n") && shown.contains("access_type = \"offline\""), "{shown}");
    assert!(shown.ends_with("http://localhost:3004/oauth/callback\n"), "{shown}");
    let json: Value = serde_json::from_slice(&run(&["providers", "show", "acme", "--json"]).stdout).unwrap();
    assert_eq!(json["issuer"], "https://acme.test");
    assert_eq!(json["redirect_uri"], "http://localhost:3004/oauth/callback/CONFIG_KEY");
    let unknown = run(&["providers", "show", "nobody"]);
    assert!(!unknown.status.success() && printed(&unknown).contains("providers search nobody"));
}

#[test]
fn connections_move_in_and_out_by_command() {
    let server = Server::start();
    server.command(&["config", "create", "a", "github", "i", "s"]);
    let file = server.data_dir().join("connections.ndjson");
    let line = |id: usize| {
        format!(
            "{{\"config_key\":\"a\",\"connection_id\":\"u{id}\",\"credentials\":{{\"type\":\"OAUTH2\",\"access_token\":\"t{id}\"}}}}\n"
        )
    };
    std::fs::write(&file, (0..1201).map(line).collect::<String>()).unwrap();
    let imported = server.command(&["connection", "import", file.to_str().unwrap()]);
    assert!(
        imported.status.success() && printed(&imported).contains("1201 lines are imported"),
        "{}",
        printed(&imported)
    );
    let listed = server.command(&["connection", "list", "--json", "--config-key", "a"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1201);
    let exported = server.command(&["connection", "export"]);
    let exported = String::from_utf8(exported.stdout).unwrap();
    assert_eq!(exported.lines().count(), 1201);
    assert!(exported.contains("\"access_token\":\"t1200\""));
    let deleted = server.command(&["connection", "delete", "u0", "a"]);
    assert!(printed(&deleted).contains("deleted"), "{}", printed(&deleted));
    assert_eq!(server.command(&["connection:get", "u0", "a"]).status.code(), Some(3));

    std::fs::write(&file, "{\"config_key\":\"nobody\"}\n").unwrap();
    let refused = server.command(&["connection", "import", file.to_str().unwrap()]);
    assert!(
        refused.status.code() == Some(1) && printed(&refused).contains("line 1:"),
        "{}",
        printed(&refused)
    );
}

#[test]
fn completions_are_written_for_a_shell() {
    let folder = tempfile::tempdir().unwrap();
    let script = handfast(folder.path()).args(["completions", "bash"]).output().unwrap();
    assert!(printed(&script).contains("connection"), "{}", printed(&script));
}
