//! Who may import whom, read off the manifests and the sources.

use std::{collections::BTreeSet, fs, path::Path};

use xtask::repository;

/// Each package with the packages of this workspace and the libraries of the outer edge that it may depend on.
const ALLOWED: &[(&str, &[&str])] = &[
    (".", &["handfast-protocol"]),
    ("crates/protocol", &[]),
    ("crates/broker", &["handfast-protocol"]),
    ("crates/issuer", &["handfast-protocol"]),
    ("crates/resource", &["handfast-protocol", "axum"]),
    (
        "crates/server",
        &["handfast-protocol", "handfast-broker", "handfast-issuer", "axum", "sqlx", "reqwest"],
    ),
];

/// What only some packages may know.
const GUARDED: &[&str] = &[
    "handfast",
    "handfast-protocol",
    "handfast-broker",
    "handfast-issuer",
    "handfast-resource",
    "handfast-server",
    "axum",
    "sqlx",
    "reqwest",
];

#[test]
fn every_package_imports_only_what_it_may() {
    for (folder, allowed) in ALLOWED {
        let text = fs::read_to_string(repository().join(folder).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        let imports = imports(&manifest);
        for guarded in GUARDED {
            assert!(
                allowed.contains(guarded) || !imports.contains(*guarded),
                "{folder} may not depend on {guarded}"
            );
        }
    }
}

#[test]
fn every_package_of_the_product_is_under_the_rule() {
    let known: Vec<_> = ALLOWED.iter().map(|(folder, _)| *folder).collect();
    for entry in fs::read_dir(repository().join("crates")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let folder = format!("crates/{name}");
        assert!(
            name == "xtask" || known.contains(&folder.as_str()),
            "{folder} is not on the list of this test"
        );
    }
}

#[test]
fn inside_the_server_http_never_names_storage() {
    let source = repository().join("crates/server/src");
    let mut files = vec![source.join("http.rs")];
    files_below(&source.join("http"), &mut files);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for name in ["crate::storage", "sqlx"] {
            assert!(!text.contains(name), "{} names {name}", file.display());
        }
    }
}

#[test]
fn versions_of_libraries_are_written_once() {
    let mut folders: Vec<_> = ALLOWED.iter().map(|(folder, _)| *folder).collect();
    folders.extend([
        "crates/xtask",
        "tests/end_to_end",
        "tests/package",
        "tests/relying_parties",
        "www-example/api-rust",
    ]);
    for folder in folders {
        let Ok(text) = fs::read_to_string(repository().join(folder).join("Cargo.toml")) else { continue };
        let manifest: toml::Table = text.parse().unwrap();
        for (name, dependency) in dependency_tables(&manifest).into_iter().flatten() {
            let inherited = dependency.get("workspace").and_then(toml::Value::as_bool) == Some(true);
            assert!(inherited, "{folder}: the version of {name} belongs in the workspace's table");
        }
    }
}

/// Everything a package depends on when it is built, under its real name.
fn imports(manifest: &toml::Table) -> BTreeSet<String> {
    dependency_tables(manifest)
        .into_iter()
        .flatten()
        .map(|(name, dependency)| {
            let renamed = dependency.get("package").and_then(toml::Value::as_str);
            renamed.unwrap_or(name).to_owned()
        })
        .collect()
}

/// Normal and build dependencies, also those of one target only. Tests may know more.
fn dependency_tables(manifest: &toml::Table) -> Vec<&toml::Table> {
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let targets = targets.into_iter().flatten().filter_map(|(_, target)| target.as_table());
    std::iter::once(manifest)
        .chain(targets)
        .flat_map(|table| ["dependencies", "build-dependencies"].map(|name| table.get(name)))
        .filter_map(|table| table?.as_table())
        .collect()
}

fn files_below(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
