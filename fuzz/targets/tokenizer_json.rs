//! `tokenizer.json` of every kind.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attentive_fuzz::readers::tokenizer_json(bytes));
