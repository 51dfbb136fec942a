//! The engine against `attentive_model::Whisper` on tensors.

use std::collections::BTreeMap;

use attentive_attention::Activation;
use attentive_backend::BackendKind;
use attentive_core::{NextToken, Scores, Spectrograms, SpeechRecognizer, TokenId, Want, mix64};
use attentive_engine::{CpuWhisper, WeightFormat};
use attentive_model::{ModelSpec, Whisper, WhisperConfig};
use attentive_weights::WeightsError;

const VOCAB: usize = 53;

/// Every dimension another prime, as far as heads allow.
fn config() -> WhisperConfig {
    WhisperConfig {
        d_ff: 23,
        n_heads: 2,
        max_source_len: 11,
        max_target_len: 13,
        ..WhisperConfig::whisper_like(VOCAB, 7, [2, 3, 14])
    }
}

/// A model with random weights everywhere, biases and norms too.
fn model(config: &WhisperConfig) -> Whisper {
    let model = config.init(&BackendKind::Flex.device().unwrap(), 3).expect("a good configuration");
    let mut params = attentive_weights::params(&model);
    for (salt, (_, tensor)) in params.iter_mut().enumerate() {
        for (idx, value) in tensor.values.iter_mut().enumerate() {
            *value += 0.4 * unit(salt * 10_007 + idx);
        }
    }
    attentive_weights::load(model, params).expect("the same parameters")
}

/// A number between -0.5 and 0.5.
fn unit(at: usize) -> f32 {
    (mix64(at as u64) % 1000) as f32 / 1000.0 - 0.5
}

fn engine(model: &Whisper, config: &WhisperConfig, format: WeightFormat) -> CpuWhisper {
    CpuWhisper::new(config, &attentive_weights::params(model), format).expect("the same parameters")
}

fn sound(config: &WhisperConfig, n_frames: usize) -> Spectrograms {
    let values = (0..3 * n_frames * config.n_mels).map(|at| 2.0 * unit(77 + at)).collect();
    Spectrograms::new(values, [n_frames, config.n_mels])
}

/// Tokens of each row, and the rows that go on after them.
type Step = (&'static [TokenId], &'static [usize]);

/// Prompts of several tokens, beams that change places, recordings that leave.
const STEPS: [Step; 4] = [
    (&[1, 20, 1, 21, 1, 22], &[0, 0, 1, 1, 2, 2]),
    (&[5, 6, 7, 8, 9, 10], &[1, 0, 2, 3, 5, 5]),
    (&[11, 12, 13, 14, 15, 16], &[4, 5, 0, 1]),
    (&[17, 18, 19, 20], &[3]),
];

/// Holds recordings of as many frames as there are positions for, and of others, against tensors.
fn agrees(name: &str, config: &WhisperConfig) {
    let model = model(config);
    let engine = engine(&model, config, WeightFormat::F32);
    assert_eq!((engine.max_len(), engine.vocab_size()), (model.max_len(), model.vocab_size()));
    for n_frames in [2 * config.max_source_len, 9, 1] {
        let sound = sound(config, n_frames);
        let (mut expected_state, mut state) = (model.listen(&sound), engine.listen(&sound));
        for (idx, (tokens, parents)) in STEPS.into_iter().enumerate() {
            let expected = model.log_probs(tokens, &mut expected_state).unwrap();
            let found = engine.log_probs(tokens, &mut state).unwrap();
            assert_eq!(found.len(), expected.len());
            for (expected, found) in expected.iter().zip(&found) {
                let far = (expected - found).abs();
                assert!(far < 3e-5, "{name}, {n_frames} frames, step {idx}: {expected} and {found}");
            }
            model.reorder(&mut expected_state, parents);
            engine.reorder(&mut state, parents);
        }
    }
}

