//! BERT, RoBERTa and ModernBERT as they were published: sizes. What they compute is in `golden_language_models.rs`.

use attentive_model::{BertConfig, ModelSpec};

#[test]
fn released_models_have_exactly_their_parameters() {
    // Counted in transformers 5.23: BertModel and BertForPreTraining, RobertaModel and RobertaForMaskedLM.
    let released = [
        ("bert-base", 109_482_240, 110_106_428),
        ("bert-large", 335_141_888, 336_226_108),
        ("roberta-base", 124_645_632, 124_697_433),
        ("roberta-large", 355_359_744, 355_412_057),
    ];
    for (preset, (name, n_encoder, n_pretraining)) in BertConfig::presets().into_iter().zip(released) {
        let config = preset.config;
        assert_eq!((preset.name, config.n_params()), (name, n_pretraining));
        assert_eq!(config.max_len(), Some(512), "{name}");
        let encoder = BertConfig { pooler: true, masked_lm: false, next_sentence: false, ..config };
        assert_eq!(encoder.n_params(), n_encoder, "{name}");
        let off = n_pretraining as f64 / 1e6 / preset.params_millions.unwrap() - 1.0;
        assert!(off.abs() < 0.015, "{name}: published with {} M", preset.params_millions.unwrap());
    }
}

#[test]
fn released_modern_berts_have_exactly_their_parameters() {
    // Counted in transformers 5.23: ModernBertModel and ModernBertForMaskedLM.
    let released = [("modernbert-base", 149_014_272, 149_655_232), ("modernbert-large", 394_781_696, 395_881_664)];
    let presets = BertConfig::presets().into_iter().filter(|preset| preset.name.starts_with("modernbert"));
    for (preset, (name, n_encoder, n_masked_lm)) in presets.zip(released) {
        let config = preset.config;
        assert_eq!((preset.name, config.n_params()), (name, n_masked_lm));
        assert_eq!(config.full_layers.len(), config.n_layers.div_ceil(3), "{name}");
        let encoder = BertConfig { masked_lm: false, ..config };
        assert_eq!(encoder.n_params(), n_encoder, "{name}");
        let off = n_masked_lm as f64 / 1e6 / preset.params_millions.unwrap() - 1.0;
        assert!(off.abs() < 0.015, "{name}: published with {} M", preset.params_millions.unwrap());
    }
}
