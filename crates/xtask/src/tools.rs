//! The tools that neither rustup nor Debian brings, each fetched once into the user's cache folder.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, bail};

use crate::{program, repository};

/// Builds the package, and runs tests in browsers.
pub const WASM_PACK: &str = "0.15.1";
/// Lets WebDriver speak to Firefox.
pub const GECKODRIVER: &str = "0.37.1";

/// The folder of programs of a crate at exactly this version, installed there first if it is not yet.
///
/// # Errors
/// When the crate can be neither found nor built.
pub fn from_crates_io(name: &str, version: &str) -> anyhow::Result<PathBuf> {
    let folder = cache_folder()?.join("tools").join(format!("{name}-{version}"));
    install_once(&folder, &format!("{name} {version}"), |partial| {
        // Not `--locked`: a published lock file may name a version that was withdrawn since.
        let mut install = Command::new("cargo");
        install
            .args(["install", "--quiet", name, "--version"])
            .arg(format!("={version}"))
            .arg("--root")
            .arg(partial)
            .env("CARGO_TARGET_DIR", partial.join("target"));
        program::run(&mut install)?;
        fs::remove_dir_all(partial.join("target"))?;
        Ok(())
    })?;
    Ok(folder.join("bin"))
}

/// The folder that holds `node_modules` with these packages (`name@version`), installed there first if they are not
/// yet. `name` says what they are for.
///
/// # Errors
/// When npm cannot install them.
pub fn from_npm(name: &str, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let wanted = packages.join("\n");
    let folder = cache_folder()?.join("npm").join(format!("{name}-{:016x}", fingerprint(&wanted)));
    install_once(&folder, &format!("{} from npm", packages.join(", ")), |partial| {
        fs::write(partial.join("package.json"), r#"{"private": true}"#)?;
        let mut install = Command::new("npm");
        install
            .args(["install", "--no-audit", "--no-fund", "--no-save", "--loglevel=error"])
            .args(packages)
            .current_dir(partial);
        program::run(&mut install).map(drop)
    })?;
    Ok(folder)
}

/// A Python that has these packages (`name==version`) in an environment of its own, made and filled first if it is not
/// there yet. `name` says what they are for.
///
/// # Errors
/// When there is no Python 3 with `venv`, or pip cannot install them.
pub fn from_pypi(name: &str, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let wanted = packages.join("\n");
    let folder = cache_folder()?.join("pypi").join(format!("{name}-{:016x}", fingerprint(&wanted)));
    install_once(&folder, &format!("{} from PyPI", packages.join(", ")), |partial| {
        program::run(Command::new("python3").args(["-m", "venv"]).arg(partial))?;
        let mut install = Command::new(partial.join("bin/python"));
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
        program::run(&mut install).map(drop)
    })?;
    Ok(folder.join("bin/python"))
}

/// The program of this source text, built with these crates (lines of a manifest's `[dependencies]`) outside our own
/// tree: what it brings along stays out of our lock file.
///
/// # Errors
/// When cargo cannot build it.
pub fn from_source(name: &str, dependencies: &str, source: &str) -> anyhow::Result<PathBuf> {
    let wanted = format!("{dependencies}\n{source}");
    let folder = cache_folder()?.join("programs").join(format!("{name}-{:016x}", fingerprint(&wanted)));
    install_once(&folder, name, |partial| {
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
             [dependencies]\n{dependencies}\n\n[profile.dev]\ndebug = false\n\n[workspace]\n"
        );
        fs::write(partial.join("Cargo.toml"), manifest)?;
        fs::create_dir(partial.join("src"))?;
        fs::write(partial.join("src/main.rs"), source)?;
        let target = partial.join("target");
        let mut build = Command::new("cargo");
        build.args(["build", "--quiet"]).current_dir(partial).env("CARGO_TARGET_DIR", &target);
        program::run(&mut build)?;
        let program = format!("{name}{}", env::consts::EXE_SUFFIX);
        fs::rename(target.join("debug").join(&program), partial.join(&program))?;
        Ok(fs::remove_dir_all(target)?)
    })?;
    Ok(folder.join(format!("{name}{}", env::consts::EXE_SUFFIX)))
}

