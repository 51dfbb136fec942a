//! How alike texts are to an encoder: `cargo run --release --example embed -- MODEL TEXT OTHER…`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::env;

use attentive::prelude::*;

/// The cosine of the angle between two vectors.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [model, text, others @ ..] = &args[..] else { return Err("usage: embed MODEL TEXT OTHER…".into()) };
    let device = BackendKind::Flex.device()?;
    let bundle = Bundle::open(model)?;
    let encoder = TextEncoder::from_bundle(&bundle, &device, None)?;
    let vector = encoder.embed(text, &bundle.embedding)?;
    for other in others {
        println!("{:.3} {other}", cosine(&vector, &encoder.embed(other, &bundle.embedding)?));
    }
    Ok(())
}
