//! `cargo xtask check`: the conditions of a change, in addition to the tests.

use std::{ffi::OsString, process::Command};

use crate::{
    Outcome,
    cargo::{ALL, PROFILE, cargo, is_installed, root, run as run_program},
    instructions, not_run, say, suite,
};

/// The program that looks at dependencies.
const DENY: &str = "cargo-deny";

/// Formatting, clippy and rustdoc without warnings, then the rules of the repository; `args` are options for cargo.
pub(crate) fn run(args: &[OsString]) -> Outcome {
    step("formatting", cargo("fmt").args(["--all", "--check"]))?;
    step(
        "clippy",
        cargo("clippy").args(ALL).args(["--all-targets", PROFILE]).args(args).args(["--", "-D", "warnings"]),
    )?;
    step("rustdoc", cargo("doc").args(ALL).args(["--no-deps", PROFILE]).args(args).env("RUSTDOCFLAGS", "-D warnings"))?;
    say!("check: rules of the repository");
    suite::run_summed("rules", cargo("test").args([PROFILE, "--quiet", "--package", "xtask", "tidy::"]))?;
    let options = ["--workspace", "--no-verify", "--allow-dirty", "--quiet"];
    let unpublished = ["bench", "xtask", "python", "attentive-testkit"].map(|name| ["--exclude", name]);
    step("packages", cargo("package").args(options).args(unpublished.concat()))?;
    say!("check: vector instructions");
    instructions::check()?;
    if is_installed(DENY) {
        step("licences and sources", cargo_deny().args(["check", "bans", "licenses", "sources"]))?;
        vulnerabilities()?;
    } else {
        not_run("licences, sources and known vulnerabilities", "cargo-deny is not installed");
    }
    say!("check: all steps that were run have passed");
    Ok(())
}

fn step(name: &str, command: &mut Command) -> Outcome {
    say!("check: {name}");
    run_program(command)
}

/// Advisories on dependencies. RustSec's list of them is fetched first, so that a network that fails is told from an
/// advisory.
fn vulnerabilities() -> Outcome {
    if run_program(cargo_deny().args(["fetch", "db"])).is_err() {
        not_run("known vulnerabilities", "RustSec's list of them can't be fetched");
        return Ok(());
    }
    step("known vulnerabilities", cargo_deny().args(["check", "--disable-fetch", "advisories"]))
}

fn cargo_deny() -> Command {
    let mut command = Command::new(DENY);
    command.arg("--manifest-path").arg(root().join("Cargo.toml"));
    command
}
