//! `cargo xtask bench processes`: one run by 1, 2, 4 and 3 processes, side by side.

use std::{
    ffi::OsString,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{
    Failure, Outcome, app, cannot,
    cargo::{memory_kib, not_started},
    fail,
    faults::processes::{among, children, has_mpi},
    say,
    temp_dir::TempDir,
};

/// Updates at the beginning that are not timed.
const N_FIRST: u64 = 2;

/// A model on the built-in corpus; its updates have 12 micro-batches, which 1, 2, 3 and 4 processes share evenly.
struct Workload {
    name: &'static str,
    steps: u64,
    settings: &'static [&'static str],
}

const WORKLOADS: [Workload; 2] = [
    Workload { name: "small", steps: 12, settings: &["batch.max_tokens=1024"] },
    Workload {
        name: "base",
        steps: 5,
        settings: &[
            "batch.max_tokens=512",
            "model.d_model=512",
            "model.d_ff=2048",
            "model.n_heads=8",
            "model.n_encoder_layers=6",
            "model.n_decoder_layers=6",
        ],
    },
];

/// Processes and threads of each, first the one that others are held against.
const SHAPES: [(usize, usize); 5] = [(1, 1), (2, 1), (4, 1), (3, 1), (1, 2)];

/// What a run by some processes was like.
struct Row {
    /// SHA-256 of the last checkpoint's parameters.
    hash: String,
    tokens_per_second: f64,
    /// Of the process that took most.
    peak_mib: u64,
    /// Bytes that process 0 has sent for each update, and those of gradients and weights, times (n - 1) / n.
    sent: Option<(f64, f64)>,
}

/// Runs every workload, or those named by `--only`; with `--exchange bf16`, gradients are rounded on their way.
pub(crate) fn run(args: &[OsString]) -> Outcome {
    let (mut only, mut is_rounded) = (None, false);
    for pair in args.chunks(2) {
        match pair.iter().map(|arg| arg.to_str()).collect::<Vec<_>>()[..] {
            [Some("--only"), Some(name)] => only = Some(name.to_owned()),
            [Some("--exchange"), Some("bf16")] => is_rounded = true,
            _ => return fail("bench processes takes nothing but --only small|base and --exchange bf16"),
        }
    }
    if !has_mpi() {
        return fail("bench processes needs mpirun and mpicc: `cargo xtask mpi --install`");
    }
    let program = app::program_with("mpi")?;
    for workload in WORKLOADS.iter().filter(|workload| only.as_ref().is_none_or(|only| only == workload.name)) {
        say!(
            "\n| {} | threads each | weights | tokens/s | × 1 process | peak MiB | bytes sent an update | of theory |",
            workload.name
        );
        say!("|---|---|---|---|---|---|---|---|");
        let mut first = None;
        for (n, n_threads) in SHAPES {
            let row = measure(&program, workload, n, n_threads, is_rounded)?;
            let base = *first.get_or_insert(row.tokens_per_second);
            let sent =
                row.sent.map_or("– | –".to_owned(), |(sent, theory)| format!("{sent:.0} | {:.3}", sent / theory));
            let Row { hash, tokens_per_second, peak_mib, .. } = row;
            let factor = tokens_per_second / base;
            say!("| {n} | {n_threads} | `{hash:.12}` | {tokens_per_second:.0} | {factor:.2} | {peak_mib} | {sent} |");
        }
    }
    Ok(())
}

