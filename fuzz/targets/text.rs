//! Text for language models by lines, paragraphs and files, and labelled text.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attentive_fuzz::readers::text(bytes));
