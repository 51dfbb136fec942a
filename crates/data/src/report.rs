//! Findings in a corpus.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{CorpusRules, Problem, Side, Treatment};

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(PathBuf, u64)", into = "(PathBuf, u64)")]
pub struct Place {
    /// The file.
    pub path: Arc<Path>,
    /// Line number in the file, from 1.
    pub line: u64,
}

impl From<(PathBuf, u64)> for Place {
    fn from((path, line): (PathBuf, u64)) -> Self {
        Self { path: path.into(), line }
    }
}

impl From<Place> for (PathBuf, u64) {
    fn from(place: Place) -> Self {
        (place.path.to_path_buf(), place.line)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path.display(), self.line)
    }
}

/// One file, read to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReport {
    /// The file.
    pub path: PathBuf,
    /// Number of lines.
    pub n_lines: u64,
    /// Number of bytes, decompressed.
    pub n_bytes: u64,
    /// SHA-256 of the decompressed bytes, in hexadecimal: what `sha256sum` prints for the plain file.
    pub sha256: String,
    /// What a user should know of it: NUL characters, an encoding that was guessed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The lines that have one problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// How many.
    pub count: u64,
    /// Where the first of them are.
    pub first: Vec<Place>,
    /// Their treatment.
    pub treatment: Treatment,
}

/// Content and problems of a corpus, by file and line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorpusReport {
    /// Number of sentence pairs read, whole or not.
    pub n_read: u64,
    /// Number of sentence pairs kept.
    pub n_kept: u64,
    /// Files of the source side, or the tab-separated ones, read to their ends.
    pub source: Vec<FileReport>,
    /// Files of the target side, read to their ends; empty for a tab-separated corpus.
    pub target: Vec<FileReport>,
    /// What is wrong.
    pub problems: BTreeMap<Problem, Findings>,
}

impl CorpusReport {
    /// Whether a problem was found that the rules refuse.
    pub fn is_refused(&self) -> bool {
        self.problems.values().any(|found| found.treatment == Treatment::Refuse)
    }

    /// All files with the side that they belong to.
    pub fn files(&self) -> impl Iterator<Item = (Side, &FileReport)> {
        let source = self.source.iter().map(|file| (Side::Source, file));
        source.chain(self.target.iter().map(|file| (Side::Target, file)))
    }

    /// What was done about each problem, and the problem in words: how often, and where first.
    pub fn remarks(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.problems.iter().map(|(&problem, found)| {
            let done = match found.treatment {
                Treatment::Refuse => "refused",
                Treatment::Skip => "skipped",
                Treatment::Truncate => "truncated",
            };
            (done, Listed(problem, found).to_string())
        })
    }

    /// Counts one line and returns what the rules do about it.
    pub(crate) fn note(&mut self, problem: Problem, place: &Place, rules: &CorpusRules) -> Treatment {
        let treatment = rules.treatment(problem);
        let found = self.problems.entry(problem).or_insert_with(|| Findings { count: 0, first: Vec::new(), treatment });
        found.count += 1;
        if found.first.len() < rules.max_reported {
            found.first.push(place.clone());
        }
        treatment
    }

    /// Says of files what it said of others that hold the same.
    pub(crate) fn move_to(&mut self, files: &[Vec<FileReport>]) {
        let before: Vec<PathBuf> = self.files().map(|(_, file)| file.path.clone()).collect();
        let moved: BTreeMap<PathBuf, &FileReport> = before.into_iter().zip(files.iter().flatten()).collect();
        for place in self.problems.values_mut().flat_map(|found| &mut found.first) {
            if let Some(file) = moved.get(&*place.path) {
                place.path = file.path.as_path().into();
            }
        }
        [&mut self.source, &mut self.target].into_iter().zip(files).for_each(|(side, files)| side.clone_from(files));
    }

    /// The refused problems alone, each with its remedies: those of the rules only if somebody can set them.
    pub(crate) fn refusals(&self, are_fixed: bool) -> String {
        let mut text = String::new();
        for (problem, found) in &self.problems {
            if found.treatment == Treatment::Refuse {
                text += &format!("\n  {}", Listed(*problem, found));
                if *problem == Problem::LineCount {
                    let [source, target] =
                        [&self.source, &self.target].map(|files| grouped(files.iter().map(|file| file.n_lines).sum()));
                    text += &format!(" (source {source} lines, target {target})");
                }
                text += "; ";
                text += problem.remedy();
                if !are_fixed {
                    text += ", or ";
                    text += problem.setting();
                }
            }
        }
        text
    }
}

impl fmt::Display for CorpusReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pairs read, {} kept", grouped(self.n_read), grouped(self.n_kept))?;
        for (side, file) in self.files() {
            let side = if self.target.is_empty() { "both" } else { side.name() };
            let (lines, bytes) = (grouped(file.n_lines), grouped(file.n_bytes));
            let (path, sha) = (file.path.display(), file.sha256.get(..16).unwrap_or_default());
            write!(f, "\n  {side}  {path}: {lines} lines, {bytes} bytes, sha256 {sha}…")?;
        }
        self.remarks().try_for_each(|(done, what)| write!(f, "\n  {done}  {what}"))
    }
}

/// `empty line, 12 times: a.en:3, 5, a.de:8, …`
struct Listed<'a>(Problem, &'a Findings);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(problem, found) = self;
        match found.count {
            1 => write!(f, "{}, once", problem.describe())?,
            n => write!(f, "{}, {} times", problem.describe(), grouped(n))?,
        }
        let mut last_path = None;
        for place in &found.first {
            match last_path.replace(&place.path) {
                None => write!(f, ": {place}")?,
                Some(path) if *path == place.path => write!(f, ", {}", place.line)?,
                Some(_) => write!(f, ", {place}")?,
            }
        }
        if found.count > found.first.len() as u64 && !found.first.is_empty() {
            write!(f, ", …")?;
        }
        Ok(())
    }
}

/// Digits in groups of three: `29,000`.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// SHA-256 of texts one after another, in hexadecimal.
pub fn sha256_of<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let mut sha = Sha256::new();
    texts.into_iter().for_each(|text| sha.update(text.as_ref()));
    format!("{:x}", sha.finalize())
}
