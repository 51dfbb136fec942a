//! subword-nmt's codes.
#![no_main]

use attentive_fuzz::file;
use attentive_tokenizer::{Bpe, Tokenizer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(tokenizer) = Bpe::from_codes(&file("codes", bytes), ["to be or not to be"]) {
        let ids = tokenizer.encode("Not \"to\" be,\\tthat is  öffentlich ☃");
        let _ = tokenizer.decode(&ids);
        let _ = tokenizer.decode(&[0, 7, u32::MAX]);
    }
});
