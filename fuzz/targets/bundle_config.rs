//! A bundle's `config.toml`.
#![no_main]

use std::fs;

use attentive_bundle::Bundle;
use attentive_fuzz::folder;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = folder().join("bundle");
    fs::create_dir_all(&folder).expect("a folder for temporary files");
    fs::write(folder.join("config.toml"), bytes).expect("room for a temporary file");
    fs::write(folder.join("training.json"), "{}").expect("room for a temporary file");
    let _ = Bundle::read(&folder);
});
