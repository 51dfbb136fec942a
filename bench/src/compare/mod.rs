//! Rounds of both sides in turn, medians and ratios.

mod decode;
mod embed;
mod generate;
mod start;
mod transcribe;

use std::{fs, path::PathBuf, thread, time::Duration};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{
    side::{Side, folder, median},
    tokenize::{self, KINDS},
    workload::Workload,
};

pub(crate) use self::{decode::decode, embed::embed, generate::generate, start::start, transcribe::transcribe};

/// Pause between two rounds, so that the other side's threads are asleep.
const PAUSE: Duration = Duration::from_millis(300);

/// Settings of a comparison.
pub(crate) struct Options {
    pub rounds: usize,
    /// Only peers whose name contains this.
    pub peer: String,
    /// Only workloads whose name contains this.
    pub only: String,
    /// A translation model whose start is timed too, or the Whisper that transcribes.
    pub model: Option<String>,
    /// The text that is tokenised; the built-in corpus unless given.
    pub text: Option<PathBuf>,
    /// The recording that is transcribed.
    pub audio: Option<String>,
}

/// Training, against PyTorch.
pub(crate) fn train(options: &Options) -> Result<()> {
    let threads = thread::available_parallelism()?.to_string();
    let mut results = Vec::new();
    let mut product = Side::ours("flex 2048³", &["product"])?;
    for _ in 0..=2 * options.rounds {
        product.round()?;
    }
    println!("flex's own 2048³ product: {:.0} GFLOP/s\n", product.rate() / 1e9);
    println!(
        "{:<12} {:<15} {:>9} {:>10} {:>10} {:>9} {:>8} {:>8}  share of the step in products at flex's rate",
        "workload", "", "tokens/s", "f32 ratio", "bf16 ratio", "peak MiB", "ratio", "GFLOP/s"
    );
    for name in Workload::NAMES.into_iter().filter(|name| name.contains(&options.only)) {
        let mut sides = vec![
            Side::ours("attentive f32", &["train", name, "f32"])?,
            Side::ours("attentive bf16", &["train", name, "bf16"])?,
        ];
        for dtype in ["f32", "bf16"] {
            let peer = format!("PyTorch {dtype}");
            if peer.to_lowercase().contains(&options.peer) {
                sides.push(Side::peer(&peer, "train_pytorch.py", &[name, dtype, &threads])?);
            }
        }
        interleave(&mut sides, options.rounds)?;
        let steps = sides[0].about["steps"].as_f64().context("no steps")?;
        let flops = sides[0].about["product_flops_per_step"].as_f64().context("no FLOPs")? * steps;
        for (idx, side) in sides.iter().enumerate() {
            let units = side.rounds[0].units;
            // Counts products alone, though the time includes all else.
            let flops_per_second = flops / (units / side.rate());
            let share = flops_per_second / product.rate();
            println!(
                "{:<12} {:<15} {:>9.0} {:>10.2} {:>10.2} {:>9.0} {:>8.2} {:>8.0}  {}",
                if idx == 0 { format!("train-{name}") } else { String::new() },
                side.name,
                side.rate(),
                sides[0].rate() / side.rate(),
                sides[1].rate() / side.rate(),
                side.peak_mib(),
                sides[0].peak_mib() / side.peak_mib(),
                flops_per_second / 1e9,
                if idx == 0 { format!("{:.0} %", 100.0 * share) } else { String::new() },
            );
        }
        results.push(json!({ "workload": format!("train-{name}"), "sides": summary(&sides) }));
    }
    write("train", &json!({ "product_flops_per_second": product.rate(), "results": results }))
}

