//! `cargo xtask clients`: the clients that people use, against `attentive serve` with small models.

use std::{
    ffi::OsString,
    process::{Command, Stdio},
};

use crate::{Outcome, app, cargo, fail, python, server::Server, temp_dir::TempDir};

/// Golden models of `attentive-interchange` that are served, by name.
const MODELS: [(&str, &str); 6] = [
    ("marian", "marian"),
    ("gpt2", "gpt2"),
    ("llama", "gguf/llama.gguf"),
    ("bert-classification", "bert-classification"),
    ("bert-masked-lm", "bert-masked-lm"),
    ("bert-rank", "bert-rank"),
];

/// Versions of Kubernetes whose schemas `deploy/kubernetes.yaml` must fit: the first one with all that it uses, and a late one.
const KUBERNETES: [&str; 2] = ["1.29", "1.37"];

/// Holds the manifest against Kubernetes' schemas, starts the server and runs `check.py` against it.
pub(crate) fn run(args: &[OsString]) -> Outcome {
    if !args.is_empty() {
        return fail("clients takes no arguments");
    }
    let folder = cargo::root().join("crates/serve/tests/clients");
    let venv = cargo::target_dir()?.join("clients-venv");
    let python = python::with(python::find()?, &folder.join("requirements.txt"), &venv)?;
    for version in KUBERNETES {
        let mut check = Command::new(&python);
        check.args([
            "-m",
            "kubernetes_validate",
            "--strict",
            "--kubernetes-version",
            version,
            "deploy/kubernetes.yaml",
        ]);
        cargo::run(check.current_dir(cargo::root()))?;
    }
    let (program, models) = (app::server_program()?, TempDir::new("clients")?);
    let mut args: Vec<OsString> = vec!["--languages".into(), "marian=en:de".into()];
    for (name, golden) in MODELS {
        let source = cargo::root().join("crates/interchange/tests/golden").join(golden);
        let model = models.path().join(name);
        let mut import = Command::new(&program);
        cargo::run(import.arg("import").arg(source).arg("--out").arg(&model).stdout(Stdio::null()))?;
        args.extend(["--model".into(), model.into()]);
    }
    let server = Server::start(args)?;
    cargo::run(Command::new(python).arg("check.py").arg(format!("http://{}", server.address)).current_dir(folder))
}
