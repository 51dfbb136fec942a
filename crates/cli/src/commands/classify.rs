//! `attentive classify`.

use std::{io::Write, path::PathBuf};

use anyhow::{Context, Result};
use attentive_bundle::{Bundle, TextEncoder};
use clap::Args;

use super::{BackendArgs, read_lines};
use crate::output;
use attentive_run::resolve;

/// Tell the class of lines of text.
///
/// One line for each: the most probable label, its probability, then the text, separated by tabs.
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
    backend: BackendArgs,
}

impl Classify {
    pub(super) fn run(self) -> Result<()> {
        let bundle = Bundle::read(&resolve(&self.model))?;
        let encoder = TextEncoder::from_bundle(&bundle, &self.backend.device()?)?;
        let mut out = output::stdout();
        for (number, line) in (1_usize..).zip(read_lines(self.text)) {
            let line = line?;
            let classes = encoder.classify(&line).with_context(|| format!("line {number}"))?;
            if self.all {
                writeln!(out, "{line}")?;
                for class in classes {
                    writeln!(out, "  {:.4}\t{}", class.probability, class.label)?;
                }
            } else if let Some(best) = classes.first() {
                writeln!(out, "{}\t{:.4}\t{line}", best.label, best.probability)?;
            }
        }
        Ok(out.flush()?)
    }
}
