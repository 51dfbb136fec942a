//! Token files: the ids of a corpus on disk. All but the magic, the key and the hash, which no bytes would hit by chance.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attentive_fuzz::readers::token_file(bytes));
