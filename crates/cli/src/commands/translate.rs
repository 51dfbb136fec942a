//! `attentive translate`.

use std::{io::Write, num::NonZeroUsize, path::PathBuf};

use anyhow::{Result, bail};
use attentive_bundle::{Bundle, Search, Translation, Translator};
use attentive_decode::SamplingConfig;
use clap::Args;

use super::{
    BackendArgs, DecodingArgs, LINES_AT_ONCE, LanguageArgs, LongLines, SamplingArgs, SpecialsArgs,
    numbers::{MANY, integer},
    on_one_line,
};
use crate::{input::Lines, output};
use attentive_run::resolve;

/// Translate lines of text.
///
/// Each line becomes a line; that of a text without tokens is empty. Where a line has several translations, the number of
/// the line, counted from 1, and a tab come before each.
#[derive(Debug, Args)]
pub(crate) struct Translate {
    /// The model's folder.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    /// What to translate; without it, the lines of standard input.
    text: Vec<String>,
    /// Translations of each line, best first; at most the beam.
    #[arg(long, value_name = "N", default_value = "1", value_parser = integer(NonZeroUsize::MIN..=MANY))]
    n_best: NonZeroUsize,
    /// Print the score (log-probability over length penalty) and the log-probability before each translation.
    #[arg(long)]
    scores: bool,
    /// The beginning of every translation; its last word is a whole one.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    prefix: String,
    #[command(flatten)]
    languages: LanguageArgs,
    #[command(flatten)]
    long: LongLines,
    #[command(flatten)]
    decoding: DecodingArgs,
    #[command(flatten)]
    specials: SpecialsArgs,
    #[command(flatten)]
    backend: BackendArgs,
    /// Draw this many translations of each line at random, in place of a search; so do the options below, one translation.
    #[arg(long, value_name = "N", help_heading = "Sampling", value_parser = integer(NonZeroUsize::MIN..=MANY))]
    samples: Option<NonZeroUsize>,
    #[command(flatten, next_help_heading = "Sampling")]
    sampling: SamplingArgs,
}

impl Translate {
    pub(super) fn run(self) -> Result<()> {
        let sampling = self.sampling.over(&SamplingConfig::default());
        let search = match self.samples {
            None if !self.sampling.is_given() => Search::Best(self.n_best),
            _ if self.n_best > NonZeroUsize::MIN || self.decoding.is_of_beam() => bail!(
                "--n-best, --beam and --length-penalty are for a search, and the options of sampling draw at random: \
                 leave out one or the other"
            ),
            samples => Search::Random(&sampling, samples.unwrap_or(NonZeroUsize::MIN)),
        };
        let (Search::Best(n) | Search::Random(_, n)) = search;
        let bundle = self.specials.over(self.languages.over(Bundle::open(resolve(&self.model))?)?);
        let config = self.decoding.over(&bundle.decoding)?;
        if self.n_best.get() > config.beam {
            bail!("--n-best {} is more than the beam of {}: lower it, or raise --beam", self.n_best, config.beam);
        }
        let translator = Translator::from_bundle(&bundle, &self.backend.device()?, self.decoding.weights.precision)?;
        let mut out = output::stdout();
        for block in Lines::of_command(self.text).blocks(LINES_AT_ONCE) {
            let block = block?;
            let place = |idx: usize| &block[idx].at;
            let (found, refused) = self.long.translate(&translator, &block, &self.prefix, (&config, search), place)?;
            for (line, translations) in block.iter().zip(found) {
                for Translation { text, score, log_prob, .. } in translations {
                    if n > NonZeroUsize::MIN {
                        write!(out, "{}\t", line.at.number)?;
                    }
                    if self.scores {
                        write!(out, "{score:.4}\t{log_prob:.4}\t")?;
                    }
                    writeln!(out, "{}", on_one_line(&text))?;
                }
            }
            out.flush()?;
            if let Some(refused) = refused {
                return Err(refused);
            }
        }
        Ok(())
    }
}
