//! `cargo xtask bench`: our speed compared with that of the peers.

use std::{
    ffi::{OsStr, OsString},
    process::Command,
};

use crate::{
    Outcome,
    cargo::{PROFILE, cargo, release_dir, root, run as run_program},
    fail, load, scaling,
};

pub(crate) fn run(args: &[OsString]) -> Outcome {
    let Some((what, rest)) = args.split_first() else {
        return fail(
            "bench what? train, decode, embed, generate, transcribe, start, serve, tokenize, long, kernels, processes; or install",
        );
    };
    match what.to_str() {
        Some("install") => install(rest),
        Some("processes") => scaling::run(rest),
        Some("serve") => load::run(rest),
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

/// Makes the environment of the peers, with llama.cpp if `args` ask for it.
fn install(args: &[OsString]) -> Outcome {
    let requirements: &[&str] = match args {
        [] => &["requirements.txt"],
        [peer] if peer == "llama.cpp" => &["requirements.txt", "requirements-llama.cpp.txt"],
        _ => return fail("bench install, or bench install llama.cpp, which builds it from its source"),
    };
    let release = release_dir()?;
    let venv = release.with_file_name("bench").join("venv");
    run_program(Command::new("python3").args([OsStr::new("-m"), OsStr::new("venv"), venv.as_os_str()]))?;
    let mut pip = Command::new(venv.join("bin/pip"));
    pip.arg("install");
    for file in requirements {
        pip.arg("--requirement").arg(root().join("bench").join(file));
    }
    run_program(&mut pip)
}
