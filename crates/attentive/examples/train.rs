//! Two text files become a translator: `cargo run --release --example train -- [SETTING…]`
//!
//! Each line of train.de translates that of train.en; validation.en and validation.de are alike. Started again, the
//! program goes on with its last run: after it was killed, or for longer, with `training.steps=9900`.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use attentive::prelude::*;
use std::{env, fs::read_to_string, io::stderr, path::Path};

/// Texts, the lines of which translate one another.
const DATA: [&str; 4] = [
    "data.train.source=train.en",
    "data.train.target=train.de",
    "data.validation.source=validation.en",
    "data.validation.target=validation.de",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = BackendKind::Flex.device()?;
    let settings: Vec<String> = env::args().skip(1).collect();
    let run = match Path::new("runs/latest") {
        last if last.exists() => Run::resume(last, &settings)?,
        _ => Run::create("runs", Recipe::builtin()?.with(DATA)?.with(settings)?)?,
    };
    let bundle = run.train(&device, Progress::to(stderr()).options())?.bundle()?;
    println!("the mean of the checkpoints {:?}", bundle.record.averaged_steps);

    let (sources, references) = (read_to_string("validation.en")?, read_to_string("validation.de")?);
    let [sources, references] = [&sources, &references].map(|text| text.lines().collect::<Vec<_>>());
    let translations = Translator::from_bundle(&bundle, &device, None)?.translate(&sources, &bundle.decoding)?;
    println!("{}", Bleu::default().corpus(&translations, &[references])?);
    Ok(bundle.replace("model")?)
}
