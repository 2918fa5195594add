//! `cargo xtask test`: everything a change must pass, set-up included.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};
use xtask::{program, repository, tools};

use crate::steps::Tally;

/// How much is tested.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Everything, in every browser.
    Whole,
    /// One browser.
    Quick,
}

const CHROMIUM: &[(&str, &str)] =
    &[("chromium", "chromium|google-chrome"), ("chromium-driver", "chromedriver")];

/// Runs every step, also after one has failed, and ends with the line `N passed, N failed`.
pub(crate) fn run(extent: Extent) -> anyhow::Result<()> {
    env::set_current_dir(repository())?;
    println!("set-up ..");
    tools::wasm_target()?;
    tools::from_debian(CHROMIUM)?;
    let path = tools::wasm_path()?;
    let _ = extent;

    let mut tally = Tally::default();
    let repair = "Mend what is named above and run this command again.";
    tally.step("format", "Run `cargo fmt --all`.", &mut cargo(&["fmt", "--all", "--check"]))?;
    tally.steps(
        "clippy",
        repair,
        &mut [
            clippy(&["--workspace"]),
            clippy(&["--package", "handfast", "--target", "wasm32-unknown-unknown"]),
        ],
    )?;
    tally.step(
        "documentation",
        repair,
        cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"),
    )?;

    let built = tally.step(
        "build",
        repair,
        &mut cargo(&["test", "--workspace", "--no-run", "--message-format=json-render-diagnostics"]),
    )?;
    let programs = if built.succeeded { test_programs(&built.output)? } else { Vec::new() };
    let (product, code): (Vec<_>, Vec<_>) = programs
        .into_iter()
        .partition(|program| ["package", "end_to_end"].contains(&program.package.as_str()));
    if built.succeeded {
        let mut commands: Vec<_> = code.iter().map(|program| program.command(&[])).collect();
        commands.push(cargo(&["test", "--workspace", "--doc"]));
        tally.steps("unit and integration tests", repair, &mut commands)?;
    }

    let mut in_chromium = program::family_bound_to_us("wasm-pack");
    in_chromium
        .args(["test", "--headless", "--chrome", "--chromedriver"])
        .arg(program::find("chromedriver").context("chromedriver is not on PATH")?)
        .env("PATH", &path);
    tally.step("SDK tests in Chromium", repair, &mut in_chromium)?;

    let packaged = tally.step("npm package", repair, &mut cargo(&["xtask", "package"]))?;
    if built.succeeded && packaged.succeeded {
        for (name, package) in [("package tests", "package"), ("end to end", "end_to_end")] {
            let programs = product.iter().filter(|program| program.package == package);
            // Two at a time: a browser takes a core and half a gigabyte.
            let options = ["--show-output", "--test-threads=2"];
            let mut commands: Vec<_> = programs.map(|program| program.command(&options)).collect();
            let outcome = tally.steps(name, repair, &mut commands)?;
            if outcome.succeeded {
                outcome
                    .output
                    .lines()
                    .filter(|line| line.starts_with("figure: "))
                    .for_each(|line| println!("  {line}"));
            }
        }
    }

    println!("{} passed, {} failed", tally.passed, tally.failed);
    if tally.failed > 0 {
        bail!("not everything passed");
    }
    Ok(())
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments);
    command
}

fn clippy(selection: &[&str]) -> Command {
    let mut command = cargo(&["clippy", "--all-targets"]);
    command.args(selection).args(["--", "-D", "warnings"]);
    command
}

/// A test program that cargo built.
struct TestProgram {
    package: String,
    executable: PathBuf,
    folder: PathBuf,
}

impl TestProgram {
    /// Runs it as cargo would.
    fn command(&self, options: &[&str]) -> Command {
        let mut command = Command::new(&self.executable);
        command.args(options).current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        command
    }
}

/// Reads cargo's messages: one JSON object on each line that is not a diagnostic.
fn test_programs(messages: &str) -> anyhow::Result<Vec<TestProgram>> {
    let messages = messages.lines().filter(|line| line.starts_with('{'));
    let mut programs = Vec::new();
    for message in messages {
        let message: serde_json::Value =
            serde_json::from_str(message).context("cargo's messages cannot be read")?;
        if message["profile"]["test"] != true {
            continue;
        }
        let (Some(executable), Some(manifest)) =
            (message["executable"].as_str(), message["manifest_path"].as_str())
        else {
            continue;
        };
        let folder = Path::new(manifest).parent().context("a manifest stands in a folder")?;
        let package = folder.file_name().context("a package's folder has a name")?;
        programs.push(TestProgram {
            package: package.to_string_lossy().into_owned(),
            executable: executable.into(),
            folder: folder.to_owned(),
        });
    }
    Ok(programs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_programs_are_read_from_cargos_messages() {
        let messages = concat!(
            "   Compiling x v0.1.0\n",
            r#"{"reason":"compiler-artifact","manifest_path":"/w/tests/package/Cargo.toml","profile":{"test":true},"executable":"/t/package-1"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","manifest_path":"/w/crates/server/Cargo.toml","profile":{"test":false},"executable":"/t/handfast"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        let programs = test_programs(messages).unwrap();
        assert_eq!(programs.len(), 1);
        assert_eq!(programs[0].package, "package");
        assert_eq!(programs[0].executable, Path::new("/t/package-1"));
    }
}
