//! The files of a checkpoint: the first byte says which one the others are.
#![no_main]

use std::fs;

use attentive_fuzz::folder;
use attentive_trainer::{Checkpoint, CheckpointDir};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    const FILES: [&str; 4] = ["manifest.toml", "state.toml", "state.json", "clock.toml"];
    if let Some((which, rest)) = bytes.split_first() {
        let parent = folder().join("checkpoints");
        let folder = parent.join("step-00000012");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder for temporary files");
        fs::write(folder.join(FILES[usize::from(*which) % FILES.len()]), rest).expect("room for a temporary file");
        let _ = Checkpoint::read(&folder);
        let _ = CheckpointDir::new(parent, 2).newest();
    }
});
