//! A provider's name never appears in the program: what one of them does differently is a field of its entry.

use std::{collections::BTreeSet, fs, path::Path, path::PathBuf};

use handfast_broker::Catalog;

/// Names that are also ordinary words of our own, or of HTTP, HTML or SQL.
const ORDINARY_WORDS: &[&str] = &["graph", "line", "live", "x"];

#[test]
fn no_string_literal_of_the_program_is_a_providers_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let catalog = Catalog::embedded();
    let names: BTreeSet<&str> = catalog
        .iter()
        .flat_map(|provider| provider.aliases.iter().chain([&provider.name]))
        .map(String::as_str)
        .filter(|name| !ORDINARY_WORDS.contains(name))
        .collect();
    let mut files = Vec::new();
    rust_files(&root.join("src"), &mut files);
    for entry in fs::read_dir(root.join("crates")).unwrap() {
        rust_files(&entry.unwrap().path().join("src"), &mut files);
    }
    assert!(files.len() > 20, "the sources are where they are expected");
    let mut found = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let program = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        for (number, line) in program.lines().enumerate() {
            let code = line.trim_start();
            if code.starts_with("//") {
                continue;
            }
            // A quote inside a literal shifts the pieces by one; then the wrong ones are looked at, never fewer.
            let pieces = code.split('"').skip(1);
            found.extend(
                pieces
                    .filter(|piece| names.contains(piece))
                    .map(|name| format!("{}:{}: {name}", path.display(), number + 1)),
            );
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
