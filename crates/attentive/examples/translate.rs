//! Translates with a trained model: `cargo run --release --example translate -- MODEL TEXT…`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::env;

use attentive::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let model = args.next().ok_or("usage: translate MODEL TEXT…")?;
    let texts: Vec<String> = args.collect();
    let device = BackendKind::Flex.device()?;
    let bundle = Bundle::open(model)?;
    let translator = Translator::from_bundle(&bundle, &device, None)?;
    for translation in translator.translate(&texts, &bundle.decoding)? {
        println!("{}", translation.text);
    }
    Ok(())
}
