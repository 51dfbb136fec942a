//! `attentive fill`.

use std::{io::Write, path::PathBuf};

use anyhow::Result;
use attentive_bundle::{Candidate, Denoiser, EncodeError, Input, SpanFiller, TextEncoder, TranslationModel};
use attentive_model::Role;
use clap::Args;

use super::{
    BackendArgs, LongLines, PrecisionArgs, SpecialsArgs,
    numbers::{MAX_BEAM, integer},
    on_one_line, open_model,
};
use crate::{input, output};

/// Guess what is hidden in lines of text: the most probable tokens for each `[MASK]`.
///
/// An encoder–decoder that learnt by span corruption (T5, ByT5) guesses words; one that learnt to write damaged texts again
/// (BART, mBART), tokens after those before the mask.
///
/// Under each line its masks in their order, and for each its candidates: probability and text, separated by a tab. Under a
/// line without tokens there is nothing.
#[derive(Debug, Args)]
pub(crate) struct Fill {
    /// The model's folder; DIR+ADAPTER for one with an adapter over it.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    /// Text with `[MASK]`, `<mask>` or `<extra_id_0>` in the place of words; without it, the lines of standard input.
    text: Vec<String>,
    /// Candidates for each mask.
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = integer(1..=MAX_BEAM))]
    top_k: usize,
    #[command(flatten)]
    long: LongLines,
    #[command(flatten)]
    specials: SpecialsArgs,
    #[command(flatten)]
    precision: PrecisionArgs,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Fill {
    pub(super) fn run(self) -> Result<()> {
        let bundle = self.specials.over(open_model(&self.model)?);
        let (device, precision) = (self.backend.device()?, self.precision.precision);
        let filler = match bundle.model.role() {
            Role::EncoderDecoder if bundle.tokenizer()?.sentinel(0).is_none() => {
                Filler::Denoiser(Box::new(Denoiser::from_bundle(&bundle, &device, precision)?))
            }
            Role::EncoderDecoder => Filler::Spans(Box::new(SpanFiller::from_bundle(&bundle, &device, precision)?)),
            _ => Filler::Tokens(Box::new(TextEncoder::from_bundle(&bundle, &device, precision)?)),
        };
        let tokenizer = &**bundle.tokenizer()?;
        let mut out = output::stdout();
        for line in input::of_command(self.text) {
            let line = line?;
            let fill = |text: Input<'_>| match filler.fill(text, self.top_k) {
                Err(EncodeError::NoMask) if text.crop => {
                    warning!("warning: {}: its masks are among what is cropped", line.at);
                    Ok(Vec::new())
                }
                filled => filled,
            };
            let filled = self.long.read(tokenizer, &line, fill)?;
            writeln!(out, "{}", on_one_line(&line.text))?;
            for (idx, candidates) in filled.into_iter().flatten().enumerate() {
                writeln!(out, "  [MASK] {}", idx + 1)?;
                for candidate in candidates {
                    writeln!(out, "  {:.4}\t{}", candidate.probability, on_one_line(&candidate.text))?;
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
    /// A token for each mask, after what stands before it.
    Denoiser(Box<Denoiser<TranslationModel>>),
    /// As many tokens as it takes.
    Spans(Box<SpanFiller<TranslationModel>>),
}

impl Filler {
    fn fill(&self, text: Input<'_>, k: usize) -> Result<Vec<Vec<Candidate>>, EncodeError> {
        match self {
            Self::Tokens(encoder) => encoder.fill(text, k),
            Self::Denoiser(denoiser) => denoiser.fill(text, k),
            Self::Spans(filler) => filler.fill(text, k),
        }
    }
}
