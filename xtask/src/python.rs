//! Python with packages, in virtual environments under `target/`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{Outcome, cannot, cargo::run, fail, say};

/// What is said where it is not here.
pub(crate) const MISSING: &str = "Python 3 with its modules venv and ensurepip is needed for this; the tests need none";

/// The name of the user's Python.
pub(crate) fn find() -> Outcome<&'static str> {
    let runs = |name: &&str| {
        Command::new(name)
            .args(["-c", "import ensurepip, venv"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    match ["python3", "python"].into_iter().find(runs) {
        Some(name) => Ok(name),
        None => fail(MISSING),
    }
}

/// The Python of the environment `venv` with the packages that `requirements` names, made if they have changed.
pub(crate) fn with(system: &str, requirements: &Path, venv: &Path) -> Outcome<PathBuf> {
    let wanted = fs::read(requirements).map_err(|e| cannot("read", requirements, &e))?;
    let python = venv.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let installed = venv.join("requirements.txt");
    if fs::read(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    say!("  installing {} into {}", requirements.display(), venv.display());
    run(Command::new(system).args(["-m", "venv", "--clear"]).arg(venv))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(requirements))?;
    fs::write(&installed, wanted).map_err(|e| cannot("write", &installed, &e))?;
    Ok(python)
}
