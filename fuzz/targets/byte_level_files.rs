//! A vocabulary as JSON, then a zero byte and merges: the files of GPT-2; without merges, the vocabulary of OPUS-MT.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attentive_fuzz::readers::byte_level_files(bytes));
