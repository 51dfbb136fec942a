//! Graphs against the engine, for every field of every configuration.

mod runner;

use std::collections::HashMap;

use attentive_attention::{
    Activation, NormKind, NormPlacement, PositionsConfig, RelativeBuckets, Rotary, RotaryScaling,
};
use attentive_backend::BackendKind;
use attentive_core::{Encoder, EncoderDecoder, EncoderInput, LanguageModel, NextToken, TokenId, TokenMatrix, mix64};
use attentive_engine::{CpuBert, CpuGpt, CpuTransformer, WeightFormat};
use attentive_model::{ModelSpec, t5::T5Widths};
use attentive_weights::Tensors;
use prost::Message;

use super::{proto::ModelProto, *};
use runner::{Array, run};

const VOCAB: usize = 23;
const MAX_LEN: usize = 16;

/// Random weights everywhere, biases and norms too.
fn params<C: ModelSpec>(config: &C) -> Tensors {
    let model = config.init(&BackendKind::Flex.device().unwrap(), 3).expect("a good configuration");
    let mut params = attentive_weights::params(&model);
    for (salt, tensor) in params.values_mut().enumerate() {
        for (idx, value) in tensor.values.iter_mut().enumerate() {
            *value += 0.4 * ((mix64((salt * 10_007 + idx) as u64) % 1000) as f32 / 1000.0 - 0.5);
        }
    }
    params
}

/// What is exported of parameters, and the graphs of the files.
fn exported(
    params: &Tensors,
    files: &[&str],
    export: impl FnOnce(Exporter<'_>, &Path) -> Result<Vec<String>, InterchangeError>,
) -> Vec<ModelProto> {
    let folder = tempfile::tempdir().unwrap();
    export(Exporter { params, max_len: MAX_LEN, notes: Vec::new() }, folder.path()).expect("an export");
    files.iter().map(|file| ModelProto::decode(&*std::fs::read(folder.path().join(file)).unwrap()).unwrap()).collect()
}

fn log_softmax(logits: &[f64]) -> Vec<f64> {
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum = logits.iter().map(|logit| (logit - max).exp()).sum::<f64>().ln() + max;
    logits.iter().map(|logit| logit - sum).collect()
}

fn close(name: &str, found: &[f64], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - f64::from(*expected)).abs() < 1e-4, "{name}: {found} and {expected}");
    }
}

/// The inputs of the next step: what was present is past.
fn past(present: HashMap<String, Array>) -> Vec<(String, Array)> {
    let renamed = present
        .into_iter()
        .filter_map(|(name, value)| Some((format!("past_key_values.{}", name.strip_prefix("present.")?), value)));
    renamed.collect()
}

fn given<'a>(own: Vec<(&'a str, Array)>, past: &'a [(String, Array)]) -> Vec<(&'a str, Array)> {
    own.into_iter().chain(past.iter().map(|(name, value)| (name.as_str(), value.clone()))).collect()
}

