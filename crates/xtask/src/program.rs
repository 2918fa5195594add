//! Running other programs: to their end, or for as long as we live.

use std::{
    env,
    path::PathBuf,
    process::{Child, Command, Stdio},
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

/// Runs a program to its end and hands back what it printed.
///
/// # Errors
/// When it cannot be started or does not succeed; the error holds what it said.
pub fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| describe(command))?;
    if !output.status.success() {
        bail!(
            "{}: {}\n{}{}",
            describe(command),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
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
