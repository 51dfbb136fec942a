//! The engine against `attentive_model::Gpt` on tensors.

use std::collections::BTreeMap;

use attentive_attention::{
    Activation, NormKind, NormPlacement, PositionsConfig, RelativeBuckets, Rotary, RotaryScaling,
};
use attentive_backend::BackendKind;
use attentive_core::{LanguageModel, NextToken, Scores, TokenId, Turn, Want, mix64};
use attentive_engine::{CpuGpt, WeightFormat};
use attentive_model::{Gpt, GptConfig, ModelSpec};
use attentive_weights::WeightsError;

const VOCAB: usize = 53;

fn config() -> GptConfig {
    GptConfig { d_ff: 23, ..GptConfig::gpt2_like(VOCAB, 40, [2, 2, 12]) }
}

/// A model with random weights everywhere, biases and norms too.
fn model(config: &GptConfig) -> Gpt {
    let model = config.init(&BackendKind::Flex.device().unwrap(), 3).expect("a good configuration");
    let mut params = attentive_weights::params(&model);
    for (salt, (name, tensor)) in params.iter_mut().enumerate() {
        let spread =
            if name.ends_with("bias") || name.ends_with("gamma") || name.ends_with("beta") { 0.5 } else { 0.3 };
        for (idx, value) in tensor.values.iter_mut().enumerate() {
            *value += spread * ((mix64((salt * 10_007 + idx) as u64) % 1000) as f32 / 1000.0 - 0.5);
        }
    }
    attentive_weights::load(model, params).expect("the same parameters")
}

fn engine(model: &Gpt, config: &GptConfig, format: WeightFormat) -> CpuGpt {
    CpuGpt::new(config, &attentive_weights::params(model), format).expect("the same parameters")
}

fn prompt() -> Vec<TokenId> {
    (0..3).flat_map(|row| (0..6).map(move |at| (7 * row + 3 * at + 1) % VOCAB as u32)).collect()
}

/// Holds a prompt of three rows, steps after it, rows that change places, and a whole text against tensors.
fn agrees(name: &str, config: &GptConfig) {
    let model = model(config);
    let engine = engine(&model, config, WeightFormat::F32);
    assert_eq!((engine.max_len(), engine.vocab_size()), (model.max_len(), model.vocab_size()));
    let (mut expected_state, mut state) = (model.start(3), engine.start(3));
    let steps: [(Vec<TokenId>, &[usize]); 4] =
        [(prompt(), &[0, 2, 2, 1]), (vec![4, 5, 6, 7], &[3, 0]), (vec![8, 9, 10, 11], &[1, 0]), (vec![1, 2], &[0])];
    for (idx, (tokens, parents)) in steps.iter().enumerate() {
        let expected = model.log_probs(tokens, &mut expected_state).unwrap();
        let found = engine.log_probs(tokens, &mut state).unwrap();
        for (expected, found) in expected.iter().zip(&found) {
            assert!((expected - found).abs() < 3e-5, "{name}, step {idx}: {expected} and {found}");
        }
        model.reorder(&mut expected_state, parents);
        engine.reorder(&mut state, parents);
    }
    let text = &prompt()[..13];
    let (expected, found) = (model.log_probs_of(text).unwrap(), engine.log_probs_of(text).unwrap());
    assert_eq!(found.len(), 12);
    for (expected, found) in expected.iter().zip(&found) {
        assert!((expected - found).abs() < 3e-5, "{name}, a whole text: {expected} and {found}");
    }
    assert!(engine.log_probs_of(&text[..1]).unwrap().is_empty() && engine.log_probs_of(&[]).unwrap().is_empty());
}

