//! Builds the npm package into `pkg/`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use xtask::{program, repository, target_folder, tools};

/// What every browser of the last years understands; `--all-features` would emit modules that they refuse.
const WASM_FEATURES: [&str; 6] = [
    "--enable-mutable-globals",
    "--enable-bulk-memory",
    "--enable-sign-ext",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// The script that drops Rust's panic messages from the module.
const TRAP_PANICS: &str = include_str!("package/trap_panics.mjs");

/// Builds the npm package and says where it stands, and by which hash a page can pin the script-tag file.
///
/// # Errors
/// Those of [`package`].
pub(crate) fn run() -> anyhow::Result<()> {
    let pkg = package()?;
    println!("the npm package stands in {}", pkg.display());
    // By Node, which is here anyway: a cryptography library would take minutes to build before the first command.
    let hash = "const { readFileSync } = require('fs'), { createHash } = require('crypto');
        createHash('sha384').update(readFileSync(process.argv[1])).digest('base64')";
    let hash =
        program::run(Command::new("node").args(["--print", hash]).arg(pkg.join("handfast.global.js")))?;
    println!("handfast.global.js: integrity=\"sha384-{}\"", hash.trim());
    Ok(())
}

/// Builds the npm package and returns its folder, `pkg`.
///
/// # Errors
/// A step failed; the error says which one and what it said.
fn package() -> anyhow::Result<PathBuf> {
    let npm = tools::from_npm("package", &["binaryen@132.0.0", "esbuild@0.28.2"])?.join("node_modules");
    let root = repository();
    let build = target_folder().join("package");
    let pkg = root.join("pkg");
    fresh_folder(&build)?;

    build_wasm(root, &build)?;
    let (wasm, names) = shrink_wasm(&npm, &build)?;
    copy_files(&root.join("pkg-template/src"), &build)?;
    open_glue(&build.join("sdk.js"), &names)?;
    fs::write(build.join("wasm_bytes.js"), text_module(&wasm))?;

    fresh_folder(&pkg)?;
    let bundle = |entry: &str, output: &str, format: &str, start: &str| {
        bundle(&npm, &build, &Bundle { entry, output: &pkg.join(output), format, start })
    };
    let inlined = "./start_inlined.js";
    bundle("handfast.js", "handfast.js", "esm", inlined)?;
    bundle("handfast.js", "handfast.cjs", "cjs", inlined)?;
    bundle("script_tag.js", "handfast.global.js", "iife", inlined)?;
    bundle("slim.js", "slim.js", "esm", "./start_slim.js")?;
    fs::write(pkg.join("handfast.wasm"), &wasm)?;
    for (name, format) in [("react.js", "esm"), ("react.cjs", "cjs"), ("element.js", "esm")] {
        let entry = Path::new(name).with_extension("js");
        bundle(&entry.to_string_lossy(), name, format, inlined)?;
        use_own_module(&pkg.join(name), format)?;
    }
    fs::copy(root.join("pkg-template/src/node.js"), pkg.join("node.js"))?;
    // The server hands this file out: its next build takes it along.
    fs::copy(pkg.join("handfast.global.js"), root.join("crates/server/sdk/handfast.js"))?;
    write_types(root, &pkg)?;
    write_metadata(root, &pkg)?;
    Ok(pkg)
}

fn build_wasm(root: &Path, build: &Path) -> anyhow::Result<()> {
    let mut wasm_pack = Command::new("wasm-pack");
    wasm_pack
        .args(["build", "--target", "web", "--profile", "sdk", "--no-pack", "--no-typescript", "--no-opt"])
        .args(["--no-gitignore", "--mode", "no-install", "--out-name", "sdk", "--out-dir"])
        .arg(build)
        .arg(root)
        .args(["--", "--package", "handfast", "--features", "npm"])
        .env("PATH", tools::wasm_path()?)
        // Where a call is cheaper than what it calls, gzip does not see how alike two copies are.
        .env("RUSTFLAGS", "-C llvm-args=-inline-threshold=15")
        .current_dir(root);
    program::run(&mut wasm_pack).context("the SDK cannot be built").map(drop)
}

/// The short names by which module and glue call each other.
#[derive(serde::Deserialize)]
struct ShortNames {
    /// Module, long name, short name.
    imports: Vec<(String, String, String)>,
    /// Long name, short name.
    exports: Vec<(String, String)>,
}

/// Traps instead of formatting panic messages nobody reads, lets wasm-opt remove what that made unreachable, and gives
/// short names to what crosses the border to JavaScript.
fn shrink_wasm(npm: &Path, build: &Path) -> anyhow::Result<(Vec<u8>, ShortNames)> {
    let whole = build.join("sdk_bg.wasm");
    let trapping = build.join("trapping.wasm");
    let optimized = build.join("optimized.wasm");
    let small = build.join("small.wasm");
    let script = build.join("trap_panics.mjs");
    fs::write(&script, TRAP_PANICS)?;
    program::run(
        Command::new("node").arg(&script).arg(npm.join("binaryen/index.js")).arg(&whole).arg(&trapping),
    )
    .context("panics cannot be taken out of the WebAssembly")?;
    let wasm_opt = |passes: &[&str], from: &Path, to: &Path| {
        let mut command = Command::new(npm.join(".bin/wasm-opt"));
        program::run(command.args(passes).args(WASM_FEATURES).arg(from).arg("-o").arg(to))
            .context("the WebAssembly cannot be shrunk")
    };
    let strip = ["-Oz", "--converge", "--strip-debug", "--strip-producers", "--strip-target-features"];
    wasm_opt(&strip, &trapping, &optimized)?;
    let names = wasm_opt(&["--minify-imports-and-exports-and-modules"], &optimized, &small)?;
    let names = serde_json::from_str(&names).context("wasm-opt lists the short names as JSON")?;
    Ok((fs::read(small)?, names))
}

/// Rewrites wasm-bindgen's JavaScript: the short names, and instead of its own starts the two halves between which our
/// loader stands. Its own fetch a file by `import.meta.url`, which several bundlers take for an asset.
fn open_glue(glue: &Path, names: &ShortNames) -> anyhow::Result<()> {
    let mut text = fs::read_to_string(glue)?;
    let mut replace = |long: &str, short: &str| -> anyhow::Result<()> {
        ensure!(text.contains(long), "wasm-bindgen's JavaScript has no {long:?}: {}", glue.display());
        text = text.replace(long, short);
        Ok(())
    };
    replace(
        "export { initSync, __wbg_init as default };",
        "export { __wbg_get_imports as imports, __wbg_finalize_init as finish };",
    )?;
    // Two precautions that a page never needs: against two gigabytes of texts, and for closures that nobody dropped.
    replace(
        "numBytesDecoded += bytes.length;\n    if (numBytesDecoded >= MAX_SAFARI_DECODE_BYTES)",
        "if (false)",
    )?;
    replace("typeof FinalizationRegistry === 'undefined'", "true")?;
    for (module, long, short) in &names.imports {
        ensure!(module == "./sdk_bg.js", "an import from {module:?} is not expected");
        replace(&format!("        {long}: function("), &format!("        {short}: function("))?;
    }
    replace("\"./sdk_bg.js\": import0", "a: import0")?;
    for (long, short) in &names.exports {
        for end in ['(', ')', '.', ',', ';'] {
            text = text.replace(&format!("wasm.{long}{end}"), &format!("wasm.{short}{end}"));
        }
    }
    Ok(fs::write(glue, text)?)
}

struct Bundle<'a> {
    entry: &'a str,
    output: &'a Path,
    format: &'a str,
    /// The module that stands in for `handfast-start`.
    start: &'a str,
}

