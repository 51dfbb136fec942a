//! Building the `attentive` binary, and replacing this process by it.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    io::{self, BufReader, IsTerminal, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    Outcome,
    cargo::{PROFILE, cargo, not_started, release_dir, success},
    fail,
};

/// Tells `attentive` the name that the user calls it by, for the commands that it proposes.
const CALLED_BY: &str = "ATTENTIVE_COMMAND";

/// The command that is only built when it is asked for, and its feature.
const SERVE: &str = "serve";

/// A tensor backend as the user names it.
struct Backend {
    /// Its name for `--backend`, which is also its cargo feature.
    name: &'static str,
    /// Whether the binary's default features include it.
    by_default: bool,
    /// Duration of a first build on two cores.
    first_build: &'static str,
}

const BACKENDS: [Backend; 4] = [
    Backend { name: "flex", by_default: true, first_build: "5 to 13 minutes" },
    Backend { name: "ndarray", by_default: false, first_build: "7 to 20 minutes" },
    Backend { name: "wgpu", by_default: false, first_build: "10 to 25 minutes" },
    Backend { name: "cuda", by_default: false, first_build: "10 to 25 minutes" },
];

/// Builds `attentive` with the features that `args` need, then replaces this process by it.
pub(crate) fn run(args: &[OsString]) -> Outcome {
    let invocation = Invocation::parse(args, env::var_os("ATTENTIVE_BACKEND").as_deref())?;
    become_program(Command::new(built(&invocation)?).args(&invocation.program_args).env(CALLED_BY, "cargo xtask"))
}

/// The program with its default features, built if it is not up to date.
pub(crate) fn program() -> Outcome<PathBuf> {
    built(&Invocation::parse(&[], None)?)
}

/// The same with more cargo features.
pub(crate) fn program_with(features: &str) -> Outcome<PathBuf> {
    built(&Invocation::parse(&["--features".into(), features.into()], None)?)
}

/// The program with the server, built if it is not up to date.
pub(crate) fn server_program() -> Outcome<PathBuf> {
    built(&Invocation::parse(&[SERVE.into()], None)?)
}

/// The program as it was last built.
pub(crate) fn built_program() -> Outcome<PathBuf> {
    let program = release_dir()?.join(format!("attentive{}", env::consts::EXE_SUFFIX));
    if program.exists() { Ok(program) } else { fail(format!("{} is not built", program.display())) }
}

fn built(invocation: &Invocation) -> Outcome<PathBuf> {
    let release = release_dir()?;
    build(invocation, &release)?;
    Ok(release.join(format!("attentive{}", env::consts::EXE_SUFFIX)))
}

/// A command line, split into the arguments for cargo and those for `attentive`.
struct Invocation {
    backend: &'static Backend,
    cargo_args: Vec<OsString>,
    program_args: Vec<OsString>,
}

impl Invocation {
    /// `--features` and `--no-default-features` go to cargo; `--backend` adds its feature and goes to both.
    ///
    /// `preset` is the backend that `attentive` takes from the environment if the command line names none.
    fn parse(args: &[OsString], preset: Option<&OsStr>) -> Outcome<Self> {
        let mut backend = preset.map_or(Ok(&BACKENDS[0]), find_backend)?;
        let mut features = Vec::new();
        let mut default_features = true;
        let mut program_args = Vec::new();

        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            let text = arg.to_str().unwrap_or_default();
            let (flag, attached) = match text.split_once('=') {
                Some((flag, value)) => (flag, Some(OsString::from(value))),
                None => (text, None),
            };
            let mut value = || match attached.clone().or_else(|| rest.next().cloned()) {
                Some(value) => Ok(value),
                None => fail(format!("`{flag}` needs a value")),
            };
            match flag {
                "--" => {
                    program_args.push(arg.clone());
                    program_args.extend(rest.by_ref().cloned());
                }
                "--features" => features.push(value()?),
                "--no-default-features" => default_features = false,
                "--backend" => {
                    let name = value()?;
                    backend = find_backend(&name)?;
                    program_args.extend(["--backend".into(), name]);
                }
                _ => program_args.push(arg.clone()),
            }
        }

