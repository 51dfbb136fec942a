//! Parameter paths are an API: checkpoints are read by them.

use std::collections::BTreeSet;

use attentive_attention::{NormPlacement, PositionsConfig, RelativeBuckets};
use attentive_backend::BackendKind;
use attentive_model::{
    BertConfig, CanineConfig, CellKind, DecisionTransformerConfig, Distillation, GptConfig, Guessing, ModelSpec,
    RnnConfig, TransformerConfig, VitConfig, WhisperConfig,
};

#[test]
fn parameter_paths_stay_what_they_are() {
    let config = TransformerConfig {
        target_vocab_size: 7,
        d_model: 4,
        d_ff: 6,
        n_heads: 2,
        n_encoder_layers: 1,
        n_decoder_layers: 1,
        norm: NormPlacement::Pre,
        positions: PositionsConfig::Learned { max_len: 3 },
        share_embeddings: false,
        tie_projection: false,
        projection_bias: true,
        embedding_norm: true,
        ..TransformerConfig::base(5)
    };
    let model = config.init(&BackendKind::Flex.device().unwrap(), 0).unwrap();
    let paths: Vec<String> =
        attentive_weights::param_shapes(&model).iter().map(|p| format!("{} {:?}", p.name, p.shape)).collect();
    insta::assert_snapshot!(paths.join("\n"));
}

#[test]
fn gpt_parameter_paths_stay_what_they_are() {
    let config = GptConfig { gated: true, tie_projection: false, ..GptConfig::gpt2_like(5, 3, [1, 2, 4]) };
    let model = config.init(&BackendKind::Flex.device().unwrap(), 0).unwrap();
    let paths: Vec<String> =
        attentive_weights::param_shapes(&model).iter().map(|p| format!("{} {:?}", p.name, p.shape)).collect();
    insta::assert_snapshot!(paths.join("\n"));
}

#[test]
fn rnn_parameter_paths_stay_what_they_are() {
    let config =
        RnnConfig { d_embedding: 3, d_hidden: 2, d_attention: 4, n_decoder_layers: 2, ..RnnConfig::rnn_search(5) };
    let paths: Vec<String> = [CellKind::Lstm, CellKind::Gru]
        .into_iter()
        .flat_map(|cell| {
            let model = RnnConfig { cell, ..config.clone() }.init(&BackendKind::Flex.device().unwrap(), 0).unwrap();
            attentive_weights::param_shapes(&model)
        })
        .map(|p| format!("{} {:?}", p.name, p.shape))
        .collect();
    insta::assert_snapshot!(paths.join("\n"));
}

#[test]
fn bert_parameter_paths_stay_what_they_are() {
    let config = BertConfig {
        labels: vec!["a".into(), "b".into()],
        token_labels: vec!["c".into(), "d".into(), "e".into()],
        spans: true,
        ..BertConfig::bert_like(5, 3, [1, 2, 4])
    };
    let model = config.init(&BackendKind::Flex.device().unwrap(), 0).unwrap();
    let paths: Vec<String> =
        attentive_weights::param_shapes(&model).iter().map(|p| format!("{} {:?}", p.name, p.shape)).collect();
    insta::assert_snapshot!(paths.join("\n"));
}

/// What BERT's kin have beside: a map after embeddings, biases of distances, one layer for all; and no segments.
#[test]
fn parameter_paths_of_berts_kin_stay_what_they_are() {
    let config = BertConfig {
        n_segments: 0,
        d_embedding: Some(2),
        n_layer_groups: Some(1),
        relative_buckets: Some(RelativeBuckets { n_buckets: 6, max_distance: 7 }),
        next_sentence: false,
        tie_projection: false,
        ..BertConfig::bert_like(5, 3, [2, 2, 4])
    };
    let model = config.init(&BackendKind::Flex.device().unwrap(), 0).unwrap();
    let paths: Vec<String> =
        attentive_weights::param_shapes(&model).iter().map(|p| format!("{} {:?}", p.name, p.shape)).collect();
    insta::assert_snapshot!(paths.join("\n"));
}

