//! Starts the binary on a free port with a data folder of its own, and stops it when the test ends.

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tempfile::TempDir;

#[path = "secrets.rs"]
pub(crate) mod secrets;

/// An API key that a test's server is given.
pub(crate) const API_KEY: &str = "test-key-0123456789abcdef0123456789";

/// The binary with an environment that holds none of the machine's own settings.
pub(crate) fn handfast(data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_handfast"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HANDFAST_")) {
        command.env_remove(name);
    }
    command.env("HANDFAST_DATA_DIR", data_dir);
    command
}

/// A running server. A secret in anything that it logged fails the test.
pub(crate) struct Server {
    child: Child,
    /// Where it listens, such as `http://localhost:41234`.
    pub(crate) address: String,
    folder: Arc<TempDir>,
    /// What the environment says to it.
    pub(crate) variables: Vec<(String, String)>,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    output: BufReader<ChildStdout>,
}

/// How a server is to be started.
#[derive(Clone)]
pub(crate) struct Options {
    folder: Arc<TempDir>,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

impl Options {
    pub(crate) fn new() -> Self {
        Self::on(tempfile::tempdir().expect("a temporary folder can be made"))
    }

    /// On a data folder that is there already.
    pub(crate) fn on(folder: TempDir) -> Self {
        let arguments = vec!["serve".to_owned(), "--port=0".to_owned()];
        Self { folder: Arc::new(folder), arguments, variables: Vec::new() }
    }

    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn port(mut self, port: &str) -> Self {
        self.arguments.retain(|argument| !argument.starts_with("--port="));
        self.argument(&format!("--port={port}"))
    }

    /// The configuration file.
    pub(crate) fn file(self, text: &str) -> Self {
        std::fs::write(self.folder.path().join("handfast.toml"), text).expect("the folder is writable");
        self
    }

    fn command(&self) -> Command {
        let mut command = handfast(self.folder.path());
        command.args(&self.arguments).envs(self.variables.iter().cloned()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts the server and waits until it listens.
    pub(crate) fn start(self) -> Server {
        let mut child = self.command().spawn().expect("the binary was built");
        let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let log = Arc::new(Mutex::new(String::new()));
        let reader = std::thread::spawn({
            let log = Arc::clone(&log);
            move || {
                let mut line = String::new();
                while stderr.read_line(&mut line).is_ok_and(|read| read > 0) {
                    log.lock().expect("no test panics with the lock").push_str(&std::mem::take(&mut line));
                }
            }
        });
        let mut first_line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        output.read_line(&mut first_line).expect("its output is text");
        let (folder, variables) = (self.folder, self.variables);
        let mut server =
            Server { child, address: String::new(), folder, variables, log, reader: Some(reader), output };
        let Some((_, address)) = first_line.trim_end().split_once("listening on ") else {
            server.stop();
            panic!("the server did not start: {}", server.log());
        };
        address.clone_into(&mut server.address);
        server
    }

    /// Runs a server that is expected to refuse to start, and answers what it says.
    pub(crate) fn start_refused(self) -> String {
        let mut child = self.command().spawn().expect("the binary was built");
        let mut first_line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped"))
            .read_line(&mut first_line)
            .expect("its output is text");
        if !first_line.is_empty() {
            let _ = child.kill();
        }
        let mut said = String::new();
        child.stderr.take().expect("it is piped").read_to_string(&mut said).expect("its output is text");
        let status = child.wait().expect("it was started");
        assert!(first_line.is_empty(), "the server started: {first_line}");
        assert_eq!(status.code(), Some(1), "{said}");
        said
    }
}

impl Server {
    /// A loopback server with nothing set.
    pub(crate) fn start() -> Self {
        Options::new().start()
    }

    /// A request to `path`.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        reqwest::Client::new().request(method, format!("{}{path}", self.address))
    }

    /// Asks for `path` and answers status and JSON body; null where the body is none.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request(Method::GET, path)).await
    }

    /// Sends a JSON body and answers as [`Self::get`] does.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        answer(self.request(method, path).json(&body)).await
    }

    /// Runs a command against this server.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        handfast(self.folder.path())
            .args(arguments)
            .env("HANDFAST_HOST", &self.address)
            .stdin(Stdio::null())
            .output()
            .expect("the binary was built")
    }

    /// Stops it and answers everything it logged.
    pub(crate) fn kill_and_log(mut self) -> String {
        self.stop();
        self.log()
    }

    fn log(&self) -> String {
        self.log.lock().expect("no test panics with the lock").clone()
    }

    /// Its data folder.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Stops it at once, as a power cut would, and answers how to start it again on the same data and port, with the
    /// same variables.
    pub(crate) fn kill(mut self) -> Options {
        self.stop();
        let port = self.address.rsplit(':').next().unwrap_or_default();
        let variables = std::mem::take(&mut self.variables);
        Options { folder: Arc::clone(&self.folder), variables, ..Options::new() }.port(port)
    }

    /// Tells it to end, as a service manager would.
    #[cfg(unix)]
    pub(crate) fn terminate(&self) {
        let status = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(status.is_ok_and(|status| status.success()), "the server could not be told to end");
    }

    /// The next line that it prints; empty when it has ended.
    pub(crate) fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("its output is text");
        line
    }

    /// Waits until it has ended by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.child.wait().expect("it was started")
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        if !std::thread::panicking() {
            let log = self.log();
            let secret = log.lines().find(|line| line.split(is_no_token_char).any(looks_secret));
            assert!(secret.is_none(), "a secret was logged: {}", secret.unwrap_or_default());
            secrets::assert_tells_none(&log);
        }
    }
}

fn is_no_token_char(char: char) -> bool {
    !(char.is_ascii_alphanumeric() || matches!(char, '-' | '_'))
}

/// Whether a word can be a token, a code, a key or a part of a JWT: they are random and long, and nothing else in a log
/// is both.
fn looks_secret(word: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| word.bytes().any(|byte| kind(&byte));
    word == API_KEY
        || word.len() >= 20
            && has(u8::is_ascii_digit)
            && has(u8::is_ascii_lowercase)
            && has(u8::is_ascii_uppercase)
}

/// Sends a request; answers status and JSON body. A secret in a refusal or a header fails the test.
pub(crate) async fn answer(request: RequestBuilder) -> (u16, Value) {
    let (client, request) = request.build_split();
    let request = request.expect("the request is well formed");
    secrets::keep_request(&request);
    let answer = client.execute(request).await.expect("the server answers");
    let status = answer.status();
    for value in answer.headers().values() {
        secrets::assert_tells_none(&String::from_utf8_lossy(value.as_bytes()));
    }
    let text = answer.text().await.expect("the answer arrives whole");
    if status.is_client_error() || status.is_server_error() {
        secrets::assert_tells_none(&text);
    }
    let body =
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("the answer is JSON") };
    secrets::keep_answer(&body);
    (status.as_u16(), body)
}

/// What a command printed.
pub(crate) fn printed(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(text).expect("commands print UTF-8")
}
