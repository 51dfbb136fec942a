//! What is said in recordings, with its times: `cargo run --release --example transcribe -- MODEL FILE…`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::env;

use attentive::{prelude::*, speech::Recording};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [model, files @ ..] = &args[..] else { return Err("usage: transcribe MODEL FILE…".into()) };
    let transcriber = Transcriber::from_bundle(&Bundle::open(model)?, &BackendKind::Flex.device()?, None)?;
    let config = TranscriptionConfig::default();
    for file in files {
        let samples = Recording::read_at(file.as_ref(), transcriber.sampling_rate())?;
        for segment in transcriber.segments(&samples, &config)? {
            let segment = segment?;
            println!("{:.2} {:.2} {}", segment.start, segment.end, segment.text.trim());
        }
    }
    Ok(())
}
