//! A `handfast serve` of our own: free port, own data folder, ended with the test.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use serde_json::Value;
use tempfile::TempDir;
use xtask::program::{self, Running};

use crate::{PATIENCE, http};

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    configuration: String,
}

impl Settings {
    /// `handfast serve`, on loopback.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `handfast serve --demo`: with the issuer, its login page and one ready integration.
    #[must_use]
    pub fn demo() -> Self {
        Self::new().argument("--demo")
    }

    /// One more argument of `serve`.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// One more environment variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// More lines of the configuration file.
    #[must_use]
    pub fn configuration(mut self, toml: &str) -> Self {
        self.configuration.push_str(toml);
        self.configuration.push('\n');
        self
    }

    /// Starts it on a free port of this loopback address.
    ///
    /// # Errors
    /// When it does not come to listen; the error holds what it said.
    pub fn start(self, host: &str) -> anyhow::Result<Handfast> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("handfast.toml"), &self.configuration)?;
        fs::create_dir(folder.path().join("data"))?;
        let mut handfast = Handfast {
            settings: self,
            folder,
            listen: format!("{host}:0"),
            url: String::new(),
            running: None,
            to_first_answer: Duration::ZERO,
        };
        handfast.launch()?;
        Ok(handfast)
    }
}

/// A running server.
#[derive(Debug)]
pub struct Handfast {
    settings: Settings,
    folder: TempDir,
    listen: String,
    url: String,
    running: Option<Running>,
    to_first_answer: Duration,
}

impl Handfast {
    /// The address browsers use, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From the start of the program to its first answer.
    #[must_use]
    pub fn to_first_answer(&self) -> Duration {
        self.to_first_answer
    }

    /// Where database and keys are.
    #[must_use]
    pub fn data_folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Everything it wrote to its log so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Starts it again on the same port and data.
    ///
    /// # Errors
    /// When it does not come to listen.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.kill();
        self.launch()
    }

    /// Its process, while it runs.
    pub fn process_id(&mut self) -> Option<u32> {
        Some(self.running.as_mut()?.child().id())
    }

    /// Its resident memory in bytes, where the system tells (Linux).
    #[must_use]
    pub fn memory(&mut self) -> Option<u64> {
        let id = self.process_id()?;
        let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kilobytes * 1024)
    }

    /// Runs the command line against this server and hands back what it printed.
    ///
    /// # Errors
    /// When it does not succeed; the error holds what it said.
    pub fn command(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(binary()?);
        command.args(arguments).env("HANDFAST_HOST", &self.url).env("HANDFAST_DATA_DIR", self.data_folder());
        program::run(&mut command)
    }

    /// `GET` of a path, as the application's backend asks: status and JSON.
    ///
    /// # Errors
    /// When the server cannot be reached or does not answer JSON.
    pub async fn read(&self, path: &str) -> anyhow::Result<(u16, Value)> {
        let answer = http().get(format!("{}{path}", self.url)).send().await?;
        let status = answer.status().as_u16();
        Ok((status, answer.json().await?))
    }

    fn launch(&mut self) -> anyhow::Result<()> {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log"))?;
        let mut command = program::bound_to_us(binary()?);
        command
            .args(["serve", "--listen", &self.listen])
            .args(&self.settings.arguments)
            .env("HANDFAST_DATA_DIR", self.data_folder())
            .env("HANDFAST_CONFIG", self.folder.path().join("handfast.toml"))
            .envs(self.settings.environment.clone())
            .stdout(Stdio::piped())
            .stderr(log.try_clone()?);
        let began_at = Instant::now();
        let mut running = Running::start(&mut command)?;
        let output = running.child().stdout.take().context("its output was asked for")?;
        let (sender, addresses) = mpsc::channel();
        thread::spawn(move || {
            let mut log = log;
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // The test may be over, or the folder gone; then nobody reads either.
                let _ = writeln!(log, "{line}");
                if let Some((_, address)) = line.split_once("listening on ") {
                    let _ = sender.send(address.trim().to_owned());
                }
            }
        });
        let Ok(url) = addresses.recv_timeout(PATIENCE) else {
            bail!("the server does not listen:\n{}", self.log());
        };
        let port = url.rsplit(':').next().context("the address has a port")?;
        let host = self.listen.split(':').next().context("the address has a host")?;
        self.listen = format!("{host}:{port}");
        first_answer(&self.listen)?;
        self.to_first_answer = began_at.elapsed();
        self.running = Some(running);
        self.url = url;
        Ok(())
    }
}

impl Drop for Handfast {
    fn drop(&mut self) {
        // Shown where the test fails.
        println!("log of the server at {}:\n{}", self.url, self.log());
    }
}

fn binary() -> anyhow::Result<PathBuf> {
    built("handfast")
}

/// A program of the workspace, built beside the test's own.
///
/// # Errors
/// When it is not built.
pub fn built(name: &str) -> anyhow::Result<PathBuf> {
    let ours = std::env::current_exe()?;
    let folder =
        ours.parent().and_then(Path::parent).context("tests are built into a folder of their own")?;
    let binary = folder.join(name);
    if !binary.exists() {
        bail!("{} is not built; run `cargo xtask test`, or `cargo build --workspace`", binary.display());
    }
    Ok(binary)
}

fn first_answer(address: &str) -> anyhow::Result<()> {
    use std::io::Read;
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if !answer.starts_with("HTTP/1.1 200") {
        bail!("/health answers {answer}");
    }
    Ok(())
}
