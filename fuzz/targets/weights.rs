//! safetensors, and PyTorch's zip archives.
#![no_main]

use attentive_fuzz::file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(tensors) = attentive_weights::read(&file("model.safetensors", bytes)) {
        assert!(tensors.values().all(|tensor| tensor.values.len() == tensor.shape.iter().product::<usize>()));
    }
});
