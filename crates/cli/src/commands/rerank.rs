//! `attentive rerank`.

use std::io::Write;

use anyhow::Result;
use attentive_bundle::{Input, Pair};
use clap::Args;
use serde_json::json;

use super::{
    EncoderArgs, LINES_AT_ONCE, LongLines,
    numbers::{MANY_TOKENS, integer},
    on_one_line,
};
use crate::{input, output};

/// Sort lines of text by how well they fit a query, the best first.
///
/// One line for each: its score, its number, counted from 1, and the text, separated by tabs. Lines without tokens, and
/// those that are skipped, are left out. The model is a classifier of pairs with a single label.
#[derive(Debug, Args)]
pub(crate) struct Rerank {
    /// The query.
    #[arg(long, value_name = "TEXT")]
    query: String,
    /// What to sort; without it, the lines of standard input.
    text: Vec<String>,
    /// Print this many of the best lines; without it, all.
    #[arg(long, value_name = "K", value_parser = integer(1..=MANY_TOKENS))]
    top_k: Option<usize>,
    /// Print lines of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    long: LongLines,
    #[command(flatten)]
    encoder: EncoderArgs,
}

impl Rerank {
    pub(super) fn run(self) -> Result<()> {
        let bundle = self.encoder.bundle()?;
        let encoder = self.encoder.encoder(&bundle)?;
        let (lines, tokenizer) = (input::of_command(self.text), &**bundle.tokenizer()?);
        let read = |texts: &[Input<'_>]| {
            let pairs = texts.iter().map(|&Input { text, crop }| Pair { first: &self.query, second: text, crop });
            encoder.score_pairs(&pairs.collect::<Vec<_>>())
        };
        let mut scored = Vec::new();
        let ended = lines.blocks(LINES_AT_ONCE).try_for_each(|block| -> Result<()> {
            let block = block?;
            let (found, refused) = self.long.read_all(tokenizer, &block, read)?;
            scored.extend(found.into_iter().zip(block).filter_map(|(score, line)| Some((score?, line))));
            refused.map_or(Ok(()), |error| Err(error.into()))
        });
        scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let mut out = output::stdout();
        for (score, line) in scored.into_iter().take(self.top_k.unwrap_or(usize::MAX)) {
            let (number, text) = (line.at.number, line.text);
            match self.json {
                true => writeln!(out, "{}", json!({ "score": score, "line": number, "text": text }))?,
                false => writeln!(out, "{score:.4}\t{number}\t{}", on_one_line(&text))?,
            }
        }
        Ok(out.flush()?).and(ended) // after the lines before the one that is refused
    }
}
