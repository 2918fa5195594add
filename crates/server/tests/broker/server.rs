//! Starts the real binary in a folder of its own and ends it.

use core::time::Duration;
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio},
    sync::Mutex,
    thread::JoinHandle,
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{postgres_server, provider::Provider};

/// Where a server keeps its data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    /// A file in its data folder.
    Sqlite,
    /// A new database of a private PostgreSQL server.
    Postgres,
}

/// A running server. Killed, and its folder removed, when dropped; a secret in anything that it logged fails the test.
pub(crate) struct Server {
    folder: TempDir,
    process: Process,
    secrets: Mutex<Secrets>,
    /// Its `public_url`, without a slash at the end.
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
    variables: Vec<(String, String)>,
}

impl Server {
    /// A server whose catalogue holds the entry `fake` for `provider`, and an integration of it called `acme`.
    pub(crate) async fn start(database: Database, provider: &Provider) -> Self {
        Self::start_with(
            database,
            provider.entry(),
            json!({}),
            &[("HANDFAST_DANGER_ALLOW_PRIVATE_ADDRESSES", "true")],
        )
        .await
    }

    /// The same with another entry, further fields of the integration, and variables.
    pub(crate) async fn start_with(
        database: Database,
        entry: Value,
        integration: Value,
        variables: &[(&str, &str)],
    ) -> Self {
        let folder = write_folder(&entry);
        let variables = with_database(database, variables);
        let (process, url) = spawn(&folder, 0, &variables);
        let http = client(&variables);
        let server = Self { folder, process, url, http, variables, secrets: Mutex::default() };
        server.add_integration("acme", integration).await;
        server
    }

