//! Installing programs of Debian that a check needs.

use std::{
    ffi::OsString,
    process::{Command, Stdio},
};

use crate::{Outcome, cargo::run as run_program, fail, not_run, say};

/// Whether what a check needs is here; if it is not, `missing` says so.
///
/// With `--install` among `args`, `packages` are installed first. With `--if-present` it is no failure that it is not here: the
/// check was not run.
pub(crate) fn provides(
    check: &str,
    args: &[OsString],
    packages: &[&str],
    missing: &str,
    is_here: impl Fn() -> bool,
) -> Outcome<bool> {
    let asked = |flag: &str| args.iter().any(|arg| arg == flag);
    if !is_here() && asked("--install") && can_install() {
        install(check, packages)?;
    }
    if is_here() {
        return Ok(true);
    }
    let why = format!("{missing}; on Debian, `apt-get install {}`", packages.join(" "));
    if asked("--if-present") {
        not_run(check, &why);
        return Ok(false);
    }
    fail(why)
}

/// Whether this is Debian or a derivative of it, and the user is root.
fn can_install() -> bool {
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    root && runs("apt-get")
}

/// Whether a program is there, and says its version.
pub(crate) fn runs(program: &str) -> bool {
    let mut command = Command::new(program);
    let status = command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Installs packages; `what` is the check that needs them.
fn install(what: &str, packages: &[&str]) -> Outcome {
    say!("{what}: installing {}", packages.join(" and "));
    let apt = || {
        let mut command = Command::new("apt-get");
        command.arg("--quiet=2").env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    run_program(apt().arg("update"))?;
    run_program(apt().args(["install", "--yes", "--no-install-recommends"]).args(packages).stdout(Stdio::null()))
}
