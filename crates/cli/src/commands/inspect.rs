//! `attentive inspect`.

use std::path::PathBuf;

use anyhow::Result;
use attentive_bundle::{Bundle, ModelConfig};
use clap::Args;

use super::train::thousands;
use crate::{recipe, run_dir};

/// Sentence length that costs are given for.
const TYPICAL_LEN: usize = 32;
/// Characters that costs are given for: what CANINE is pre-trained with.
const TYPICAL_CHARACTERS: usize = 2048;
/// Context that costs are given for where positions have no limit.
const TYPICAL_CONTEXT: usize = 1024;

/// Show what a model is made of, where it came from, and what it costs.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The model's folder.
    #[arg(default_value = "runs/latest")]
    model: PathBuf,
    /// Show a model that is not there instead, without making it: base, big, a row of Table 3, rnnsearch, gpt-2, gpt-3-175b, canine, …
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Also list every parameter with its shape.
    #[arg(long, conflicts_with = "preset")]
    params: bool,
}

impl Inspect {
    pub(super) fn run(self) -> Result<()> {
        if let Some(name) = &self.preset {
            println!("preset       {name}");
            return show_model(&recipe::preset(name)?);
        }
        let bundle = Bundle::read(&run_dir::resolve(&self.model))?;
        println!("model        {}", bundle.path.display());
        show_model(&bundle.model)?;
        println!("tokenizer    {} entries", thousands(bundle.tokenizer.vocab_size() as u64));
        let record = &bundle.record;
        println!(
            "training     {} steps, {} target tokens, {:.0} s on {}, seed {}, attentive {}",
            thousands(record.steps),
            thousands(record.n_targets),
            record.seconds,
            record.backend,
            record.seed,
            record.version
        );
        println!("averaged     steps {:?}", record.averaged_steps);
        for data in &record.data {
            let lines = thousands(data.n_lines);
            println!("data         {:<10} {} ({lines} lines, sha256 {})", data.split, data.name, data.sha256);
        }
        for score in &record.scores {
            println!("score        {:<10} {} {:.2} {}", score.split, score.metric, score.value, score.signature);
        }
        if self.params {
            for (name, tensor) in &bundle.params {
                println!("param        {name} {:?}", tensor.shape);
            }
        }
        Ok(())
    }
}

/// Sizes and costs, from the configuration alone.
fn show_model(model: &ModelConfig) -> Result<()> {
    let n_params = model.n_params() as u64;
    match model {
        ModelConfig::Transformer(_) => println!("family       transformer (encoder-decoder)"),
        ModelConfig::Rnn(_) => println!("family       rnn (encoder-decoder with additive attention)"),
        ModelConfig::Gpt(_) => println!("family       gpt (decoder only)"),
        ModelConfig::Bert(_) => println!("family       bert (encoder only)"),
        ModelConfig::Canine(_) => println!("family       canine (encoder only, of characters)"),
    }
    let table = toml::Table::try_from(model)?;
    for (key, value) in table.iter().filter(|(key, _)| *key != "family") {
        println!("  {key} = {value}");
    }
    println!("parameters   {}", thousands(n_params));
    println!(
        "memory       {} for weights in f32; {} to train with Adam, without activations",
        bytes(4 * n_params),
        bytes(16 * n_params)
    );
    let (flops, what) = match model {
        ModelConfig::Transformer(config) => (
            config.forward_flops_per_token(TYPICAL_LEN, TYPICAL_LEN),
            format!("target token forward, at {TYPICAL_LEN} tokens a side"),
        ),
        ModelConfig::Rnn(config) => (
            config.forward_flops_per_token(TYPICAL_LEN),
            format!("target token forward, at {TYPICAL_LEN} source tokens"),
        ),
        ModelConfig::Gpt(config) => {
            let context = config.positions.max_len().unwrap_or(TYPICAL_CONTEXT);
            println!(
                "cache        {} a token of each text that is written, in f32",
                bytes(4 * config.cached_values_per_token() as u64)
            );
            (config.forward_flops_per_token(context), format!("token forward, at a context of {context}"))
        }
        ModelConfig::Bert(config) => {
            let len = config.max_len().unwrap_or(TYPICAL_CONTEXT);
            (config.forward_flops_per_token(len), format!("token forward, heads left out, at {len} tokens"))
        }
        ModelConfig::Canine(config) => {
            let len = TYPICAL_CHARACTERS.min(config.max_len);
            let what = format!("character forward, heads left out, at {len} characters");
            (config.forward_flops_per_character(len), what)
        }
    };
    println!("FLOPs        {} per {what}; {} in training", thousands(flops as u64), thousands(3 * flops as u64));
    Ok(())
}

/// In the largest binary unit that leaves 1 or more.
fn bytes(n: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.into_iter().find(|(_, bits)| n >> bits > 0) {
        Some((unit, bits)) => format!("{:.1} {unit}", n as f64 / (1_u64 << bits) as f64),
        None => format!("{n} B"),
    }
}
