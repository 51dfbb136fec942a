//! `attentive tokenize show`.

use std::{
    io::{self, BufWriter, IsTerminal, Write},
    path::PathBuf,
};

use anyhow::Result;
use attentive_task::{TokenCounter, TokenStatistics};
use attentive_tokenizer::{TokenId, Tokenizer};
use clap::{Args, ValueEnum};
use rayon::prelude::*;

use super::{LINES_AT_ONCE, TokenizerArgs};
use crate::{
    input::{self, Line},
    output,
};

/// Show the pieces of text in colour, with their ids; and count them.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// Text; without it, the lines of --input or of standard input.
    text: Vec<String>,
    /// A file of text, plain or compressed; may be given several times.
    #[arg(short, long, value_name = "FILE", conflicts_with = "text")]
    input: Vec<PathBuf>,
    #[command(flatten)]
    tokenizer: TokenizerArgs,
    /// Write the counts alone: characters per token, tokens per word, the share of unknown tokens.
    #[arg(long, visible_alias = "stats")]
    statistics: bool,
    /// Whether to use colour; auto does on a terminal, unless NO_COLOR is set.
    #[arg(long, value_enum, default_value = "auto")]
    color: Color,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    fn is_wanted(self) -> bool {
        match self {
            // https://no-color.org: set, and not empty.
            Self::Auto => {
                io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
            Self::Always => true,
            Self::Never => false,
        }
    }
}

impl Show {
    pub(super) fn run(self) -> Result<()> {
        let tokenizer = self.tokenizer.open()?;
        let counter = TokenCounter::new(&*tokenizer);
        let palette = Palette { in_color: self.color.is_wanted() };
        let mut total = TokenStatistics::default();
        let mut out = BufWriter::new(output::stdout());
        let lines = if self.text.is_empty() { input::open(&self.input, "text") } else { input::of_command(self.text) };
        for block in lines.verbatim().blocks(LINES_AT_ONCE) {
            let block = block?;
            let encoded: Vec<Vec<TokenId>> = block.par_iter().map(|line| tokenizer.encode(&line.text)).collect();
            for (Line { text, .. }, ids) in block.iter().zip(&encoded) {
                total.add(&counter.count(text, ids));
                if !self.statistics {
                    writeln!(out, "{}", palette.line(&*tokenizer, &counter, ids))?;
                }
            }
            out.flush()?;
        }
        if !self.statistics {
            writeln!(out)?;
        }
        writeln!(out, "{total}")?;
        Ok(out.flush()?)
    }
}

/// How pieces are painted.
struct Palette {
    in_color: bool,
}

/// Backgrounds of neighbouring pieces, of the 256 colours of terminals: pale, so that black is read on each.
const BACKGROUNDS: [u8; 6] = [189, 194, 223, 195, 225, 229];
/// That of unknown text.
const RED: u8 = 203;

impl Palette {
    /// The pieces of a line, each with its id in brackets.
    fn line(&self, tokenizer: &dyn Tokenizer, counter: &TokenCounter, ids: &[TokenId]) -> String {
        let pieces = ids.iter().enumerate().map(|(idx, &id)| {
            let piece = printable(&tokenizer.token(id).unwrap_or_default());
            if !self.in_color {
                return format!("{piece}({id})");
            }
            let background = if counter.is_unknown(id) { RED } else { BACKGROUNDS[idx % BACKGROUNDS.len()] };
            format!("\x1b[38;5;16;48;5;{background}m{piece}\x1b[0m\x1b[2m({id})\x1b[0m")
        });
        pieces.collect::<Vec<_>>().join(" ")
    }
}

/// A piece whose control characters are spelt out: a terminal would obey them.
fn printable(piece: &str) -> String {
    let mut shown = String::with_capacity(piece.len());
    for c in piece.chars() {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}
