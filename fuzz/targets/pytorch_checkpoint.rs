//! PyTorch's pickles: a state dictionary, the names of its storages, and the storages.
#![no_main]

use attentive_fuzz::file;
use libfuzzer_sys::fuzz_target;

/// What `torch.save` wrote before version 1.6, before the state: a number, a version, the sizes of C's types.
const PREFIX: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}q\x00.";

fuzz_target!(|bytes: &[u8]| {
    if let Ok(tensors) = attentive_weights::read(&file("pytorch_model.bin", &[PREFIX, bytes].concat())) {
        assert!(tensors.values().all(|tensor| tensor.values.len() == tensor.shape.iter().product::<usize>()));
    }
});
