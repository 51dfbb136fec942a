//! `attentive score`.

use std::{io::Write, path::PathBuf};

use anyhow::Result;
use attentive_bundle::{Generator, TextScore};
use attentive_collective::Collective;
use attentive_metrics::{BitsPerByte, Likelihood, Metric, Perplexity};
use attentive_task::score_lines;
use clap::Args;

use super::{BackendArgs, PrecisionArgs, SpecialsArgs, on_one_line, open_model, processes};
use crate::{input, output};

/// Say how probable lines of text are to a language model.
///
/// One line for each: log-probability in nats, perplexity per token and bits per byte, then the text, separated by tabs;
/// at the end, on standard error, the same of all lines together.
#[derive(Debug, Args)]
pub(crate) struct Score {
    /// The model's folder; DIR+ADAPTER for one with an adapter over it.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    /// What to score; without it, the lines of standard input.
    text: Vec<String>,
    /// Score a text as what follows an end-of-text token, or, with `--begin=false`, from its second token on; without it, as
    /// the model's own setting is.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    begin: Option<bool>,
    #[command(flatten)]
    specials: SpecialsArgs,
    #[command(flatten)]
    precision: PrecisionArgs,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Score {
    pub(super) fn run(self) -> Result<()> {
        processes::together(|peers| self.score(peers))
    }

    /// Scores lines together with other processes, of which the first one speaks.
    fn score(&self, peers: &dyn Collective) -> Result<()> {
        let bundle = self.specials.over(open_model(&self.model)?);
        let generator = Generator::from_bundle(&bundle, &self.backend.device()?, self.precision.precision)?;
        let (begin, lines) = (self.begin.unwrap_or(bundle.generation.begin), input::of_command(self.text.clone()));
        let mut out = output::stdout();
        let (n_lines, all) = score_lines(peers, &generator, begin, lines, |line, score| -> Result<()> {
            Ok(writeln!(out, "{}\t{}", columns(score), on_one_line(line))?)
        })?;
        out.flush()?;
        if n_lines > 1 {
            warning!("{}\t({n_lines} lines, {} tokens)", columns(&all), all.n_tokens);
        }
        Ok(())
    }
}

/// Log-probability, perplexity and bits per byte; nothing of the last two where nothing was scored.
fn columns(score: &TextScore) -> String {
    let likelihood = |n_units: usize| Likelihood { loss_nats: -score.log_prob, n_units: n_units as u64 };
    let (mut perplexity, mut bits) = (Perplexity::default(), BitsPerByte::default());
    perplexity.add(likelihood(score.n_tokens));
    bits.add(likelihood(score.n_bytes));
    let shown = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
    format!("{:.4}\t{}\t{}", score.log_prob, shown(perplexity.value()), shown(bits.value()))
}
