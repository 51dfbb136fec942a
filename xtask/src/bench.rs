//! `cargo xtask bench`: our speed compared with that of the peers.

use std::{
    ffi::{OsStr, OsString},
    process::Command,
};

use crate::{
    Outcome,
    cargo::{PROFILE, cargo, release_dir, root, run as run_program},
    fail,
};

pub(crate) fn run(args: &[OsString]) -> Outcome {
    let Some((what, rest)) = args.split_first() else {
        return fail("bench what? train, decode, tokenize, long, startup, kernels; or install");
    };
    match what.to_str() {
        Some("install") => install(),
        Some("kernels") => run_program(
            cargo("run")
                .args([PROFILE, "--package", "attentive-kernels", "--example", "bench_kernels", "--"])
                .args(rest),
        ),
        _ => {
            run_program(cargo("build").args([PROFILE, "--package", "bench", "--package", "attentive-cli"]))?;
            run_program(Command::new(release_dir()?.join("attentive-bench")).args(args))
        }
    }
}

/// Makes the environment of the peers.
fn install() -> Outcome {
    let release = release_dir()?;
    let venv = release.with_file_name("bench").join("venv");
    run_program(Command::new("python3").args([OsStr::new("-m"), OsStr::new("venv"), venv.as_os_str()]))?;
    run_program(
        Command::new(venv.join("bin/pip"))
            .args(["install", "--requirement"])
            .arg(root().join("bench/requirements.txt")),
    )
}
