//! Names and words in texts, by a model that tags: `cargo run --release --example tag -- MODEL TEXT…`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::env;

use attentive::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [model, texts @ ..] = &args[..] else { return Err("usage: tag MODEL TEXT…".into()) };
    let encoder = TextEncoder::from_bundle(&Bundle::open(model)?, &BackendKind::Flex.device()?, None)?;
    for text in texts {
        for tag in encoder.tag(text, TaggingConfig::default())? {
            println!("{} {:.3} {}", tag.label, tag.score, &text[tag.range]);
        }
    }
    Ok(())
}
