//! Pictures of every format.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attentive_fuzz::readers::picture(bytes));
