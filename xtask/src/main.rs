//! `cargo xtask …`: builds `attentive` with the right features and runs it; tests, checks and regenerates committed
//! files.
//!
//! It does not depend on other crates, so that it builds in a second or two, and does not know the commands of
//! `attentive`: a command that is not its own goes to `attentive`.
#![allow(clippy::print_stderr, reason = "a command reports errors to its user")]

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt, io,
    path::Path,
    process::ExitCode,
};

mod app;
mod bench;
mod bindings;
mod cargo;
mod check;
mod clients;
mod corpora;
mod debian;
mod faults;
mod fuzz;
mod golden;
mod instructions;
mod json;
mod load;
mod page;
mod python;
mod release;
mod report;
mod sanitize;
mod scaling;
mod server;
mod soak;
mod suite;
mod symbols;
mod table;
mod temp_dir;
#[cfg(test)]
mod tidy;
mod vulkan;

/// Prints a line; a reader that has gone (`| head`) is not an error.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}
use say;

/// File in which `.ci/run` collects the steps that were not run, one per line.
const NOT_RUN: &str = "ATTENTIVE_NOT_RUN";

/// Reports a step that is not run, and why: a step that was not run has not passed.
fn not_run(what: &str, why: &str) {
    use std::io::Write;
    let line = format!("not run: {what}: {why}");
    say!("{line}");
    if let Some(path) = env::var_os(NOT_RUN) {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
        if let Err(e) = file.and_then(|mut file| writeln!(file, "{line}")) {
            eprintln!("can't write {}: {e}", path.display());
        }
    }
}

const HELP: &str = "\
Builds attentive and runs it; tests and checks the workspace.

Usage: cargo xtask <COMMAND> [ARGS]…

Commands of attentive, built in release first (their own help: cargo xtask train --help):
  train, translate, eval, inspect, …   any command that is not listed below

    --backend <flex|ndarray|wgpu|cuda>  compiled in if it is not by default, and passed on
                                        [env: ATTENTIVE_BACKEND, default: flex]
    --features <FEATURES>               more cargo features of crates/cli; wgpu-unfused is wgpu without
                                        kernel fusion
    --no-default-features               without flex and ndarray, except for the backend named
    --                                  what follows goes to attentive untouched
  serve builds attentive with its feature `serve`, which it does not have by default.

Commands of the workspace:
  test [ARGS]      all tests in release, with one summary line; ARGS go to `cargo test`
  bench WHAT       speed, side by side with peers: train (PyTorch), decode, start (CTranslate2), embed (and ONNX
                   Runtime), generate (and llama.cpp), transcribe (faster-whisper), tokenize; or `long`, `kernels
                   [FILTER]` and `processes`, ours alone.
                   --rounds N, --peer NAME, --only WORKLOAD, --model DIR, --text FILE, --audio FILE
    serve          attentive serve with 1, 64 and too many clients: --model DIR (runs/latest), --seconds N (20), --lines FILE
                   (sentences of the built-in corpus), --languages FROM:TO (en:de), --precision NAME; with --peer
                   CTranslate2 behind FastAPI beside it (needs Python); with --overload, for 60 s, too many clients alone:
                   it fails if an answer is wrong, memory is not bounded, or the next client waits
    --built        of serve and of faults, uses attentive as it was last built
    install        makes the Python environment that the peers run in (target/bench/venv); `install llama.cpp` builds
                   that too, for a quarter of an hour
  check [ARGS]     formatting, clippy, rustdoc, the rules of the repository, packages, that no instruction became a call,
                   licences and known vulnerabilities (needs cargo-deny); ARGS (features) go to cargo
  sanitize         the kernels' tests with the address sanitizer, and, where it is installed, under Miri
  golden --check   regenerates every golden file and compares it with the one committed (needs Python)
  golden --report  runs every comparison with other systems and writes docs/fidelity.md
  clients          the Python clients of LibreTranslate, OpenAI and Hugging Face, and Prometheus' parser, against
                   attentive serve; deploy/kubernetes.yaml against Kubernetes' schemas (needs Python)
  vulkan [ARGS]    the wgpu backend against flex, on a GPU or on software Vulkan; ARGS go to `cargo test`
    --install      first installs software Vulkan if there is no Vulkan (Debian, as root)
    --if-present   succeeds, and says so, if there is no Vulkan
  page             the page of `serve` in Chromium: types, points, reads what a screen reader is told, takes pictures
    --model DIR      of a model of the built-in corpus, which is held to the lecture's sentences; the pictures go into
                     docs/figures. Without it, of one that is trained for some steps, and into target/page
    --built          of the program as it was last built
    --install, --if-present  as of vulkan
  faults           kills, damages and starves runs, resumes each, and compares the result with an undisturbed run;
                   writes docs/reliability.md
    --server [short] those of attentive serve alone: kills, changes of the model's files, and clients that leave, read
                     slowly or send nonsense while it answers; if `short`, fewer of them, and writes nothing
    --calls [short]  instead, makes calls to the system fail, each in turn (needs strace)
    --power [short]  instead, loses the power at each call that changes files (needs strace)
  mpi [short]      trains by 2, 3 and 4 processes, kills one of them, and compares with one; writes docs/reliability.md
                   unless `short`
    --features LIST  of the program, mpi among them
    --install      first installs Open MPI and libclang if there is no MPI (Debian, as root)
    --if-present   succeeds, and says so, if there is no MPI
  python [ARGS]    the wheel of bindings/python, built and tested in a fresh virtual environment, with the blocks of its
                   guide (needs Python); ARGS go to pytest
    --built          beside the program as it was last built
    --install, --if-present  as of vulkan
  release [ARGS]   the program for others, without this machine's paths, in target/dist; with the list of its dependencies
                   if cargo-auditable is installed; ARGS (features) go to cargo
    --twice          instead, builds two clones of the last commit, which must give the same bytes
  soak             translates, generates and embeds for --seconds N each (120); their memory must not grow; the longest
                   run is in docs/reliability.md
    --built        the program as it was last built
  fuzz [TARGET]…   damaged files of every format, by libFuzzer, for --seconds N each (60); needs a C++ compiler; the
                   rows in docs/reliability.md are those of the longest runs
    --keep         minimises what was found to take new paths, and writes it to fuzz/corpora
  help             this text

