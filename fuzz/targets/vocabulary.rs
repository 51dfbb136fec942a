//! BERT's vocabulary.
#![no_main]

use attentive_fuzz::file;
use attentive_tokenizer::{Tokenizer, WordPiece};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(tokenizer) = WordPiece::from_vocab(&file("vocab.txt", bytes), true) {
        let ids = tokenizer.encode("Not \"to\" be,\\tthat is  öffentlich ☃");
        let _ = tokenizer.decode(&ids);
        let _ = tokenizer.decode(&[0, 7, u32::MAX]);
    }
});
