//! A vocabulary as JSON, then a zero byte and merges: the files of GPT-2; without merges, the vocabulary of OPUS-MT.
#![no_main]

use attentive_fuzz::{exercise, file, golden};
use attentive_tokenizer::{ByteLevelBpe, Marian};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match bytes.iter().position(|&byte| byte == 0) {
        Some(at) => {
            let (vocab, merges) = (file("vocab.json", &bytes[..at]), file("merges.txt", &bytes[at + 1..]));
            exercise(ByteLevelBpe::from_files(&vocab, &merges).map(Box::new));
        }
        None => {
            let [source, target] = ["marian/source.spm", "marian/target.spm"].map(golden);
            exercise(Marian::from_files(&source, &target, &file("vocab.json", bytes), 0).map(Box::new));
        }
    }
});
