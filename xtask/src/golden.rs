//! `cargo xtask golden`: `--check` compares committed golden files with the output of their generators; `--report` is
//! in [`report`].
//!
//! A golden folder is `crates/*/tests/golden`. Each `generate*.py` in it is run as `generate.py OUT_DIR` and writes its
//! golden files below `OUT_DIR`, under their own names. `requirements-NAME.txt` next to `generate_NAME.py`, or
//! `requirements.txt`, names the packages that it needs; they go into a virtual environment under `target/`.
//!
//! A `sweep.py` in a golden folder writes files that are not committed: folders of models, and the results of another
//! system for each. The crate's `tests/sweep.rs` compares them.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Outcome, cannot,
    cargo::{ALL, PROFILE, cargo, root, run as run_program, target_dir},
    fail, json, python, report, say,
    temp_dir::TempDir,
};

/// Largest relative difference of numbers in JSON: models in float32 differ by 2e-6 between CPUs. The tests that read the
/// files allow 1e-5 and more.
const TOLERANCE: f64 = 5e-6;

/// `--check` or `--report`.
pub(crate) fn run(args: &[OsString]) -> Outcome {
    match args {
        [arg] if arg == "--check" => check(),
        [arg] if arg == "--report" => report::run(),
        _ => fail("usage: cargo xtask golden --check | --report"),
    }
}

/// Regenerates every golden file in a temporary folder and compares it with the committed one.
fn check() -> Outcome {
    let python = python::find()?;
    let mut differing = 0;
    for member in entries(&root().join("crates"))? {
        let folder = GoldenFolder::open(&member)?;
        if !folder.generators.is_empty() {
            differing += folder.check(python)?;
        }
    }
    if differing > 0 {
        return fail(format!("{differing} golden files differ from their generators' output"));
    }
    sweep(python)
}

/// Runs every `sweep.py`, which writes below a folder of its crate's name, and every `tests/sweep.rs`, which compares.
fn sweep(python: &'static str) -> Outcome {
    let out = TempDir::new("sweep")?;
    let mut swept = Vec::new();
    for member in entries(&root().join("crates"))? {
        let folder = GoldenFolder::open(&member)?;
        let generator = Path::new("sweep.py");
        if folder.path.join(generator).is_file() {
            say!("{}: {}", folder.path.strip_prefix(root()).unwrap_or(&folder.path).display(), generator.display());
            swept.push(out.path().join(folder.member()));
            folder.generate(python, generator, &out.path().join(folder.member()))?;
        }
    }
    let tested = run_program(
        cargo("test")
            .arg(PROFILE)
            .args(ALL)
            .args(["--quiet", "--test", "all", "--", "--ignored", "sweep::"])
            .env("ATTENTIVE_SWEEP", out.path()),
    );
    for folder in swept {
        let report = fs::read_to_string(folder.join("report.txt")).unwrap_or_default();
        report.lines().for_each(|line| say!("  {line}"));
    }
    tested
}

/// The golden files of one crate and the programs that make them.
struct GoldenFolder {
    path: PathBuf,
    generators: Vec<PathBuf>,
    requirements: BTreeSet<PathBuf>,
    /// Files that a generator must write, relative to the folder.
    goldens: BTreeSet<PathBuf>,
}

impl GoldenFolder {
    fn open(member: &Path) -> Outcome<Self> {
        let path = member.join("tests/golden");
        let mut folder = Self { generators: Vec::new(), requirements: BTreeSet::new(), goldens: BTreeSet::new(), path };
        for file in files(&folder.path)? {
            let name = file.to_string_lossy();
            if name.starts_with("generate") && name.ends_with(".py") {
                folder.generators.push(file);
            } else if name.starts_with("requirements") && name.ends_with(".txt") {
                folder.requirements.insert(file);
            } else if !(name.ends_with(".md") || name.ends_with(".py")) {
                folder.goldens.insert(file);
            }
        }
        Ok(folder)
    }

    /// Runs the generators and counts the files that differ.
    fn check(&self, python: &'static str) -> Outcome<usize> {
        say!("{}", self.path.strip_prefix(root()).unwrap_or(&self.path).display());
        let mut unmade = self.goldens.clone();
        let mut differing = 0;
        for generator in &self.generators {
            say!("  {}", generator.display());
            let fresh = TempDir::new("golden")?;
            self.generate(python, generator, fresh.path())?;
            for file in files(fresh.path())? {
                unmade.remove(&file);
                let verdict = compare(&self.path.join(&file), &fresh.path().join(&file))?;
                differing += usize::from(verdict.is_err());
                say!("    {}: {}", file.display(), verdict.unwrap_or_else(|difference| difference));
            }
        }
        for file in &unmade {
            say!("    {}: no generator writes it", file.display());
        }
        Ok(differing + unmade.len())
    }

    /// Runs a generator, in an environment with its requirements.
    fn generate(&self, python: &'static str, generator: &Path, out: &Path) -> Outcome {
        run_program(
            Command::new(self.python(python, generator)?)
                .arg(generator)
                .arg(out)
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .current_dir(&self.path),
        )
    }

    /// The name of the crate's folder.
    fn member(&self) -> &str {
        self.path.ancestors().nth(2).and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// The Python to run a generator with: in an environment with its requirements, if there are any.
    fn python(&self, system: &'static str, generator: &Path) -> Outcome<PathBuf> {
        let stem = generator.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let own = format!("requirements-{}.txt", stem.trim_start_matches("generate_"));
        let named = |name: &&str| self.requirements.contains(Path::new(name));
        let Some(name) = [own.as_str(), "requirements.txt"].into_iter().find(named) else {
            return Ok(system.into());
        };
        let requirements = self.path.join(name);
        let venv = target_dir()?.join("golden-venv").join(self.member()).join(name.trim_end_matches(".txt"));
        python::with(system, &requirements, &venv)
    }
}

/// Compares two files: `Ok` describes the agreement, `Err` the difference.
fn compare(committed: &Path, made: &Path) -> Outcome<Result<String, String>> {
    let Ok(old) = fs::read(committed) else {
        return Ok(Err("is not committed".into()));
    };
    let new = fs::read(made).map_err(|e| cannot("read", made, &e))?;
    if old == new {
        return Ok(Ok("equal".into()));
    }
    let is_json = made.extension().is_some_and(|extension| extension == "json" || extension == "jsonl");
    Ok(match (is_json, str::from_utf8(&old), str::from_utf8(&new)) {
        (true, Ok(old), Ok(new)) => json::compare(old, new, TOLERANCE)
            .map(|distance| format!("equal except for rounding (largest relative difference {distance:.1e})")),
        _ => Err("differs".into()),
    })
}

/// The files below a folder, relative to it, in order; none if the folder does not exist.
fn files(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop().filter(|next| next.is_dir()) {
        for entry in entries(&next)? {
            if !entry.is_dir() {
                found.extend(entry.strip_prefix(folder).map(Path::to_owned));
            } else if entry.file_name().is_some_and(|name| name != "__pycache__") {
                folders.push(entry);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The entries of a folder, in order.
fn entries(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let listing = || -> io::Result<Vec<PathBuf>> {
        let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    };
    listing().map_err(|e| cannot("list", folder, &e))
}
