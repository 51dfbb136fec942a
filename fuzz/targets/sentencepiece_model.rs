//! SentencePiece's `.model`.
#![no_main]

use attentive_fuzz::file;
use attentive_tokenizer::{SentencePiece, Tokenizer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(tokenizer) = SentencePiece::from_model(&file("a.model", bytes)) {
        let ids = tokenizer.encode("Not \"to\" be,\\tthat is  öffentlich ☃");
        let _ = tokenizer.decode(&ids);
        let _ = tokenizer.decode(&[0, 7, u32::MAX]);
    }
});
