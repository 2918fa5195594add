//! The figures, as a table for people and as JSON for programs.

use std::fs;

use anyhow::Context;
use serde_json::{Map, Value, json};

/// What was measured so far.
#[derive(Default)]
pub(crate) struct Report {
    lines: Vec<[String; 3]>,
    figures: Map<String, Value>,
}

impl Report {
    /// So many a second.
    pub(crate) fn rate(&mut self, name: &str, rounds: &[f64]) {
        let value = median(rounds);
        self.add(name, format!("{value:.0} a second"), String::new(), json!({"per_second": value.round()}));
    }

    /// One rate to another.
    pub(crate) fn ratio(&mut self, name: &str, ours: &[f64], theirs: &[f64], goal: f64) {
        let value = median(ours) / median(theirs);
        let met = if value >= goal { "met" } else { "not met" };
        self.add(
            name,
            format!("{value:.2}"),
            format!("{goal} or more: {met}"),
            json!({"ratio": value, "goal": goal}),
        );
    }

    /// A size; none where the system does not tell.
    pub(crate) fn megabytes(&mut self, name: &str, bytes: Option<u64>, goal: f64) {
        let Some(kilobytes) = bytes.and_then(|bytes| u32::try_from(bytes / 1000).ok()) else { return };
        let value = f64::from(kilobytes) / 1000.0;
        self.at_most(name, value, "MB", goal);
    }

    /// A length of time.
    pub(crate) fn milliseconds(&mut self, name: &str, rounds: &[f64], goal: f64) {
        self.at_most(name, median(rounds), "ms", goal);
    }

    fn at_most(&mut self, name: &str, value: f64, unit: &str, goal: f64) {
        let met = if value <= goal { "met" } else { "not met" };
        let figure = json!({"value": value, "unit": unit, "goal": goal});
        self.add(name, format!("{value:.1} {unit}"), format!("{goal} {unit} or less: {met}"), figure);
    }

    fn add(&mut self, name: &str, value: String, goal: String, figure: Value) {
        self.lines.push([name.to_owned(), value, goal]);
        self.figures.insert(name.to_owned(), figure);
    }

    /// Prints the table and writes the JSON beside what cargo builds.
    pub(crate) fn publish(self) -> anyhow::Result<()> {
        println!();
        for [name, value, goal] in &self.lines {
            println!("{name:<40} {value:>18}   {goal}");
        }
        let folder = xtask::target_folder().join("xtask");
        fs::create_dir_all(&folder)?;
        let file = folder.join("bench.json");
        let text = serde_json::to_string_pretty(&Value::Object(self.figures))?;
        fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
        println!("\nas JSON: {}", file.display());
        Ok(())
    }
}

fn median(rounds: &[f64]) -> f64 {
    let mut sorted = rounds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