fn measure(program: &Path, workload: &Workload, n: usize, n_threads: usize, is_rounded: bool) -> Outcome<Row> {
    let folder = TempDir::new("processes")?;
    let mut command = Command::new(program);
    command.arg("train").arg("--runs").arg(folder.path());
    let steps = format!("training.steps={}", workload.steps);
    let exchange = if is_rounded { "training.exchange=bf16" } else { "training.exchange=f32" };
    let common =
        ["training.accumulate=12", "training.validate_every=0", "evaluation.bleu_sentences=0", exchange, &steps];
    command.args(common.iter().chain(workload.settings).flat_map(|setting| ["--set", setting]));
    let mut launched = among(n, &command);
    launched.env("RAYON_NUM_THREADS", n_threads.to_string()).stdin(Stdio::null()).stdout(Stdio::piped());
    if n_threads > 1 {
        // Bound to a core, as few processes are by default, they would share it.
        launched.env("OMPI_MCA_hwloc_base_binding_policy", "none");
    }
    let mut child = launched.spawn().map_err(|e| not_started(&launched, &e))?;
    let seen = watch(&mut child);
    // The finished model need not be scored.
    let _ = child.kill();
    let _ = child.wait();
    let Seen { n_params, sent, peak_mib } = seen?;
    let run = only_run(folder.path())?;
    // A gradient and a weight.
    let bytes = if is_rounded { 2.0 } else { 4.0 } + 4.0;
    let theory = bytes * n_params * (n as f64 - 1.0) / n as f64;
    Ok(Row {
        hash: hash_of(&run, workload.steps)?,
        tokens_per_second: speed(&run)?,
        peak_mib,
        sent: sent.map(|sent| (sent, theory)),
    })
}

/// What a session says and takes until it is trained.
#[derive(Default)]
struct Seen {
    n_params: f64,
    sent: Option<f64>,
    peak_mib: u64,
}

fn watch(child: &mut Child) -> Outcome<Seen> {
    let mut seen = Seen::default();
    let stdout = child.stdout.take().expect("piped");
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        let number = |word: &str| {
            let digits: String = line.split_whitespace().nth(1)?.chars().filter(char::is_ascii_digit).collect();
            if line.starts_with(word) { digits.parse::<f64>().ok() } else { None }
        };
        seen.n_params = number("model ").unwrap_or(seen.n_params);
        seen.sent = number("exchange ").or(seen.sent);
        if line.starts_with("trained ") {
            let peak_kib = children(child.id()).into_iter().filter_map(|pid| memory_kib(pid, "VmHWM"));
            seen.peak_mib = peak_kib.max().unwrap_or(0) / 1024;
            return Ok(seen);
        }
    }
    fail("the run has ended before it was trained")
}

fn only_run(runs: &Path) -> Outcome<PathBuf> {
    let entries = fs::read_dir(runs).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut runs = entries.filter(|path| path.join("config.toml").exists() && !path.is_symlink());
    runs.next().ok_or_else(|| Failure::Message("the run has left no folder".into()))
}

/// The hash of the parameters, from the list of a checkpoint's files.
fn hash_of(run: &Path, step: u64) -> Outcome<String> {
    let path = run.join("checkpoints").join(format!("step-{step:08}")).join("manifest.toml");
    let text = fs::read_to_string(&path).map_err(|e| cannot("read", &path, &e))?;
    let model = text.split_once("model.safetensors").and_then(|(_, rest)| rest.split("sha256 = \"").nth(1));
    let hash = model.and_then(|rest| rest.split('"').next());
    hash.map(str::to_owned).ok_or_else(|| Failure::Message(format!("{} lists no parameters", path.display())))
}

/// Target tokens a second of the updates after the first ones, from a run's log.
fn speed(run: &Path) -> Outcome<f64> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    let number = |line: &str, key: &str| -> Option<f64> {
        line.split_once(&format!("\"{key}\":"))?.1.split([',', '}']).next()?.parse().ok()
    };
    let (mut n_tokens, mut began, mut ended) = (0.0, 0.0, 0.0);
    for line in text.lines().filter(|line| line.contains("\"event\":\"step\"")) {
        let read = |key| number(line, key).ok_or_else(|| Failure::Message(format!("no {key} in {line}")));
        let elapsed = read("elapsed_seconds")?;
        if read("step")? <= N_FIRST as f64 {
            began = elapsed;
        } else {
            n_tokens += read("n_targets")?;
            ended = elapsed;
        }
    }
    if ended > began { Ok(n_tokens / (ended - began)) } else { fail("the run has made too few updates") }
}
