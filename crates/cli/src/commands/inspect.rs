//! `attentive inspect`.

use std::path::PathBuf;

use anyhow::Result;
use attentive_bundle::{Bundle, ModelConfig};
use clap::Args;

use super::train::thousands;
use crate::run_dir;

/// Sentence length that costs are given for.
const TYPICAL_LEN: usize = 32;

/// Show what a model is made of, where it came from, and what it costs.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The model's folder.
    #[arg(default_value = "runs/latest")]
    model: PathBuf,
    /// Also list every parameter with its shape.
    #[arg(long)]
    params: bool,
}

impl Inspect {
    pub(super) fn run(self) -> Result<()> {
        let bundle = Bundle::read(&run_dir::resolve(&self.model))?;
        let ModelConfig::Transformer(config) = &bundle.model;
        let n_params = config.n_params() as u64;
        println!("model        {}", bundle.path.display());
        println!("family       transformer (encoder-decoder)");
        for line in toml::to_string(config)?.lines().filter(|line| !line.is_empty()) {
            println!("  {line}");
        }
        println!("parameters   {}", thousands(n_params));
        println!(
            "memory       {} for weights in f32; {} to train with Adam, without activations",
            mebibytes(4 * n_params),
            mebibytes(16 * n_params)
        );
        println!(
            "FLOPs        {} per target token forward, {} in training, at {TYPICAL_LEN} tokens a side",
            thousands(config.forward_flops_per_token(TYPICAL_LEN, TYPICAL_LEN) as u64),
            thousands(3 * config.forward_flops_per_token(TYPICAL_LEN, TYPICAL_LEN) as u64)
        );
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

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1 << 20) as f64)
}
