//! Installing programs of Debian that a check needs.

use std::process::{Command, Stdio};

use crate::{Outcome, cargo::run as run_program, say};

/// Whether this is Debian or a derivative of it, and the user is root.
pub(crate) fn can_install() -> bool {
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
pub(crate) fn install(what: &str, packages: &[&str]) -> Outcome {
    say!("{what}: installing {}", packages.join(" and "));
    let apt = || {
        let mut command = Command::new("apt-get");
        command.arg("--quiet=2").env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    run_program(apt().arg("update"))?;
    run_program(apt().args(["install", "--yes", "--no-install-recommends"]).args(packages).stdout(Stdio::null()))
}
