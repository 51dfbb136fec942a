//! `tokenizer.json` of every kind.
#![no_main]

use attentive_fuzz::file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(tokenizer) = attentive_tokenizer::load(&file("tokenizer.json", bytes)) {
        let ids = tokenizer.encode("Not \"to\" be,\\tthat is  öffentlich ☃");
        let _ = tokenizer.decode(&ids);
        let _ = tokenizer.decode(&[0, 7, u32::MAX]);
    }
});
