//! `attentive generate`.

use std::{
    io::{self, Read, Write},
    ops::ControlFlow,
    path::PathBuf,
};

use anyhow::{Context, Result};
use attentive_bundle::{Bundle, GenerationConfig, Generator, TextModel};
use attentive_decode::SamplingConfig;
use clap::Args;

use super::BackendArgs;
use crate::output;
use attentive_run::resolve;

/// Continue a text, token by token as they come.
#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// The model's folder.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    /// The text to continue; `-` reads it from standard input; without it, the model begins by itself.
    prompt: Option<String>,
    /// Print the continuation alone, without the prompt before it.
    #[arg(long)]
    no_prompt: bool,
    /// Texts to write, each from a seed of its own.
    #[arg(long, value_name = "N", default_value_t = 1)]
    samples: u64,
    #[command(flatten)]
    generation: GenerationArgs,
    #[command(flatten)]
    backend: BackendArgs,
}

/// How to write; what is not given is the model's own setting.
#[derive(Debug, Args)]
struct GenerationArgs {
    /// Tokens that may follow the prompt.
    #[arg(long, value_name = "N")]
    max_tokens: Option<usize>,
    /// Below 1 for less surprise, 0 for the most probable token always.
    #[arg(long, value_name = "T")]
    temperature: Option<f64>,
    /// Draw among this many of the most probable tokens; 0 for no limit.
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,
    /// Draw among the fewest most probable tokens that are this probable together.
    #[arg(long, value_name = "P")]
    top_p: Option<f64>,
    /// Draw among tokens at least this probable beside the most probable one.
    #[arg(long, value_name = "P")]
    min_p: Option<f64>,
    /// Multiply log-probabilities of tokens that the text already has; more than 1 for less repetition.
    #[arg(long, value_name = "THETA")]
    repetition_penalty: Option<f64>,
    /// End at this string; may be given several times.
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// The same text follows from the same seed.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

impl GenerationArgs {
    fn over(&self, model: &GenerationConfig) -> GenerationConfig {
        let GenerationConfig { max_tokens, stop, sampling, .. } = model.clone();
        GenerationConfig {
            max_tokens: self.max_tokens.unwrap_or(max_tokens),
            stop: if self.stop.is_empty() { stop } else { self.stop.clone() },
            sampling: SamplingConfig {
                temperature: self.temperature.unwrap_or(sampling.temperature),
                top_k: self.top_k.unwrap_or(sampling.top_k),
                top_p: self.top_p.unwrap_or(sampling.top_p),
                min_p: self.min_p.unwrap_or(sampling.min_p),
                repetition_penalty: self.repetition_penalty.unwrap_or(sampling.repetition_penalty),
                seed: self.seed.unwrap_or(sampling.seed),
            },
            ..model.clone()
        }
    }
}

impl Generate {
    pub(super) fn run(self) -> Result<()> {
        let bundle = Bundle::read(&resolve(&self.model))?;
        let mut config = self.generation.over(&bundle.generation);
        let generator = Generator::from_bundle(&bundle, &self.backend.device()?)?;
        let prompt = match self.prompt.as_deref() {
            Some("-") => {
                let mut text = String::new();
                io::stdin().lock().read_to_string(&mut text).context("reading standard input")?;
                text
            }
            prompt => prompt.unwrap_or_default().to_owned(),
        };
        for _ in 0..self.samples {
            self.write(&generator, &prompt, &config)?;
            config.sampling.seed = config.sampling.seed.wrapping_add(1);
        }
        Ok(())
    }

    fn write(&self, generator: &Generator<TextModel>, prompt: &str, config: &GenerationConfig) -> Result<()> {
        let mut out = output::stdout();
        if !self.no_prompt {
            write!(out, "{prompt}")?;
            out.flush()?;
        }
        let mut failure = None;
        generator.generate(prompt, config, |piece| match write!(out, "{piece}").and_then(|()| out.flush()) {
            Ok(()) => ControlFlow::Continue(()),
            Err(cause) => {
                failure = Some(cause);
                ControlFlow::Break(())
            }
        })?;
        match failure {
            Some(cause) => Err(cause.into()),
            None => Ok(writeln!(out)?),
        }
    }
}
