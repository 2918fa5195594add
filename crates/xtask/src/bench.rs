//! `cargo xtask bench`: the figures of the release build.

use std::process::Command;

use anyhow::bail;
use xtask::repository;

/// Builds what is measured and measures it.
pub(crate) fn run() -> anyhow::Result<()> {
    let commands: [&[&str]; 2] = [
        &["build", "--release", "--workspace", "--bin", "handfast"],
        &["bench", "--workspace", "--bench", "figures"],
    ];
    for arguments in commands {
        println!("cargo {}", arguments.join(" "));
        if !Command::new("cargo").args(arguments).current_dir(repository()).status()?.success() {
            bail!("cargo {} failed; what it said stands above", arguments.join(" "));
        }
    }
    Ok(())
}
