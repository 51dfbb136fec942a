//! `cargo xtask fuzz`: libFuzzer on every reader of files, with the compiler of all other builds.
//!
//! `cargo fuzz` would work too, but needs a nightly compiler and builds the tensor library with coverage, which no
//! reader needs. Here cargo calls this program for rustc ([`rustc`]), which adds coverage to the crates that read.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::{self, File},
    io,
    path::Path,
    process::Command,
    time::Instant,
};

use crate::{
    Failure, Outcome, cannot,
    cargo::{not_started, root, run as run_program, target_dir},
    corpora, fail, say, table,
};

/// Set when cargo calls this program in place of rustc.
const AS_RUSTC: &str = "ATTENTIVE_FUZZ_RUSTC";

/// Seconds that a target runs by default.
const SECONDS: u64 = 60;

/// Limits of every target, whose inputs have some kilobytes: a second for each, and 512 MiB for all that there is.
const LIMITS: [&str; 2] = ["-timeout=1", "-rss_limit_mb=512"];

/// The line before the table of what was read.
pub(crate) const MARK: &str = "<!-- written by cargo xtask fuzz -->\n";

const HEADER: [&str; 5] = ["target", "what it reads", "minutes", "inputs", "findings"];

/// Third-party crates that read the content of files.
const READERS: [&str; 14] = [
    "flate2",
    "html5gum",
    "miniz_oxide",
    "safetensors",
    "sentencex",
    "serde",
    "serde_core",
    "serde_json",
    "tokenizers",
    "toml",
    "toml_datetime",
    "toml_parser",
    "unicode_normalization",
    "winnow",
];

/// Our crates that do not read files.
const NO_READERS: [&str; 7] = [
    "attentive_attention",
    "attentive_backend",
    "attentive_core",
    "attentive_decode",
    "attentive_engine",
    "attentive_kernels",
    "attentive_model",
];

/// Coverage as libFuzzer counts it.
const COVERAGE: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg=fuzzing",
];

/// Builds the targets, runs those named in `args`, or all, and reports findings.
pub(crate) fn run(args: &[OsString]) -> Outcome {
    let (mut names, mut seconds, mut keeps) = (Vec::new(), SECONDS, false);
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.to_str() {
            Some("--seconds") => match rest.next().and_then(|value| value.to_str()?.parse().ok()) {
                Some(value) => seconds = value,
                None => return fail("`--seconds` needs a number"),
            },
            Some("--keep") => keeps = true,
            Some(name) if !name.starts_with('-') => names.push(name.to_owned()),
            _ => return fail(format!("fuzz takes targets, --seconds and --keep, not `{}`", arg.display())),
        }
    }
    let known = targets()?;
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        return fail(format!("no target `{name}`: there are {}", known.join(", ")));
    }
    if names.is_empty() {
        names = known;
    }
    let folder = target_dir()?.join("fuzz");
    build(&folder)?;
    let mut failed = Vec::new();
    for name in &names {
        let n_inputs = fuzz(name, &folder, seconds)?;
        write_row(name, seconds / 60, n_inputs.as_deref())?;
        match n_inputs {
            None => failed.push(name.as_str()),
            Some(_) if keeps => keep(name, &folder)?,
            Some(_) => {}
        }
    }
    if failed.is_empty() { Ok(()) } else { fail(format!("there are findings of: {}", failed.join(", "))) }
}

