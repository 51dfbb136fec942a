//! Running cargo and other programs.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use crate::{Failure, Outcome, fail};

/// The profile of all builds, so that training, tests and lints share one build of the tensor library.
pub(crate) const PROFILE: &str = "--release";

/// Everything that is tested and checked: with the command's server, whose crates the workspace has anyway.
pub(crate) const ALL: [&str; 3] = ["--workspace", "--features", "attentive-cli/serve"];

/// The workspace's folder.
///
/// Cargo gives it to programs that it runs; the path at compile time may be that of a clone that has been moved.
pub(crate) fn root() -> PathBuf {
    let own = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&own).parent().expect("xtask is in the workspace").to_owned()
}

/// `cargo <subcommand>` for this workspace, from the user's own folder (relative settings keep their meaning).
pub(crate) fn cargo(subcommand: &str) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg(subcommand).arg("--manifest-path").arg(root().join("Cargo.toml"));
    command
}

/// Cargo's folder of builds, which this program was built in.
pub(crate) fn target_dir() -> Outcome<PathBuf> {
    let own = env::current_exe().map_err(|e| Failure::Message(format!("cannot find xtask's own program: {e}")))?;
    match own.parent().and_then(Path::parent) {
        Some(target) => Ok(target.to_owned()),
        None => fail(format!("{} is not in a target folder", own.display())),
    }
}

/// The folder of release builds.
pub(crate) fn release_dir() -> Outcome<PathBuf> {
    Ok(target_dir()?.join("release"))
}

/// Runs a program to its end; any exit except success is a failure.
pub(crate) fn run(command: &mut Command) -> Outcome {
    success(command.status().map_err(|e| not_started(command, &e))?)
}

/// An exit status as an outcome; a program ended by a signal counts as code 1.
pub(crate) fn success(status: ExitStatus) -> Outcome {
    if status.success() {
        return Ok(());
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Err(Failure::Exit(code.unwrap_or(1)))
}

/// Whether a program can be started.
pub(crate) fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Memory of a process in KiB, where Linux tells it: the most that it has had (`VmHWM`), or what it has now (`VmRSS`).
pub(crate) fn memory_kib(id: u32, what: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The failure of a program that could not be started.
pub(crate) fn not_started(command: &Command, error: &std::io::Error) -> Failure {
    Failure::Message(format!("cannot run {}: {error}", command.get_program().display()))
}
