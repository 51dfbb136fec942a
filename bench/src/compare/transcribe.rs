//! Transcribing a recording, against faster-whisper.

use std::{process::Command, thread};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Options, interleave, summary, write};
use crate::side::{Side, median, output};

/// Transcribing a recording, against faster-whisper, which runs Whisper by CTranslate2.
pub(crate) fn transcribe(options: &Options) -> Result<()> {
    let needs = "`bench transcribe` needs --model DIR, a Whisper in CTranslate2's form, and --audio FILE, a recording";
    let (model, recording) = options.model.as_deref().zip(options.audio.as_deref()).context(needs)?;
    let folder = tempfile::tempdir()?;
    let ours = folder.path().join("model").display().to_string();
    output(Command::new(std::env::current_exe()?).args(["prepare-whisper", model, &ours]))?;
    let threads = thread::available_parallelism()?.to_string();
    let mut results = Vec::new();
    println!(
        "{:<24} {:<16} {:>12} {:>7} {:>12} {:>9}  same text",
        "workload", "", "× real time", "ratio", "CPU seconds", "MiB"
    );
    for precision in ["f32", "int8"] {
        for beam in ["1", "5"] {
            let workload = format!("transcribe {precision} beam {beam}");
            if !workload.contains(&options.only) {
                continue;
            }
            let mut sides = [
                Side::ours("attentive", &["transcribe", &ours, recording, precision, beam])?,
                Side::peer("faster-whisper", "transcribe.py", &[model, recording, precision, beam, &threads])?,
            ];
            interleave(&mut sides, options.rounds)?;
            let text = |side: &Side| side.rounds[0].more["text"].as_str().unwrap_or_default().to_owned();
            let is_same = text(&sides[0]) == text(&sides[1]);
            for (idx, side) in sides.iter().enumerate() {
                println!(
                    "{:<24} {:<16} {:>12.1} {:>7.2} {:>12.2} {:>9.0}  {}",
                    if idx == 0 { &*workload } else { "" },
                    side.name,
                    side.rate(),
                    sides[0].rate() / side.rate(),
                    cpu_seconds(side),
                    side.peak_mib(),
                    if idx == 0 {
                        ""
                    } else if is_same {
                        "yes"
                    } else {
                        "no"
                    },
                );
            }
            let texts: Vec<Value> =
                sides.iter().map(|side| json!([side.name, cpu_seconds(side), text(side)])).collect();
            results.push(json!({ "workload": workload, "texts": texts, "sides": summary(&sides) }));
        }
    }
    write("transcribe", &json!({ "results": results }))
}

/// Seconds of all processors in the median round.
fn cpu_seconds(side: &Side) -> f64 {
    median(side.rounds.iter().filter_map(|round| round.more["cpu_seconds"].as_f64()))
}