/// The names of all targets.
fn targets() -> Outcome<Vec<String>> {
    let folder = root().join("fuzz/targets");
    let unreadable = |e: io::Error| cannot("read", &folder, &e);
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        names.extend(path.file_stem().and_then(OsStr::to_str).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Builds all targets, with the versions of dependencies that the workspace has.
fn build(folder: &Path) -> Outcome {
    let lock = root().join("fuzz/Cargo.lock");
    if !lock.exists() {
        fs::copy(root().join("Cargo.lock"), &lock).map_err(|e| cannot("write", &lock, &e))?;
    }
    say!("fuzz: building; the first time takes 5 to 13 minutes, and needs a C++ compiler for libFuzzer");
    let own = env::current_exe().map_err(|e| Failure::Message(format!("cannot find xtask's own program: {e}")))?;
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--release", "--manifest-path"]).arg(root().join("fuzz/Cargo.toml"));
    run_program(command.arg("--target-dir").arg(folder).env("RUSTC_WRAPPER", own).env(AS_RUSTC, "1"))
}

/// Runs a target, and returns how many inputs it read, if nothing was found.
fn fuzz(name: &str, folder: &Path, seconds: u64) -> Outcome<Option<String>> {
    let [corpus, artifacts, kept] = ["corpus", "artifacts", "kept"].map(|part| folder.join(part).join(name));
    let log = folder.join(format!("{name}.log"));
    let unwritable = |e: io::Error| cannot("write in", folder, &e);
    fs::create_dir_all(&corpus).map_err(unwritable)?;
    fs::create_dir_all(&artifacts).map_err(unwritable)?;
    corpora::unpack(name, &kept)?;
    let mut prefix = OsString::from("-artifact_prefix=");
    prefix.push(artifacts.join(""));
    let mut command = target(name, folder);
    command.arg(&corpus).arg(&kept).arg(root().join("fuzz/seeds").join(name));
    command.args(LIMITS).arg(format!("-max_total_time={seconds}")).arg(prefix);
    let output = File::create(&log).map_err(unwritable)?;
    command.stdout(output.try_clone().map_err(unwritable)?).stderr(output);
    let started = Instant::now();
    let status = command.status().map_err(|e| not_started(&command, &e))?;
    let said = fs::read(&log).map_err(unwritable)?;
    let said = String::from_utf8_lossy(&said);
    if status.success() {
        let runs = said.lines().rev().find_map(|line| line.strip_prefix("Done ")?.split(' ').next()).unwrap_or("?");
        say!("fuzz: {name}: {runs} inputs in {} s, nothing found", started.elapsed().as_secs());
        return Ok(Some(runs.to_owned()));
    }
    let input = said.lines().find_map(|line| line.split_once("Test unit written to ").map(|(_, path)| path));
    say!("fuzz: {name}: FAILED on {}; see {}", input.unwrap_or("some input"), log.display());
    Ok(None)
}

/// The program of a target.
fn target(name: &str, folder: &Path) -> Command {
    Command::new(folder.join("release").join(name))
}

/// Minimises what a target has found and keeps it for others.
fn keep(name: &str, folder: &Path) -> Outcome {
    let [corpus, kept, minimal] = ["corpus", "kept", "minimal"].map(|part| folder.join(part).join(name));
    let unwritable = |e: io::Error| cannot("write in", folder, &e);
    if minimal.exists() {
        fs::remove_dir_all(&minimal).map_err(unwritable)?;
    }
    fs::create_dir_all(&minimal).map_err(unwritable)?;
    let log = File::create(folder.join(format!("{name}.merge.log"))).map_err(unwritable)?;
    let mut command = target(name, folder);
    command.arg("-merge=1").arg(&minimal).arg(&kept).arg(&corpus).arg(root().join("fuzz/seeds").join(name));
    run_program(command.stdout(log.try_clone().map_err(unwritable)?).stderr(log))?;
    let n_bytes = corpora::keep(name, &minimal)?;
    say!("fuzz: {name}: {n_bytes} bytes kept");
    Ok(())
}

/// Writes a target's row of the page, unless that tells of a longer run without a finding.
fn write_row(name: &str, minutes: u64, n_inputs: Option<&str>) -> Outcome {
    let mut rows = table::rows::<5>(table::RELIABILITY, MARK)?;
    let cell = format!("`{name}`");
    let old = rows.iter().position(|row| row[0] == cell);
    let told = old.and_then(|at| rows[at][2].parse().ok()).unwrap_or(0);
    if n_inputs.is_some() && minutes < told.max(1) {
        return Ok(());
    }
    let path = root().join(format!("fuzz/targets/{name}.rs"));
    let text = fs::read_to_string(&path).map_err(|e| cannot("read", &path, &e))?;
    let reads = text.lines().next().and_then(|line| line.strip_prefix("//! ")).unwrap_or_default();
    let findings = if n_inputs.is_some() { "none" } else { "one, not mended" };
    let inputs = with_separators(n_inputs.unwrap_or("?"));
    let row = [cell, reads.trim_end_matches('.').to_owned(), minutes.to_string(), inputs, findings.to_owned()];
    match old {
        Some(at) => rows[at] = row,
        None => rows.push(row),
    }
    rows.sort();
    rows.insert(0, HEADER.map(str::to_owned));
    table::write(table::RELIABILITY, MARK, &table::aligned(&rows))
}

/// A number as prose has it: `5,202,016`.
fn with_separators(number: &str) -> String {
    let mut text = String::new();
    for (at, digit) in number.chars().enumerate() {
        if at > 0 && (number.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Whether cargo calls this program in place of rustc.
pub(crate) fn is_rustc() -> bool {
    env::var_os(AS_RUSTC).is_some()
}

/// Runs rustc, the first argument, with the other arguments, and with coverage for crates that read files.
pub(crate) fn rustc(args: &[OsString]) -> Outcome {
    let Some((rustc, args)) = args.split_first() else { return fail("cargo names rustc") };
    let name = args.windows(2).find(|pair| pair[0] == "--crate-name").and_then(|pair| pair[1].to_str());
    let is_target = args.iter().any(|arg| arg.to_string_lossy().starts_with("targets/"));
    let reads = name.is_some_and(|name| {
        READERS.contains(&name) || name.starts_with("attentive_") && !NO_READERS.contains(&name) || is_target
    });
    run_program(Command::new(rustc).args(args).args(if reads { &COVERAGE[..] } else { &[] }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        assert_eq!(["7", "123", "5202016", "?"].map(with_separators), ["7", "123", "5,202,016", "?"]);
    }

    #[test]
    fn every_target_says_what_it_reads_in_its_first_line() {
        for name in targets().unwrap() {
            let text = fs::read_to_string(root().join(format!("fuzz/targets/{name}.rs"))).unwrap();
            assert!(text.lines().next().is_some_and(|line| line.starts_with("//! ") && line.ends_with('.')), "{name}");
        }
    }
}