#[test]
fn language_models_of_every_setting_are_those_of_the_engine() {
    let base = GptConfig { d_ff: 9, ..GptConfig::gpt2_like(VOCAB, MAX_LEN, [2, 2, 8]) };
    let rotary = |rotary: Rotary| PositionsConfig::Rotary(rotary);
    let scaled =
        Rotary { n_features: Some(2), scaling: Some(RotaryScaling::Linear { factor: 3.0 }), ..Rotary::new(50.0) };
    let changes = [
        ("base", base.clone()),
        ("n_kv_heads", GptConfig { n_kv_heads: Some(1), ..base.clone() }),
        ("head_dim", GptConfig { head_dim: Some(6), ..base.clone() }),
        ("activation", GptConfig { activation: Activation::Gelu, ..base.clone() }),
        ("gated", GptConfig { gated: true, activation: Activation::Silu, ..base.clone() }),
        ("bias", GptConfig { bias: false, ..base.clone() }),
        ("qkv_bias", GptConfig { qkv_bias: Some(false), ..base.clone() }),
        ("qk_norm", GptConfig { qk_norm: true, ..base.clone() }),
        ("parallel", GptConfig { parallel: true, ..base.clone() }),
        ("post", GptConfig { norm: NormPlacement::Post, ..base.clone() }),
        ("both", GptConfig { norm: NormPlacement::Both, norm_kind: NormKind::Rms, ..base.clone() }),
        ("epsilon", GptConfig { epsilon: 1e-2, ..base.clone() }),
        ("sinusoids", GptConfig { positions: PositionsConfig::Sinusoidal, ..base.clone() }),
        ("rotary", GptConfig { positions: rotary(Rotary::new(1e4)), ..base.clone() }),
        ("some features", GptConfig { positions: rotary(scaled), ..base.clone() }),
        ("alibi", GptConfig { positions: PositionsConfig::Alibi, ..base.clone() }),
        (
            "buckets",
            GptConfig { positions: PositionsConfig::RelativeBuckets(RelativeBuckets::default()), ..base.clone() },
        ),
        (
            "windows",
            GptConfig {
                window: Some(2),
                full_layers: vec![1],
                window_theta: Some(10.0),
                positions: rotary(Rotary::new(1e4)),
                ..base.clone()
            },
        ),
        ("scale_embeddings", GptConfig { scale_embeddings: true, ..base.clone() }),
        ("projection", GptConfig { tie_projection: false, projection_bias: true, ..base.clone() }),
        ("caps", GptConfig { attention_cap: Some(0.5), logit_cap: Some(0.7), ..base }),
    ];
    for (name, config) in changes {
        let params = params(&config);
        let engine = CpuGpt::new(&config, &params, WeightFormat::F32).unwrap();
        let [graph] = &exported(&params, &[MODEL], |exporter, folder| exporter.gpt(&config, folder))[..] else {
            unreachable!()
        };
        let mut state = engine.start(2);
        let d_k = config.head_dim();
        let nothing = || Array::new(&[2, config.n_kv_heads.unwrap_or(2), 0, d_k], Vec::new());
        let mut cache: Vec<(String, Array)> = (0..2)
            .flat_map(|layer| ["key", "value"].map(|part| (format!("past_key_values.{layer}.{part}"), nothing())))
            .collect();
        let mut n_before = 0;
        for tokens in [&[1, 2, 3, 7, 8, 9][..], &[4, 5], &[11, 12, 13, 14]] {
            let n = tokens.len() / 2;
            let positions: Vec<u32> = (0..2).flat_map(|_| n_before as u32..(n_before + n) as u32).collect();
            let own = vec![
                ("input_ids", Array::ids(&[2, n], tokens)),
                ("attention_mask", Array::new(&[2, n_before + n], vec![1.0; 2 * (n_before + n)])),
                ("position_ids", Array::ids(&[2, n], &positions)),
            ];
            let mut found = run(graph, &given(own, &cache));
            let logits = found.remove("logits").unwrap();
            let last = logits.data.chunks(VOCAB).skip(n - 1).step_by(n).flat_map(log_softmax).collect::<Vec<_>>();
            close(name, &last, &engine.log_probs(tokens, &mut state).unwrap());
            (cache, n_before) = (past(found), n_before + n);
        }
    }
}

/// A row that begins with padding is read as it is alone.
#[test]
fn padding_changes_nothing() {
    let config =
        GptConfig { positions: PositionsConfig::rotary(1e4), ..GptConfig::gpt2_like(VOCAB, MAX_LEN, [1, 2, 8]) };
    let params = params(&config);
    let [graph] = &exported(&params, &[MODEL], |exporter, folder| exporter.gpt(&config, folder))[..] else {
        unreachable!()
    };
    let logits = |ids: &[u32], mask: &[u32], positions: &[u32]| {
        let nothing = Array::new(&[1, 2, 0, 4], Vec::new());
        let own = [("input_ids", ids), ("attention_mask", mask), ("position_ids", positions)];
        let own = own.map(|(name, values)| (name, Array::ids(&[1, values.len()], values))).to_vec();
        let cache = ["key", "value"].map(|part| (format!("past_key_values.0.{part}"), nothing.clone()));
        run(graph, &given(own, &cache))["logits"].data.rchunks(VOCAB).next().unwrap().to_vec()
    };
    let (alone, padded) = (logits(&[5, 6], &[1, 1], &[0, 1]), logits(&[0, 0, 5, 6], &[0, 0, 1, 1], &[0, 0, 0, 1]));
    assert!(alone.iter().zip(&padded).all(|(a, b)| (a - b).abs() < 1e-9));
}

