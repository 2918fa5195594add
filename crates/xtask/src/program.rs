//! Running other programs: to their end, or for as long as we live.

use std::{
    env,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

/// The program of this name on `PATH`.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The first program on `PATH` of several names, separated by `|`.
#[must_use]
pub fn find_any(names: &str) -> Option<PathBuf> {
    names.split('|').find_map(find)
}

/// How long a program may run to its end. The longest builds a tool from its sources, once.
const LIMIT: Duration = Duration::from_mins(20);

/// Runs a program to its end and hands back what it printed.
///
/// # Errors
/// When it cannot be started, does not succeed or does not end; the error holds what it said.
pub fn run(command: &mut Command) -> anyhow::Result<String> {
    run_within(LIMIT, command)
}

fn run_within(limit: Duration, command: &mut Command) -> anyhow::Result<String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| describe(command))?;
    let (stdout, stderr) = (child.stdout.take().map(collect), child.stderr.take().map(collect));
    let began_at = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if began_at.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            bail!("{}: given up after {limit:?}", describe(command));
        }
        thread::sleep(Duration::from_millis(5));
    };
    let text = |output: Option<thread::JoinHandle<Vec<u8>>>| {
        let bytes = output.and_then(|output| output.join().ok()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (stdout, stderr) = (text(stdout), text(stderr));
    if !status.success() {
        bail!("{}: {status}\n{stdout}{stderr}", describe(command));
    }
    Ok(stdout)
}

/// Reads everything that comes, so that the program never waits for a reader.
fn collect(mut output: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before a failure is still worth telling.
        let _ = output.read_to_end(&mut bytes);
        bytes
    })
}

/// The command as one would type it.
#[must_use]
pub fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// A command that ends with the thread that starts it, also when that is killed. Where the system has no such means,
/// [`Running`] alone ends it.
#[must_use]
pub fn bound_to_us(program: impl AsRef<std::ffi::OsStr>) -> Command {
    match find("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// The same for a program that starts others and may leave them behind, as browser drivers do: where Linux allows, the
/// family lives in a process namespace of its own and ends as one.
#[must_use]
pub fn family_bound_to_us(program: impl AsRef<std::ffi::OsStr>) -> Command {
    const ROOT: &[&str] = &["--pid", "--fork", "--kill-child", "--"];
    const USER: &[&str] = &["--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--"];
    static ALLOWED: std::sync::OnceLock<Option<&'static [&'static str]>> = std::sync::OnceLock::new();
    let allowed = ALLOWED.get_or_init(|| {
        [ROOT, USER]
            .into_iter()
            .find(|arguments| run(Command::new("unshare").args(*arguments).arg("true")).is_ok())
    });
    match allowed {
        Some(arguments) => {
            let mut command = bound_to_us("unshare");
            command.args(*arguments).arg(program);
            command
        }
        None => bound_to_us(program),
    }
}

/// A program that runs until this value is dropped.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// Starts it.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        let child = command.stdin(Stdio::null()).spawn().with_context(|| describe(command))?;
        Ok(Self(child))
    }

    /// The lines it prints, if its output was piped. They go on being read when nobody asks for them any more, so that
    /// it never waits for a reader; who asks says for how long.
    pub fn lines(&mut self) -> mpsc::Receiver<String> {
        let (sender, lines) = mpsc::channel();
        if let Some(output) = self.0.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    // Nobody may be listening any more.
                    let _ = sender.send(line);
                }
            });
        }
        lines
    }

    /// Waits for a line with these words and hands back the rest of it.
    ///
    /// # Errors
    /// When it ends or is silent for so long before.
    pub fn rest_of_line(&mut self, words: &str, within: Duration) -> anyhow::Result<String> {
        let lines = self.lines();
        loop {
            let line = lines.recv_timeout(within).with_context(|| format!("no line with {words:?} came"))?;
            if let Some((_, rest)) = line.split_once(words) {
                return Ok(rest.to_owned());
            }
        }
    }

    /// The process, for its output, its id or its end.
    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_end_is_given_up_and_named() {
        let mut command = Command::new("sleep");
        let error = run_within(Duration::from_millis(50), command.arg("60")).unwrap_err();
        assert_eq!(error.to_string(), "sleep 60: given up after 50ms");
    }

    #[test]
    fn a_failure_tells_what_the_program_said() {
        let mut command = Command::new("sh");
        let error = run(command.args(["-c", "echo out; echo err >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().ends_with("exit status: 3\nout\nerr\n"), "{error}");
    }

    #[test]
    fn the_rest_of_a_line_is_heard_once_its_words_came() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo nothing; echo listening on port 7"]).stdout(Stdio::piped());
        let mut running = Running::start(&mut command).unwrap();
        assert_eq!(running.rest_of_line("port ", Duration::from_secs(30)).unwrap(), "7");
        assert!(running.rest_of_line("port ", Duration::from_secs(30)).is_err());
    }
}