/// A configuration in which one field is another, for every field by its name.
fn changes() -> BTreeMap<&'static str, WhisperConfig> {
    let base = config();
    BTreeMap::from([
        ("vocab_size", WhisperConfig { vocab_size: 67, ..base.clone() }),
        ("n_mels", WhisperConfig { n_mels: 5, ..base.clone() }),
        ("d_model", WhisperConfig { d_model: 18, ..base.clone() }),
        ("d_ff", WhisperConfig { d_ff: 29, ..base.clone() }),
        ("n_heads", WhisperConfig { n_heads: 1, ..base.clone() }),
        ("n_encoder_layers", WhisperConfig { n_encoder_layers: 1, ..base.clone() }),
        ("n_decoder_layers", WhisperConfig { n_decoder_layers: 1, ..base.clone() }),
        ("max_source_len", WhisperConfig { max_source_len: 600, ..base.clone() }),
        ("max_target_len", WhisperConfig { max_target_len: 17, ..base.clone() }),
        ("dropout", WhisperConfig { dropout: 0.5, ..base.clone() }),
        ("attention_dropout", WhisperConfig { attention_dropout: 0.5, ..base.clone() }),
        ("activation_dropout", WhisperConfig { activation_dropout: 0.5, ..base.clone() }),
        ("activation", WhisperConfig { activation: Activation::Silu, ..base }),
    ])
}

#[test]
fn every_field_is_followed() {
    let changes = changes();
    let serde_json::Value::Object(fields) = serde_json::to_value(config()).unwrap() else { panic!("a table") };
    let mut names: Vec<&str> = fields.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, changes.keys().copied().collect::<Vec<_>>(), "a change of every field is tried");
    for (name, config) in changes {
        agrees(name, &config);
    }
}

#[test]
fn the_best_tokens_are_those_of_all_log_probabilities() {
    let config = config();
    let (prompt, _) = STEPS[0];
    for format in [WeightFormat::F32, WeightFormat::Int8] {
        let engine = engine(&model(&config), &config, format);
        let state = engine.listen(&sound(&config, 20));
        let all = engine.log_probs(prompt, &mut state.clone()).unwrap();
        let Scores::Top(top) = engine.advance(prompt, &mut state.clone(), Want::Top(4)).unwrap() else {
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

/// What is written of a recording does not depend on those that are heard with it.
#[test]
fn a_recording_does_not_depend_on_the_others() {
    let config = config();
    for format in [WeightFormat::F32, WeightFormat::Int8] {
        let engine = engine(&model(&config), &config, format);
        let sound = sound(&config, 22);
        let together = engine.log_probs(&[1, 2, 3], &mut engine.listen(&sound)).unwrap();
        let alone = sound.values().chunks(22 * config.n_mels).zip([1, 2, 3]).flat_map(|(values, token)| {
            let sound = Spectrograms::new(values.to_vec(), [22, config.n_mels]);
            engine.log_probs(&[token], &mut engine.listen(&sound)).unwrap()
        });
        assert_eq!(alone.collect::<Vec<_>>(), together);
    }
}

#[test]
fn rounded_weights_stay_close() {
    // Whole blocks of 32, in the convolutions too.
    let config = WhisperConfig { max_source_len: 16, ..WhisperConfig::whisper_like(VOCAB, 32, [2, 2, 64]) };
    let model = model(&config);
    let scores = |format| {
        let engine = engine(&model, &config, format);
        engine.log_probs(&[1, 2, 3], &mut engine.listen(&sound(&config, 32))).unwrap()
    };
    let exact = scores(WeightFormat::F32);
    for (format, limit) in [(WeightFormat::Int8, 0.5), (WeightFormat::Q8_0, 0.5), (WeightFormat::Q4_0, 5.0)] {
        let worst = attentive_testkit::largest_error(&scores(format), &exact);
        assert!(worst > 0.0 && worst < limit, "{format}: {worst}");
    }
}

#[test]
fn parameters_that_do_not_fit_are_listed() {
    let config = config();
    let mut params = attentive_weights::params(&model(&config));
    let moved = params.remove("stem.second.weight").expect("there");
    params.insert("encoder.layers.0.self_attention.key.bias".into(), moved);
    params.get_mut("embedding.weight").expect("there").shape = vec![14, VOCAB];
    let error = CpuWhisper::new(&config, &params, WeightFormat::F32).expect_err("does not fit");
    let WeightsError::Mismatch { problems } = error else { panic!("{error}") };
    assert_eq!(problems.len(), 3, "{problems:?}");
}
