//! The engine against `attentive_model::Bert` on tensors.

use std::collections::{BTreeMap, BTreeSet};

use attentive_attention::{Activation, NormPlacement, PositionsConfig, RelativeBuckets, Rotary, RotaryScaling};
use attentive_backend::BackendKind;
use attentive_core::{Encoder, EncoderInput, TokenId, TokenMatrix, mix64};
use attentive_engine::{CpuBert, WeightFormat};
use attentive_model::{Bert, BertConfig, EncoderModel, ModelSpec, PoolerActivation, PoolerInput};
use burn::tensor::Tensor;

const VOCAB: usize = 53;
const BUCKETS: RelativeBuckets = RelativeBuckets { n_buckets: 8, max_distance: 9 };

fn config() -> BertConfig {
    BertConfig { d_ff: 23, ..BertConfig::bert_like(VOCAB, 40, [2, 2, 12]) }
}

/// A model with random weights everywhere, biases and norms too.
fn model(config: &BertConfig) -> Bert {
    let model = config.init(&BackendKind::Flex.device().unwrap(), 3).expect("a good configuration");
    let mut params = attentive_weights::params(&model);
    for (salt, tensor) in params.values_mut().enumerate() {
        for (idx, value) in tensor.values.iter_mut().enumerate() {
            *value += 0.4 * ((mix64((salt * 10_007 + idx) as u64) % 1000) as f32 / 1000.0 - 0.5);
        }
    }
    attentive_weights::load(model, params).expect("the same parameters")
}

/// Texts of several lengths, a long one among them.
fn texts() -> Vec<Vec<TokenId>> {
    [7, 1, 30, 4].map(|len| (0..len).map(|at| (5 * at + len) % VOCAB as u32).collect()).to_vec()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

fn close(name: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 3e-5, "{name}: {found} and {expected}");
    }
}

/// Holds vectors and heads against those on tensors.
fn agrees(name: &str, config: &BertConfig) {
    let model = model(config);
    let engine = CpuBert::new(config, &attentive_weights::params(&model), WeightFormat::F32).expect("they fit");
    assert_eq!(engine.max_len(), EncoderModel::max_len(&model));
    let texts = texts();
    // The second segment, where there is one, is of two in five tokens, of a single token all.
    let n_first = |text: &Vec<TokenId>| if config.n_segments > 1 { text.len() * 3 / 5 } else { text.len() };
    let rows: Vec<EncoderInput<'_>> =
        texts.iter().map(|text| EncoderInput { ids: text, n_first: n_first(text) }).collect();
    let encoded = engine.encode(&rows).unwrap();
    for (row, found) in rows.iter().zip(encoded.texts()) {
        let (text, segments) = (row.ids, row.segments().collect::<Vec<u8>>());
        let expected = EncoderModel::encode(&model, &TokenMatrix::from_rows(&[text], 0, 0), &segments, None);
        let places: Vec<u32> = (0..text.len() as u32).collect();
        let vectors = expected.at(&places);
        close(name, found, &values(vectors.clone()));
        let one = engine.encode(&[*row]).unwrap();
        let of_heads = [
            (engine.token_scores(found), model.token_scores(vectors.clone()).map(|scores| values(scores.logits()))),
            (engine.label_scores(&one), model.label_scores(&expected, None).map(values)),
            (engine.token_label_scores(found), model.token_label_scores(vectors.clone(), None).map(values)),
            (engine.span_scores(found), model.span_scores(vectors).map(values)),
        ];
        for (found, expected) in of_heads {
            let found = found.map(Result::unwrap);
            assert_eq!(found.is_some(), expected.is_some(), "{name}");
            close(name, &found.unwrap_or_default(), &expected.unwrap_or_default());
        }
    }
}

