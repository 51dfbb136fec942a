//! `cargo xtask page`: the page of `attentive serve` in Chromium, by the program in `browser/`.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    Outcome, app, cannot,
    cargo::{root, run as run_program, target_dir},
    debian, fail, say,
    temp_dir::TempDir,
};

/// Debian's browser and its driver.
const PACKAGES: [&str; 2] = ["chromium", "chromium-driver"];

/// Updates of the translator that is trained for the check: the page works, whatever the model has learned.
const STEPS: &str = "training.steps=60";

/// Golden models of `attentive-interchange` for the other views, by the names that the check knows.
const IMPORTED: [(&str, &str); 2] = [("gpt2", "gpt2"), ("bert", "bert-masked-lm")];

/// Serves models, and has the page read and used.
pub(crate) fn run(args: &[OsString]) -> Outcome {
    let (mut model, mut is_built) = (None, false);
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.to_str() {
            Some("--model") => model = Some(rest.next().map_or_else(|| fail("`--model` needs a folder"), Ok)?),
            Some("--install" | "--if-present") => {}
            Some("--built") => is_built = true,
            _ => {
                let known = "--model DIR, --built, --install and --if-present";
                return fail(format!("page takes {known}, not `{}`", arg.display()));
            }
        }
    }
    let driver = env::var("CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".into());
    if !debian::provides("page", args, &PACKAGES, &format!("no `{driver}`"), || debian::runs(&driver))? {
        return Ok(());
    }
    let program = if is_built { app::built_program()? } else { app::server_program()? };
    let browser = build()?;
    let folder = TempDir::new("page")?;
    let runs = folder.path().join("runs");
    let (translator, pictures) = match model {
        Some(model) => (PathBuf::from(model), root().join("docs/figures")),
        None => (train(&program, &runs)?, target_dir()?.join("page")),
    };
    fs::create_dir_all(&runs)
        .and_then(|()| fs::create_dir_all(&pictures))
        .map_err(|e| cannot("make", &pictures, &e))?;
    let mut command = Command::new(browser);
    if model.is_some() {
        // Its own run is shown too.
        let of_model = translator.canonicalize().ok().and_then(|path| Some(path.parent()?.to_owned()));
        command.arg("--right").arg(&program).arg(of_model.unwrap_or(runs));
    } else {
        command.arg(&program).arg(runs);
    }
    command.arg(&pictures).arg(named("builtin", &translator));
    for (name, golden) in IMPORTED {
        let to = folder.path().join(name);
        let from = root().join("crates/interchange/tests/golden").join(golden);
        run_program(Command::new(&program).arg("import").arg(from).arg("--out").arg(&to).stdout(Stdio::null()))?;
        command.arg(named(name, &to));
    }
    run_program(command.env("CHROMEDRIVER", driver))?;
    say!("page: pictures are in {}", pictures.display());
    Ok(())
}

/// A model as `serve` takes it.
fn named(name: &str, folder: &Path) -> OsString {
    let mut text = OsString::from(format!("{name}="));
    text.push(folder);
    text
}

/// Trains a translator of the built-in corpus for some steps.
fn train(program: &Path, runs: &Path) -> Outcome<PathBuf> {
    say!("page: training a translator for some steps");
    let mut command = Command::new(program);
    command.arg("train").arg("--runs").arg(runs).args(["--set", STEPS]);
    run_program(command.stdout(Stdio::null()).stderr(Stdio::null()))?;
    Ok(runs.join("latest"))
}

/// Builds the program that drives the browser, with the versions of dependencies that the workspace has.
fn build() -> Outcome<PathBuf> {
    let (own, lock) = (root().join("browser"), root().join("browser/Cargo.lock"));
    if !lock.exists() {
        fs::copy(root().join("Cargo.lock"), &lock).map_err(|e| cannot("write", &lock, &e))?;
    }
    let folder = target_dir()?.join("browser");
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--release", "--manifest-path"]).arg(own.join("Cargo.toml"));
    run_program(command.arg("--target-dir").arg(&folder))?;
    Ok(folder.join("release").join(format!("attentive-browser{}", env::consts::EXE_SUFFIX)))
}
