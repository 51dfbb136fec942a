//! `tokenizer.json` of every kind.
#![no_main]

use attentive_fuzz::{exercise, file};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| exercise(attentive_tokenizer::load(&file("tokenizer.json", bytes))));
