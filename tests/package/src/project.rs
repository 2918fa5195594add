//! A fresh project with the packed package in its `node_modules`, as `npm install handfast` leaves it.

use std::{fs, path::Path, process::Command};

use anyhow::Context;
use tempfile::TempDir;
use xtask::{program, repository};

/// A project's folder; it is removed when this is dropped.
#[derive(Debug)]
pub struct Project {
    folder: TempDir,
}

impl Project {
    /// Packs the package, unpacks it into `node_modules`, and writes these files.
    ///
    /// # Errors
    /// When the package is not built or npm cannot pack it.
    pub fn new(files: &[(&str, &str)]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let package = repository().join("pkg").canonicalize().context("run `cargo xtask package` first")?;
        let modules = folder.path().join("node_modules/handfast");
        fs::create_dir_all(&modules)?;
        program::run(
            Command::new("npm")
                .args(["pack", "--silent", "--pack-destination"])
                .arg(folder.path())
                .arg(&package),
        )?;
        let packed = fs::read_dir(folder.path())?
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|extension| extension == "tgz"))
            .context("npm pack writes a file")?;
        program::run(
            Command::new("tar").arg("-xzf").arg(&packed).args(["--strip-components=1", "-C"]).arg(&modules),
        )?;
        let project = Self { folder };
        project.write("package.json", r#"{"private": true, "type": "module"}"#)?;
        for (name, text) in files {
            project.write(name, text)?;
        }
        Ok(project)
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file below it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let file = self.path().join(name);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(fs::write(file, text)?)
    }

    /// Installs what `tools`, a folder from npm, holds beside the package.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn install(&self, tools: &Path) -> anyhow::Result<()> {
        // Links where the file system has them: some of these tools are large.
        let copy = |how: &str| {
            let from = tools.join("node_modules/.");
            program::run(Command::new("cp").arg(how).arg(from).arg(self.path().join("node_modules")))
        };
        copy("-al").or_else(|_| copy("-a")).map(drop)
    }

    /// Runs a program of `tools`, a folder from npm, inside the project.
    ///
    /// # Errors
    /// When it fails; the error holds what it said.
    pub fn run(&self, tools: &Path, name: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(tools.join("node_modules/.bin").join(name));
        program::run(command.args(arguments).current_dir(self.path()))
    }
}
