//! `attentive paper`: the paper's tables and figures, computed again.

mod optimizers;
mod positions;
mod runs;
mod schedule;
mod table1;
mod table2;
mod table3;
mod tokenizers;

use std::path::Path;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

use super::attention::Attention;

/// The paper's tables and figures, computed again: as tables on the terminal, as drawings in SVG files.
#[derive(Debug, Args)]
pub(crate) struct Paper {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Table 1: complexity, sequential operations and path lengths of layers, beside the time that ours take.
    Table1(table1::Table1),
    /// Table 2: BLEU and training cost as published, how the cost is counted, and a run of yours.
    Table2(table2::Table2),
    /// Table 3: every variation of the model, its parameters counted, beside the paper's.
    Table3(table3::Table3),
    /// §3.5: the sinusoids, and how their products fall with distance; learned positions of a model beside them.
    Positions(positions::Positions),
    /// §5.3: the learning rate of each update, by the paper's schedule and others.
    Schedule(schedule::Schedule),
    /// The optimizers compared, on one small training.
    Optimizers(optimizers::Optimizers),
    /// Figures 3 to 5: what a trained model attends to; `attentive attention` is the same.
    Attention(Attention),
    /// Families of tokenizers on one text, by bits per byte of one small GPT.
    Tokenizers(tokenizers::Tokenizers),
    /// The Transformer against the RNN that it replaced, or any other runs: at their ends, and after equal time.
    Rnn(runs::Runs),
}

impl Paper {
    pub(super) fn run(self) -> Result<()> {
        match self.what {
            What::Table1(command) => command.run(),
            What::Table2(command) => command.run(),
            What::Table3(command) => command.run(),
            What::Positions(command) => command.run(),
            What::Schedule(command) => command.run(),
            What::Optimizers(command) => command.run(),
            What::Attention(command) => command.run(),
            What::Tokenizers(command) => command.run(),
            What::Rnn(command) => command.run(),
        }
    }
}

/// Writes a drawing, and says where it is.
fn write_figure(path: &Path, svg: &str) -> Result<()> {
    attentive_weights::write_atomically(path, svg.as_bytes())
        .with_context(|| format!("can't write {}", path.display()))?;
    report!("drawing in {}", path.display());
    Ok(())
}

/// A number of the paper, or the dash that it prints.
fn or_dash<T>(value: Option<T>, format: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "—".into(), format)
}
