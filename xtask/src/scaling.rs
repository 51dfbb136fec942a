//! `cargo xtask bench processes`: one run by 1, 2, 4 and 3 processes, side by side, and one with layers that are kept,
//! then recomputed.

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

/// A model on the built-in corpus.
struct Workload {
    name: &'static str,
    steps: u64,
    n_micro_batches: usize,
    max_tokens: usize,
    model: &'static [&'static str],
}

/// The paper's base model.
const BASE: &[&str] = &[
    "model.d_model=512",
    "model.d_ff=2048",
    "model.n_heads=8",
    "model.n_encoder_layers=6",
    "model.n_decoder_layers=6",
];

/// What several processes train; 1, 2, 3 and 4 share 12 micro-batches evenly.
const WORKLOADS: [Workload; 2] = [
    Workload { name: "small", steps: 12, n_micro_batches: 12, max_tokens: 1024, model: &[] },
    Workload { name: "base", steps: 5, n_micro_batches: 12, max_tokens: 512, model: BASE },
];

/// What one process trains with layers that are kept, and recomputed: a batch whose activations are most of the memory.
const RECOMPUTED: Workload =
    Workload { name: "recompute", steps: 5, n_micro_batches: 1, max_tokens: 2048, model: BASE };

/// Processes and threads of each, first the one that others are held against.
const SHAPES: [(usize, usize); 5] = [(1, 1), (2, 1), (4, 1), (3, 1), (1, 2)];

/// What a run by some processes was like.
struct Row {
    /// SHA-256 of the last checkpoint's parameters.
    hash: String,
    tokens_per_second: f64,
    /// Of the process that took most.
    peak_mib: u64,
    /// Bytes of the optimizer's moments that process 0 holds.
    moments: f64,
    n_params: f64,
    /// Bytes that process 0 has sent for each update.
    sent: Option<f64>,
}

/// Runs every workload, or that named by `--only`; with `--exchange bf16`, gradients are rounded on their way.
pub(crate) fn run(args: &[OsString]) -> Outcome {
    let (mut only, mut is_rounded) = (None, false);
    for pair in args.chunks(2) {
        match pair.iter().map(|arg| arg.to_str()).collect::<Vec<_>>()[..] {
            [Some("--only"), Some(name @ ("small" | "base" | "recompute"))] => only = Some(name.to_owned()),
            [Some("--exchange"), Some("bf16")] => is_rounded = true,
            _ => return fail("bench processes takes nothing but --only small|base|recompute and --exchange bf16"),
        }
    }
    if !has_mpi() {
        return fail("bench processes needs mpirun and mpicc: `cargo xtask mpi --install`");
    }
    let program = app::program_with("mpi")?;
    let is_wanted = |workload: &&Workload| only.as_ref().is_none_or(|only| only == workload.name);
    WORKLOADS.iter().filter(is_wanted).try_for_each(|workload| by_processes(&program, workload, is_rounded))?;
    if is_wanted(&&RECOMPUTED) { recomputed(&program) } else { Ok(()) }
}

/// A table of a workload by some processes each.
fn by_processes(program: &Path, workload: &Workload, is_rounded: bool) -> Outcome {
    say!(
        "\n| {} | threads each | weights | tokens/s | × 1 process | peak MiB | bytes of moments | bytes sent an update \
         | of theory |",
        workload.name
    );
    say!("|---|---|---|---|---|---|---|---|---|");
    let (exchange, gradient) =
        if is_rounded { ("training.exchange=bf16", 2.0) } else { ("training.exchange=f32", 4.0) };
    let mut first = None;
    for (n, n_threads) in SHAPES {
        let Row { hash, tokens_per_second, peak_mib, moments, n_params, sent } =
            measure(program, workload, (n, n_threads), exchange)?;
        // A gradient and a weight.
        let theory = (gradient + 4.0) * n_params * (n as f64 - 1.0) / n as f64;
        let sent = sent.map_or("– | –".to_owned(), |sent| format!("{sent:.0} | {:.3}", sent / theory));
        let factor = tokens_per_second / *first.get_or_insert(tokens_per_second);
        say!(
            "| {n} | {n_threads} | `{hash:.12}` | {tokens_per_second:.0} | {factor:.2} | {peak_mib} | {moments:.0} \
             | {sent} |"
        );
    }
    Ok(())
}

/// A table of layers that are kept, and recomputed, which must leave the same weights.
fn recomputed(program: &Path) -> Outcome {
    say!("\n| training.recompute | weights | tokens/s | × none | peak MiB |");
    say!("|---|---|---|---|---|");
    let mut first = None;
    for how in ["none", "layers"] {
        let row = measure(program, &RECOMPUTED, (1, 1), &format!("training.recompute={how}"))?;
        let Row { hash, tokens_per_second, peak_mib, .. } = row;
        let (expected, base) = first.get_or_insert_with(|| (hash.clone(), tokens_per_second));
        say!("| {how} | `{hash:.12}` | {tokens_per_second:.0} | {:.2} | {peak_mib} |", tokens_per_second / *base);
        if hash != *expected {
            return fail("layers that are recomputed leave other weights than layers that are kept");
        }
    }
    Ok(())
}

/// What a workload is like by `n` processes of some threads each, with one more setting.
fn measure(program: &Path, workload: &Workload, (n, n_threads): (usize, usize), setting: &str) -> Outcome<Row> {
    let folder = TempDir::new("processes")?;
    let mut command = Command::new(program);
    command.arg("train").arg("--runs").arg(folder.path());
    let sizes = [
        format!("training.steps={}", workload.steps),
        format!("training.accumulate={}", workload.n_micro_batches),
        format!("batch.max_tokens={}", workload.max_tokens),
    ];
    let common = ["training.validate_every=0", "evaluation.bleu_sentences=0", setting];
    let settings = common.into_iter().chain(sizes.iter().map(String::as_str)).chain(workload.model.iter().copied());
    command.args(settings.flat_map(|setting| ["--set", setting]));
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
    let Seen { n_params, n_moments, sent, peak_mib } = seen?;
    let run = only_run(folder.path())?;
    let checkpoint = run.join("checkpoints").join(format!("step-{:08}", workload.steps));
    // Of f32. One process alone tells nothing, and holds what it saves.
    let moments = n_moments.map_or_else(|| bytes_of(&checkpoint.join("optimizer.safetensors")), |n| Ok(4.0 * n))?;
    Ok(Row { hash: hash_of(&checkpoint)?, tokens_per_second: speed(&run)?, peak_mib, moments, n_params, sent })
}

/// What a session says and takes until it is trained.
#[derive(Default)]
struct Seen {
    n_params: f64,
    n_moments: Option<f64>,
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
        seen.n_moments = number("optimizer ").or(seen.n_moments);
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

fn bytes_of(path: &Path) -> Outcome<f64> {
    fs::metadata(path).map(|data| data.len() as f64).map_err(|e| cannot("read", path, &e))
}

/// The hash of the parameters, from the list of a checkpoint's files.
fn hash_of(checkpoint: &Path) -> Outcome<String> {
    let path = checkpoint.join("manifest.toml");
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
