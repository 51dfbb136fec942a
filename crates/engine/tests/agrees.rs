//! The engine against `attentive_model::Transformer` on tensors.

use std::collections::BTreeMap;

use attentive_attention::{Activation, NormKind, NormPlacement, PositionsConfig, RelativeBuckets};
use attentive_backend::{BackendKind, Device};
use attentive_core::{EncoderDecoder, NextToken, Scores, TokenId, TokenMatrix, TopTokens, Turn, Want, mix64};
use attentive_engine::{CpuTransformer, State, WeightFormat};
use attentive_model::{ModelHeads, ModelSpec, TeacherForced, Transformer, TransformerConfig};
use attentive_weights::WeightsError;

const VOCAB: usize = 61;

/// Every dimension another prime, as far as heads allow.
fn config() -> TransformerConfig {
    TransformerConfig {
        d_model: 14,
        d_ff: 23,
        n_heads: 2,
        d_k: Some(5),
        d_v: Some(3),
        n_encoder_layers: 2,
        n_decoder_layers: 3,
        ..TransformerConfig::base(VOCAB)
    }
}

fn variants() -> Vec<(&'static str, TransformerConfig)> {
    let learned = PositionsConfig::Learned { max_len: 40 };
    vec![
        ("post-norm", config()),
        ("pre-norm", TransformerConfig { norm: NormPlacement::Pre, ..config() }),
        ("learned positions, GELU", TransformerConfig { positions: learned, activation: Activation::Gelu, ..config() }),
        (
            "nothing shared",
            TransformerConfig {
                share_embeddings: false,
                tie_projection: false,
                projection_bias: true,
                source_vocab_size: 47,
                activation: Activation::GeluTanh,
                ..config()
            },
        ),
    ]
}

fn device() -> Device {
    BackendKind::Flex.device().expect("flex is compiled in")
}

/// A model with random weights everywhere, biases and norms too.
fn model(config: &TransformerConfig) -> Transformer {
    let model = config.init(&device(), 3).expect("a good configuration");
    let mut params = attentive_weights::params(&model);
    for (salt, (name, tensor)) in params.iter_mut().enumerate() {
        if name.ends_with("bias") || name.ends_with("gamma") || name.ends_with("beta") {
            for (idx, value) in tensor.values.iter_mut().enumerate() {
                *value += (mix64((salt * 10_007 + idx) as u64) % 1000) as f32 / 2000.0 - 0.25;
            }
        }
    }
    attentive_weights::load(model, params).expect("the same parameters")
}

fn sources() -> TokenMatrix {
    TokenMatrix::from_rows(&[vec![3, 4, 5, 6, 7, 8, 2], vec![9, 2], vec![10, 11, 12, 13, 2]], 0, 9)
}

/// The tokens of a step, row after row.
fn tokens(rows: &[&[TokenId]]) -> Vec<TokenId> {
    rows.concat()
}

/// Steps with prompts of several tokens, beams that change places, sentences that leave and come back in another order.
type Step = (&'static [&'static [TokenId]], &'static [usize]);
const STEPS: [Step; 4] = [
    (&[&[1, 20], &[1, 21], &[1, 22]], &[0, 0, 1, 1, 2, 2]),
    (&[&[5], &[6], &[7], &[8], &[9], &[10]], &[1, 0, 2, 3, 5, 5]),
    (&[&[11], &[12], &[13], &[14], &[15], &[16]], &[4, 5, 0, 1]),
    (&[&[17], &[18], &[19], &[20]], &[3]),
];

/// Holds the steps of the engine against those of the model on tensors.
fn steps_agree(name: &str, config: &TransformerConfig) {
    let model = model(config);
    let engine = engine(&model, config, WeightFormat::F32);
    assert_eq!((engine.max_len(), engine.vocab_size()), (model.max_len(), model.vocab_size()));
    let (mut expected_state, mut state) = (model.start(&sources()), engine.start(&sources()));
    for (idx, (rows, parents)) in STEPS.into_iter().enumerate() {
        let expected = model.log_probs(&tokens(rows), &mut expected_state).unwrap();
        let found = engine.log_probs(&tokens(rows), &mut state).unwrap();
        for (expected, found) in expected.iter().zip(&found) {
            assert!((expected - found).abs() < 2e-5, "{name}, step {idx}: {expected} and {found}");
        }
        model.reorder(&mut expected_state, parents);
        engine.reorder(&mut state, parents);
    }
}

