//! What the maintainer's commands share with the tests: where tools stand, and how programs are run.

pub mod program;
pub mod size;
pub mod tools;

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// The top folder of the repository.
#[must_use]
pub fn repository() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
    });
    &FOLDER
}

/// Where cargo puts what it builds.
#[must_use]
pub fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}
