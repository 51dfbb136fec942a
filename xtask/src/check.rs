//! `cargo xtask check`: the conditions of a change, in addition to the tests.

use std::{
    ffi::OsString,
    process::{Command, Stdio},
};

use crate::{
    Outcome,
    cargo::{ALL, PROFILE, cargo, root, run as run_program},
    instructions, not_run, say,
};

/// Formatting, clippy and rustdoc without warnings, then the rules of the repository; `args` are options for cargo.
pub(crate) fn run(args: &[OsString]) -> Outcome {
    step("formatting", cargo("fmt").args(["--all", "--check"]))?;
    step(
        "clippy",
        cargo("clippy").args(ALL).args(["--all-targets", PROFILE]).args(args).args(["--", "-D", "warnings"]),
    )?;
    step("rustdoc", cargo("doc").args(ALL).args(["--no-deps", PROFILE]).args(args).env("RUSTDOCFLAGS", "-D warnings"))?;
    step("rules of the repository", cargo("test").args([PROFILE, "--quiet", "--package", "xtask", "tidy"]))?;
    let options = ["--workspace", "--no-verify", "--allow-dirty", "--quiet"];
    let unpublished = ["bench", "xtask", "attentive-testkit"].map(|name| ["--exclude", name]);
    step("packages", cargo("package").args(options).args(unpublished.concat()))?;
    say!("check: vector instructions");
    instructions::check()?;
    if has_cargo_deny() {
        step("licences and sources", cargo_deny().args(["check", "bans", "licenses", "sources"]))?;
    } else {
        not_run("licences and sources", "cargo-deny is not installed");
    }
    say!("check: all steps that were run have passed");
    Ok(())
}

fn step(name: &str, command: &mut Command) -> Outcome {
    say!("check: {name}");
    run_program(command)
}

fn cargo_deny() -> Command {
    let mut command = Command::new("cargo-deny");
    command.arg("--manifest-path").arg(root().join("Cargo.toml"));
    command
}

fn has_cargo_deny() -> bool {
    Command::new("cargo-deny")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
