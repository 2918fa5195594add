//! A client: a script in the client's own language that asks for a browser by lines on its output.
//!
//! `visit ADDRESS` opens the address and hands back, as one line of input, where the visit ended. `listening ADDRESS`
//! says where a client that is a server itself can be reached. Everything else a script prints is for people.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use anyhow::{Context, bail};
use end_to_end::PATIENCE;
use tokio::{
    sync::mpsc::{self, UnboundedReceiver},
    time::timeout,
};
use xtask::{program, repository, tools};

use crate::browser::Browser;

/// Python clients of today, and Flask for the application beside them.
const MODERN_PYTHON: &[&str] =
    &["connectivly==0.1.0", "Flask==3.1.3", "Authlib==1.9.8", "requests-oauthlib==2.0.0", "requests==2.34.2"];

/// Clients from npm.
const NODE: &[&str] = &["openid-client@6.8.9", "oauth4webapi@3.8.8"];

/// The Rust client. It brings the crate `rsa` along (RUSTSEC-2023-0071), so it is built outside our tree.
const RUST: &str = r#"openidconnect = { version = "=4.0.1", default-features = false, features = ["ureq"] }"#;

/// A running client.
#[derive(Debug)]
pub struct Client {
    child: Child,
    input: ChildStdin,
    lines: UnboundedReceiver<String>,
    said: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

/// Where the scripts are.
#[must_use]
pub fn script(name: &str) -> PathBuf {
    repository().join("tests/relying_parties/clients").join(name)
}

impl Client {
    /// Starts a Python script with the clients of today.
    ///
    /// # Errors
    /// When the packages cannot be installed or the script cannot be started.
    pub fn python(script: &Path, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let python = tools::from_pypi("relying-parties", MODERN_PYTHON)?;
        Self::start(program::bound_to_us(python).arg(script), variables)
    }

    /// Starts a Node module.
    ///
    /// # Errors
    /// As for [`Self::python`].
    pub fn node(script: &Path, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let folder = tools::from_npm("relying-parties", NODE)?;
        let text = std::fs::read_to_string(script)?;
        // Given as text, the module finds its packages from the working folder.
        let mut command = program::bound_to_us("node");
        command.args(["--input-type=module", "--eval", &text]).current_dir(folder);
        Self::start(&mut command, variables)
    }

    /// Starts a Rust program of one file.
    ///
    /// # Errors
    /// As for [`Self::python`].
    pub fn rust(script: &Path, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let program = tools::from_source("openidconnect-client", RUST, &std::fs::read_to_string(script)?)?;
        Self::program(&program, variables)
    }

    /// Starts any program that speaks by such lines.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn program(program: &Path, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::start(&mut program::bound_to_us(program), variables)
    }

    fn start(command: &mut Command, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        command
            .envs(variables.iter().copied())
            .env("PYTHONUNBUFFERED", "1")
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| program::describe(command))?;
        let input = child.stdin.take().context("its input was asked for")?;
        let output = child.stdout.take().context("its output was asked for")?;
        let mut errors = child.stderr.take().context("its errors were asked for")?;
        let (sender, lines) = mpsc::unbounded_channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // The test may be over; then nobody listens.
                let _ = sender.send(line);
            }
        });
        let said = Arc::new(Mutex::new(String::new()));
        let reader = thread::spawn({
            let said = Arc::clone(&said);
            move || {
                let mut text = Vec::new();
                // What cannot be read is not there to be shown.
                let _ = errors.read_to_end(&mut text);
                if let Ok(mut said) = said.lock() {
                    *said = String::from_utf8_lossy(&text).into_owned();
                }
            }
        });
        Ok(Self { child, input, lines, said, reader: Some(reader) })
    }

    /// The address of a client that is a server.
    ///
    /// # Errors
    /// When it ends or stays silent; the error holds what it said.
    pub async fn address(&mut self) -> anyhow::Result<String> {
        while let Some(line) = self.line().await? {
            if let Some(address) = line.strip_prefix("listening ") {
                return Ok(address.to_owned());
            }
        }
        bail!("the client ended without listening:\n{}", self.last_words());
    }

    /// Plays the browser for the client until it has ended, and expects that it succeeded.
    ///
    /// # Errors
    /// When it fails; the error holds what it said.
    pub async fn finish(mut self, browser: &mut Browser) -> anyhow::Result<()> {
        while let Some(line) = self.line().await? {
            match line.strip_prefix("visit ") {
                Some(url) => {
                    let landing = browser.visit(url).await?;
                    writeln!(self.input, "{}", landing.url)?;
                }
                None => println!("{line}"),
            }
        }
        let status = self.child.wait()?;
        if !status.success() {
            bail!("the client ended with {status}:\n{}", self.last_words());
        }
        Ok(())
    }

    async fn line(&mut self) -> anyhow::Result<Option<String>> {
        match timeout(PATIENCE, self.lines.recv()).await {
            Ok(line) => Ok(line),
            Err(_) => bail!("the client is silent:\n{}", self.last_words()),
        }
    }

    fn last_words(&mut self) -> String {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        self.said.lock().map(|said| said.clone()).unwrap_or_default()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let said = self.last_words();
        if thread::panicking() {
            eprintln!("the client said:\n{said}");
        }
    }
}
