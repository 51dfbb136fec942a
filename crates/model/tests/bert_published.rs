//! BERT and RoBERTa as they were published: sizes, and what the models of transformers say with the same parameters.

use attentive_backend::BackendKind;
use attentive_core::TokenMatrix;
use attentive_model::{BertConfig, bert::presets};
use attentive_testkit::assert_close;
use attentive_weights::HostTensor;
use burn::tensor::Tensor;
use serde_json::Value;

#[test]
fn released_models_have_exactly_their_parameters() {
    // Counted in transformers 5.23: BertModel and BertForPreTraining, RobertaModel and RobertaForMaskedLM.
    let released = [
        ("bert-base", 109_482_240, 110_106_428),
        ("bert-large", 335_141_888, 336_226_108),
        ("roberta-base", 124_645_632, 124_697_433),
        ("roberta-large", 355_359_744, 355_412_057),
    ];
    for (preset, (name, n_encoder, n_pretraining)) in presets().into_iter().zip(released) {
        let config = preset.config;
        assert_eq!((preset.name, config.n_params()), (name, n_pretraining));
        assert_eq!(config.max_len(), Some(512), "{name}");
        let encoder = BertConfig { pooler: true, masked_lm: false, next_sentence: false, ..config };
        assert_eq!(encoder.n_params(), n_encoder, "{name}");
        let off = n_pretraining as f64 / 1e6 / preset.params_millions - 1.0;
        assert!(off.abs() < 0.015, "{name}: published with {} M", preset.params_millions);
    }
}

/// What `golden/generate_bert.py` feeds.
const IDS: [&[u32]; 2] = [&[2, 7, 4, 9, 3, 12, 3], &[2, 11, 4, 3]];
const SEGMENTS: [u8; 14] = [0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0];

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

#[test]
fn the_same_parameters_say_the_same_as_in_transformers() {
    let golden: Value = serde_json::from_str(include_str!("golden/bert.json")).unwrap();
    let tiny = |config: BertConfig| BertConfig { d_ff: 12, ..config };
    let cases = [
        ("bert", tiny(BertConfig::bert_like(13, 9, [2, 2, 8]))),
        ("roberta", tiny(BertConfig::roberta_like(13, 9, [2, 2, 8]))),
    ];
    for (name, config) in cases {
        let golden = &golden[name];
        let params = golden["params"].as_object().unwrap().iter().map(|(name, param)| {
            let shape = numbers(&param["shape"]).into_iter().map(|size| size as usize).collect();
            (name.clone(), HostTensor { shape, values: numbers(&param["values"]) })
        });
        let params: attentive_weights::Tensors = params.collect();
        for kind in [BackendKind::Flex, BackendKind::NdArray] {
            let model = config.init(&kind.device().unwrap(), 1).unwrap();
            let model = attentive_weights::load(model, params.clone()).unwrap();
            let segments = if config.n_segments == 2 { SEGMENTS } else { [0; 14] };
            let hidden = model.forward(&TokenMatrix::from_rows(&IDS, 1, 0), &segments, None);
            let logits = values(model.token_logits(hidden.clone()).unwrap());
            let real: Vec<f32> = [&logits[..7 * 13], &logits[7 * 13..11 * 13]].concat();
            assert_close(&real, &numbers(&golden["token_logits"]), 1e-3, 1e-4);
            if let Some(head) = &model.next_sentence {
                let follows = values(head.forward(model.pool(hidden).unwrap()));
                assert_close(&follows, &numbers(&golden["next_sentence_logits"]), 1e-3, 1e-4);
            }
        }
    }
}
