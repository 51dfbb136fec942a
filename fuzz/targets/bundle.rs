//! A bundle's `config.toml`, `training.json` or `processor.json`, beside parts that are whole.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attentive_fuzz::readers::bundle(bytes));
