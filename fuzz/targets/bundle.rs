//! A bundle's `config.toml` or `training.json`, beside parts that are whole; the latter begins with a brace.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attentive_fuzz::readers::bundle(bytes));
