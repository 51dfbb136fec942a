//! `attentive translate`.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    num::NonZeroUsize,
    path::PathBuf,
};

use anyhow::{Context, Result, anyhow};
use attentive_bundle::{Bundle, DecodingConfig, TranslateError, Translation, TranslationModel, Translator};
use clap::Args;

use super::{BackendArgs, DecodingArgs};
use crate::output;
use attentive_run::resolve;

/// Lines that are read before they are translated together.
const LINES_AT_ONCE: usize = 512;

/// Translate lines of text.
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
    decoding: DecodingArgs,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Translate {
    pub(super) fn run(self) -> Result<()> {
        let bundle = Bundle::read(&resolve(&self.model))?;
        let config = self.decoding.over(&bundle.decoding);
        let translator = Translator::from_bundle(&bundle, &self.backend.device()?, self.decoding.precision)?;
        if !self.text.is_empty() {
            return self.translate(&translator, &config, &self.text, 1);
        }
        if io::stdin().is_terminal() {
            warning!("reading lines to translate from the keyboard; end with Ctrl-D");
        }
        // At a keyboard every line is answered at once.
        let at_once = if io::stdin().is_terminal() { 1 } else { LINES_AT_ONCE };
        let mut lines = Vec::with_capacity(at_once);
        let mut n_done = 0;
        for (idx, line) in io::stdin().lock().split(b'\n').enumerate() {
            let line = String::from_utf8(line.context("reading standard input")?)
                .ok()
                .with_context(|| format!("line {} of standard input is not UTF-8", idx + 1))?;
            lines.push(line.trim_end_matches('\r').to_owned());
            if lines.len() == at_once {
                self.translate(&translator, &config, &lines, n_done + 1)?;
                n_done += lines.len();
                lines.clear();
            }
        }
        self.translate(&translator, &config, &lines, n_done + 1)
    }

    /// Translates lines, of which the first is the input's line `first`, counted from 1.
    fn translate(
        &self,
        translator: &Translator<TranslationModel>,
        config: &DecodingConfig,
        lines: &[String],
        first: usize,
    ) -> Result<()> {
        let mut out = output::stdout();
        let found = translator.translate_n_best(lines, config, self.n_best).map_err(|error| match error {
            TranslateError::TooLong { text_idx, n_tokens, max_len } => anyhow!(
                "line {} has {n_tokens} tokens, and the model has positions for {max_len}; split it into sentences",
                first + text_idx
            ),
            error => error.into(),
        })?;
        for translations in found {
            for Translation { text, score, log_prob, .. } in translations {
                if self.scores {
                    write!(out, "{score:.4}\t{log_prob:.4}\t")?;
                }
                writeln!(out, "{text}")?;
            }
        }
        Ok(out.flush()?)
    }
}
