//! From the start of a process to its first token or vector, against CTranslate2.

use std::{
    io::Read,
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{Options, write};
use crate::{
    models::{BERT_SPECIALS, precisions, word},
    prepared::Prepared,
    side::{median, output, peer_script},
};

/// Words of a prompt or sentence.
const WORDS: u32 = 8;

/// From the start of a process to its first token or vector, against CTranslate2.
///
/// Ours is the `attentive` command; what the peer takes to import Python's modules is not counted.
pub(crate) fn start(options: &Options) -> Result<()> {
    let mut results = Vec::new();
    println!("{:<20} {:>13} {:>15} {:>7}", "workload", "attentive, ms", "CTranslate2, ms", "ratio");
    let first_word = BERT_SPECIALS.len() as u32;
    let sentence = (first_word..first_word + WORDS).map(word).collect::<Vec<_>>().join(" ");
    let generate = ["generate", "--no-prompt", "--temperature", "0", "--max-tokens", "1", "a b c d e f g h"];
    let embed = ["embed", &sentence];
    for (name, args) in [("gpt2", &generate[..]), ("bert", &embed)] {
        let model = Prepared::new(name)?;
        for precision in precisions(name) {
            let workload = format!("start-{name} {precision}");
            if workload.contains(&options.only) {
                let [ours, theirs] = rounds(&model, precision, args, options.rounds)?;
                println!("{workload:<20} {:>13.0} {:>15.0} {:>7.2}", 1e3 * ours, 1e3 * theirs, theirs / ours);
                results.push(json!({ "workload": workload, "seconds": ours, "ctranslate2_seconds": theirs }));
            }
        }
    }
    if let Some(model) = &options.model {
        let args = ["translate", "The animal was too tired.", "--model", model];
        let seconds = (0..=options.rounds).map(|_| seconds_to_output(&args)).collect::<Result<Vec<_>>>()?;
        let seconds = median(seconds.into_iter().skip(1));
        println!("{:<20} {:>13.0}", "start-translate", 1e3 * seconds);
        results.push(json!({ "workload": "start-translate", "seconds": seconds }));
    }
    write("start", &json!({ "results": results }))
}

/// Median seconds of both sides.
fn rounds(model: &Prepared, precision: &str, args: &[&str], n_rounds: usize) -> Result<[f64; 2]> {
    let threads = thread::available_parallelism()?.to_string();
    let folder = format!("{}/{precision}", model.folder()?);
    let theirs = model.of_peer("ctranslate2", precision)?;
    let (mut ours_seconds, mut their_seconds) = (Vec::new(), Vec::new());
    for _ in 0..=n_rounds {
        ours_seconds.push(seconds_to_output(&[args, &["--model", &folder]].concat())?);
        their_seconds.push(seconds_of_peer(&[args[0], &theirs, &WORDS.to_string(), &threads])?);
    }
    // The first round reads both from the disk.
    Ok([ours_seconds, their_seconds].map(|seconds| median(seconds.into_iter().skip(1))))
}

/// Seconds from the start of the `attentive` command to the first byte that it prints.
fn seconds_to_output(args: &[&str]) -> Result<f64> {
    let program = std::env::current_exe()?.with_file_name(format!("attentive{}", std::env::consts::EXE_SUFFIX));
    let started = Instant::now();
    let mut child = Command::new(&program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("can't start {}", program.display()))?;
    let mut out = child.stdout.take().context("no output")?;
    let n = out.read(&mut [0])?;
    let seconds = started.elapsed().as_secs_f64();
    std::io::copy(&mut out, &mut std::io::sink())?;
    let status = child.wait()?;
    if n == 0 || !status.success() {
        bail!("attentive {}: {status}", args[0]);
    }
    Ok(seconds)
}

/// Seconds that the peer reports.
fn seconds_of_peer(args: &[&str]) -> Result<f64> {
    let answer: Value = serde_json::from_slice(&output(peer_script("start.py")?.args(args))?)?;
    answer["seconds"].as_f64().context("start.py: no `seconds`")
}