#[test]
fn encoders_of_every_setting_are_those_of_the_engine() {
    let base = BertConfig {
        d_ff: 9,
        labels: ["a", "b", "c"].map(String::from).to_vec(),
        ..BertConfig::bert_like(VOCAB, MAX_LEN, [2, 2, 8])
    };
    let names = |n: usize| (0..n).map(|idx| idx.to_string()).collect::<Vec<_>>();
    let buckets = RelativeBuckets { n_buckets: 8, max_distance: 9 };
    let changes = [
        ("base", base.clone()),
        ("n_segments", BertConfig { n_segments: 0, ..base.clone() }),
        ("d_embedding", BertConfig { d_embedding: Some(6), ..base.clone() }),
        ("groups", BertConfig { n_layers: 4, n_layer_groups: Some(2), ..base.clone() }),
        ("gated", BertConfig { gated: true, ..base.clone() }),
        ("bias", BertConfig { bias: false, ..base.clone() }),
        ("first_norm", BertConfig { norm: NormPlacement::Pre, first_norm: false, ..base.clone() }),
        ("first_position", BertConfig { first_position: 2, ..base.clone() }),
        ("relative_buckets", BertConfig { relative_buckets: Some(buckets), ..base.clone() }),
        (
            "windows",
            BertConfig {
                window: Some(2),
                full_layers: vec![1],
                window_theta: Some(10.0),
                positions: PositionsConfig::rotary(1e4),
                ..base.clone()
            },
        ),
        ("alibi", BertConfig { positions: PositionsConfig::Alibi, ..base.clone() }),
        (
            "pooler",
            BertConfig {
                pooler_activation: PoolerActivation::Gelu,
                pooler_norm: true,
                pooler_input: PoolerInput::Mean,
                ..base.clone()
            },
        ),
        ("tie_projection", BertConfig { masked_lm: true, tie_projection: false, ..base.clone() }),
        ("next_sentence", BertConfig { next_sentence: true, ..base.clone() }),
        ("token_labels", BertConfig { labels: Vec::new(), token_labels: names(4), spans: true, ..base }),
    ];
    for (name, config) in changes {
        let params = params(&config);
        let engine = CpuBert::new(&config, &params, WeightFormat::F32).unwrap();
        let [graph] = &exported(&params, &[MODEL], |exporter, folder| exporter.bert(&config, folder))[..] else {
            unreachable!()
        };
        // Two texts in one batch, the second of which ends earlier.
        let texts: [&[TokenId]; 2] = [&[1, 2, 3, 4, 5], &[6, 7, 8]];
        let inputs = texts.map(|ids| EncoderInput { ids, n_first: if config.n_segments > 1 { 2 } else { ids.len() } });
        let encoded = engine.encode(&inputs).unwrap();
        let segments: Vec<u32> = inputs
            .iter()
            .flat_map(|input| {
                input.segments().map(u32::from).chain(std::iter::repeat_n(0, 5 - input.ids.len())).collect::<Vec<_>>()
            })
            .collect();
        let mut given = vec![
            ("input_ids", Array::ids(&[2, 5], &[1, 2, 3, 4, 5, 6, 7, 8, 0, 0])),
            ("attention_mask", Array::ids(&[2, 5], &[1, 1, 1, 1, 1, 1, 1, 1, 0, 0])),
        ];
        if config.n_segments > 0 {
            given.push(("token_type_ids", Array::ids(&[2, 5], &segments)));
        }
        let found = run(graph, &given);
        let d_model = encoded.d_model();
        let real = |values: &Array| {
            let width = values.data.len() / 10;
            values.data[..8 * width].to_vec()
        };
        let vectors: Vec<f32> = encoded.texts().flatten().copied().collect();
        close(name, &real(&found["last_hidden_state"]), &vectors);
        assert_eq!(vectors.len(), 8 * d_model);
        let several = config.masked_lm && !(config.labels.is_empty() && config.token_labels.is_empty());
        let named = |kind: &str| if several { format!("{kind}logits") } else { "logits".to_owned() };
        if let Some(scores) = engine.label_scores(&encoded) {
            close(name, &found[&named("class_")].data, &scores.unwrap());
        }
        if let Some(scores) = engine.token_label_scores(&vectors) {
            close(name, &real(&found[&named("token_")]), &scores.unwrap());
        }
        if let Some(scores) = engine.token_scores(&vectors) {
            close(name, &real(&found[&named("mask_")]), &scores.unwrap());
        }
        if let Some(scores) = engine.span_scores(&vectors) {
            let ends = real(&found["start_logits"]).into_iter().zip(real(&found["end_logits"]));
            close(name, &ends.flat_map(|(start, end)| [start, end]).collect::<Vec<_>>(), &scores.unwrap());
        }
    }
}

