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
    Failure, Outcome,
    cargo::{not_started, release_dir, root, run as run_program},
    fail, say,
};

/// Set when cargo calls this program in place of rustc.
const AS_RUSTC: &str = "ATTENTIVE_FUZZ_RUSTC";

/// Seconds that a target runs by default.
const SECONDS: &str = "60";

/// Limits of every target: ten seconds and two gigabytes for an input.
const LIMITS: [&str; 2] = ["-timeout=10", "-rss_limit_mb=2048"];

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
    let (mut names, mut seconds) = (Vec::new(), OsString::from(SECONDS));
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.to_str() {
            Some("--seconds") => match rest.next() {
                Some(value) => seconds.clone_from(value),
                None => return fail("`--seconds` needs a value"),
            },
            Some(name) if !name.starts_with('-') => names.push(name.to_owned()),
            _ => return fail(format!("fuzz takes targets and --seconds, not `{}`", arg.display())),
        }
    }
    let known = targets()?;
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        return fail(format!("no target `{name}`: there are {}", known.join(", ")));
    }
    if names.is_empty() {
        names = known;
    }
    let folder = release_dir()?.with_file_name("fuzz");
    build(&folder)?;
    let mut failed = Vec::new();
    for name in &names {
        if !fuzz(name, &folder, &seconds)? {
            failed.push(name.as_str());
        }
    }
    if failed.is_empty() { Ok(()) } else { fail(format!("there are findings of: {}", failed.join(", "))) }
}

/// The names of all targets.
fn targets() -> Outcome<Vec<String>> {
    let folder = root().join("fuzz/targets");
    let unreadable = |e: io::Error| Failure::Message(format!("{}: {e}", folder.display()));
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
        fs::copy(root().join("Cargo.lock"), &lock)
            .map_err(|e| Failure::Message(format!("can't write {}: {e}", lock.display())))?;
    }
    say!("fuzz: building; the first time takes 5 to 13 minutes, and needs a C++ compiler for libFuzzer");
    let own = env::current_exe().map_err(|e| Failure::Message(format!("cannot find xtask's own program: {e}")))?;
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--release", "--manifest-path"]).arg(root().join("fuzz/Cargo.toml"));
    run_program(command.arg("--target-dir").arg(folder).env("RUSTC_WRAPPER", own).env(AS_RUSTC, "1"))
}

/// Runs a target, and returns whether nothing was found.
fn fuzz(name: &str, folder: &Path, seconds: &OsStr) -> Outcome<bool> {
    let [corpus, artifacts] = ["corpus", "artifacts"].map(|part| folder.join(part).join(name));
    let log = folder.join(format!("{name}.log"));
    let unwritable = |e: io::Error| Failure::Message(format!("can't write in {}: {e}", folder.display()));
    fs::create_dir_all(&corpus).map_err(unwritable)?;
    fs::create_dir_all(&artifacts).map_err(unwritable)?;
    let mut time = OsString::from("-max_total_time=");
    time.push(seconds);
    let mut prefix = OsString::from("-artifact_prefix=");
    prefix.push(artifacts.join(""));
    let mut command = Command::new(folder.join("release").join(name));
    command.arg(&corpus).arg(root().join("fuzz/seeds").join(name)).args(LIMITS).args([time, prefix]);
    let output = File::create(&log).map_err(unwritable)?;
    command.stdout(output.try_clone().map_err(unwritable)?).stderr(output);
    let started = Instant::now();
    let status = command.status().map_err(|e| not_started(&command, &e))?;
    let said = fs::read(&log).map_err(unwritable)?;
    let said = String::from_utf8_lossy(&said);
    if status.success() {
        let runs = said.lines().rev().find_map(|line| line.strip_prefix("Done ")?.split(' ').next()).unwrap_or("?");
        say!("fuzz: {name}: {runs} inputs in {} s, nothing found", started.elapsed().as_secs());
    } else {
        let input = said.lines().find_map(|line| line.split_once("Test unit written to ").map(|(_, path)| path));
        say!("fuzz: {name}: FAILED on {}; see {}", input.unwrap_or("some input"), log.display());
    }
    Ok(status.success())
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