/// A configuration in which one field is another, for every field by its name.
fn changes() -> BTreeMap<&'static str, BertConfig> {
    let base = config();
    let labels = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
    let rotary = BertConfig { window: Some(3), positions: PositionsConfig::rotary(1e4), ..base.clone() };
    BTreeMap::from([
        ("vocab_size", BertConfig { vocab_size: 67, ..base.clone() }),
        ("n_segments", BertConfig { n_segments: 0, ..base.clone() }),
        ("d_embedding", BertConfig { d_embedding: Some(8), ..base.clone() }),
        ("d_model", BertConfig { d_model: 18, ..base.clone() }),
        ("d_ff", BertConfig { d_ff: 29, ..base.clone() }),
        ("n_heads", BertConfig { n_heads: 3, ..base.clone() }),
        ("n_layers", BertConfig { n_layers: 1, ..base.clone() }),
        ("n_layer_groups", BertConfig { n_layers: 5, n_layer_groups: Some(2), ..base.clone() }),
        ("dropout", BertConfig { dropout: 0.5, ..base.clone() }),
        ("attention_dropout", BertConfig { attention_dropout: 0.5, ..base.clone() }),
        ("activation", BertConfig { activation: Activation::Relu, ..base.clone() }),
        ("gated", BertConfig { gated: true, ..base.clone() }),
        ("bias", BertConfig { bias: false, ..base.clone() }),
        ("norm", BertConfig { norm: NormPlacement::Pre, ..base.clone() }),
        ("first_norm", BertConfig { first_norm: false, norm: NormPlacement::Pre, ..base.clone() }),
        ("epsilon", BertConfig { epsilon: 1e-2, ..base.clone() }),
        ("positions", BertConfig { positions: PositionsConfig::Alibi, ..base.clone() }),
        ("first_position", BertConfig { first_position: 2, ..base.clone() }),
        ("relative_buckets", BertConfig { relative_buckets: Some(BUCKETS), ..base.clone() }),
        ("window", BertConfig { window: Some(3), ..base.clone() }),
        ("full_layers", BertConfig { window: Some(3), full_layers: vec![1], ..base.clone() }),
        ("window_theta", BertConfig { window_theta: Some(50.0), full_layers: vec![0], ..rotary }),
        ("init_std", BertConfig { init_std: 0.1, ..base.clone() }),
        ("pooler", BertConfig { pooler: false, next_sentence: false, ..base.clone() }),
        (
            "pooler_activation",
            BertConfig { pooler_activation: PoolerActivation::Relu, labels: labels.clone(), ..base.clone() },
        ),
        ("pooler_norm", BertConfig { pooler_norm: true, labels: labels.clone(), ..base.clone() }),
        ("pooler_input", BertConfig { pooler_input: PoolerInput::Mean, labels: labels.clone(), ..base.clone() }),
        (
            "pooler_tokens",
            BertConfig { pooler_tokens: true, token_labels: labels.clone(), spans: true, ..base.clone() },
        ),
        ("masked_lm", BertConfig { masked_lm: false, ..base.clone() }),
        ("next_sentence", BertConfig { next_sentence: false, ..base.clone() }),
        ("labels", BertConfig { labels: labels.clone(), ..base.clone() }),
        ("token_labels", BertConfig { token_labels: labels, ..base.clone() }),
        ("spans", BertConfig { spans: true, ..base.clone() }),
        ("tie_projection", BertConfig { tie_projection: false, ..base.clone() }),
        ("pruned_heads", BertConfig { pruned_heads: "encoder.1.self:0".parse().unwrap(), ..base }),
    ])
}