/// A configuration in which one field is another, for every field by its name.
fn changes() -> BTreeMap<&'static str, GptConfig> {
    let base = config();
    BTreeMap::from([
        ("vocab_size", GptConfig { vocab_size: 67, ..base.clone() }),
        ("d_model", GptConfig { d_model: 18, ..base.clone() }),
        ("d_ff", GptConfig { d_ff: 29, ..base.clone() }),
        ("n_heads", GptConfig { n_heads: 3, ..base.clone() }),
        ("n_kv_heads", GptConfig { n_kv_heads: Some(1), ..base.clone() }),
        ("head_dim", GptConfig { head_dim: Some(8), ..base.clone() }),
        ("n_layers", GptConfig { n_layers: 1, ..base.clone() }),
        ("dropout", GptConfig { dropout: 0.5, ..base.clone() }),
        ("attention_dropout", GptConfig { attention_dropout: 0.5, ..base.clone() }),
        ("activation", GptConfig { activation: Activation::Silu, ..base.clone() }),
        ("gated", GptConfig { gated: true, ..base.clone() }),
        ("bias", GptConfig { bias: false, ..base.clone() }),
        ("qkv_bias", GptConfig { qkv_bias: Some(false), ..base.clone() }),
        ("qk_norm", GptConfig { qk_norm: true, ..base.clone() }),
        ("parallel", GptConfig { parallel: true, ..base.clone() }),
        ("norm", GptConfig { norm: NormPlacement::Post, ..base.clone() }),
        ("norm_kind", GptConfig { norm_kind: NormKind::Rms, ..base.clone() }),
        ("epsilon", GptConfig { epsilon: 1e-2, ..base.clone() }),
        ("positions", GptConfig { positions: PositionsConfig::Alibi, ..base.clone() }),
        ("window", GptConfig { window: Some(2), ..base.clone() }),
        ("full_layers", GptConfig { window: Some(2), full_layers: vec![1], ..base.clone() }),
        (
            "window_theta",
            GptConfig {
                window: Some(2),
                full_layers: vec![0],
                window_theta: Some(10.0),
                positions: PositionsConfig::rotary(1e4),
                ..base.clone()
            },
        ),
        ("scale_embeddings", GptConfig { scale_embeddings: true, ..base.clone() }),
        ("tie_projection", GptConfig { tie_projection: false, ..base.clone() }),
        ("projection_bias", GptConfig { projection_bias: true, ..base.clone() }),
        ("attention_cap", GptConfig { attention_cap: Some(0.5), window: Some(4), ..base.clone() }),
        ("logit_cap", GptConfig { logit_cap: Some(0.7), ..base.clone() }),
        ("pruned_heads", GptConfig { pruned_heads: "decoder.1.self:0".parse().unwrap(), ..base }),
    ])
}

#[test]
fn every_field_is_followed() {
    let changes = changes();
    // With every optional field, so that all have a name.
    let whole = GptConfig {
        n_kv_heads: Some(2),
        head_dim: Some(6),
        qkv_bias: Some(true),
        qk_norm: true,
        parallel: true,
        window: Some(9),
        full_layers: vec![0],
        window_theta: Some(10.0),
        scale_embeddings: true,
        projection_bias: true,
        attention_cap: Some(2.0),
        logit_cap: Some(3.0),
        pruned_heads: "decoder.0.self:1".parse().unwrap(),
        ..config()
    };
    let serde_json::Value::Object(fields) = serde_json::to_value(whole).unwrap() else { panic!("a table") };
    let mut names: Vec<&str> = fields.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, changes.keys().copied().collect::<Vec<_>>(), "a change of every field is tried");
    for (name, config) in changes {
        agrees(name, &config);
    }
}

/// States of other lengths and numbers of rows, whose steps are taken together.
#[test]
fn steps_taken_together_are_those_taken_alone() {
    for (name, config) in changes() {
        for format in [WeightFormat::F32, WeightFormat::Int8] {
            let engine = engine(&model(&config), &config, format);
            let rows = [3, 1, 2];
            let mut alone = rows.map(|rows| engine.start(rows));
            let mut together = rows.map(|rows| engine.start(rows));
            // The third state begins a step later, with a prompt; the wants differ.
            let prompt = prompt();
            let steps: [[&[TokenId]; 3]; 3] =
                [[&prompt, &[1], &[]], [&[5, 6, 7], &[8], &prompt[..8]], [&[9, 10, 11], &[12, 13, 14], &[15, 16]]];
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
                for states in [&mut alone, &mut together] {
                    engine.reorder(&mut states[0], &[2, 0, 1]);
                }
            }
        }
    }
}

