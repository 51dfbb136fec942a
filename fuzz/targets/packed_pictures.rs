//! Pictures in IDX files and in CIFAR's.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attentive_fuzz::readers::packed_pictures(bytes));
