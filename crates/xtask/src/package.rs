//! Builds the npm package into `pkg/`.

use std::path::{Path, PathBuf};

/// What building the package needs; whoever calls has seen to it that the first two exist.
#[derive(Debug)]
pub(crate) struct PackageTools {
    /// The `wasm-pack` program.
    pub(crate) wasm_pack: PathBuf,
    /// The folder with the `wasm-bindgen` program whose version Cargo.lock names.
    pub(crate) wasm_bindgen_bin: PathBuf,
    /// Where tools from npm are kept between runs, one folder `<name>-<version>` each.
    pub(crate) cache: PathBuf,
}

/// Builds the npm package from the workspace at `root` and returns its folder, `<root>/pkg`.
///
/// # Errors
/// A step failed; the sentence says which one and what to do.
pub(crate) fn package(root: &Path, tools: &PackageTools) -> anyhow::Result<PathBuf> {
    anyhow::bail!("cannot package {} with {tools:?} yet", root.display())
}
