//! Recipes, as `attentive train` reads them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attentive_fuzz::readers::recipe(bytes));
