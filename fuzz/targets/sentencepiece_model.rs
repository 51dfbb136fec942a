//! SentencePiece's `.model`.
#![no_main]

use attentive_fuzz::{exercise, file};
use attentive_tokenizer::SentencePiece;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| exercise(SentencePiece::from_model(&file("a.model", bytes)).map(Box::new)));
