//! subword-nmt's codes.
#![no_main]

use attentive_fuzz::{exercise, file};
use attentive_tokenizer::Bpe;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| exercise(Bpe::from_codes(&file("codes", bytes), ["to be or not to be"]).map(Box::new)));
