//! BERT's vocabulary.
#![no_main]

use attentive_fuzz::{exercise, file};
use attentive_tokenizer::WordPiece;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| exercise(WordPiece::from_vocab(&file("vocab.txt", bytes), true).map(Box::new)));
