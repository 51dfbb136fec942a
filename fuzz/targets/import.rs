//! A file of settings of a folder of transformers, whose other files are whole.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attentive_fuzz::readers::import(bytes));
