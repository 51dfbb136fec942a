//! `attentive classify`.

use std::{io::Write, path::PathBuf};

use anyhow::Result;
use attentive_bundle::{Bundle, Class, TextEncoder};
use clap::Args;

use super::{BackendArgs, LINES_AT_ONCE, LongLines, PrecisionArgs, SpecialsArgs, on_one_line};
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
    precision: PrecisionArgs,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Classify {
    pub(super) fn run(mut self) -> Result<()> {
        let texts = std::mem::take(&mut self.text);
        let bundle = self.specials.over(Bundle::open(resolve(&self.model))?);
        let encoder = TextEncoder::from_bundle(&bundle, &self.backend.device()?, self.precision.precision)?;
        let tokenizer = &**bundle.tokenizer()?;
        let mut out = output::stdout();
        for block in Lines::of_command(texts).blocks(LINES_AT_ONCE) {
            let block = block?;
            let (found, refused) = self.long.read_all(tokenizer, &block, |texts| encoder.classify_all(texts))?;
            for (line, classes) in block.iter().zip(found) {
                self.print(&mut out, &line.text, &classes.unwrap_or_default())?;
            }
            out.flush()?;
            if let Some(refused) = refused {
                return Err(refused);
            }
        }
        Ok(())
    }

    fn print(&self, out: &mut impl Write, text: &str, classes: &[Class]) -> Result<()> {
        let text = on_one_line(text);
        if self.all {
            writeln!(out, "{text}")?;
            for class in classes {
                writeln!(out, "  {:.4}\t{}", class.probability, on_one_line(&class.label))?;
            }
            return Ok(());
        }
        match classes.first() {
            Some(best) => writeln!(out, "{}\t{:.4}\t{text}", on_one_line(&best.label), best.probability)?,
            None => writeln!(out)?,
        }
        Ok(())
    }
}