        // The command that is built for it alone.
        if program_args.first().is_some_and(|command| command == SERVE) && !features.iter().any(|list| has(list, SERVE))
        {
            features.push(SERVE.into());
        }
        let mut cargo_args = Vec::new();
        if !default_features {
            cargo_args.push("--no-default-features".into());
        }
        let in_defaults = backend.by_default && default_features;
        if !in_defaults && !features.iter().any(|list| names_variant(list, backend.name)) {
            features.push(backend.name.into());
        }
        for feature in features {
            cargo_args.extend(["--features".into(), feature]);
        }
        Ok(Self { backend, cargo_args, program_args })
    }
}

/// Whether a list of features has this one.
fn has(features: &OsStr, name: &str) -> bool {
    features.to_string_lossy().split([',', ' ']).any(|feature| feature == name)
}

/// Whether a list of features has the backend or a variant of it, such as `wgpu-unfused` of `wgpu`.
fn names_variant(features: &OsStr, backend: &str) -> bool {
    let features = features.to_string_lossy();
    let mut names = features.split([',', ' ']).map(|feature| feature.strip_prefix(backend));
    names.any(|rest| rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-')))
}

fn find_backend(name: &OsStr) -> Outcome<&'static Backend> {
    match BACKENDS.iter().find(|backend| name == backend.name) {
        Some(backend) => Ok(backend),
        None => fail(format!("no backend `{}`: there are flex, ndarray, wgpu and cuda", name.display())),
    }
}

/// Brings the binary up to date; cargo's messages appear only if there is something to build.
fn build(invocation: &Invocation, release: &Path) -> Outcome {
    let mut command = cargo("build");
    command.args([PROFILE, "--package", "attentive-cli", "--bin", "attentive"]).args(&invocation.cargo_args);
    if io::stderr().is_terminal() {
        // Cargo does not take the pipe for a terminal, and shows its progress bar only if asked to.
        let width = env::var("COLUMNS").unwrap_or_else(|_| "80".into());
        command
            .env("CARGO_TERM_COLOR", "always")
            .env("CARGO_TERM_PROGRESS_WHEN", "always")
            .env("CARGO_TERM_PROGRESS_WIDTH", width);
    }
    let mut child = command.stderr(Stdio::piped()).spawn().map_err(|e| not_started(&command, &e))?;

    let notice = if has_been_built(invocation.backend, release) {
        String::new()
    } else {
        let Backend { name, first_build, .. } = invocation.backend;
        format!("First build of attentive with {name}: {first_build} on two cores.\n")
    };
    if let Some(messages) = child.stderr.take() {
        // A closed terminal is not a reason to stop building.
        let _ = forward(messages, &mut io::stderr(), &notice);
    }
    success(child.wait().map_err(|e| not_started(&command, &e))?)
}

/// Whether cargo has compiled the backend's crate before.
fn has_been_built(backend: &Backend, release: &Path) -> bool {
    let prefix = format!("burn-{}-", backend.name);
    fs::read_dir(release.join(".fingerprint"))
        .is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with(&prefix)))
}

/// Copies cargo's messages as they come, after `notice`; an initial `Finished …` means that nothing was done, and is
/// left out.
fn forward(messages: impl Read, out: &mut impl Write, notice: &str) -> io::Result<()> {
    let mut messages = BufReader::new(messages);
    let mut first = Vec::new();
    for byte in messages.by_ref().bytes() {
        first.push(byte?);
        if first.ends_with(b"\n") || first.ends_with(b"\r") {
            break; // A progress bar ends with a carriage return.
        }
    }
    if !first.is_empty() && !String::from_utf8_lossy(&first).contains("Finished") {
        out.write_all(notice.as_bytes())?;
        out.write_all(&first)?;
    }
    io::copy(&mut messages, out).map(drop)
}