#[test]
fn log_probabilities_are_those_of_the_model_on_tensors() {
    for (name, config) in variants() {
        steps_agree(name, &config);
    }
}

/// States of other lengths and numbers of rows, whose steps are taken together.
#[test]
fn steps_taken_together_are_those_taken_alone() {
    for (name, config) in variants().into_iter().chain(descendants().map(|config| ("descendant", config))) {
        for format in [WeightFormat::F32, WeightFormat::Int8] {
            let engine = engine(&model(&config), &config, format);
            let (three, one) = (sources(), TokenMatrix::from_rows(&[vec![14, 15, 2]], 0, 9));
            let sources = [&three, &one, &three];
            let mut alone = sources.map(|source| engine.start(source));
            let mut together = engine.start_together(&sources);
            // The third state begins a step later, with a prompt; the wants differ.
            let steps: [[&[TokenId]; 3]; 3] = [
                [&[1, 20, 1, 21, 1, 22], &[1], &[]],
                [&[5, 6, 7], &[8], &[1, 30, 31, 1, 32, 33, 1, 34, 35]],
                [&[9, 10, 11], &[12], &[13, 14, 15]],
            ];
            for tokens in steps {
                let wants = [Want::Top(3), Want::All, Want::Top(5)];
                let (mut expected, mut turns) = (Vec::new(), Vec::new());
                for (((tokens, want), alone), state) in tokens.into_iter().zip(wants).zip(&mut alone).zip(&mut together)
                {
                    if !tokens.is_empty() {
                        expected.push(engine.advance(tokens, alone, want).unwrap());
                        turns.push(Turn { tokens, state, want });
                    }
                }
                assert_eq!(engine.advance_together(&mut turns).unwrap(), expected, "{name}, {format}");
                for states in [&mut alone[..], &mut together[..]] {
                    engine.reorder(&mut states[0], &[2, 0, 1]);
                }
            }
        }
    }
}

fn top(engine: &CpuTransformer, tokens: &[TokenId], state: &mut State) -> TopTokens {
    match engine.advance(tokens, state, Want::Top(5)).unwrap() {
        Scores::Top(top) => top,
        Scores::All(_) => panic!("the engine finds the best alone"),
    }
}

#[test]
fn the_best_tokens_are_those_of_all_log_probabilities() {
    let config = TransformerConfig { projection_bias: true, ..config() };
    let engine = engine(&model(&config), &config, WeightFormat::F32);
    let (mut all_state, mut top_state) = (engine.start(&sources()), engine.start(&sources()));
    for (rows, parents) in STEPS {
        let all = engine.log_probs(&tokens(rows), &mut all_state).unwrap();
        let top = top(&engine, &tokens(rows), &mut top_state);
        for (row, all) in all.chunks(VOCAB).enumerate() {
            let mut order: Vec<usize> = (0..VOCAB).collect();
            order.sort_by(|&a, &b| all[b].total_cmp(&all[a]));
            for rank in 0..top.k {
                let at = row * top.k + rank;
                assert_eq!(top.ids[at] as usize, order[rank]);
                assert!((top.log_probs[at] - all[order[rank]]).abs() < 1e-5);
            }
        }
        engine.reorder(&mut all_state, parents);
        engine.reorder(&mut top_state, parents);
    }
}

#[test]
fn eight_bits_stay_close() {
    for (name, config) in variants() {
        let model = model(&config);
        let (exact, rounded) =
            (engine(&model, &config, WeightFormat::F32), engine(&model, &config, WeightFormat::Int8));
        let prompt = tokens(&[&[1, 20, 30], &[1, 21, 31], &[1, 22, 32]]);
        let exact = exact.log_probs(&prompt, &mut exact.start(&sources())).unwrap();
        let rounded = rounded.log_probs(&prompt, &mut rounded.start(&sources())).unwrap();
        let worst = attentive_testkit::largest_error(&rounded, &exact);
        assert!(worst > 0.0 && worst < 0.3, "{name}: {worst}");
    }
}

