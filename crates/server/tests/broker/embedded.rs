//! What holds where the database lies in a file of the data folder.

use std::{fs, process::Command};

use super::DATABASE;
use crate::{provider::Provider, server::Server};

#[tokio::test]
async fn a_second_server_on_the_same_data_is_refused() {
    let provider = Provider::start().await;
    let server = Server::start(DATABASE, &provider).await;
    let second = server.try_run(&["serve", "--port", "0"]).await;
    assert!(!second.status.success());
    let printed = String::from_utf8(second.stderr).unwrap();
    assert!(printed.contains("another handfast serves"), "{printed}");
}

// Characters that mean something in a URL.
#[test]
fn a_data_folder_may_be_called_anything() {
    let parent = tempfile::tempdir().unwrap();
    for name in ["a b", "why?mode=memory", "100%", "%41", "#1", "a&b=c", "\u{fc}ber"] {
        let folder = parent.path().join(name);
        let create = ["config", "create", "acme", "github", "client-1", "secret", "--local"];
        let run = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_handfast"));
            command.args(arguments).env("HANDFAST_DATA_DIR", &folder).output().unwrap()
        };
        let created = run(&create);
        assert!(created.status.success(), "{name}: {}", String::from_utf8_lossy(&created.stderr));
        assert!(folder.join("handfast.db").is_file(), "{name}");
        let listed = run(&["config", "list", "--local"]);
        assert!(String::from_utf8_lossy(&listed.stdout).contains("client-1"), "{name}");
    }
    let beside: Vec<_> = fs::read_dir(parent.path()).unwrap().collect();
    assert_eq!(beside.len(), 7, "{beside:?}");
}
