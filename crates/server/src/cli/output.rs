//! What commands print: tables for people, JSON for programs.

use std::io::{self, Write};

use serde_json::Value;

/// How a command prints.
#[derive(clap::Args)]
pub(super) struct OutputArgs {
    /// Print JSON, for programs
    #[arg(long)]
    pub(super) json: bool,
}

/// Prints JSON, indented.
pub(super) fn print_json(value: &Value) -> io::Result<()> {
    writeln!(io::stdout(), "{value:#}")
}

/// Prints one line.
pub(super) fn print_line(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

/// Prints rows under a heading, each column as wide as its widest cell.
pub(super) fn print_table(heading: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    writeln!(io::stdout(), "{}", table(heading, rows))
}

fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let heading: Vec<String> = heading.iter().map(|title| title.to_uppercase()).collect();
    let width = |column: usize| {
        let cells = std::iter::once(&heading).chain(rows).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    std::iter::once(&heading).chain(rows).map(line).collect::<Vec<_>>().join("\n")
}

/// A JSON value as a cell: text without quotes, lists with commas, control characters escaped.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.chars().fold(String::new(), |shown, c| {
            if c.is_control() {
                shown + &c.escape_default().to_string()
            } else {
                shown + c.encode_utf8(&mut [0; 4])
            }
        }),
        Value::Array(values) if values.is_empty() => "-".to_owned(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["github".to_owned(), "a".to_owned()], vec!["x".to_owned(), "b".to_owned()]];
        assert_eq!(table(&["key", "id"], &rows), "KEY     ID\ngithub  a\nx       b");
    }

    #[test]
    fn a_cell_cannot_move_the_cursor() {
        assert_eq!(cell(&Value::from("a\u{1b}[2J")), "a\\u{1b}[2J");
    }
}