/// A pass over several tokens of a row after its cache, for states of other lengths, and tokens that are taken back.
#[test]
fn a_pass_over_several_tokens_scores_as_steps_do() {
    for (name, config) in changes() {
        for format in [WeightFormat::F32, WeightFormat::Int8] {
            let engine = engine(&model(&config), &config, format);
            for want in [Want::All, Want::Top(4)] {
                let begin = |text: &[TokenId]| {
                    let mut state = engine.start(1);
                    engine.advance(text, &mut state, want).unwrap();
                    state
                };
                let prompts = [&prompt()[..4], &prompt()[6..7]];
                let (mut one, mut two) = (begin(prompts[0]), begin(prompts[1]));
                let after = [&[7, 8, 9, 10][..], &[11, 12]];
                let expected: Vec<Vec<Scores>> = prompts
                    .iter()
                    .zip(after)
                    .map(|(prompt, tokens)| {
                        let mut state = begin(prompt);
                        tokens.chunks(1).map(|token| engine.advance(token, &mut state, want).unwrap()).collect()
                    })
                    .collect();
                let mut turns = [
                    Turn { tokens: after[0], state: &mut one, want },
                    Turn { tokens: after[1], state: &mut two, want },
                ];
                assert_eq!(engine.verify(&mut turns).unwrap(), expected, "{name}, {format}, {want:?}");
                // Two of four tokens are taken back, then all of a text.
                let text = [prompts[0], &[7, 8]].concat();
                engine.rewind(&mut one, &text).unwrap();
                let mut other = begin(prompts[0]);
                let _ = engine.advance(&[7], &mut other, want).unwrap();
                let _ = engine.advance(&[8], &mut other, want).unwrap();
                for token in [13, 14, 15] {
                    let expected = engine.advance(&[token], &mut other, want).unwrap();
                    assert_eq!(engine.advance(&[token], &mut one, want).unwrap(), expected, "{name}, {format}");
                }
                engine.rewind(&mut one, &[]).unwrap();
                let expected = engine.advance(prompts[0], &mut engine.start(1), want).unwrap();
                assert_eq!(engine.advance(prompts[0], &mut one, want).unwrap(), expected, "{name}, {format}");
            }
        }
    }
}

/// The same by the model on tensors, and by its text read at once.
#[test]
fn tensors_score_several_tokens_and_take_them_back() {
    let config = config();
    let (model, text) = (model(&config), &prompt()[..9]);
    let engine = engine(&model, &config, WeightFormat::F32);
    let (mut of_engine, mut of_model) = (engine.start(1), model.start(1));
    for _ in 0..2 {
        engine.advance(&text[..3], &mut of_engine, Want::All).unwrap();
        model.advance(&text[..3], &mut of_model, Want::All).unwrap();
        let found = engine.verify(&mut [Turn { tokens: &text[3..], state: &mut of_engine, want: Want::All }]).unwrap();
        let other = model.verify(&mut [Turn { tokens: &text[3..], state: &mut of_model, want: Want::All }]).unwrap();
        let expected = model.log_probs_of(text).unwrap();
        for (at, (found, other)) in found[0].iter().zip(&other[0]).enumerate() {
            let (Scores::All(found), Scores::All(other)) = (found, other) else { panic!("all are wanted") };
            assert_eq!((found.len(), other.len()), (VOCAB, VOCAB));
            assert!(found.iter().zip(other).all(|(a, b)| (a - b).abs() < 3e-5));
            if let Some(&next) = text.get(at + 4) {
                assert!((found[next as usize] - expected[at + 3]).abs() < 3e-5);
            }
        }
        engine.rewind(&mut of_engine, &[]).unwrap();
        model.rewind(&mut of_model, &[]).unwrap();
    }
}

#[test]
fn vectors_are_those_that_the_projection_reads() {
    for (name, config) in changes() {
        let model = model(&config);
        let engine = engine(&model, &config, WeightFormat::F32);
        let (mut of_engine, mut of_model) = (engine.start(3), model.start(3));
        for (tokens, parents) in [(prompt(), &[0, 2, 2][..]), (vec![4, 5, 6], &[1, 0, 1]), (vec![7, 8, 9], &[0, 1, 2])]
        {
            let (scores, found) = engine.advance_with_vectors(&tokens, &mut of_engine, Want::Top(3)).unwrap();
            let (_, expected) = model.advance_with_vectors(&tokens, &mut of_model, Want::All).unwrap();
            let (found, expected) = (found.unwrap(), expected.unwrap());
            assert_eq!((found.len(), expected.len()), (tokens.len() * config.d_model, found.len()), "{name}");
            assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-3 * (1.0 + b.abs())), "{name}");
            assert_eq!(matches!(scores, Scores::Top(_)), config.logit_cap.is_none(), "{name}");
            engine.reorder(&mut of_engine, parents);
            model.reorder(&mut of_model, parents);
        }
    }
}