/// The version of `wasm-bindgen` in `Cargo.lock`: the program and the library must be of one version.
///
/// # Errors
/// When the lock file cannot be read or does not name it.
pub fn wasm_bindgen_version() -> anyhow::Result<String> {
    let lock = fs::read_to_string(repository().join("Cargo.lock")).context("Cargo.lock cannot be read")?;
    let mut lines = lock.lines();
    lines
        .find(|line| *line == r#"name = "wasm-bindgen""#)
        .and_then(|_| lines.next()?.strip_prefix("version = \"")?.strip_suffix('"'))
        .map(str::to_owned)
        .context("Cargo.lock does not name wasm-bindgen")
}

/// `PATH` with `wasm-pack` and the matching `wasm-bindgen` in front, both installed first if they are not yet.
///
/// # Errors
/// When one of them can be neither found nor built.
pub fn wasm_path() -> anyhow::Result<std::ffi::OsString> {
    let wasm_bindgen = from_crates_io("wasm-bindgen-cli", &wasm_bindgen_version()?)?;
    let wasm_pack = from_crates_io("wasm-pack", WASM_PACK)?;
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = [wasm_bindgen, wasm_pack].into_iter().chain(env::split_paths(&path));
    Ok(env::join_paths(folders)?)
}

/// Adds the target that browsers run, if rustup has not got it yet.
///
/// # Errors
/// When rustup cannot add it.
pub fn wasm_target() -> anyhow::Result<()> {
    const TARGET: &str = "wasm32-unknown-unknown";
    let library = program::run(Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]))?;
    if Path::new(library.trim()).exists() {
        return Ok(());
    }
    println!("adding the target {TARGET}");
    program::run(Command::new("rustup").args(["target", "add", TARGET]))
        .context("rustup brings the WebAssembly target; see rustup.rs")
        .map(drop)
}

/// Makes sure that the named Debian packages are there: as root on Debian by installing what is missing, elsewhere by
/// saying exactly what to install. Each package comes with a program by which it is recognised; further names of the
/// same program follow after `|`.
///
/// # Errors
/// With the sentence that says what to install.
pub fn from_debian(packages: &[(&str, &str)]) -> anyhow::Result<()> {
    let missing: Vec<_> =
        packages.iter().filter(|(_, programs)| program::find_any(programs).is_none()).copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing.iter().map(|(package, _)| *package).collect();
    if program::find("apt-get").is_none() {
        let programs: Vec<_> = missing.iter().map(|(_, programs)| *programs).collect();
        bail!(
            "not on PATH: {}. Install them (on Debian: the packages {}) and run this command again",
            programs.join(", "),
            names.join(", ")
        );
    }
    if program::run(Command::new("id").arg("-u"))?.trim() != "0" {
        bail!(
            "missing: {0}. Install with\n    sudo apt-get install --no-install-recommends {1}\nand run this command again",
            names.join(", "),
            names.join(" ")
        );
    }
    println!("installing from Debian: {}", names.join(", "));
    program::run(Command::new("apt-get").args(["update", "-qq"]))?;
    let mut install = Command::new("apt-get");
    install
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(&names)
        .env("DEBIAN_FRONTEND", "noninteractive");
    program::run(&mut install).map(drop)
}

/// `~/.cache/handfast`, or below `XDG_CACHE_HOME`.
fn cache_folder() -> anyhow::Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute()) {
        Some(folder) => folder,
        None => PathBuf::from(env::var_os("HOME").context("HOME is not set")?).join(".cache"),
    };
    Ok(base.join("handfast"))
}

/// Fills a folder beside the final one and renames it, so that an interrupted run leaves nothing that looks whole.
fn install_once(
    folder: &Path,
    what: &str,
    install: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    // Tests of one program may ask for the same tool at once.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    if folder.exists() {
        return Ok(());
    }
    println!("installing {what} into {} (once)", folder.display());
    let partial = folder.with_file_name(format!(
        "{}.partial-{}",
        folder.file_name().unwrap_or_default().to_string_lossy(),
        std::process::id()
    ));
    fs::create_dir_all(&partial).with_context(|| format!("{} cannot be made", partial.display()))?;
    let installed = install(&partial).with_context(|| format!("{what} cannot be installed"));
    let renamed = installed.and_then(|()| fs::rename(&partial, folder).map_err(Into::into));
    if renamed.is_err() {
        // What is left is of no use to anyone; the first error is the one worth telling.
        let _ = fs::remove_dir_all(&partial);
    }
    // Someone else may have been faster: theirs is as good.
    if folder.exists() { Ok(()) } else { renamed }
}

/// FNV-1a: names a cache folder by what is in it.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_names_the_version_of_wasm_bindgen() {
        let version = wasm_bindgen_version().unwrap();
        assert_eq!(version.split('.').count(), 3, "{version}");
    }

    #[test]
    fn a_failed_installation_leaves_nothing_and_is_tried_again() {
        let cache = tempfile::tempdir().unwrap();
        let folder = cache.path().join("tool-1.0");
        let failed = install_once(&folder, "tool", |partial| {
            fs::write(partial.join("half"), "")?;
            bail!("no network")
        });
        assert!(format!("{:#}", failed.unwrap_err()).contains("no network"));
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);

        install_once(&folder, "tool", |partial| Ok(fs::write(partial.join("whole"), "")?)).unwrap();
        assert!(folder.join("whole").exists());
        install_once(&folder, "tool", |_| bail!("asked twice")).unwrap();
    }
}