/// Learning vocabularies and encoding with them, against the original tools.
pub(crate) fn tokenize(options: &Options) -> Result<()> {
    let threads = thread::available_parallelism()?.to_string();
    let folder = tempfile::tempdir()?;
    tokenize::prepare(folder.path(), options.text.as_deref())?;
    let path = folder.path().display().to_string();
    let mut results = Vec::new();
    println!("{:<24} {:<16} {:>10} {:>8} {:>10}  same ids", "workload", "", "MB/s", "ratio", "peak MiB");
    for task in ["learn", "encode"] {
        for kind in &KINDS {
            let workload = format!("{task} {}", kind.name);
            if !workload.contains(&options.only) {
                continue;
            }
            let mut sides = vec![Side::ours("attentive", &["tokenize", task, kind.name, &path])?];
            // tiktoken learns nothing.
            let peers = kind.peers.iter().filter(|&&peer| (task, peer) != ("learn", "tiktoken"));
            for peer in peers.filter(|peer| peer.contains(&options.peer)) {
                sides.push(Side::peer(peer, "run_tokenizers.py", &[peer, task, kind.name, &path, &threads])?);
            }
            interleave(&mut sides, options.rounds)?;
            let digest = |side: &Side| side.rounds[0].more["digest"].as_u64();
            for (idx, side) in sides.iter().enumerate() {
                let same = match (digest(&sides[0]), digest(side)) {
                    (Some(ours), Some(theirs)) if idx > 0 && ours == theirs => "yes",
                    (Some(_), Some(_)) if idx > 0 => "no",
                    _ => "",
                };
                println!(
                    "{:<24} {:<16} {:>10.2} {:>8.2} {:>10.0}  {same}",
                    if idx == 0 { &*workload } else { "" },
                    side.name,
                    side.rate() / 1e6,
                    sides[0].rate() / side.rate(),
                    side.peak_mib(),
                );
            }
            results.push(json!({ "workload": workload, "sides": summary(&sides) }));
        }
    }
    write("tokenize", &json!({ "results": results }))
}

/// Share of positions where both have the same token.
fn share_of_equal_tokens(a: &Value, b: &Value) -> f64 {
    let tokens = |rows: &Value| -> Vec<Vec<u64>> { serde_json::from_value(rows.clone()).unwrap_or_default() };
    let (a, b) = (tokens(a), tokens(b));
    let n: usize = a.iter().map(Vec::len).sum();
    let equal = a.iter().zip(&b).flat_map(|(a, b)| a.iter().zip(b)).filter(|(a, b)| a == b).count();
    equal as f64 / n.max(1) as f64
}

/// Attention alone as sequences grow.
pub(crate) fn long(options: &Options) -> Result<()> {
    let mut side = Side::ours("attentive", &["long", "worker"])?;
    let lengths = side.about["lengths"].as_array().context("no lengths")?.len();
    for _ in 0..=lengths * options.rounds {
        side.round()?;
    }
    println!("{:>6} {:>12} {:>14} {:>10}", "n", "seconds", "ns per n²", "peak MiB");
    let mut results = Vec::new();
    for at in 0..lengths {
        let rounds: Vec<_> = side.rounds.iter().skip(at).step_by(lengths).collect();
        let n = rounds[0].units;
        let seconds = median(rounds.iter().map(|round| round.seconds));
        let peak = rounds[0].peak_mib.unwrap_or(f64::NAN);
        println!("{n:>6} {seconds:>12.4} {:>14.3} {peak:>10.0}", seconds / n / n * 1e9);
        results.push(json!({ "n": n, "seconds": seconds, "peak_mib": peak }));
    }
    write("long", &json!({ "results": results }))
}

/// The requested number of rounds of each in turn, after a warm-up.
pub(crate) fn interleave(sides: &mut [Side], rounds: usize) -> Result<()> {
    if rounds == 0 {
        bail!("--rounds 0: there is nothing to take a median of");
    }
    for _ in 0..=rounds {
        for side in sides.iter_mut() {
            side.round()?;
            thread::sleep(PAUSE);
        }
    }
    Ok(())
}

/// Every round of every side, for the JSON file.
pub(crate) fn summary(sides: &[Side]) -> Value {
    let side = |side: &Side| {
        json!({
            "name": side.name,
            "about": side.about,
            "units_per_second": side.rate(),
            "peak_mib": side.peak_mib(),
            "seconds": side.rounds.iter().map(|round| round.seconds).collect::<Vec<_>>(),
        })
    };
    sides.iter().map(side).collect()
}

/// Writes a result, with the machine it was measured on, to `target/bench`.
pub(crate) fn write(name: &str, result: &Value) -> Result<()> {
    let path = folder().join(format!("{name}.json"));
    fs::create_dir_all(folder())?;
    let text = serde_json::to_string_pretty(&json!({ "machine": machine(), "measured": result }))?;
    fs::write(&path, text).with_context(|| format!("can't write {}", path.display()))?;
    println!("\nmachine: {}", machine());
    println!("written to {}", path.display());
    Ok(())
}

/// The processor and its number of threads.
fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).and_then(|line| line.split_once(": "));
    let n = thread::available_parallelism().map_or(1, usize::from);
    format!("{}, {n} threads, {}", model.map_or("unknown processor", |(_, name)| name), std::env::consts::ARCH)
}
