//! Continuing texts, against CTranslate2 and llama.cpp.

use std::{process::Command, thread};

use anyhow::Result;
use serde_json::{Value, json};

use super::{Options, interleave, summary, write};
use crate::{
    generate::{LEN, MODELS},
    models::precisions,
    prepared::Prepared,
    side::{Side, median, output, python},
};

/// A peer.
#[derive(PartialEq)]
struct Peer {
    name: &'static str,
    /// Its name in `generate.py`.
    in_script: &'static str,
    /// The form of models that it reads.
    form: &'static str,
}

const CTRANSLATE2: Peer = Peer { name: "CTranslate2", in_script: "ctranslate2", form: "ctranslate2" };
const LLAMA_CPP: Peer = Peer { name: "llama.cpp", in_script: "llama.cpp", form: "gguf" };

/// The peers that have such models.
fn peers(name: &str, precision: &str) -> &'static [Peer] {
    match (name, precision) {
        ("smollm2", "q8_0" | "q4_0") => &[LLAMA_CPP],
        ("smollm2", _) => &[CTRANSLATE2, LLAMA_CPP],
        _ => &[CTRANSLATE2],
    }
}

/// Continuing texts, against CTranslate2 and llama.cpp.
pub(crate) fn generate(options: &Options) -> Result<()> {
    let mut results = Vec::new();
    println!(
        "{:<32} {:<12} {:>9} {:>7} {:>9} {:>7} {:>9}  same tokens",
        "workload", "", "tokens/s", "ratio", "first, ms", "ratio", "peak MiB"
    );
    for name in MODELS {
        let model = Prepared::new(name)?;
        for precision in precisions(name) {
            for batch in ["1", "8"] {
                let workload = format!("generate-{name} {precision} batch {batch}");
                if workload.contains(&options.only) {
                    let mut sides = sides(&model, precision, batch, options)?;
                    interleave(&mut sides, options.rounds)?;
                    results.push(show(&workload, &sides));
                }
            }
        }
    }
    write("generate", &json!({ "results": results }))
}

/// Ours, and the peers that are wanted and installed.
fn sides(model: &Prepared, precision: &str, batch: &str, options: &Options) -> Result<Vec<Side>> {
    let threads = thread::available_parallelism()?.to_string();
    let mut sides = vec![Side::ours("attentive", &["generate", &model.folder()?, precision, batch])?];
    for peer in peers(model.name(), precision).iter().filter(|peer| peer.name.to_lowercase().contains(&options.peer)) {
        if *peer == LLAMA_CPP && !has_llama_cpp()? {
            println!("llama.cpp is left out: `cargo xtask bench install llama.cpp` builds it");
            continue;
        }
        let theirs = model.of_peer(peer.form, precision)?;
        let args = [peer.in_script, &theirs, &model.rows()?, batch, &LEN.to_string(), &threads];
        sides.push(Side::peer(peer.name, "generate.py", &args)?);
    }
    Ok(sides)
}

/// Prints a workload's lines, and returns them for the JSON file.
fn show(workload: &str, sides: &[Side]) -> Value {
    let texts = |side: &Side| tokens(&side.rounds[0].more["targets"]);
    let ours = texts(&sides[0]);
    let same: Vec<String> = sides.iter().map(|side| agreement(&ours, &texts(side))).collect();
    let first: Vec<f64> = sides.iter().map(first_seconds).collect();
    for (idx, side) in sides.iter().enumerate() {
        println!(
            "{:<32} {:<12} {:>9.1} {:>7.2} {:>9.1} {:>7.2} {:>9.0}  {}",
            if idx == 0 { workload } else { "" },
            side.name,
            side.rate(),
            sides[0].rate() / side.rate(),
            1e3 * first[idx],
            first[idx] / first[0],
            side.peak_mib(),
            if idx == 0 { "" } else { &same[idx] },
        );
    }
    json!({ "workload": workload, "first_seconds": first, "same_tokens": same, "sides": summary(sides) })
}

/// Whether llama.cpp, which is built from its source, is installed.
fn has_llama_cpp() -> Result<bool> {
    let find = "import importlib.util; print(importlib.util.find_spec('llama_cpp') is not None)";
    Ok(output(Command::new(python()?).args(["-c", find]))?.starts_with(b"True"))
}

/// Seconds to the first token in the median round.
fn first_seconds(side: &Side) -> f64 {
    median(side.rounds.iter().filter_map(|round| round.more["first_seconds"].as_f64()))
}

fn tokens(texts: &Value) -> Vec<Vec<u64>> {
    serde_json::from_value(texts.clone()).unwrap_or_default()
}

/// Whether texts are equal, and else how far each is on average.
fn agreement(a: &[Vec<u64>], b: &[Vec<u64>]) -> String {
    let equal = |(a, b): (&Vec<u64>, &Vec<u64>)| a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let lengths: Vec<usize> = a.iter().zip(b).map(equal).collect();
    match lengths.iter().min() {
        Some(_) if a == b => "all".to_owned(),
        Some(shortest) => {
            let mean = lengths.iter().sum::<usize>() as f64 / lengths.len() as f64;
            format!("the first {shortest} of every text, {mean:.0} on average")
        }
        None => "none".to_owned(),
    }
}
