//! The files of a checkpoint: the first byte says which one the others are.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attentive_fuzz::readers::checkpoint(bytes));
