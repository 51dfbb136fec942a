//! A model's folder with any of its files damaged: an error or a model, never a panic.

use std::fs;

use attentive_backend::BackendKind;
use attentive_bundle::{Bundle, TrainingRecord};
use attentive_model::{ModelSpec, TransformerConfig};
use attentive_testkit::survives;
use attentive_tokenizer::BpeTrainer;

#[test]
fn a_damaged_bundle_is_an_error_or_a_model() {
    let device = BackendKind::Flex.device().unwrap();
    let tokenizer = BpeTrainer::with_merges(5).train(["to be or not to be"]).unwrap();
    let vocab_size = attentive_tokenizer::Tokenizer::vocab_size(&tokenizer);
    let small = TransformerConfig { d_model: 4, d_ff: 6, n_heads: 2, ..TransformerConfig::base(vocab_size) };
    let config = TransformerConfig { n_encoder_layers: 1, n_decoder_layers: 1, ..small };
    let params = attentive_weights::params(&config.init(&device, 1).unwrap());
    let text = format!(
        "[model]\nfamily = \"transformer\"\nsource_vocab_size = {vocab_size}\ntarget_vocab_size = {vocab_size}\nd_model = 4\n\
         d_ff = 6\nn_heads = 2\nn_encoder_layers = 1\nn_decoder_layers = 1\ndropout = 0.1\n\n[decoding]\nbeam = 2\n"
    );
    let folder = tempfile::tempdir().unwrap();
    Bundle::write(folder.path(), &text, &tokenizer, &params, &TrainingRecord::default()).unwrap();
    Bundle::read(folder.path()).unwrap().model::<TransformerConfig>(&device).unwrap();
    for part in ["config.toml", "tokenizer.json", "model.safetensors", "training.json"] {
        let path = folder.path().join(part);
        let whole = fs::read(&path).unwrap();
        survives(&whole, 300, |damaged| {
            fs::write(&path, damaged).unwrap();
            if let Ok(bundle) = Bundle::read(folder.path()) {
                let _ = bundle.model::<TransformerConfig>(&device);
            }
        });
        fs::write(&path, whole).unwrap();
    }

    // Sizes that are read well and are far too large.
    for (size, says) in [("999999", "holds"), ("99999999999", "at most")] {
        fs::write(folder.path().join("config.toml"), text.replace("d_ff = 6", &format!("d_ff = {size}"))).unwrap();
        let read = Bundle::read(folder.path()).and_then(|bundle| bundle.model::<TransformerConfig>(&device));
        let error = read.unwrap_err().to_string();
        assert!(error.contains("config.toml") && error.contains(says), "{error}");
    }
}
