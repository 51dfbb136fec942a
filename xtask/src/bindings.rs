//! `cargo xtask python`: the wheel of `bindings/python`, built and tested in a fresh virtual environment.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Outcome, app,
    cargo::{release_dir, root, run as run_program},
    fail, python, say,
};

/// Where the tests find the command that they hold the bindings against.
const PROGRAM: &str = "ATTENTIVE_PROGRAM";

/// Builds the wheel, installs it, and runs its tests; `args` go to pytest.
pub(crate) fn run(args: &[OsString]) -> Outcome {
    let system = python::find()?;
    let own = root().join("bindings/python");
    let folder = release_dir()?.with_file_name("python");
    let (venv, wheels) = (folder.join("venv"), folder.join("wheels"));
    for old in [&venv, &wheels] {
        if old.exists() && fs::remove_dir_all(old).is_err() {
            return fail(format!("can't remove {}", old.display()));
        }
    }
    let python = python::with(system, &own.join("tests/requirements.txt"), &venv)?;
    say!("python: building the wheel");
    let mut maturin = Command::new(&python);
    maturin.args(["-m", "maturin", "build", "--release", "--interpreter"]).arg(&python).arg("--out").arg(&wheels);
    // The profile of the workspace, so that it is written once.
    maturin.arg("--config").arg(root().join("Cargo.toml")).arg("--target-dir").arg(&folder);
    run_program(maturin.current_dir(&own))?;
    let install = ["-m", "pip", "install", "--quiet", "--no-deps"];
    run_program(Command::new(&python).args(install).arg(wheel_in(&wheels)?))?;
    say!("python: types");
    // Away from the sources, which have no compiled part.
    run_program(Command::new(&python).args(["-m", "mypy.stubtest", "attentive"]).current_dir(&folder))?;
    say!("python: tests");
    let mut tests = Command::new(&python);
    tests.args(["-m", "pytest", "-p", "no:cacheprovider"]).args(args);
    run_program(tests.arg(own.join("tests")).env(PROGRAM, app::program()?).current_dir(&folder))
}

/// The wheel that was built.
fn wheel_in(folder: &Path) -> Outcome<PathBuf> {
    let mut files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    match files.find(|path| path.extension().is_some_and(|end| end == "whl")) {
        Some(wheel) => Ok(wheel),
        None => fail(format!("maturin left no wheel in {}", folder.display())),
    }
}
