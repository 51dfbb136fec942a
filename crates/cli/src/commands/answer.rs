//! `attentive answer`.

use anyhow::Result;
use attentive_bundle::{AnswerConfig, AnswerSpan, Input, characters};
use attentive_collective::Collective;
use clap::Args;
use serde_json::json;

use super::{
    EncoderArgs, LINES_AT_ONCE, LongLines,
    numbers::{LONG, MAX_BEAM, integer},
    on_one_line, processes,
};
use crate::{
    input::{self, Line},
    output,
};

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
        processes::together(|peers| self.answer(peers))
    }

    /// Answers together with other processes, of which the first one speaks.
    fn answer(self, peers: &dyn Collective) -> Result<()> {
        let Self { question, text, top_k, max_length: max_answer_len, window, stride, no_answer, json, encoder } = self;
        let bundle = encoder.bundle()?;
        let encoder = encoder.encoder(&bundle)?;
        let how = AnswerConfig { top_k, max_answer_len, window, stride, no_answer };
        let lines = (input::of_command(text).blocks(LINES_AT_ONCE), &**bundle.tokenizer()?);
        // No line is too long.
        let read = |texts: &[Input<'_>]| {
            texts.iter().map(|input| encoder.answer(&question, input.text, &how).map(Ok)).collect()
        };
        let show = |line: &Line, answers: Option<Vec<AnswerSpan>>| {
            let (text, answers) = (&line.text[..], answers.unwrap_or_default());
            if json {
                let answers: Vec<_> = answers.iter().map(|answer| as_json(text, answer)).collect();
                return format!("{}\n", json!({ "text": text, "answers": answers }));
            }
            let above = if top_k > 1 { format!("{}\n", on_one_line(text)) } else { String::new() };
            let of_answer = |AnswerSpan { text: answer, score, range }: AnswerSpan| {
                let (place, answer) = (characters(text, &range), on_one_line(&answer));
                match top_k {
                    1 => format!("{answer}\t{score:.4}\t{}\t{}\n", place.start, place.end),
                    _ => format!("  {score:.4}\t{}\t{}\t{answer}\n", place.start, place.end),
                }
            };
            match answers.is_empty() && top_k == 1 {
                true => "\n".to_owned(),
                false => above + &answers.into_iter().map(of_answer).collect::<String>(),
            }
        };
        LongLines::default().share(peers, lines, |_| Ok(()), read, show, output::writer())
    }
}

fn as_json(text: &str, AnswerSpan { text: answer, score, range }: &AnswerSpan) -> serde_json::Value {
    let place = characters(text, range);
    json!({ "answer": answer, "score": score, "start": place.start, "end": place.end,
            "bytes": [range.start, range.end] })
}
