//! The `config.json` of a folder of transformers, whose other files are whole.
#![no_main]

use std::fs;

use attentive_fuzz::{folder, golden};
use libfuzzer_sys::fuzz_target;

const FOLDERS: [&str; 3] = ["gpt2", "marian", "pegasus"];

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let name = FOLDERS.iter().find(|name| text.contains(*name)).unwrap_or(&FOLDERS[0]);
    let folder = folder().join(name);
    if !folder.is_dir() {
        fs::create_dir(&folder).expect("a folder for temporary files");
        for file in fs::read_dir(golden(name)).expect("a golden folder") {
            let path = file.expect("a file of it").path();
            fs::copy(&path, folder.join(path.file_name().expect("a file's name"))).expect("room for a copy");
        }
    }
    fs::write(folder.join("config.json"), bytes).expect("room for a temporary file");
    let _ = attentive_interchange::import(&folder, &Default::default());
});
