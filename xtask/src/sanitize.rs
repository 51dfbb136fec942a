//! `cargo xtask sanitize`: the kernels' tests with every memory access checked.
//!
//! The address sanitizer comes with the stable compiler, which enables it with `RUSTC_BOOTSTRAP`. Miri, if it is
//! installed, interprets the tests of views and of working memory at the portable level, and finds errors that the
//! sanitizer can't: invalid references, memory read before it is written.

use std::{
    ffi::OsString,
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    Failure, Outcome,
    cargo::{cargo, not_started, root, target_dir},
    fail, not_run, say, suite,
};

const PACKAGE: [&str; 2] = ["--package", "attentive-kernels"];

/// Some optimisation, or tests take minutes; integer overflows are checked too, as in any debug build.
const PROFILE: [&str; 2] = [r#"profile.dev.opt-level=1"#, r#"profile.dev.package."*".opt-level=1"#];

/// Exceptions for Miri: the thread pool lives until the end of the program and makes pointers of numbers; proptest
/// looks for files of earlier failures; and results are compared bit by bit, which Miri would vary where libraries may
/// differ.
const MIRI_FLAGS: [&str; 5] = [
    "-Zmiri-ignore-leaks",
    "-Zmiri-tree-borrows",
    "-Zmiri-permissive-provenance",
    "-Zmiri-disable-isolation",
    "-Zmiri-deterministic-floats",
];

/// Runs both.
pub(crate) fn run(args: &[OsString]) -> Outcome {
    if !args.is_empty() {
        return fail("sanitize takes no arguments");
    }
    say!("sanitize: the kernels' tests with the address sanitizer");
    let folder = target_dir()?.join("sanitize");
    let mut tests = cargo("test");
    tests.args(PACKAGE).args(["--lib", "--tests", "--no-fail-fast", "--target", &host()?]);
    tests.args(PROFILE.iter().flat_map(|setting| ["--config", setting]));
    tests.arg("--target-dir").arg(&folder);
    tests.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=address").env_remove("CARGO_ENCODED_RUSTFLAGS");
    suite::run_summed("address sanitizer", &mut tests)?;
    miri(&folder)
}

/// The default target of the compiler.
fn host() -> Outcome<String> {
    let mut rustc = Command::new("rustc");
    let output = rustc.arg("-vV").output().map_err(|e| not_started(&rustc, &e))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::Message("rustc -vV names no host".into()))
}

/// Tests with few numbers, as Miri is a thousand times slower.
fn miri(folder: &Path) -> Outcome {
    let Some(toolchain) = ["nightly", "stable"].into_iter().find(|toolchain| has_miri(toolchain)) else {
        not_run("Miri", "no toolchain has it (rustup toolchain install nightly --component miri,rust-src)");
        return Ok(());
    };
    say!("sanitize: working memory and views under Miri");
    let mut tests = of_toolchain(toolchain);
    tests.args(["test", "--manifest-path"]).arg(root().join("Cargo.toml"));
    tests.args(PACKAGE).args(["--test", "all", "--target-dir"]).arg(folder.join("miri"));
    tests.args(["--", "memory::", "sizes::"]);
    // Panics are expected, and their backtraces take minutes there.
    tests.env("MIRIFLAGS", MIRI_FLAGS.join(" ")).env("RUST_BACKTRACE", "0");
    suite::run_summed("Miri", &mut tests)
}

fn has_miri(toolchain: &str) -> bool {
    let mut version = of_toolchain(toolchain);
    version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

/// `cargo miri` of another toolchain than the one that runs this.
fn of_toolchain(toolchain: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", toolchain, "cargo", "miri"]);
    ["CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS", "RUSTUP_TOOLCHAIN"].iter().for_each(|name| {
        command.env_remove(name);
    });
    command
}
