//! subword-nmt's codes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attentive_fuzz::readers::bpe_codes(bytes));
