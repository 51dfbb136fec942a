//! `attentive classify`.

use std::{io::Write, path::PathBuf};

use anyhow::Result;
use attentive_bundle::{Bundle, TextEncoder};
use clap::Args;

use super::{BackendArgs, LongLines, SpecialsArgs, on_one_line};
use crate::{input::Lines, output};
use attentive_run::resolve;

/// Tell the class of lines of text.
///
/// One line for each: the most probable label, its probability, then the text, separated by tabs. The line of a text
/// without tokens is empty.
#[derive(Debug, Args)]
pub(crate) struct Classify {
    /// The model's folder.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    /// What to classify; without it, the lines of standard input.
    text: Vec<String>,
    /// Print every class with its probability, a line each, under its text.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    long: LongLines,
    #[command(flatten)]
    specials: SpecialsArgs,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Classify {
    pub(super) fn run(self) -> Result<()> {
        let bundle = self.specials.over(Bundle::read(&resolve(&self.model))?);
        let encoder = TextEncoder::from_bundle(&bundle, &self.backend.device()?)?;
        let tokenizer = &**bundle.tokenizer()?;
        let mut out = output::stdout();
        for line in Lines::of_command(self.text) {
            let line = line?;
            let classes = self.long.read(tokenizer, &line, |text| encoder.classify(text))?.unwrap_or_default();
            let text = on_one_line(&line.text);
            if self.all {
                writeln!(out, "{text}")?;
                for class in classes {
                    writeln!(out, "  {:.4}\t{}", class.probability, on_one_line(&class.label))?;
                }
                continue;
            }
            match classes.first() {
                Some(best) => writeln!(out, "{}\t{:.4}\t{text}", on_one_line(&best.label), best.probability)?,
                None => writeln!(out)?,
            }
        }
        Ok(out.flush()?)
    }
}
