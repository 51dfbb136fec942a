//! A model's folder for both sides of a comparison.

use std::process::Command;

use anyhow::Result;
use tempfile::TempDir;

use crate::{
    models::ROWS,
    side::{output, peer_script},
};

/// A model's folder, with the peers' forms of it. Each is written when it is first asked for, by a process of its own, so
/// that no worker's memory includes the making.
pub(crate) struct Prepared {
    name: &'static str,
    folder: TempDir,
}

impl Prepared {
    pub(crate) fn new(name: &'static str) -> Result<Self> {
        Ok(Self { name, folder: tempfile::tempdir()? })
    }

    /// The model's name.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// The folder.
    pub(crate) fn folder(&self) -> Result<String> {
        let path = self.path("");
        if !self.folder.path().join(ROWS).exists() {
            output(Command::new(std::env::current_exe()?).args(["prepare", self.name, &path]))?;
        }
        Ok(path)
    }

    /// The file of what the peers read.
    pub(crate) fn rows(&self) -> Result<String> {
        self.folder()?;
        Ok(self.path(ROWS))
    }

    /// The model as a peer reads it, converted by its script.
    pub(crate) fn of_peer(&self, peer: &str, precision: &str) -> Result<String> {
        let folder = self.folder()?;
        let name = format!("{peer}-{precision}");
        let path = self.path(&name);
        if !self.folder.path().join(name).exists() {
            output(peer_script(&format!("convert_{peer}.py"))?.args([&folder, &path, precision]))?;
        }
        Ok(path)
    }

    fn path(&self, part: &str) -> String {
        self.folder.path().join(part).display().to_string()
    }
}
