//! `attentive tokenize encode`.

use std::{
    fmt::Write as _,
    io::{BufWriter, Write},
    path::PathBuf,
};

use anyhow::{Context, Result, bail};
use attentive_tokenizer::{Tokenizer, check_strength, subword_nmt};
use clap::{Args, ValueEnum};
use rayon::prelude::*;

use super::{LINES_AT_ONCE, TokenizerArgs};
use crate::{input, output};

/// Turn lines of text into token ids, or into pieces.
///
/// Lines are encoded as they are read, so that the text may be larger than memory. The end of a line is not encoded,
/// nor are special tokens added.
#[derive(Debug, Args)]
pub(super) struct Encode {
    /// Text, plain or compressed. Without files, standard input.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    tokenizer: TokenizerArgs,
    /// What is written of a line.
    #[arg(long, value_enum, default_value = "ids")]
    format: Format,
    /// Draw segmentations at random: for BPE the probability p of BPE-dropout, for Unigram models the temperature 1/α.
    #[arg(long, value_name = "STRENGTH", allow_negative_numbers = true)]
    sample: Option<f64>,
    /// What --sample starts from; each line has numbers of its own.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "sample", value_parser = crate::commands::integer(0..=u64::MAX))]
    seed: u64,
}

/// What is written of a line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// Token ids with spaces between.
    Ids,
    /// Vocabulary entries with spaces between.
    Pieces,
    /// The text as subword-nmt cuts it: `@@` where a word goes on.
    SubwordNmt,
}

impl Encode {
    pub(super) fn run(self) -> Result<()> {
        if self.sample.is_some() && matches!(self.format, Format::SubwordNmt) {
            bail!("--sample and --format subword-nmt do not go together: samples have no offsets");
        }
        let tokenizer = self.tokenizer.open()?;
        if let Some(strength) = self.sample {
            check_strength(&*tokenizer, strength).with_context(|| format!("--sample {strength}"))?;
        }
        let mut out = BufWriter::new(output::stdout());
        let mut first = 0_u64;
        for block in input::open(&self.files, "text").verbatim().blocks(LINES_AT_ONCE) {
            let block = block?;
            let seed = |idx: usize| self.seed.wrapping_add(first + idx as u64);
            let lines = block.par_iter().enumerate();
            let encoded: Vec<String> = lines.map(|(idx, line)| self.line(&*tokenizer, &line.text, seed(idx))).collect();
            first += block.len() as u64;
            encoded.iter().try_for_each(|line| writeln!(out, "{line}"))?;
            out.flush()?;
        }
        Ok(())
    }

    fn line(&self, tokenizer: &dyn Tokenizer, text: &str, seed: u64) -> String {
        let ids = || match self.sample {
            Some(strength) => tokenizer.sample(text, strength, seed),
            None => tokenizer.encode(text),
        };
        match self.format {
            Format::Ids => joined(ids().iter()),
            Format::Pieces => joined(ids().iter().map(|&id| tokenizer.token(id).unwrap_or_default())),
            Format::SubwordNmt => subword_nmt(tokenizer, text),
        }
    }
}

fn joined(items: impl Iterator<Item: std::fmt::Display>) -> String {
    let mut line = String::new();
    for item in items {
        let space = if line.is_empty() { "" } else { " " };
        let _ = write!(line, "{space}{item}"); // strings take everything
    }
    line
}
