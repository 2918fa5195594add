//! `cargo xtask providers`: writes `docs/providers.md` and the snapshot of authorization URLs from the catalogue.

use std::process::Command;

use xtask::{program, repository};

/// Runs the tests that compare both with the catalogue, in the mode in which they write them instead.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut tests = Command::new("cargo");
    tests
        .args([
            "test",
            "--quiet",
            "--package",
            "handfast-broker",
            "--package",
            "handfast-server",
            "--tests",
            "providers",
        ])
        .current_dir(repository())
        .env("HANDFAST_BLESS", "1");
    program::run(&mut tests).map(drop)
}
