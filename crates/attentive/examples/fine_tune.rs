//! An encoder reads text with hidden words, then learns to classify: `cargo run --release --example fine_tune -- [STEPS]`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::{env, io::stderr};

use attentive::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let steps: u64 = env::args().nth(1).map_or(Ok(600), |steps| steps.parse())?;
    let device = BackendKind::Flex.device()?;

    // A small BERT, on the English of the built-in corpus.
    let recipe = Recipe::load("bert")?.set("training.steps", steps)?;
    let bert = Run::create("runs", recipe)?.train(&device, Progress::to(stderr()).options())?.bundle()?;

    // The same parameters and a new head: what does "it" stand for, the subject or the object?
    let recipe =
        Recipe::load("classification")?.set("pretrained", bert.path.display())?.set("training.steps", steps)?;
    let tuned = Run::create("runs", recipe)?.train(&device, Progress::to(stderr()).options())?.bundle()?;
    for score in &tuned.record.scores {
        println!("{} {} {:.2}", score.split, score.metric, score.value);
    }
    let encoder = TextEncoder::from_bundle(&tuned, &device, None)?;
    let text = "The animal did not cross the street because it was too tired.";
    for class in encoder.classify(text)? {
        println!("{:.3} {}", class.probability, class.label);
    }
    Ok(())
}