#[test]
fn every_field_is_followed() {
    let changes = changes();
    // With every optional field, so that all have a name.
    let labels = vec!["a".to_owned(), "b".to_owned()];
    let whole = BertConfig {
        token_labels: labels.clone(),
        labels,
        pruned_heads: "encoder.0.self:1".parse().unwrap(),
        spans: true,
        tie_projection: false,
        d_embedding: Some(8),
        n_layer_groups: Some(1),
        relative_buckets: Some(BUCKETS),
        pooler_activation: PoolerActivation::Gelu,
        pooler_norm: true,
        pooler_input: PoolerInput::Mean,
        pooler_tokens: true,
        gated: true,
        bias: false,
        norm: NormPlacement::Both,
        window: Some(3),
        full_layers: vec![1],
        ..config()
    };
    // As ModernBERT, with what does not go with shared layers and biases of distances.
    let modern = BertConfig {
        n_layer_groups: None,
        relative_buckets: None,
        first_norm: false,
        positions: PositionsConfig::rotary(1e4),
        window_theta: Some(50.0),
        norm: NormPlacement::Pre,
        ..whole.clone()
    };
    let fields = [&whole, &modern].map(|config| serde_json::to_value(config).unwrap());
    let fields = fields.iter().filter_map(serde_json::Value::as_object).flatten();
    let names: BTreeSet<&str> = fields.map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, changes.keys().copied().collect(), "a change of every field is tried");
    for (name, config) in changes {
        agrees(name, &config);
    }
    agrees("all at once", &whole);
    agrees("all at once, but that they contradict", &modern);
}

#[test]
fn positions_of_every_kind() {
    let buckets = PositionsConfig::RelativeBuckets(BUCKETS);
    let fairseq = PositionsConfig::FairseqSinusoidal { first: 1 };
    for positions in [PositionsConfig::Sinusoidal, fairseq, PositionsConfig::rotary(1e4), buckets] {
        agrees(&format!("{positions:?}"), &BertConfig { positions: positions.clone(), ..config() });
        // Embeddings of another width than the stack.
        agrees(&format!("{positions:?}, mapped"), &BertConfig { positions, d_embedding: Some(8), ..config() });
    }
    let sinusoidal = PositionsConfig::Sinusoidal;
    let both = BertConfig { positions: sinusoidal, relative_buckets: Some(BUCKETS), ..config() };
    agrees("sinusoids and buckets", &both);
    // Their frequencies are for texts of so many tokens.
    let scaling = Some(RotaryScaling::Dynamic { factor: 2.0, original_len: 36 });
    let ending = PositionsConfig::Rotary(Rotary { scaling, ..Rotary::new(1e4) });
    agrees("rotations that end", &BertConfig { positions: ending, ..config() });
}

/// Vectors are the same bits whatever texts are beside, and however many.
#[test]
fn a_text_does_not_depend_on_the_others() {
    let config = config();
    for format in [WeightFormat::F32, WeightFormat::Int8] {
        let engine = CpuBert::new(&config, &attentive_weights::params(&model(&config)), format).unwrap();
        let texts: Vec<Vec<TokenId>> = texts().into_iter().cycle().take(150).collect();
        let rows: Vec<EncoderInput<'_>> = texts.iter().map(|text| EncoderInput::from(&text[..])).collect();
        let together = engine.encode(&rows).unwrap();
        for (row, found) in rows.iter().zip(together.texts()) {
            let alone = engine.encode(&[*row]).unwrap();
            assert_eq!(alone.texts().next(), Some(found));
        }
    }
}

#[test]
fn eight_bits_stay_close() {
    let config = config();
    let params = attentive_weights::params(&model(&config));
    let texts = texts();
    let rows: Vec<EncoderInput<'_>> = texts.iter().map(|text| EncoderInput::from(&text[..])).collect();
    let [exact, rounded] = [WeightFormat::F32, WeightFormat::Int8]
        .map(|format| CpuBert::new(&config, &params, format).unwrap().encode(&rows).unwrap());
    for (exact, rounded) in exact.texts().zip(rounded.texts()) {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        let cosine = dot(exact, rounded) / (dot(exact, exact) * dot(rounded, rounded)).sqrt();
        assert!(cosine > 0.99 && cosine < 1.0, "{cosine}");
    }
}