    /// A server that is reached through a proxy under the `HANDFAST_PUBLIC_URL` among `variables`.
    pub(crate) async fn start_behind(
        database: Database,
        provider: &Provider,
        variables: &[(&str, &str)],
    ) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let folder = write_folder(&provider.entry());
        let variables = with_database(database, variables);
        let (process, _) = spawn(&folder, port, &variables);
        let url = format!("http://127.0.0.1:{port}");
        let http = client(&variables);
        let server = Self { folder, process, url, http, variables, secrets: Mutex::default() };
        server.add_integration("acme", json!({})).await;
        server
    }

    pub(crate) async fn add_integration(&self, config_key: &str, more: Value) {
        let mut body = json!({
            "config_key": config_key, "provider_name": "fake", "client_id": "client-1", "client_secret": "client-secret-1",
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = self.http.post(format!("{}/integrations", self.url)).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    pub(crate) async fn edit_integration(&self, config_key: &str, edit: Value) {
        let answer = self
            .http
            .patch(format!("{}/integrations/{config_key}", self.url))
            .json(&edit)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// A second server on the same data.
    pub(crate) fn replica(&self) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["handfast.toml", "sealing.keys"] {
            std::fs::copy(self.folder.path().join(name), folder.path().join(name)).expect("a file to copy");
        }
        let (process, url) = spawn(&folder, 0, &self.variables);
        let (http, variables) = (client(&self.variables), self.variables.clone());
        Self { folder, process, url, http, variables, secrets: Mutex::default() }
    }

    /// Kills the process as a power cut would, and starts it again on the same port and data.
    pub(crate) fn kill_and_restart(&mut self) {
        self.kill();
        self.start_again();
    }

    /// Ends the process as a power cut would.
    pub(crate) fn kill(&mut self) {
        // Fails only if the process has ended already.
        let _ = self.process.child.kill();
        let _ = self.process.child.wait();
    }

    /// Remembers a secret, which is for no page and no log line.
    pub(crate) fn keep_secret(&self, secret: &str) {
        self.secrets.lock().unwrap().everywhere.insert(secret.to_owned());
    }

    /// Remembers a secret that pages carry, as `state` and code, and that is for no log line.
    pub(crate) fn keep_out_of_log(&self, secret: &str) {
        self.secrets.lock().unwrap().in_log.insert(secret.to_owned());
    }

    /// Fails if a secret stands in what the server sent to the browser.
    pub(crate) fn assert_tells_no_secret(&self, text: &str) {
        let secrets = self.secrets.lock().unwrap();
        let found = ALWAYS_SECRET.into_iter().chain(secrets.everywhere.iter().map(String::as_str));
        assert_none_in(text, found);
    }

    /// Fails if a secret stands in what the server logged, which has ended.
    fn assert_logged_no_secret(&mut self) {
        let log = self.process.log();
        assert!(log.contains("INFO"), "there is a log");
        let secrets = self.secrets.lock().unwrap();
        let kept = secrets.everywhere.iter().chain(&secrets.in_log).map(String::as_str);
        assert_none_in(&log, ALWAYS_SECRET.into_iter().chain(kept));
    }

    /// Starts it again on the same port and data, after it has ended.
    pub(crate) fn start_again(&mut self) {
        self.assert_logged_no_secret();
        let (process, url) = spawn(&self.folder, self.port(), &self.variables);
        assert_eq!(url, self.url);
        self.process = process;
    }

    /// Tells it to end, as a service manager would.
    pub(crate) fn terminate(&self) {
        let status = Command::new("kill").arg(self.process.child.id().to_string()).status();
        assert!(status.is_ok_and(|status| status.success()), "the server could not be told to end");
    }

    /// Whether it has ended, and how.
    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.process.child.try_wait().expect("it was started")
    }

    /// A command that asks this server.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_handfast"));
        command
            .args(arguments)
            .env("HANDFAST_DATA_DIR", self.folder.path())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .env("HANDFAST_HOST", &self.url)
            .stdin(Stdio::null());
        command
    }

    /// What a command prints that asks this server, and succeeds.
    pub(crate) async fn run(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.try_run(arguments).await;
        assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).expect("commands print UTF-8")
    }

    /// What became of a command that asks this server.
    pub(crate) async fn try_run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        let ended = tokio::task::spawn_blocking(move || command.output());
        ended.await.expect("it does not panic").expect("the binary starts")
    }

    /// The tables as they lie on the disk: every byte of the file, or every row as PostgreSQL writes it.
    pub(crate) async fn stored(&self) -> Vec<u8> {
        let Some(url) = self.postgres_url() else {
            let files = ["handfast.db", "handfast.db-wal"].map(|name| self.folder.path().join(name));
            return files
                .iter()
                .flat_map(|file| std::fs::read(file).expect("the database lies there"))
                .collect();
        };
        let pool = sqlx::PgPool::connect(url).await.unwrap();
        let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
        let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&pool).await.unwrap();
        let mut stored = Vec::new();
        for table in tables {
            let rows = format!("SELECT row::text FROM \"{table}\" AS row");
            let rows: Vec<String> =
                sqlx::query_scalar(sqlx::AssertSqlSafe(rows)).fetch_all(&pool).await.unwrap();
            stored.extend(rows.concat().into_bytes());
        }
        stored
    }

    /// With how many keys the credentials of connections are sealed.
    pub(crate) async fn sealing_keys_in_use(&self) -> i64 {
        // Layout and key id are the first five bytes.
        let sql = "SELECT count(DISTINCT substr(sealed_credentials, 1, 5)) FROM connections";
        if let Some(url) = self.postgres_url() {
            let pool = sqlx::PgPool::connect(url).await.unwrap();
            return sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap();
        }
        sqlx::query_scalar(sql).fetch_one(&self.sqlite().await).await.unwrap()
    }

    /// Changes something behind the server's back.
    pub(crate) async fn execute(&self, sql: &'static str) {
        if let Some(url) = self.postgres_url() {
            sqlx::query(sql).execute(&sqlx::PgPool::connect(url).await.unwrap()).await.unwrap();
        } else {
            sqlx::query(sql).execute(&self.sqlite().await).await.unwrap();
        }
    }

    /// Makes a new key known to a server that shares its database with others, as its operator does.
    pub(crate) fn add_sealing_key(&mut self) {
        let path = self.folder.path().join("sealing.keys");
        let keys = std::fs::read_to_string(&path).expect("the first start made it");
        std::fs::write(&path, format!("{}\n{}\n", keys.trim(), "A".repeat(43))).expect("it can be written");
        self.kill_and_restart();
    }

    async fn sqlite(&self) -> sqlx::SqlitePool {
        let url = format!("sqlite:{}", self.folder.path().join("handfast.db").display());
        sqlx::SqlitePool::connect(&url).await.unwrap()
    }

    fn postgres_url(&self) -> Option<&str> {
        let (_, url) = self.variables.iter().find(|(name, _)| name == "HANDFAST_DATABASE_URL")?;
        Some(url)
    }

    pub(crate) fn port(&self) -> u16 {
        self.url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("the address ends in a port")
    }

    /// Where the data lie.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Deletes a connection and answers what was done.
    pub(crate) async fn delete(&self, connection_id: &str) -> Value {
        let address = format!("{}/connections/{connection_id}?config_key=acme", self.url);
        self.http.delete(address).send().await.unwrap().json().await.unwrap()
    }

    /// Imports that many connections, `user-0` and so on.
    pub(crate) async fn import(&self, count: usize) {
        let line = |number| {
            let credentials = json!({"type": "OAUTH2", "access_token": format!("imported-{number}")});
            json!({"config_key": "acme", "connection_id": format!("user-{number}"), "credentials": credentials})
        };
        let lines: Vec<String> = (0..count).map(|number| line(number).to_string()).collect();
        let request = self.http.post(format!("{}/import/connections", self.url));
        let request = request.header("content-type", "application/x-ndjson").body(lines.join("\n"));
        let report: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(report["created"], count, "{report}");
    }

    /// The status and body of `GET /connections/{connection_id}`.
    pub(crate) async fn connection(&self, connection_id: &str) -> (u16, Value) {
        self.get(&["connections", connection_id], &[("config_key", "acme")]).await
    }

    /// The access token that `GET /connections/{connection_id}` hands out.
    pub(crate) async fn access_token(&self, connection_id: &str) -> String {
        let (status, body) = self.connection(connection_id).await;
        let token = body["credentials"]["access_token"].as_str();
        token.unwrap_or_else(|| panic!("{status} {body}")).to_owned()
    }

    pub(crate) async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> (u16, Value) {
        let path: Vec<String> =
            path.iter().map(|part| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string()).collect();
        let address = format!("{}/{}", self.url, path.join("/"));
        let answer = self.http.get(address).query(query).send().await.unwrap();
        assert!(!answer.headers().contains_key("access-control-allow-origin"), "no page may read it");
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        if !status.is_success() {
            self.assert_tells_no_secret(&body.to_string());
        }
        (status.as_u16(), body)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if !std::thread::panicking() {
            self.assert_logged_no_secret();
        }
    }
}