A first build takes 5 to 13 minutes on two cores, 10 to 25 with wgpu; later ones take seconds.

Examples:
  cargo xtask train
  cargo xtask translate --model runs/latest \"The animal did not cross the street because it was too tired.\"
  cargo xtask train recipes/multi30k.toml --backend wgpu
  cargo xtask test -p attentive-metrics";

/// The reason why a command failed.
#[derive(Debug)]
enum Failure {
    /// A message for the user.
    Message(String),
    /// The exit code of a program that was run and has reported the reason itself.
    Exit(u8),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(text) => f.write_str(text),
            Self::Exit(code) => write!(f, "exit code {code}"),
        }
    }
}

type Outcome<T = ()> = Result<T, Failure>;

/// The failure of what was to be done with a file or a folder.
fn cannot(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::Message(format!("cannot {what} {}: {error}", path.display()))
}

/// A failure with a text.
fn fail<T>(text: impl Into<String>) -> Outcome<T> {
    Err(Failure::Message(text.into()))
}

fn main() -> ExitCode {
    let args: Vec<OsString> = env::args_os().skip(1).collect();
    let outcome = if fuzz::is_rustc() { fuzz::rustc(&args) } else { dispatch(&args) };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Exit(code)) => ExitCode::from(code),
        Err(Failure::Message(text)) => {
            eprintln!("error: {text}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[OsString]) -> Outcome {
    let Some((command, rest)) = args.split_first() else {
        eprintln!("{HELP}");
        return Err(Failure::Exit(2));
    };
    let run: fn(&[OsString]) -> Outcome = match command.to_str() {
        Some("help" | "--help" | "-h") => {
            say!("{HELP}");
            return Ok(());
        }
        Some("test") => suite::run,
        Some("check") => check::run,
        Some("sanitize") => sanitize::run,
        Some("bench") => bench::run,
        Some("golden") => golden::run,
        Some("clients") => clients::run,
        Some("faults") => faults::run,
        Some("fuzz") => fuzz::run,
        Some("mpi") => faults::processes::run,
        Some("page") => page::run,
        Some("python") => bindings::run,
        Some("release") => release::run,
        Some("soak") => soak::run,
        Some("vulkan") => vulkan::run,
        _ => return app::run(args),
    };
    if rest.first().is_some_and(|arg| arg == "--help" || arg == "-h") {
        say!("{HELP}");
        return Ok(());
    }
    run(rest)
}

/// The arguments before `--`, which are our own options.
fn before_dashes(args: &[OsString]) -> &[OsString] {
    let end = args.iter().position(|arg| arg == OsStr::new("--"));
    &args[..end.unwrap_or(args.len())]
}
