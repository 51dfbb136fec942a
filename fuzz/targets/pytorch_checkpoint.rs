//! PyTorch's pickles: a state dictionary, the names of its storages, and the storages.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attentive_fuzz::readers::pytorch_checkpoint(bytes));
