//! Two text files become a translator: `cargo run --release --example train -- DATA MODEL [SETTING…]`
//!
//! DATA has train.en and train.de, each line of which translates that of the other, and validation.en and validation.de.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use attentive::prelude::*;
use std::{env, fs::read_to_string, io::stderr, ops::ControlFlow};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [data, model, settings @ ..] = &args[..] else { return Err("usage: train DATA MODEL [SETTING…]".into()) };
    let (parts, sides) = (["train", "validation"], [("source", "en"), ("target", "de")]);
    let files = parts.map(|part| sides.map(|(side, end)| format!("data.{part}.{side}={data}/{part}.{end}")));
    let run = Run::create("runs", Recipe::builtin()?.with(files.as_flattened().iter().chain(settings))?)?;
    let (folder, halfway) = (run.folder().to_owned(), run.recipe().run.training.steps / 2);

    // Stopped halfway, as if it were killed, it goes on to the same end.
    let device = BackendKind::Flex.device()?;
    let mut stop = |event: &Event<'_>| match event {
        Event::Step(report) if report.step == halfway => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    run.train(&device, TrainOptions { callbacks: vec![&mut stop], ..TrainOptions::default() })?;
    let bundle = Run::resume(folder, &[])?.train(&device, Progress::to(stderr()).options())?.bundle()?;
    println!("the mean of the checkpoints {:?}", bundle.record.averaged_steps);

    let [sources, references] = ["en", "de"].map(|end| read_to_string(format!("{data}/validation.{end}")));
    let translator = Translator::from_bundle(&bundle, &device, None)?;
    let translations = translator.translate(&sources?.lines().collect::<Vec<_>>(), &bundle.decoding)?;
    let hypotheses: Vec<String> = translations.into_iter().map(|translation| translation.text).collect();
    println!("{}", Bleu::default().corpus(&hypotheses, &[references?.lines().collect::<Vec<_>>()])?);
    Ok(bundle.save(model.as_ref())?)
}
