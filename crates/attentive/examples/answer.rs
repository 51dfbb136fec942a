//! The texts that fit a question best, and its answer in them: `cargo run --release --example answer -- RANKER READER
//! QUESTION TEXT…`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::env;

use attentive::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [ranker, reader, question, texts @ ..] = &args[..] else {
        return Err("usage: answer RANKER READER QUESTION TEXT…".into());
    };
    let device = BackendKind::Flex.device()?;
    let ranker = TextEncoder::from_bundle(&Bundle::open(ranker)?, &device, None)?;
    let reader = TextEncoder::from_bundle(&Bundle::open(reader)?, &device, None)?;

    let pairs: Vec<Pair<'_>> = texts.iter().map(|text| Pair { first: question, second: text, crop: true }).collect();
    let scores = ranker.score_pairs(&pairs)?.into_iter().collect::<Result<Vec<f64>, _>>()?;
    let mut best: Vec<(f64, &String)> = scores.into_iter().zip(texts).collect();
    best.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    for (score, text) in best.into_iter().take(3) {
        for answer in reader.answer(question, text, &AnswerConfig::default())? {
            println!("{score:.3} {:.3} {}", answer.score, answer.text);
        }
    }
    Ok(())
}