/// Replaces this process by the program: signals, streams and exit code are then its own.
#[cfg(unix)]
fn become_program(command: &mut Command) -> Outcome {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(not_started(command, &error))
}

/// Runs the program and passes on its exit code.
#[cfg(not(unix))]
fn become_program(command: &mut Command) -> Outcome {
    crate::cargo::run(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> (String, String) {
        let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let invocation = Invocation::parse(&args, None).unwrap_or_else(|e| panic!("{line}: {e}"));
        let text = |args: &[OsString]| args.join(OsStr::new(" ")).into_string().unwrap();
        (text(&invocation.cargo_args), text(&invocation.program_args))
    }

    #[test]
    fn default_features_need_no_flag() {
        assert_eq!(parse("train r.toml --set a.b=c"), (String::new(), "train r.toml --set a.b=c".into()));
        assert_eq!(parse("train --backend flex"), (String::new(), "train --backend flex".into()));
    }

    #[test]
    fn a_backend_brings_its_feature_and_is_passed_on() {
        let ndarray = ("--features ndarray".to_owned(), "train --backend ndarray".to_owned());
        assert_eq!(parse("train --backend ndarray"), ndarray);
        let wgpu = ("--features wgpu".to_owned(), "train --backend wgpu x".to_owned());
        assert_eq!(parse("train --backend wgpu x"), wgpu);
        assert_eq!(parse("train --backend=wgpu x"), wgpu);
    }

    #[test]
    fn features_go_to_cargo_alone() {
        assert_eq!(
            parse("eval --features hub --no-default-features"),
            ("--no-default-features --features hub --features flex".into(), "eval".into()),
        );
    }

    #[test]
    fn the_server_is_built_where_it_is_asked_for() {
        assert_eq!(parse("serve --port 0"), ("--features serve".into(), "serve --port 0".into()));
        assert_eq!(parse("serve --features hub,serve").0, "--features hub,serve");
    }

    #[test]
    fn a_variant_of_the_backend_takes_its_place() {
        assert_eq!(parse("train --backend wgpu --features hub,wgpu-unfused").0, "--features hub,wgpu-unfused");
        assert_eq!(parse("train --backend wgpu --features hub").0, "--features hub --features wgpu");
    }

    #[test]
    fn what_follows_two_dashes_is_left_alone() {
        assert_eq!(parse("translate -- --backend cuda"), (String::new(), "translate -- --backend cuda".into()));
    }

    #[test]
    fn the_line_wins_over_the_environment() {
        let backend = |line: &[&str]| {
            let args: Vec<OsString> = line.iter().map(OsString::from).collect();
            Invocation::parse(&args, Some(OsStr::new("wgpu"))).unwrap().backend.name
        };
        assert_eq!(backend(&["train"]), "wgpu");
        assert_eq!(backend(&["train", "--backend", "ndarray"]), "ndarray");
    }

    #[test]
    fn a_wrong_or_missing_backend_is_an_error() {
        for args in [vec!["train", "--backend", "tpu"], vec!["train", "--backend"]] {
            let args: Vec<OsString> = args.into_iter().map(OsString::from).collect();
            assert!(Invocation::parse(&args, None).is_err());
        }
    }

    #[test]
    fn cargo_is_silent_only_when_there_was_nothing_to_do() {
        let shown = |messages: &str| {
            let mut out = Vec::new();
            forward(messages.as_bytes(), &mut out, "notice\n").unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(shown("    Finished `release` profile in 0.1s\n"), "");
        let built = "   Compiling burn\n    Finished `release` profile in 6m\n";
        assert_eq!(shown(built), format!("notice\n{built}"));
        assert_eq!(shown(""), "");
    }
}
