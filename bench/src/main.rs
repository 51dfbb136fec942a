//! Attentive's side of the comparisons that `cargo xtask bench` runs.
//!
//! A worker sets its workload up, then runs one round for each line of standard input and prints a line of JSON for it;
//! the peers of `bench/peers` do the same. So both keep their memory warm while rounds alternate.
#![recursion_limit = "256"]
#![allow(clippy::print_stdout, reason = "workers answer, and comparisons are shown, on standard output")]
#![allow(clippy::print_stderr, reason = "failures are reported on standard error")]

mod compare;
mod decode;
mod embed;
mod generate;
mod long;
mod models;
mod prepared;
mod product;
mod side;
mod tokenize;
mod train;
mod transcribe;
mod worker;
mod workload;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use attentive_backend::Precision;
use attentive_kernels::Allocator;
use compare::Options;

/// The allocator of the `attentive` command.
#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

const USAGE: &str = "usage: cargo xtask bench train|decode|embed|generate|transcribe|start|tokenize|long [--rounds N] \
    [--peer NAME] [--only WORKLOAD] [--model DIR] [--text FILE] [--audio FILE]";

fn main() -> ExitCode {
    attentive_kernels::keep_pages();
    // Within the thread pool, as the `attentive` command is from its beginning.
    match rayon::scope(|_| run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [.., "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        // Workers.
        ["train", workload, precision @ ("f32" | "bf16")] => {
            train::run(workload, if precision == "bf16" { Precision::Bf16 } else { Precision::F32 })
        }
        ["product"] => product::run(),
        ["decode", name, folder, precision, beam, batch] if !name.starts_with('-') => {
            decode::run(name, folder.as_ref(), precision, beam.parse()?, batch.parse()?)
        }
        ["embed", folder, precision] if !folder.starts_with('-') => embed::run(folder.as_ref(), precision),
        ["generate", folder, precision, batch] if !folder.starts_with('-') => {
            generate::run(folder.as_ref(), precision, batch.parse()?)
        }
        ["transcribe", folder, recording, precision, beam] if !folder.starts_with('-') => {
            transcribe::run(folder.as_ref(), recording.as_ref(), precision, beam.parse()?)
        }
        ["prepare-whisper", model, folder] => transcribe::prepare(model.as_ref(), folder.as_ref()),
        ["prepare", name, folder] => models::prepare(name, folder.as_ref()),
        ["long", "worker"] => long::run(),
        ["tokenize", task @ ("learn" | "encode"), kind, folder] => tokenize::run(task, kind, folder.as_ref()),
        // Comparisons.
        ["train", ref rest @ ..] => compare::train(&options(rest)?),
        ["decode", ref rest @ ..] => compare::decode(&options(rest)?),
        ["embed", ref rest @ ..] => compare::embed(&options(rest)?),
        ["generate", ref rest @ ..] => compare::generate(&options(rest)?),
        ["transcribe", ref rest @ ..] => compare::transcribe(&options(rest)?),
        ["start", ref rest @ ..] => compare::start(&options(rest)?),
        ["tokenize", ref rest @ ..] => compare::tokenize(&options(rest)?),
        ["long", ref rest @ ..] => compare::long(&options(rest)?),
        _ => bail!(USAGE),
    }
}

fn options(args: &[&str]) -> Result<Options> {
    let mut options =
        Options { rounds: 5, peer: String::new(), only: String::new(), model: None, text: None, audio: None };
    let mut args = args.iter();
    while let Some(&flag) = args.next() {
        let value = args.next().with_context(|| format!("`{flag}` needs a value; {USAGE}"))?;
        match flag {
            "--rounds" => options.rounds = value.parse().with_context(|| format!("--rounds {value}"))?,
            "--peer" => options.peer = value.to_lowercase(),
            "--model" => options.model = Some((*value).to_owned()),
            "--text" => options.text = Some(value.into()),
            "--audio" => options.audio = Some((*value).to_owned()),
            "--only" => options.only = (*value).to_owned(),
            _ => bail!("unknown option {flag}; {USAGE}"),
        }
    }
    Ok(options)
}
