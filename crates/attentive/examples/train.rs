//! Two text files become a translator: `cargo run --release --example train -- DATA MODEL [SETTING…]`
//!
//! The folder DATA has the files train.en and train.de, line by line each other's translation, and validation.en and validation.de.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use attentive::prelude::*;
use std::{env, fs::read_to_string, io::stderr, ops::ControlFlow, path::Path};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [data, model, settings @ ..] = &args[..] else { return Err("usage: train DATA MODEL [SETTING…]".into()) };
    let file = |part: &str, side: &str, language: &str| format!("data.{part}.{side}={data}/{part}.{language}");
    let files = ["train", "validation"].map(|part| [file(part, "source", "en"), file(part, "target", "de")]);
    let recipe = Recipe::builtin()?.with(files.as_flattened())?.with(settings)?;
    let device = BackendKind::Flex.device()?;

    // It is stopped halfway, as if it were killed, and goes on.
    let (run, halfway) = (Run::create("runs", recipe.clone())?, recipe.run.training.steps / 2);
    let folder = run.folder().to_owned();
    let mut stop = |event: &Event<'_>| match event {
        Event::Step(report) if report.step == halfway => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    run.train(&device, TrainOptions { callbacks: vec![&mut stop], ..TrainOptions::default() })?;
    let bundle = Run::resume(folder, &[])?.train(&device, Progress::to(stderr()).options())?.bundle()?;
    println!("the mean of the checkpoints {:?}", bundle.record.averaged_steps);

    let [sources, references] =
        ["en", "de"].map(|side| read_to_string(Path::new(data).join("validation").with_extension(side)));
    let (sources, references) = (sources?, references?);
    let translator = Translator::from_bundle(&bundle, &device, None)?;
    let translations = translator.translate(&sources.lines().collect::<Vec<_>>(), &bundle.decoding)?;
    let hypotheses: Vec<String> = translations.into_iter().map(|translation| translation.text).collect();
    println!("{}", Bleu::default().corpus(&hypotheses, &[references.lines().collect::<Vec<_>>()])?);
    Ok(bundle.save(model.as_ref())?)
}
