//! `attentive tokenize decode`.

use std::{
    io::{BufWriter, Write},
    path::PathBuf,
};

use anyhow::{Context, Result};
use attentive_tokenizer::{TokenId, Tokenizer};
use clap::Args;
use rayon::prelude::*;

use super::{LINES_AT_ONCE, TokenizerArgs};
use crate::{
    input::{self, Line},
    output,
};

/// Turn lines of token ids into text.
///
/// Lines are decoded as they are read, so that there may be more of them than memory holds. Special tokens are left
/// out. A line stays a line: a line break that tokens stand for is written as a space, with a warning.
#[derive(Debug, Args)]
pub(super) struct Decode {
    /// Token ids, a list a line: `1 2 3`, `1,2,3` or `[1, 2, 3]`; plain or compressed. Without files, standard input.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    tokenizer: TokenizerArgs,
}

impl Decode {
    pub(super) fn run(self) -> Result<()> {
        let tokenizer = self.tokenizer.open()?;
        let mut out = BufWriter::new(output::stdout());
        let (mut n_broken, mut first_broken) = (0_u64, None);
        for block in input::open(&self.files, "token ids").blocks(LINES_AT_ONCE) {
            let block = block?;
            let decoded: Vec<Result<String>> = block.par_iter().map(|line| decoded(&*tokenizer, line)).collect();
            for (text, line) in decoded.into_iter().zip(&block) {
                let text = text?;
                if text.contains('\n') {
                    n_broken += 1;
                    first_broken.get_or_insert_with(|| line.at.clone());
                }
                writeln!(out, "{}", text.replace('\n', " "))?;
            }
            out.flush()?;
        }
        if let Some(first) = first_broken {
            warning!(
                "warning: lines whose text has line breaks, written as spaces: {n_broken}, the first of them {first}"
            );
        }
        Ok(())
    }
}

fn decoded(tokenizer: &dyn Tokenizer, Line { at, text, .. }: &Line) -> Result<String> {
    let list = text.trim();
    let list = list.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(list);
    let words = list.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
    let id = |word: &str| word.parse().ok().with_context(|| format!("{at}: {word:?} is not a token id"));
    let ids: Vec<TokenId> = words.map(id).collect::<Result<_>>()?;
    tokenizer.decode(&ids).with_context(|| at.to_string())
}
