//! Episodes of agents: JSON lines, and archives of NumPy.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attentive_fuzz::readers::episodes(bytes));
