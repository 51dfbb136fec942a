//! The engine against `attentive_model::Transformer` on tensors.

use attentive_attention::{Activation, NormKind, NormPlacement, PositionsConfig};
use attentive_backend::BackendKind;
use attentive_core::{EncoderDecoder, NextToken, TokenMatrix, mix64};
use attentive_engine::{CpuTransformer, Precision};
use attentive_model::{ModelSpec, Transformer, TransformerConfig};
use attentive_weights::WeightsError;
use burn::tensor::{Device, Int, Tensor, TensorData};

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

fn tokens(rows: &[&[i64]]) -> Tensor<2, Int> {
    let shape = [rows.len(), rows[0].len()];
    Tensor::from_data(TensorData::new(rows.concat(), shape), &device())
}

fn values(x: Tensor<2>) -> Vec<f32> {
    x.into_data().try_into_vec().expect("f32")
}

/// Steps with prompts of several tokens, beams that change places, sentences that leave and come back in another order.
type Step = (&'static [&'static [i64]], &'static [usize]);
const STEPS: [Step; 4] = [
    (&[&[1, 20], &[1, 21], &[1, 22]], &[0, 0, 1, 1, 2, 2]),
    (&[&[5], &[6], &[7], &[8], &[9], &[10]], &[1, 0, 2, 3, 5, 5]),
    (&[&[11], &[12], &[13], &[14], &[15], &[16]], &[4, 5, 0, 1]),
    (&[&[17], &[18], &[19], &[20]], &[3]),
];

#[test]
fn log_probabilities_are_those_of_the_model_on_tensors() {
    for (name, config) in variants() {
        let model = model(&config);
        let engine = engine(&model, &config, Precision::F32);
        assert_eq!((engine.max_len(), engine.vocab_size()), (model.max_len(), model.vocab_size()));
        let (mut expected_state, mut state) = (model.start(&sources()), engine.start(&sources()));
        for (idx, (rows, parents)) in STEPS.into_iter().enumerate() {
            let expected = values(model.advance(tokens(rows), &mut expected_state));
            let found = values(engine.advance(tokens(rows), &mut state));
            for (expected, found) in expected.iter().zip(&found) {
                assert!((expected - found).abs() < 2e-5, "{name}, step {idx}: {expected} and {found}");
            }
            model.reorder(&mut expected_state, parents);
            engine.reorder(&mut state, parents);
        }
    }
}

#[test]
fn the_best_tokens_are_those_of_all_log_probabilities() {
    let config = config();
    let engine = engine(&model(&config), &config, Precision::F32);
    let (mut all_state, mut top_state) = (engine.start(&sources()), engine.start(&sources()));
    for (rows, parents) in STEPS {
        let all = values(engine.advance(tokens(rows), &mut all_state));
        let top = engine.advance_top(&tokens(rows), &mut top_state, 5).expect("the engine finds them");
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
        let (exact, rounded) = (engine(&model, &config, Precision::F32), engine(&model, &config, Precision::Int8));
        let prompt = tokens(&[&[1, 20, 30], &[1, 21, 31], &[1, 22, 32]]);
        let exact = values(exact.advance(prompt.clone(), &mut exact.start(&sources())));
        let rounded = values(rounded.advance(prompt, &mut rounded.start(&sources())));
        let worst = exact.iter().zip(&rounded).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
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
    let error = CpuTransformer::new(&config, params, Precision::F32, &device()).expect_err("does not fit");
    let WeightsError::Mismatch { problems } = error else { panic!("{error}") };
    assert_eq!(problems.len(), 3, "{problems:?}");
}

fn engine(model: &Transformer, config: &TransformerConfig, precision: Precision) -> CpuTransformer {
    CpuTransformer::new(config, attentive_weights::params(model), precision, &device()).expect("the same parameters")
}

#[test]
fn layers_that_it_does_not_have_are_left_to_others() {
    for (name, config) in variants() {
        assert!(CpuTransformer::covers(&config), "{name}");
    }
    let others = [
        TransformerConfig { positions: PositionsConfig::Alibi, ..config() },
        TransformerConfig { window: Some(3), ..config() },
        TransformerConfig { n_kv_heads: Some(1), ..config() },
        TransformerConfig { norm_kind: NormKind::Rms, ..config() },
        TransformerConfig { gated: true, ..config() },
        TransformerConfig { bias: false, ..config() },
    ];
    assert!(others.iter().all(|config| !CpuTransformer::covers(config)));
}
