//! A bundle's `config.toml` or `training.json`, beside parts that are whole; the latter begins with a brace.
#![no_main]

use std::{collections::BTreeMap, fs, sync::OnceLock};

use attentive_bundle::Bundle;
use attentive_fuzz::folder;
use attentive_tokenizer::Bytes;
use libfuzzer_sys::fuzz_target;

const CONFIG: &[u8] = include_bytes!("../seeds/bundle/translation.toml");

fuzz_target!(|bytes: &[u8]| {
    static IS_THERE: OnceLock<()> = OnceLock::new();
    let folder = folder().join("bundle");
    IS_THERE.get_or_init(|| {
        fs::create_dir_all(&folder).expect("a folder for temporary files");
        attentive_tokenizer::save(&Bytes::default(), &folder.join("tokenizer.json")).expect("room for a file");
        attentive_weights::write(&folder.join("model.safetensors"), &BTreeMap::new(), &BTreeMap::new())
            .expect("room for a file");
    });
    let (config, record) = if bytes.starts_with(b"{") { (CONFIG, bytes) } else { (bytes, &b"{}"[..]) };
    fs::write(folder.join("config.toml"), config).expect("room for a temporary file");
    fs::write(folder.join("training.json"), record).expect("room for a temporary file");
    if let Ok(bundle) = Bundle::read(&folder) {
        let _ = bundle.model.validate();
    }
});