#[test]
fn canine_parameter_paths_stay_what_they_are() {
    let config = CanineConfig {
        n_hashes: 2,
        n_buckets: 3,
        max_len: 5,
        norm: NormPlacement::Pre,
        alphabet: "ab".to_owned(),
        labels: vec!["a".into(), "b".into(), "c".into()],
        ..CanineConfig::canine_like([1, 2, 4])
    };
    let model = config.init(&BackendKind::Flex.device().unwrap(), 0).unwrap();
    let paths: Vec<String> =
        attentive_weights::param_shapes(&model).iter().map(|p| format!("{} {:?}", p.name, p.shape)).collect();
    insta::assert_snapshot!(paths.join("\n"));
}

#[test]
fn parameter_paths_of_canine_s_ways_to_guess_stay_what_they_are() {
    let names = |guessing: Guessing| {
        let is_of_subwords = guessing == Guessing::Subwords;
        let subwords = if is_of_subwords { vec!["a".to_owned(), "b".to_owned()] } else { Vec::new() };
        let config = CanineConfig { guessing, subwords, ..CanineConfig::canine_like([1, 2, 8]) };
        let model = config.init(&BackendKind::Flex.device().unwrap(), 0).unwrap();
        attentive_weights::param_shapes(&model).into_iter().map(|p| p.name).collect::<BTreeSet<String>>()
    };
    let usual = names(Guessing::Independent);
    let added = |guessing| names(guessing).difference(&usual).cloned().collect::<Vec<String>>().join(" ");
    assert_eq!(added(Guessing::Subwords), "subwords");
    let layer = "autoregressive.layer.layers.0";
    let parts = [
        "feed_forward.inner",
        "feed_forward.outer",
        "feed_forward_add_norm.norm",
        "self_attention.key",
        "self_attention.output",
        "self_attention.query",
        "self_attention.value",
        "self_attention_add_norm.norm",
    ];
    let of_part = |name: String| match name.ends_with("norm") {
        true => format!("{name}.beta {name}.gamma"),
        false => format!("{name}.bias {name}.weight"),
    };
    let expected: Vec<String> = parts.iter().map(|part| of_part(format!("{layer}.{part}"))).collect();
    let joint = of_part("autoregressive.joint".to_owned());
    assert_eq!(added(Guessing::Autoregressive), format!("{joint} {}", expected.join(" ")));
}

#[test]
fn decision_transformer_parameter_paths_stay_what_they_are() {
    let config = DecisionTransformerConfig {
        d_model: 4,
        d_ff: 6,
        n_layers: 1,
        max_steps: 7,
        world_heads: true,
        ..DecisionTransformerConfig::gym(3, 2)
    };
    let model = config.init(&BackendKind::Flex.device().unwrap(), 0).unwrap();
    let paths: Vec<String> =
        attentive_weights::param_shapes(&model).iter().map(|p| format!("{} {:?}", p.name, p.shape)).collect();
    insta::assert_snapshot!(paths.join("\n"));
}

#[test]
fn whisper_parameter_paths_stay_what_they_are() {
    let config = WhisperConfig { n_heads: 2, max_target_len: 3, ..WhisperConfig::whisper_like(5, 6, [1, 1, 4]) };
    let model = config.init(&BackendKind::Flex.device().unwrap(), 0).unwrap();
    let paths: Vec<String> =
        attentive_weights::param_shapes(&model).iter().map(|p| format!("{} {:?}", p.name, p.shape)).collect();
    insta::assert_snapshot!(paths.join("\n"));
}

#[test]
fn vit_parameter_paths_stay_what_they_are() {
    let config = VitConfig {
        distillation: Distillation::Head,
        pooler: true,
        labels: vec!["a".into(), "b".into()],
        ..VitConfig::vit_like(4, 2, [1, 2, 4])
    };
    let model = config.init(&BackendKind::Flex.device().unwrap(), 0).unwrap();
    let paths: Vec<String> =
        attentive_weights::param_shapes(&model).iter().map(|p| format!("{} {:?}", p.name, p.shape)).collect();
    insta::assert_snapshot!(paths.join("\n"));
}
