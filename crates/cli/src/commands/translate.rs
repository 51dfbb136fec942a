//! `attentive translate`.

use std::{io::Write, num::NonZeroUsize, path::PathBuf};

use anyhow::Result;
use attentive_bundle::{Bundle, Search, Translation, Translator};
use clap::Args;

use super::{BackendArgs, DecodingArgs, LongLines, on_one_line};
use crate::{input::Lines, output};
use attentive_run::resolve;

/// Lines that are read before they are translated together.
const LINES_AT_ONCE: usize = 512;

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
    #[arg(long, value_name = "N", default_value = "1")]
    n_best: NonZeroUsize,
    /// Print the score (log-probability over length penalty) and the log-probability before each translation.
    #[arg(long)]
    scores: bool,
    #[command(flatten)]
    long: LongLines,
    #[command(flatten)]
    decoding: DecodingArgs,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Translate {
    pub(super) fn run(self) -> Result<()> {
        let search = Search::Best(self.n_best);
        let bundle = Bundle::read(&resolve(&self.model))?;
        let config = self.decoding.over(&bundle.decoding);
        let translator = Translator::from_bundle(&bundle, &self.backend.device()?, self.decoding.precision)?;
        let mut out = output::stdout();
        for block in Lines::of_command(self.text).blocks(LINES_AT_ONCE) {
            let block = block?;
            let place = |idx: usize| &block[idx].at;
            let (found, refused) = self.long.translate(&translator, &block, "", (&config, search), place)?;
            for (line, translations) in block.iter().zip(found) {
                for Translation { text, score, log_prob, .. } in translations {
                    if self.n_best > NonZeroUsize::MIN {
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
