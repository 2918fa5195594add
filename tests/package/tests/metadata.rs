//! What would be published: types, entry points, files.

use std::{fs, path::Path, process::Command};

use handfast_protocol::ErrorCode;
use package::Project;
use serde_json::Value;
use xtask::{program, size, tools};

const TYPES: &str = r"
import Handfast, { ConnectError, Handfast as Named, type Connected, type ConnectOptions } from 'handfast';
import { useConnect } from 'handfast/react';
import SlimHandfast, { start } from 'handfast/slim';
import { HandfastConnectElement } from 'handfast/element';

const options: ConnectOptions = {
  connectToken: async () => 'hct_1',
  params: { subdomain: 'acme' },
  scopes: ['repo'],
  authorizationParams: { prompt: 'login' },
  mode: 'popup',
  popup: { width: 500, height: 600 },
  timeoutMs: 1000,
  signal: new AbortController().signal,
  onEvent: (event) => console.log(event.type, event.connectionId),
};
const handfast: Named = new Handfast('https://connect.example.com', options);
const connected: Promise<Connected> = handfast.connect('github', 'user-1');
connected.catch((error: unknown) => {
  if (error instanceof ConnectError && error.code === 'popup_blocked') console.log(error.error.type);
});
const resumed: Connected | null = await handfast.resume();
handfast.cancel();
const { state, connect } = useConnect(handfast);
console.log(state, resumed, await connect('github', 'user-1'));
await start(new URL('https://example.com/handfast.wasm'));
new SlimHandfast('https://connect.example.com');
const element: HandfastConnectElement = document.createElement('handfast-connect');
element.addEventListener('handfast-connected', (event) => console.log(event.detail.connectionId));
// @ts-expect-error: there is no such mode
handfast.connect('github', 'user-1', { mode: 'tab' });
";

#[test]
fn the_types_hold_under_strict() -> anyhow::Result<()> {
    let tools = tools::from_npm("types", &["typescript@5.9.3", "@types/react@19.3.0"])?;
    let project = Project::new(&[
        ("program.ts", TYPES),
        (
            "program.cts",
            "import Handfast = require('handfast'); new Handfast.default('http://a.example').cancel();",
        ),
    ])?;
    // React's types stand where npm would put them.
    let react = project.path().join("node_modules/@types");
    program::run(Command::new("cp").arg("-r").arg(tools.join("node_modules/@types")).arg(&react))?;
    program::run(
        Command::new("cp")
            .arg("-r")
            .arg(tools.join("node_modules/csstype"))
            .arg(project.path().join("node_modules")),
    )?;
    for module in ["nodenext", "bundler"] {
        let (resolution, module) =
            if module == "bundler" { ("bundler", "esnext") } else { ("nodenext", "nodenext") };
        let mut arguments =
            vec!["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom,dom.iterable"];
        arguments.extend(["--module", module, "--moduleResolution", resolution, "program.ts"]);
        if resolution == "nodenext" {
            arguments.push("program.cts");
        }
        project.run(&tools, "tsc", &arguments)?;
    }
    Ok(())
}

#[test]
fn publint_and_attw_find_nothing() -> anyhow::Result<()> {
    let tools = tools::from_npm("lint", &["publint@0.3.25", "@arethetypeswrong/cli@0.18.5"])?;
    let project = Project::new(&[])?;
    let package = project.path().join("node_modules/handfast");
    project.run(&tools, "publint", &["--strict", &package.to_string_lossy()])?;
    let packed = packed_file(project.path())?;
    // What a bundler alone can load is no fault: `./slim` and `./element` are ES modules for browsers.
    project.run(
        &tools,
        "attw",
        &[
            "--profile",
            "node16",
            "--ignore-rules",
            "cjs-resolves-to-esm",
            "--exclude-entrypoints",
            "./handfast.wasm",
            "./handfast.global.js",
            "--",
            &packed,
        ],
    )?;
    Ok(())
}

#[test]
fn the_packed_files_are_those_that_people_need() -> anyhow::Result<()> {
    let project = Project::new(&[])?;
    let package = project.path().join("node_modules/handfast");
    let manifest: Value = serde_json::from_str(&fs::read_to_string(package.join("package.json"))?)?;
    assert_eq!(manifest["license"], "MIT OR Apache-2.0");
    let mut files: Vec<_> = fs::read_dir(&package)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<_, _>>()?;
    files.sort();
    for needed in [
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "handfast.js",
        "handfast.cjs",
        "handfast.global.js",
        "handfast.wasm",
        "slim.js",
        "react.js",
        "element.js",
    ] {
        assert!(files.iter().any(|file| file == needed), "{needed} is missing");
    }
    let allowed = ["js", "cjs", "ts", "cts", "mjs", "mts", "wasm", "json", "md"];
    for file in &files {
        let extension = Path::new(file).extension().map_or("", |extension| extension.to_str().unwrap_or(""));
        let known = allowed.contains(&extension) || file.to_string_lossy().starts_with("LICENSE");
        assert!(known || package.join(file).is_dir(), "{} does not belong here", file.display());
    }
    Ok(())
}

#[test]
fn the_published_crate_holds_its_sources_and_licences_only() -> anyhow::Result<()> {
    let mut list = Command::new("cargo");
    list.args(["package", "--package", "handfast", "--list", "--allow-dirty"])
        .current_dir(xtask::repository());
    for file in program::run(&mut list)?.lines() {
        let known = file.starts_with("src/") || file.starts_with("Cargo.") || file.starts_with("LICENSE-");
        let known =
            known || ["README.md", "CHANGELOG.md", "tests/web.rs", ".cargo_vcs_info.json"].contains(&file);
        assert!(known, "{file} does not belong into the crate");
    }
    Ok(())
}

#[test]
fn the_files_are_within_their_budgets() -> anyhow::Result<()> {
    let project = Project::new(&[])?;
    for (file, budget) in size::BUDGETS {
        let (gzip, _) = size::measure(&project.path().join("node_modules/handfast").join(file))?;
        assert!(gzip <= budget, "{file} weighs {gzip} bytes, more than {budget}");
    }
    Ok(())
}

#[test]
fn the_readme_says_what_to_do_about_every_code() -> anyhow::Result<()> {
    let readme = fs::read_to_string(xtask::repository().join("pkg-template/README.md"))?;
    let rows: Vec<_> = readme.lines().filter(|line| line.starts_with("| `")).collect();
    for code in ErrorCode::ALL {
        let explained =
            rows.iter().any(|row| row.contains(&format!("`{code}`")) && row.matches('|').count() >= 4);
        assert!(explained, "{code} is not in the README's tables");
    }
    Ok(())
}

#[test]
fn the_script_tag_file_reads_alike_in_every_charset() -> anyhow::Result<()> {
    let script = fs::read(xtask::repository().join("pkg/handfast.global.js"))?;
    assert!(script.is_ascii());
    Ok(())
}

fn packed_file(folder: &Path) -> anyhow::Result<String> {
    let files = fs::read_dir(folder)?.filter_map(Result::ok).map(|entry| entry.path());
    let packed = files.into_iter().find(|file| file.extension().is_some_and(|extension| extension == "tgz"));
    Ok(packed.map(|file| file.to_string_lossy().into_owned()).unwrap_or_default())
}