#[test]
fn parameters_that_do_not_fit_are_listed() {
    let config = config();
    let mut params = attentive_weights::params(&model(&config));
    let moved = params.remove("decoder.layers.1.feed_forward.inner.weight").expect("there");
    params.insert("encoder.layers.9.stranger".into(), moved);
    params.get_mut("source_embedding.weight").expect("there").shape = vec![14, VOCAB];
    let error = CpuTransformer::new(&config, &params, WeightFormat::F32).expect_err("does not fit");
    let WeightsError::Mismatch { problems } = error else { panic!("{error}") };
    assert_eq!(problems.len(), 3, "{problems:?}");
}

fn engine(model: &Transformer, config: &TransformerConfig, format: WeightFormat) -> CpuTransformer {
    CpuTransformer::new(config, &attentive_weights::params(model), format).expect("the same parameters")
}

/// A head of each kind of attention, and all but one in an encoder layer.
fn pruned() -> ModelHeads {
    "encoder.1.self:0,decoder.0.self:1,decoder.1.cross:0".parse().unwrap()
}

/// A configuration in which one field is another, for every field by its name.
fn changes() -> BTreeMap<&'static str, TransformerConfig> {
    let base = config();
    BTreeMap::from([
        ("source_vocab_size", TransformerConfig { source_vocab_size: 67, share_embeddings: false, ..base.clone() }),
        ("target_vocab_size", TransformerConfig { target_vocab_size: 67, share_embeddings: false, ..base.clone() }),
        ("d_model", TransformerConfig { d_model: 18, ..base.clone() }),
        ("d_ff", TransformerConfig { d_ff: 29, ..base.clone() }),
        ("n_heads", TransformerConfig { n_heads: 3, ..base.clone() }),
        ("n_kv_heads", TransformerConfig { n_kv_heads: Some(1), ..base.clone() }),
        ("d_k", TransformerConfig { d_k: Some(7), ..base.clone() }),
        ("d_v", TransformerConfig { d_v: Some(11), ..base.clone() }),
        ("n_encoder_layers", TransformerConfig { n_encoder_layers: 1, ..base.clone() }),
        ("n_decoder_layers", TransformerConfig { n_decoder_layers: 1, ..base.clone() }),
        ("dropout", TransformerConfig { dropout: 0.5, ..base.clone() }),
        ("attention_dropout", TransformerConfig { attention_dropout: 0.5, ..base.clone() }),
        ("activation_dropout", TransformerConfig { activation_dropout: 0.5, ..base.clone() }),
        ("activation", TransformerConfig { activation: Activation::Silu, ..base.clone() }),
        ("gated", TransformerConfig { gated: true, ..base.clone() }),
        ("bias", TransformerConfig { bias: false, ..base.clone() }),
        ("norm", TransformerConfig { norm: NormPlacement::Pre, ..base.clone() }),
        ("norm_kind", TransformerConfig { norm_kind: NormKind::Rms, ..base.clone() }),
        ("epsilon", TransformerConfig { epsilon: 1e-2, ..base.clone() }),
        ("scale_scores", TransformerConfig { scale_scores: false, ..base.clone() }),
        ("scale_embeddings", TransformerConfig { scale_embeddings: false, ..base.clone() }),
        ("scale_logits", TransformerConfig { scale_logits: true, ..base.clone() }),
        ("embedding_norm", TransformerConfig { embedding_norm: true, ..base.clone() }),
        ("positions", TransformerConfig { positions: PositionsConfig::Alibi, ..base.clone() }),
        ("window", TransformerConfig { window: Some(2), ..base.clone() }),
        ("share_embeddings", TransformerConfig { share_embeddings: false, ..base.clone() }),
        ("tie_projection", TransformerConfig { tie_projection: false, ..base.clone() }),
        ("projection_bias", TransformerConfig { projection_bias: true, ..base.clone() }),
        ("pruned_heads", TransformerConfig { pruned_heads: pruned(), ..base }),
    ])
}