fn bundle(npm: &Path, build: &Path, bundle: &Bundle<'_>) -> anyhow::Result<()> {
    program::run(
        Command::new(npm.join(".bin/esbuild"))
            .args(["--bundle", "--minify", "--target=es2020", "--legal-comments=none", "--log-level=warning"])
            .arg(format!("--format={}", bundle.format))
            .arg("--alias:wasm-bytes=./wasm_bytes.js")
            .arg(format!("--alias:handfast-start={}", bundle.start))
            .args(["--external:handfast", "--external:react"])
            .arg(format!("--outfile={}", bundle.output.display()))
            .arg(bundle.entry)
            .current_dir(build),
    )
    .context("the package cannot be bundled")
    .map(drop)
}

/// Lets a further entry find the package's main module beside itself, so that both share one; React's hooks run on the
/// client alone.
fn use_own_module(file: &Path, format: &str) -> anyhow::Result<()> {
    let text = fs::read_to_string(file)?;
    let own = if format == "cjs" { "\"./handfast.cjs\"" } else { "\"./handfast.js\"" };
    ensure!(text.contains("\"handfast\""), "{} does not import the package", file.display());
    let directive = if text.contains("useState") { "\"use client\";" } else { "" };
    Ok(fs::write(file, format!("{directive}{}", text.replace("\"handfast\"", own)))?)
}

