//! The files of the repository.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::cargo::root;

/// A text file.
pub(super) struct SourceFile {
    /// Its path from the workspace's folder, with forward slashes.
    pub(super) path: String,
    pub(super) text: String,
}

impl SourceFile {
    /// The crate's folder name, for files below `crates/`.
    pub(super) fn member(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }

    /// Whether this is Rust code of a library or program, not of its tests or benches.
    pub(super) fn is_product(&self) -> bool {
        self.path.ends_with(".rs")
            && self.path.contains("/src/")
            && !self.path.ends_with("/tests.rs")
            && !self.path.contains("/tests/")
    }

    /// Lines of code with their numbers: without comments, and without the unit tests at the end of the file.
    pub(super) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        // They may need a feature, too.
        let ends = ["\n#[cfg(test)]\nmod tests {", "\n#[cfg(all(test, feature = \"flex\"))]\nmod tests {"];
        let end = ends.iter().filter_map(|tests| self.text.find(tests)).min().unwrap_or(self.text.len());
        let lines = self.text[..end].lines().enumerate();
        lines.map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
    }
}

/// Paths of all files that git tracks or would track; without git, of all files except build outputs.
pub(super) fn paths() -> Vec<String> {
    let git = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .stderr(Stdio::null())
        .output();
    let mut paths: Vec<String> = match git {
        Ok(output) if output.status.success() && !output.stdout.is_empty() => {
            String::from_utf8_lossy(&output.stdout).split_terminator('\0').map(str::to_owned).collect()
        }
        _ => walk(),
    };
    paths.retain(|path| root().join(path).is_file());
    paths.sort();
    paths
}

fn walk() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).into_iter().flatten().flatten() {
            let path = folder.join(entry.file_name());
            let built = ["target", "runs", ".git"].iter().any(|name| path.as_os_str() == *name);
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !built => folders.push(path),
                Ok(kind) if kind.is_file() => found.push(path.to_string_lossy().replace('\\', "/")),
                _ => {}
            }
        }
    }
    found
}

/// All files that are text.
pub(super) fn text_files() -> impl Iterator<Item = SourceFile> {
    paths().into_iter().filter_map(|path| {
        let text = fs::read_to_string(root().join(&path)).ok()?;
        Some(SourceFile { path, text })
    })
}