#[test]
fn positions_of_every_kind() {
    let buckets = PositionsConfig::RelativeBuckets(RelativeBuckets { n_buckets: 6, max_distance: 5 });
    let kinds = [PositionsConfig::Sinusoidal, PositionsConfig::rotary(1e4), PositionsConfig::Alibi, buckets];
    for positions in kinds {
        for window in [None, Some(4)] {
            let config = GptConfig { n_kv_heads: Some(1), window, positions: positions.clone(), ..config() };
            agrees(&format!("{positions:?} {window:?}"), &config);
        }
    }
}

#[test]
fn llama_and_its_descendants_agree() {
    let llama = GptConfig { n_kv_heads: Some(2), ..GptConfig::llama_like(VOCAB, 23, [2, 6, 24]) };
    let partly = PositionsConfig::Rotary(Rotary { n_features: Some(2), ..Rotary::default() });
    let neox = GptConfig { parallel: true, bias: true, positions: partly, norm_kind: NormKind::Layer, ..llama.clone() };
    let gemma = GptConfig {
        n_layers: 3,
        head_dim: Some(6),
        norm: NormPlacement::Both,
        qk_norm: true,
        window: Some(3),
        full_layers: vec![1],
        window_theta: Some(100.0),
        positions: PositionsConfig::Rotary(Rotary {
            scaling: Some(RotaryScaling::Linear { factor: 8.0 }),
            ..Rotary::new(1e6)
        }),
        scale_embeddings: true,
        tie_projection: true,
        ..llama.clone()
    };
    for (name, config) in [("Llama", llama), ("GPT-NeoX", neox), ("Gemma 3", gemma)] {
        agrees(name, &config);
    }
}

#[test]
fn the_best_tokens_are_those_of_all_log_probabilities() {
    let config = config();
    for format in [WeightFormat::F32, WeightFormat::Int8] {
        let engine = engine(&model(&config), &config, format);
        let all = engine.log_probs(&prompt(), &mut engine.start(3)).unwrap();
        let Scores::Top(top) = engine.advance(&prompt(), &mut engine.start(3), Want::Top(4)).unwrap() else {
            panic!("the engine finds the best alone")
        };
        for (row, all) in all.chunks(VOCAB).enumerate() {
            let mut order: Vec<usize> = (0..VOCAB).collect();
            order.sort_by(|&a, &b| all[b].total_cmp(&all[a]));
            for rank in 0..4 {
                assert_eq!(top.ids[row * 4 + rank] as usize, order[rank]);
                assert!((top.log_probs[row * 4 + rank] - all[order[rank]]).abs() < 1e-5);
            }
        }
    }
}

#[test]
fn rounded_weights_stay_close() {
    // Whole blocks of 32.
    let config = GptConfig { d_ff: 96, ..GptConfig::gpt2_like(VOCAB, 40, [2, 2, 64]) };
    let model = model(&config);
    let scores = |format| {
        let engine = engine(&model, &config, format);
        engine.log_probs(&prompt(), &mut engine.start(3)).unwrap()
    };
    let exact = scores(WeightFormat::F32);
    for (format, limit) in [(WeightFormat::Int8, 0.5), (WeightFormat::Q8_0, 0.5), (WeightFormat::Q4_0, 5.0)] {
        let worst = attentive_testkit::largest_error(&scores(format), &exact);
        assert!(worst > 0.0 && worst < limit, "{format}: {worst}");
    }
}

#[test]
fn matrices_without_whole_blocks_are_refused() {
    let config = GptConfig { d_ff: 40, ..GptConfig::gpt2_like(VOCAB, 40, [2, 2, 64]) };
    let params = attentive_weights::params(&model(&config));
    for format in [WeightFormat::Q8_0, WeightFormat::Q4_0] {
        let error = CpuGpt::new(&config, &params, format).expect_err("40 inputs are not blocks");
        let WeightsError::Blocks { name, format: named, d_in: 40 } = error else { panic!("{error}") };
        assert_eq!((name, named), ("decoder.layers.0.feed_forward.outer".into(), format.to_string()));
    }
}

#[test]
fn parameters_that_do_not_fit_are_listed() {
    let config = config();
    let mut params = attentive_weights::params(&model(&config));
    let moved = params.remove("decoder.layers.1.feed_forward.inner.weight").expect("there");
    params.insert("decoder.layers.9.stranger".into(), moved);
    params.get_mut("embedding.weight").expect("there").shape = vec![12, VOCAB];
    let error = CpuGpt::new(&config, &params, WeightFormat::F32).expect_err("does not fit");
    let WeightsError::Mismatch { problems } = error else { panic!("{error}") };
    assert_eq!(problems.len(), 3, "{problems:?}");
}
