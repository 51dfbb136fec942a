//! `cargo xtask python`: the wheel of `bindings/python`, built and tested in a fresh virtual environment.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Outcome, app,
    cargo::{root, run as run_program, target_dir},
    debian, fail, not_run, python, say,
};

/// Where the tests find the command that they hold the bindings against.
const PROGRAM: &str = "ATTENTIVE_PROGRAM";

/// Debian's Python and what makes its virtual environments.
const PACKAGES: [&str; 2] = ["python3", "python3-venv"];

/// Builds the wheel, installs it, and runs its tests; `args` other than `--built`, `--install` and `--if-present` go to
/// pytest.
pub(crate) fn run(args: &[OsString]) -> Outcome {
    if !debian::provides("python", args, &PACKAGES, python::MISSING, || python::find().is_ok())? {
        return Ok(());
    }
    let system = python::find()?;
    let asked = |flag: &str| args.iter().any(|arg| arg == flag);
    let own = ["--built", "--install", "--if-present"].map(OsStr::new);
    let rest = args.iter().filter(|arg| !own.contains(&arg.as_os_str()));
    let program = if asked("--built") { app::built_program()? } else { app::program()? };
    let own = root().join("bindings/python");
    let target = target_dir()?;
    let folder = target.join("python");
    let (venv, wheels) = (folder.join("venv"), folder.join("wheels"));
    for old in [&venv, &wheels] {
        if old.exists() && fs::remove_dir_all(old).is_err() {
            return fail(format!("can't remove {}", old.display()));
        }
    }
    let python = match python::with(system, &own.join("tests/requirements.txt"), &venv) {
        Err(_) if asked("--install") || asked("--if-present") => {
            not_run("python", "the packages of its tests can't be installed");
            return Ok(());
        }
        python => python?,
    };
    say!("python: building the wheel");
    let mut maturin = Command::new(&python);
    maturin.args(["-m", "maturin", "build", "--release", "--interpreter"]).arg(&python).arg("--out").arg(&wheels);
    maturin.args(["--features", "as-tested", "--target-dir"]).arg(&target);
    run_program(maturin.current_dir(&own))?;
    let install = ["-m", "pip", "install", "--quiet", "--no-deps"];
    run_program(Command::new(&python).args(install).arg(wheel_in(&wheels)?))?;
    say!("python: types");
    // Away from the sources, which have no compiled part.
    run_program(Command::new(&python).args(["-m", "mypy.stubtest", "attentive"]).current_dir(&folder))?;
    say!("python: tests");
    let mut tests = Command::new(&python);
    tests.args(["-m", "pytest", "-p", "no:cacheprovider"]).args(rest);
    run_program(tests.arg(own.join("tests")).env(PROGRAM, program).current_dir(&folder))
}

/// The wheel that was built.
fn wheel_in(folder: &Path) -> Outcome<PathBuf> {
    let mut files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    match files.find(|path| path.extension().is_some_and(|end| end == "whl")) {
        Some(wheel) => Ok(wheel),
        None => fail(format!("maturin left no wheel in {}", folder.display())),
    }
}
