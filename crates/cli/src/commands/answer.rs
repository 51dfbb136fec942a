//! `attentive answer`.

use std::io::Write;

use anyhow::Result;
use attentive_bundle::{AnswerConfig, AnswerSpan, Input, characters};
use clap::Args;
use serde_json::json;

use super::{
    EncoderArgs, LongLines,
    encoder::for_each_line,
    numbers::{LONG, MAX_BEAM, integer},
    on_one_line,
};
use crate::input;

/// Find the answer to a question in lines of text.
///
/// One line for each: the answer, its score, the first character and the one after the last, counted from 0, separated by
/// tabs. The line of a text without tokens is empty. Long lines are read in windows that overlap.
#[derive(Debug, Args)]
pub(crate) struct Answer {
    /// The question.
    #[arg(long, value_name = "TEXT")]
    question: String,
    /// Where to look; without it, the lines of standard input.
    text: Vec<String>,
    /// Answers for each line; of more than one, each is a line under the text, its score first.
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = integer(1..=MAX_BEAM))]
    top_k: usize,
    /// Tokens that an answer may have at most.
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = integer(1..=LONG))]
    max_length: usize,
    /// Tokens that are read at once, the question's among them; fewer where the model has fewer positions.
    #[arg(long, value_name = "N", default_value_t = 384, value_parser = integer(8..=LONG))]
    window: usize,
    /// Tokens that a window shares with the one before it; without it 128, at most half of the window.
    #[arg(long, value_name = "N", value_parser = integer(0..=LONG))]
    stride: Option<usize>,
    /// A line may have no answer: an empty one is an answer then.
    #[arg(long)]
    no_answer: bool,
    /// Print a line of JSON for each line, with the places in bytes as well.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    encoder: EncoderArgs,
}

impl Answer {
    pub(super) fn run(self) -> Result<()> {
        let Self { question, text, top_k, max_length: max_answer_len, window, stride, no_answer, json, encoder } = self;
        let bundle = encoder.bundle()?;
        let encoder = encoder.encoder(&bundle)?;
        let how = AnswerConfig { top_k, max_answer_len, window, stride, no_answer };
        let (lines, tokenizer) = (input::of_command(text), &**bundle.tokenizer()?);
        // No line is too long.
        let read = |texts: &[Input<'_>]| {
            texts.iter().map(|input| encoder.answer(&question, input.text, &how).map(Ok)).collect()
        };
        for_each_line(
            lines,
            tokenizer,
            &LongLines::default(),
            |_| Ok(()),
            read,
            |out, line, answers| {
                let (text, answers) = (&line.text[..], answers.unwrap_or_default());
                if json {
                    let answers: Vec<_> = answers.iter().map(|answer| as_json(text, answer)).collect();
                    return Ok(writeln!(out, "{}", json!({ "text": text, "answers": answers }))?);
                }
                if top_k > 1 {
                    writeln!(out, "{}", on_one_line(text))?;
                } else if answers.is_empty() {
                    writeln!(out)?;
                }
                for AnswerSpan { text: answer, score, range } in answers {
                    let (place, answer) = (characters(text, &range), on_one_line(&answer).into_owned());
                    match top_k {
                        1 => writeln!(out, "{answer}\t{score:.4}\t{}\t{}", place.start, place.end)?,
                        _ => writeln!(out, "  {score:.4}\t{}\t{}\t{answer}", place.start, place.end)?,
                    }
                }
                Ok(())
            },
        )
    }
}

fn as_json(text: &str, AnswerSpan { text: answer, score, range }: &AnswerSpan) -> serde_json::Value {
    let place = characters(text, range);
    json!({ "answer": answer, "score": score, "start": place.start, "end": place.end,
            "bytes": [range.start, range.end] })
}