/// BART's choices together, M2M100's, T5's and Llama's: norms of embeddings, fairseq's sinusoids, norms without mean, gates, no biases, shared keys, rotations, windows.
fn descendants() -> [TransformerConfig; 7] {
    let buckets = PositionsConfig::RelativeBuckets(RelativeBuckets { n_buckets: 8, max_distance: 6 });
    let t5 = TransformerConfig {
        norm: NormPlacement::Pre,
        norm_kind: NormKind::Rms,
        bias: false,
        gated: true,
        activation: Activation::GeluTanh,
        scale_scores: false,
        scale_embeddings: false,
        scale_logits: true,
        positions: buckets,
        ..config()
    };
    let rotary = PositionsConfig::rotary(100.0);
    let llama = TransformerConfig {
        n_kv_heads: Some(1),
        d_k: Some(6),
        window: Some(3),
        positions: rotary,
        activation: Activation::Silu,
        ..t5.clone()
    };
    let learned = PositionsConfig::Learned { max_len: 40 };
    let activation = Activation::Gelu;
    let bart =
        TransformerConfig { embedding_norm: true, scale_embeddings: false, activation, positions: learned, ..config() };
    let positions = PositionsConfig::FairseqSinusoidal { first: 2 };
    let m2m = TransformerConfig { norm: NormPlacement::Pre, positions, ..config() };
    let alibi = TransformerConfig { norm: NormPlacement::Post, positions: PositionsConfig::Alibi, ..llama.clone() };
    // Biases of the heads that are left, in layers that have lost different ones.
    let [few, fewer] = [&t5, &alibi].map(|config| TransformerConfig { pruned_heads: pruned(), ..config.clone() });
    [bart, m2m, t5, llama, alibi, few, fewer]
}

#[test]
fn descendants_decode_as_on_tensors() {
    for config in descendants() {
        steps_agree(&format!("{config:?}"), &config);
    }
}

#[test]
fn every_field_is_followed() {
    let changes = changes();
    // With every optional field, so that all have a name.
    let optional = TransformerConfig { embedding_norm: true, projection_bias: true, ..config() };
    let whole = TransformerConfig { n_kv_heads: Some(2), window: Some(9), pruned_heads: pruned(), ..optional };
    let serde_json::Value::Object(fields) = serde_json::to_value(whole).unwrap() else { panic!("a table") };
    let mut names: Vec<&str> = fields.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, changes.keys().copied().collect::<Vec<_>>(), "a change of every field is tried");
    for (name, config) in changes {
        steps_agree(name, &config);
    }
}

/// The mean over the heads of the last layer, of each token that is read, against the maps of the model on tensors.
#[test]
fn attention_to_the_source_is_that_on_tensors() {
    let wide = TransformerConfig { n_heads: 4, n_kv_heads: Some(2), ..config() };
    for config in [config(), wide].into_iter().chain(descendants()) {
        let model = model(&config);
        let engine = engine(&model, &config, WeightFormat::F32);
        let source = TokenMatrix::from_rows(&[vec![3, 4, 5, 6, 7, 8, 2], vec![9, 2]], 0, 0);
        let targets: [&[TokenId]; 2] = [&[1, 20, 5, 11], &[1, 21, 6, 12]];
        let maps = model.attention_maps(&source, &TokenMatrix::from_rows(&targets, 0, 0));
        let cross = maps.cross.last().unwrap().clone(); // [rows, heads, target, source]
        let [_, heads, n_target, n_source] = cross.dims();
        let cross: Vec<f32> = cross.into_data().try_into_vec().unwrap();
        let mean = |row: usize, at: usize, key: usize| {
            let of_head = |head: usize| cross[((row * heads + head) * n_target + at) * n_source + key];
            (0..heads).map(of_head).sum::<f32>() / heads as f32
        };
        let mut state = engine.start(&source);
        // Two tokens of each row at once, of which the last is told, then one at a time, in another order.
        let steps: [(&[TokenId], usize, [usize; 2]); 3] =
            [(&[1, 20, 1, 21], 1, [0, 1]), (&[6, 5], 2, [1, 0]), (&[12, 11], 3, [1, 0])];
        for (step, (tokens, at, rows)) in steps.into_iter().enumerate() {
            if step == 1 {
                engine.reorder(&mut state, &[1, 0]);
            }
            let (scores, attention) = engine.advance_attending(tokens, &mut state, Want::Top(3)).unwrap();
            assert!(matches!(scores, Scores::Top(_)));
            for (attention, row) in attention.unwrap().iter().zip(rows) {
                assert_eq!(attention.len(), [7, 2][row]);
                assert!((attention.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                for (key, found) in attention.iter().enumerate() {
                    assert!(
                        (found - mean(row, at, key)).abs() < 1e-5,
                        "{config:?}, row {row}, target {at}, source {key}"
                    );
                }
            }
        }
    }
}
