//! `cargo xtask test`: everything a change must pass, set-up included.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};
use xtask::{program, repository, tools};

use crate::steps::{Outcome, Tally};

/// How much is tested.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Everything: SDK and scenarios in every browser, the package in every bundler.
    Whole,
    /// One browser and no bundler.
    Quick,
}

const CHROMIUM: &[(&str, &str)] =
    &[("chromium", "chromium|google-chrome"), ("chromium-driver", "chromedriver")];
/// Tests start a server of their own; the package is known by a program that comes with it.
const POSTGRESQL: &[(&str, &str)] = &[("postgresql", "postgres|pg_ctlcluster")];
const OTHER_BROWSERS: &[(&str, &str)] =
    &[("firefox-esr", "firefox-esr|firefox"), ("webkit2gtk-driver", "WebKitWebDriver"), ("xvfb", "Xvfb")];

/// Runs every step, also after one has failed, and ends with the line `N passed, N failed`.
pub(crate) fn run(extent: Extent) -> anyhow::Result<()> {
    env::set_current_dir(repository())?;
    println!("set-up ..");
    tools::wasm_target()?;
    tools::from_debian(&[CHROMIUM, POSTGRESQL].concat())?;
    if extent != Extent::Quick {
        tools::from_debian(OTHER_BROWSERS)?;
        tools::from_crates_io("geckodriver", tools::GECKODRIVER)?;
    }
    tools::wasm_path()?;

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
    // One after the other: the SDK's library and the server's program share a name, and with it a folder.
    tally.steps("documentation", repair, &mut [documentation("--lib"), documentation("--bins")])?;

    // Before the server is built, which hands its script-tag file out.
    let packaged = tally.step("npm package", repair, &mut cargo(&["xtask", "package"]))?;
    let built = tally.step(
        "build",
        repair,
        &mut cargo(&["test", "--workspace", "--no-run", "--message-format=json-render-diagnostics"]),
    )?;
    let programs = if built.succeeded { test_programs(&built.output)? } else { Vec::new() };
    let (product, code): (Vec<_>, Vec<_>) = programs.into_iter().partition(|program| {
        ["package", "end_to_end", "relying_parties", "api-rust"].contains(&program.package.as_str())
    });
    if built.succeeded {
        let mut commands: Vec<_> = code.iter().map(|program| program.command(&[])).collect();
        commands.push(cargo(&["test", "--workspace", "--doc"]));
        tally.steps("unit and integration tests", repair, &mut commands)?;
    }

    let browsers: &[Browser] = match extent {
        Extent::Whole => &[Browser::Chromium, Browser::Firefox, Browser::WebKit],
        Extent::Quick => &[Browser::Chromium],
    };
    for browser in browsers {
        tally.step(&format!("SDK tests in {}", browser.name()), repair, &mut browser.wasm_pack_test()?)?;
    }

    if built.succeeded && packaged.succeeded {
        let of = |package: &'static str| product.iter().filter(move |program| program.package == package);
        let mut commands: Vec<_> = of("package")
            .filter(|program| extent == Extent::Whole || program.name != "bundlers")
            .map(|program| program.command(TWO_AT_A_TIME))
            .collect();
        tally.steps("package tests", repair, &mut commands)?;
        let mut commands: Vec<_> = of("end_to_end").map(|program| program.command(TWO_AT_A_TIME)).collect();
        show_figures(&tally.steps("end to end", repair, &mut commands)?);
        let mut commands: Vec<_> = of("relying_parties")
            .chain(of("api-rust"))
            .map(|program| program.command(TWO_AT_A_TIME))
            .collect();
        tally.steps("published relying parties", repair, &mut commands)?;
        for browser in &browsers[1..] {
            let scenarios = of("end_to_end").filter(|program| program.name == "scenarios");
            let mut commands: Vec<_> = scenarios.map(|program| program.command(TWO_AT_A_TIME)).collect();
            for command in &mut commands {
                command.env("E2E_BROWSER", browser.name().to_lowercase());
            }
            let name = format!("scenarios in {}", browser.name());
            show_figures(&tally.steps(&name, repair, &mut commands)?);
        }
    }

    println!("{} passed, {} failed", tally.passed, tally.failed);
    if tally.failed > 0 {
        bail!("not everything passed");
    }
    Ok(())
}

/// Measures the package in `pkg/` in a browser and prints how fast it is.
pub(crate) fn speeds() -> anyhow::Result<()> {
    let figures = ["test", "--workspace", "--test", "figures", "--", "--show-output"];
    let mut tally = Tally::default();
    let measured = tally.step("in a browser", "What is missing stands above.", &mut cargo(&figures))?;
    show_figures(&measured);
    if tally.failed > 0 {
        bail!("the speeds could not be measured");
    }
    Ok(())
}

/// A browser takes a core and half a gigabyte.
const TWO_AT_A_TIME: &[&str] = &["--show-output", "--test-threads=2"];

fn show_figures(outcome: &Outcome) {
    if outcome.succeeded {
        let figures = outcome.output.lines().filter(|line| line.starts_with("figure: "));
        figures.for_each(|line| println!("  {line}"));
    }
}

/// A browser of the matrix.
#[derive(Clone, Copy)]
enum Browser {
    Chromium,
    Firefox,
    WebKit,
}

impl Browser {
    fn name(self) -> &'static str {
        match self {
            Self::Chromium => "Chromium",
            Self::Firefox => "Firefox",
            Self::WebKit => "WebKit",
        }
    }

    /// `wasm-pack test`, which leaves a browser behind unless its family ends with it.
    fn wasm_pack_test(self) -> anyhow::Result<Command> {
        let on_path = |name: &str| program::find(name).with_context(|| format!("{name} is not on PATH"));
        let mut command = match self {
            Self::Chromium => {
                let mut command = program::family_bound_to_us("wasm-pack");
                command
                    .args(["test", "--headless", "--chrome", "--chromedriver"])
                    .arg(on_path("chromedriver")?);
                command
            }
            Self::Firefox => {
                let geckodriver =
                    tools::from_crates_io("geckodriver", tools::GECKODRIVER)?.join("geckodriver");
                let mut command = program::family_bound_to_us("wasm-pack");
                command.args(["test", "--headless", "--firefox", "--geckodriver"]).arg(geckodriver);
                command
            }
            Self::WebKit => {
                // Xvfb tells nobody that it is ready where its parent is the first process: a shell stands before it.
                let mut command = program::family_bound_to_us("sh");
                command
                    .args(["-c", "\"$@\"; exit $?", "sh", "xvfb-run", "--auto-servernum"])
                    .args(["wasm-pack", "test", "--headless", "--safari", "--safaridriver"])
                    .arg(on_path("WebKitWebDriver")?);
                command
            }
        };
        command.args(["--", "--features", "serde"]).env("PATH", tools::wasm_path()?);
        Ok(command)
    }
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

fn documentation(selection: &str) -> Command {
    let mut command = cargo(&["doc", "--workspace", "--no-deps", selection]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    command
}

/// A test program that cargo built.
struct TestProgram {
    package: String,
    name: String,
    executable: PathBuf,
    folder: PathBuf,
}

impl TestProgram {
    /// Runs it as cargo would.
    fn command(&self, options: &[&str]) -> Command {
        let mut command = Command::new(&self.executable);
        command.args(options).current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        // Where a test fails, what it says is enough.
        command.env("RUST_LIB_BACKTRACE", "0");
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
            name: message["target"]["name"].as_str().unwrap_or_default().to_owned(),
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
