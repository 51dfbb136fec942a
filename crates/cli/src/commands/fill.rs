//! `attentive fill`.

use std::{io::Write, path::PathBuf};

use anyhow::{Context, Result};
use attentive_bundle::{Bundle, Candidate, EncodeError, SpanFiller, TextEncoder, TranslationModel};
use attentive_model::Role;
use clap::Args;

use super::{BackendArgs, read_lines};
use crate::output;
use attentive_run::resolve;

/// Guess what is hidden in lines of text: the most probable tokens for each `[MASK]`, or, from an encoder–decoder that
/// learnt by span corruption (T5, ByT5), the most probable words.
///
/// Under each line its masks in their order, and for each its candidates: probability and text, separated by a tab.
#[derive(Debug, Args)]
pub(crate) struct Fill {
    /// The model's folder.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    /// Text with `[MASK]`, `<mask>` or `<extra_id_0>` in the place of words; without it, the lines of standard input.
    text: Vec<String>,
    /// Candidates for each mask.
    #[arg(long, value_name = "K", default_value_t = 5)]
    top_k: usize,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Fill {
    pub(super) fn run(self) -> Result<()> {
        let bundle = Bundle::read(&resolve(&self.model))?;
        let device = self.backend.device()?;
        let filler = match bundle.model.role() {
            Role::EncoderDecoder => Filler::Spans(Box::new(SpanFiller::from_bundle(&bundle, &device)?)),
            _ => Filler::Tokens(Box::new(TextEncoder::from_bundle(&bundle, &device)?)),
        };
        let mut out = output::stdout();
        for (number, line) in (1_usize..).zip(read_lines(self.text)) {
            let line = line?;
            writeln!(out, "{line}")?;
            for (idx, candidates) in
                filler.fill(&line, self.top_k).with_context(|| format!("line {number}"))?.into_iter().enumerate()
            {
                writeln!(out, "  [MASK] {}", idx + 1)?;
                for candidate in candidates {
                    writeln!(out, "  {:.4}\t{}", candidate.probability, candidate.text)?;
                }
            }
        }
        Ok(out.flush()?)
    }
}

/// A model that fills in what is hidden.
enum Filler {
    /// A token for each mask.
    Tokens(Box<TextEncoder>),
    /// As many tokens as it takes.
    Spans(Box<SpanFiller<TranslationModel>>),
}

impl Filler {
    fn fill(&self, line: &str, k: usize) -> Result<Vec<Vec<Candidate>>, EncodeError> {
        match self {
            Self::Tokens(encoder) => encoder.fill(line, k),
            Self::Spans(filler) => filler.fill(line, k),
        }
    }
}