/// What a test knows that others must not.
#[derive(Default)]
struct Secrets {
    everywhere: BTreeSet<String>,
    in_log: BTreeSet<String>,
}

fn assert_none_in<'a>(text: &str, mut secrets: impl Iterator<Item = &'a str>) {
    let found = secrets.find(|secret| text.contains(secret));
    assert!(found.is_none(), "{found:?} stands in {text}");
}

/// What tests give servers that is secret in every one of them.
const ALWAYS_SECRET: [&str; 4] =
    ["client-secret-1", "access-1", "refresh-1", crate::application::WEBHOOK_SECRET];

/// The process, and all that it logs.
struct Process {
    child: Child,
    reader: Option<JoinHandle<String>>,
}

impl Process {
    /// Everything that it logged, once it has ended.
    fn log(&mut self) -> String {
        self.reader.take().and_then(|reader| reader.join().ok()).unwrap_or_default()
    }
}

fn read_log(mut output: ChildStderr) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before a failure counts.
        let _ = output.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Waits until `holds`, and fails after half a minute.
pub(crate) async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "it did not come true in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The variables, and where the data are kept.
fn with_database(database: Database, variables: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let url = match database {
        Database::Sqlite => None,
        Database::Postgres => Some(("HANDFAST_DATABASE_URL".to_owned(), postgres_server::new_database())),
    };
    owned.chain(url).collect()
}

/// A data folder whose configuration adds the entry `fake` to the catalogue.
fn write_folder(entry: &Value) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let providers = toml::to_string(&json!({"providers": {"fake": entry}})).expect("the entry is TOML");
    std::fs::write(folder.path().join("handfast.toml"), providers).expect("the folder can be written");
    folder
}

/// A client that shows the API key where the variables name one.
fn client(variables: &[(String, String)]) -> reqwest::Client {
    let key = variables.iter().find(|(name, _)| name == "HANDFAST_API_KEY");
    let authorization =
        key.map(|(_, key)| (AUTHORIZATION, format!("Bearer {key}").parse().expect("a header")));
    reqwest::Client::builder()
        .default_headers(authorization.into_iter().collect())
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        // A server that was killed leaves dead connections behind.
        .pool_max_idle_per_host(0)
        .build()
        .expect("a client")
}

fn spawn(folder: &TempDir, port: u16, variables: &[(String, String)]) -> (Process, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_handfast"))
        .args(["serve", "--port", &port.to_string()])
        .env("HANDFAST_DATA_DIR", folder.path())
        .env("HANDFAST_LOG", "debug")
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let reader = Some(read_log(child.stderr.take().expect("a pipe")));
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line of output");
    let url = line.trim().rsplit(' ').next().filter(|url| url.starts_with("http"));
    (Process { child, reader }, url.unwrap_or_else(|| panic!("no address in {line:?}")).to_owned())
}