#[test]
fn encoder_decoders_of_every_setting_are_those_of_the_engine() {
    let base = TransformerConfig {
        d_model: 8,
        d_ff: 9,
        n_heads: 2,
        n_encoder_layers: 2,
        n_decoder_layers: 2,
        ..TransformerConfig::base(VOCAB)
    };
    let t5 = T5Widths { d_model: 8, d_ff: 9, n_heads: 2, d_kv: 3 };
    let changes = [
        ("base", base.clone()),
        ("widths", TransformerConfig { d_k: Some(3), d_v: Some(5), ..base.clone() }),
        ("n_kv_heads", TransformerConfig { n_kv_heads: Some(1), ..base.clone() }),
        ("pre", TransformerConfig { norm: NormPlacement::Pre, ..base.clone() }),
        ("embedding_norm", TransformerConfig { embedding_norm: true, ..base.clone() }),
        ("learned", TransformerConfig { positions: PositionsConfig::Learned { max_len: 12 }, ..base.clone() }),
        ("two vocabularies", TransformerConfig { share_embeddings: false, source_vocab_size: 31, ..base.clone() }),
        ("projection", TransformerConfig { tie_projection: false, projection_bias: true, ..base }),
        ("t5", TransformerConfig::t5(VOCAB, t5, [2, 2])),
    ];
    for (name, config) in changes {
        let params = params(&config);
        let engine = CpuTransformer::new(&config, &params, WeightFormat::F32).unwrap();
        let graphs = exported(&params, &[ENCODER, DECODER], |exporter, folder| exporter.transformer(&config, folder));
        let [encoder, decoder] = &graphs[..] else { unreachable!() };
        let mut state = engine.start(&TokenMatrix::from_rows(&[&[5, 6, 2][..], &[7, 2]], 0, 0));
        let mask = Array::ids(&[2, 3], &[1, 1, 1, 1, 1, 0]);
        let source = [("input_ids", Array::ids(&[2, 3], &[5, 6, 2, 7, 2, 0])), ("attention_mask", mask.clone())];
        let of_source = past(run(encoder, &source));
        let kv_heads = config.n_kv_heads.unwrap_or(2);
        let nothing = |d: usize| Array::new(&[2, kv_heads, 0, d], Vec::new());
        let widths = [("key", config.d_k()), ("value", config.d_v())];
        let mut cache: Vec<(String, Array)> = (0..2)
            .flat_map(|layer| widths.map(|(part, d)| (format!("past_key_values.{layer}.decoder.{part}"), nothing(d))))
            .collect();
        for tokens in [[1, 1], [4, 9], [3, 8]] {
            let own = vec![("input_ids", Array::ids(&[2, 1], &tokens)), ("encoder_attention_mask", mask.clone())];
            let all: Vec<(String, Array)> = cache.iter().chain(&of_source).cloned().collect();
            let mut found = run(decoder, &given(own, &all));
            let logits: Vec<f64> = found.remove("logits").unwrap().data.chunks(VOCAB).flat_map(log_softmax).collect();
            close(name, &logits, &engine.log_probs(&tokens, &mut state).unwrap());
            cache = past(found);
        }
    }
}

#[test]
fn large_weights_are_in_a_file_of_their_own() {
    let config = GptConfig::gpt2_like(VOCAB, MAX_LEN, [1, 2, 32]);
    let params = params(&config);
    let folder = tempfile::tempdir().unwrap();
    let mut graph = Graph::new("decoder", &params);
    graph.param("embedding.weight", &[VOCAB, 32]);
    let inner = graph.param("decoder.layers.0.feed_forward.inner.weight", &[32, 128]);
    graph.output("out", &inner, &[Dim::Fixed(32), Dim::Fixed(128)]);
    graph.write_data(folder.path(), "model.onnx_data").unwrap();
    let data = std::fs::read(folder.path().join("model.onnx_data")).unwrap();
    let tensors = graph.initializers();
    // The embeddings are small, and stay.
    assert!(tensors[0].raw_data.is_some() && tensors[1].raw_data.is_none());
    let place =
        |key: &str| tensors[1].external_data.iter().find(|entry| entry.key == key).unwrap().value.parse().unwrap();
    let (offset, length): (usize, usize) = (place("offset"), place("length"));
    let expected = &params["decoder.layers.0.feed_forward.inner.weight"].values;
    let bytes: Vec<u8> = expected.iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!((offset % 4096, &data[offset..offset + length]), (0, &bytes[..]));
}
