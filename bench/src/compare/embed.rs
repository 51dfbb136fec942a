//! Vectors of sentences, against CTranslate2 and ONNX Runtime.

use std::thread;

use anyhow::Result;
use serde_json::{Value, json};

use super::{Options, interleave, summary, write};
use crate::{embed::MODELS, models::precisions, prepared::Prepared, side::Side};

/// The peers: their names, and those that the scripts know them by.
const PEERS: [(&str, &str); 2] = [("CTranslate2", "ctranslate2"), ("ONNX Runtime", "onnx")];

/// Vectors of sentences, against CTranslate2 and ONNX Runtime.
pub(crate) fn embed(options: &Options) -> Result<()> {
    let mut results = Vec::new();
    println!(
        "{:<20} {:<14} {:>12} {:>7} {:>9}  largest difference from ours",
        "workload", "", "sentences/s", "ratio", "peak MiB"
    );
    for name in MODELS {
        let model = Prepared::new(name)?;
        for precision in precisions(name) {
            let workload = format!("embed-{name} {precision}");
            if workload.contains(&options.only) {
                let mut sides = sides(&model, precision, options)?;
                interleave(&mut sides, options.rounds)?;
                results.push(show(&workload, &sides));
            }
        }
    }
    write("embed", &json!({ "results": results }))
}

/// Ours, and the peers that are wanted.
fn sides(model: &Prepared, precision: &str, options: &Options) -> Result<Vec<Side>> {
    let threads = thread::available_parallelism()?.to_string();
    let mut sides = vec![Side::ours("attentive", &["embed", &model.folder()?, precision])?];
    for (peer, script) in PEERS.into_iter().filter(|(peer, _)| peer.to_lowercase().contains(&options.peer)) {
        let theirs = model.of_peer(script, precision)?;
        sides.push(Side::peer(peer, "encode.py", &[script, &theirs, &model.rows()?, &threads])?);
    }
    Ok(sides)
}

/// Prints a workload's lines, and returns them for the JSON file.
fn show(workload: &str, sides: &[Side]) -> Value {
    let vectors = |side: &Side| numbers(&side.rounds[0].more["vectors"]);
    let ours = vectors(&sides[0]);
    let differences: Vec<f64> = sides.iter().map(|side| largest_difference(&ours, &vectors(side))).collect();
    for (idx, side) in sides.iter().enumerate() {
        println!(
            "{:<20} {:<14} {:>12.1} {:>7.2} {:>9.0}  {}",
            if idx == 0 { workload } else { "" },
            side.name,
            side.rate(),
            sides[0].rate() / side.rate(),
            side.peak_mib(),
            if idx == 0 { String::new() } else { format!("{:.1e}", differences[idx]) },
        );
    }
    json!({ "workload": workload, "largest_differences": differences, "sides": summary(sides) })
}

fn numbers(rows: &Value) -> Vec<Vec<f64>> {
    serde_json::from_value(rows.clone()).unwrap_or_default()
}

/// The largest difference of two numbers in the same place; not a number if the shapes differ.
fn largest_difference(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    if !a.iter().map(Vec::len).eq(b.iter().map(Vec::len)) {
        return f64::NAN;
    }
    a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}
