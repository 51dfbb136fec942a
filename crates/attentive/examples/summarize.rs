//! Summaries of documents, by a model that learnt to: `cargo run --release --example summarize -- MODEL FILE…`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::{env, fs};

use attentive::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let model = args.next().ok_or("usage: summarize MODEL FILE…")?;
    let documents = args.map(fs::read_to_string).collect::<Result<Vec<String>, _>>()?;
    let bundle = Bundle::open(model)?;
    let translator = Translator::from_bundle(&bundle, &BackendKind::Flex.device()?, None)?;
    // The beam, the bounds of length and the like are those that the model came with.
    for summary in translator.translate(&documents, &bundle.decoding)? {
        println!("{}", summary.text);
    }
    Ok(())
}
