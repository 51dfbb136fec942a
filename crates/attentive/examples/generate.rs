//! A language model writes on from a prompt: `cargo run --release --example generate -- MODEL PROMPT`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::{
    env,
    io::{Write, stdout},
    ops::ControlFlow,
};

use attentive::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (model, prompt) = env::args().nth(1).zip(env::args().nth(2)).ok_or("usage: generate MODEL PROMPT")?;
    let device = BackendKind::Flex.device()?;
    let bundle = Bundle::open(model)?;
    let generator = Generator::from_bundle(&bundle, &device, None)?;
    let sampling = SamplingConfig { temperature: 0.8, top_p: 0.95, seed: 1, ..SamplingConfig::default() };
    let config = GenerationConfig { sampling, max_tokens: 100, ..bundle.generation };
    print!("{prompt}");
    let ended = generator.generate(&prompt, &config, |piece| {
        print!("{piece}");
        // A reader that is gone ends the text.
        if stdout().flush().is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    println!("\n({ended:?})");
    Ok(())
}
