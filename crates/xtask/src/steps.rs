//! Steps that take a while: each says that it began, that it goes on, how it ended, and what to do if it failed.

use std::{
    fs::{self, File},
    io::Write,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use xtask::{program, target_folder};

/// How long a step is silent before it says that it goes on.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a command may take before it is given up: several times what it needs on a slow machine.
const LIMIT: Duration = Duration::from_mins(25);

/// What passed and what failed so far: tests where a step counts tests, else the step itself.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

/// How a step ended.
pub(crate) struct Outcome {
    pub(crate) succeeded: bool,
    /// Everything it printed.
    pub(crate) output: String,
}

impl Tally {
    /// Runs one command as a step. `remedy` is what to do when it fails.
    pub(crate) fn step(
        &mut self,
        name: &str,
        remedy: &str,
        command: &mut Command,
    ) -> anyhow::Result<Outcome> {
        self.steps(name, remedy, std::slice::from_mut(command))
    }

    /// Runs several commands as one step, all of them even when one fails.
    pub(crate) fn steps(
        &mut self,
        name: &str,
        remedy: &str,
        commands: &mut [Command],
    ) -> anyhow::Result<Outcome> {
        println!("{name} ..");
        let began_at = Instant::now();
        let mut outcome = Outcome { succeeded: true, output: String::new() };
        for command in commands {
            let one = watched(name, command)?;
            outcome.succeeded &= one.succeeded;
            outcome.output.push_str(&one.output);
        }
        let (mut passed, mut failed) = test_counts(&outcome.output);
        if outcome.succeeded && passed == 0 {
            passed = 1;
        }
        if !outcome.succeeded && failed == 0 {
            failed = 1;
        }
        self.passed += passed;
        self.failed += failed;
        let elapsed = seconds(began_at.elapsed());
        if outcome.succeeded {
            let count = if passed > 1 { format!(", {passed} tests") } else { String::new() };
            println!("{name}: ok ({elapsed}{count})");
        } else {
            println!("{}", outcome.output.trim_end());
            println!("{name}: FAILED ({elapsed}). {remedy}");
        }
        Ok(outcome)
    }
}

fn watched(name: &str, command: &mut Command) -> anyhow::Result<Outcome> {
    let folder = target_folder().join("xtask");
    fs::create_dir_all(&folder)?;
    let log = folder.join(format!("{}.log", name.replace(' ', "-")));
    let mut file = File::create(&log).with_context(|| format!("{} cannot be written", log.display()))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file.try_clone()?)
        .spawn()
        .with_context(|| program::describe(command))?;
    let began_at = Instant::now();
    let mut spoke_at = began_at;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if began_at.elapsed() >= LIMIT {
            child.kill()?;
            let status = child.wait()?;
            let what = program::describe(command);
            writeln!(file, "given up after {}: {what}", seconds(began_at.elapsed()))?;
            break status;
        }
        if spoke_at.elapsed() >= PATIENCE {
            spoke_at = Instant::now();
            let text = fs::read(&log)?;
            let text = String::from_utf8_lossy(&text);
            let last = text
                .lines()
                .rev()
                .find(|line| !line.trim().is_empty() && !line.starts_with('{'))
                .unwrap_or("")
                .trim();
            println!("  {name}, {}: {last}", seconds(began_at.elapsed()));
        }
        thread::sleep(Duration::from_millis(50));
    };
    let output = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    Ok(Outcome { succeeded: status.success(), output })
}

/// Adds up libtest's closing lines.
fn test_counts(output: &str) -> (u64, u64) {
    let number_before = |line: &str, word: &str| -> u64 {
        let before = line.split(word).next().unwrap_or("");
        before.rsplit(' ').find(|part| !part.is_empty()).and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    output
        .lines()
        .filter(|line| line.starts_with("test result:"))
        .map(|line| (number_before(line, " passed"), number_before(line, " failed")))
        .fold((0, 0), |(passed, failed), (more_passed, more_failed)| {
            (passed + more_passed, failed + more_failed)
        })
}

fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_several_test_programs_add_up() {
        let output = "running 2 tests\n\
            test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(test_counts(output), (5, 1));
        assert_eq!(test_counts("no tests here"), (0, 0));
    }

    #[test]
    fn a_failed_step_counts_even_if_it_names_no_test() {
        let mut tally = Tally::default();
        let outcome = tally.step("false", "Nothing helps.", &mut Command::new("false")).unwrap();
        assert!(!outcome.succeeded);
        assert_eq!((tally.passed, tally.failed), (0, 1));
    }
}
