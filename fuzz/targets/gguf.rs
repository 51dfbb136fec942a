//! GGUF: metadata, and every tensor that can be read.
#![no_main]

use attentive_fuzz::file;
use attentive_weights::Gguf;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut file) = Gguf::open(&file("model.gguf", bytes)) else { return };
    let readable = file.tensors().filter(|(_, entry)| entry.kind.is_ok()).map(|(name, _)| name.to_owned());
    for name in readable.collect::<Vec<_>>() {
        let tensor = file.read(&name).expect("its place was checked");
        if let Some(values) = tensor.to_f32() {
            assert_eq!(values.len(), tensor.shape.iter().product::<usize>());
        }
    }
});