/// A module whose ASCII string holds the bytes, as `bytes.js` reads them.
///
/// gzip finds in it what it finds in the bytes themselves, unlike in base64, and no charset of a page can spoil it. Each
/// byte is shifted, so that the most frequent ones need no escape; a character above ASCII is [`HIGH`] and the character
/// 128 places below; and a `HIGH` that stands for itself is 256 places above, which a byte forgets.
fn text_module(wasm: &[u8]) -> String {
    let mut text =
        String::from("import { bytes } from './bytes.js';\nexport const wasmBytes = () => bytes(\"");
    for byte in wasm {
        match byte.wrapping_add(SHIFT) {
            HIGH => _ = write!(text, "\\u01{HIGH:02x}"),
            high @ 0x80.. => {
                text.push(char::from(HIGH));
                push_escaped(&mut text, high - 0x80);
            }
            low => push_escaped(&mut text, low),
        }
    }
    text.push_str("\");\n");
    text
}

/// By how much `bytes.js` shifts back.
const SHIFT: u8 = 14;
/// The character before one that stands for 128 more.
const HIGH: u8 = b'i';

fn push_escaped(text: &mut String, ascii: u8) {
    match ascii {
        b'"' | b'\\' => text.extend(['\\', char::from(ascii)]),
        0..0x20 | 0x7f => _ = write!(text, "\\x{ascii:02x}"),
        _ => text.push(char::from(ascii)),
    }
}

/// The types, for both module systems, with the codes that the protocol crate lists.
fn write_types(root: &Path, pkg: &Path) -> anyhow::Result<()> {
    let template = fs::read_to_string(root.join("pkg-template/types/handfast.d.ts"))?;
    let mut codes = String::new();
    for code in handfast_protocol::ErrorCode::ALL {
        _ = write!(codes, "\n  | '{code}'");
    }
    let types = template.replace("\n//ERROR_CODES", &format!("{codes};"));
    for name in ["handfast.d.ts", "handfast.d.cts"] {
        fs::write(pkg.join(name), &types)?;
    }
    for name in ["slim.d.ts", "element.d.ts", "react.d.ts", "node.d.ts"] {
        fs::copy(root.join("pkg-template/types").join(name), pkg.join(name))?;
    }
    let react = fs::read_to_string(pkg.join("react.d.ts"))?;
    fs::write(pkg.join("react.d.cts"), react.replace("./handfast.js", "./handfast.cjs"))?;
    Ok(())
}

fn write_metadata(root: &Path, pkg: &Path) -> anyhow::Result<()> {
    let manifest = fs::read_to_string(root.join("pkg-template/package.json"))?;
    ensure!(
        manifest.contains("\"version\": \"0.0.0\""),
        "pkg-template/package.json must say \"version\": \"0.0.0\""
    );
    let version = concat!("\"version\": \"", env!("CARGO_PKG_VERSION"), "\"");
    fs::write(pkg.join("package.json"), manifest.replace("\"version\": \"0.0.0\"", version))?;
    fs::copy(root.join("pkg-template/README.md"), pkg.join("README.md"))?;
    for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
        fs::copy(root.join(licence), pkg.join(licence))?;
    }
    Ok(())
}

fn copy_files(from: &Path, to: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

fn fresh_folder(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("{} cannot be removed", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))
}
