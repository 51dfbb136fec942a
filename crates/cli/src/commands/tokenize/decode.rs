//! `attentive tokenize decode`.

use std::{
    io::{BufWriter, Write},
    path::PathBuf,
};

use anyhow::{Context, Result};
use attentive_data::Place;
use attentive_tokenizer::{TokenId, Tokenizer};
use clap::Args;
use rayon::prelude::*;

use super::{TokenizerArgs, input::TextLines};
use crate::output;

/// Turn lines of token ids into text.
///
/// Lines are decoded as they are read, so that there may be more of them than memory holds. Special tokens are left
/// out.
#[derive(Debug, Args)]
pub(super) struct Decode {
    /// Token ids with spaces between, plain, .gz or .zst. Without files, standard input.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    tokenizer: TokenizerArgs,
}

impl Decode {
    pub(super) fn run(self) -> Result<()> {
        let tokenizer = self.tokenizer.open()?;
        let mut out = BufWriter::new(output::stdout());
        for chunk in TextLines::open(&self.files, "token ids") {
            let chunk = chunk?;
            let decoded = chunk.par_iter().map(|(place, line)| decoded(&*tokenizer, place, line));
            for text in decoded.collect::<Result<Vec<_>>>()? {
                writeln!(out, "{text}")?;
            }
            out.flush()?;
        }
        Ok(())
    }
}

fn decoded(tokenizer: &dyn Tokenizer, place: &Place, line: &str) -> Result<String> {
    let id = |word: &str| word.parse().with_context(|| format!("{place}: {word:?} is no token id"));
    let ids: Vec<TokenId> = line.split_whitespace().map(id).collect::<Result<_>>()?;
    tokenizer.decode(&ids).with_context(|| place.to_string())
}
