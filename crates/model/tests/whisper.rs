//! Laws of the recogniser of speech, whatever its sizes.

use attentive_backend::{BackendKind, Device, Objective};
use attentive_core::{Batch, Dropout, NextToken, Spectrograms, SpeechBatch, SpeechRecognizer, TokenMatrix};
use attentive_model::{ModelSpec, SpeechModel, SpeechObjective, SpeechSpec, Whisper, WhisperConfig};
use attentive_optim::Gradients;
use attentive_testkit::{Fixture, assert_close};
use burn::{
    module::Module,
    tensor::{Tensor, activation::log_softmax},
};
use proptest::prelude::*;

const VOCAB: usize = 13;
const N_MELS: usize = 5;

fn device() -> Device {
    BackendKind::Flex.device().unwrap()
}

fn config(n_layers: [usize; 2]) -> WhisperConfig {
    let [n_encoder, n_decoder] = n_layers;
    WhisperConfig {
        n_heads: 2,
        max_source_len: 9,
        max_target_len: 8,
        dropout: 0.1,
        ..WhisperConfig::whisper_like(VOCAB, N_MELS, [n_encoder, n_decoder, 8])
    }
}

fn sound(rows: usize, n_frames: usize, seed: u64) -> Spectrograms {
    Spectrograms::new(Fixture::new(seed).uniform(rows * n_frames * N_MELS, -1.0, 1.5), [n_frames, N_MELS])
}

fn batch(sound: Spectrograms, rows: &[Vec<u32>], n_prompt: usize) -> SpeechBatch {
    let indices = (0..rows.len() as u64).collect();
    SpeechBatch { sound, target: TokenMatrix::from_rows(rows, 0, 0), n_prompt, indices }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

/// Log-probabilities after each of `target`, read at once: `tgt · vocab` values.
fn all_at_once(model: &Whisper, sound: &Spectrograms, target: &[u32]) -> Vec<f32> {
    let row = [target, &[0]].concat();
    let hidden = model.teacher_forced(&batch(sound.clone(), &[row], 1), None);
    values(log_softmax(model.logits(hidden), 2))
}

fn tokens() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(0_u32..VOCAB as u32, 1..=7)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn parameters_are_counted(n_encoder in 1_usize..4, n_decoder in 1_usize..4) {
        let config = config([n_encoder, n_decoder]);
        prop_assert_eq!(config.init(&device(), 1).unwrap().num_params(), config.n_params());
    }

    #[test]
    fn a_token_at_a_time_is_all_at_once(target in tokens(), n_frames in 1_usize..=18, seed in any::<u64>()) {
        let model = config([2, 2]).init(&device(), 3).unwrap();
        let sound = sound(1, n_frames, seed);
        let expected = all_at_once(&model, &sound, &target);
        let mut state = model.listen(&sound);
        for (token, expected) in target.iter().zip(expected.chunks_exact(VOCAB)) {
            assert_close(&model.log_probs(&[*token], &mut state).unwrap(), expected, 1e-4, 1e-4);
        }
    }

    #[test]
    fn the_future_cannot_change_the_past(target in tokens(), other in 0_u32..VOCAB as u32, at in any::<prop::sample::Index>()) {
        let model = config([1, 2]).init(&device(), 3).unwrap();
        let (sound, at) = (sound(1, 8, 1), at.index(target.len()));
        let mut changed = target.clone();
        changed[at] = other;
        let [before, after] = [target, changed].map(|target| all_at_once(&model, &sound, &target));
        prop_assert_eq!(&before[..at * VOCAB], &after[..at * VOCAB]);
    }

    #[test]
    fn rows_do_not_depend_on_their_company(target in tokens(), seed in any::<u64>()) {
        let model = config([1, 1]).init(&device(), 4).unwrap();
        let both = sound(2, 10, seed);
        let first = Spectrograms::new(both.values()[..10 * N_MELS].to_vec(), [10, N_MELS]);
        let (mut alone, mut together) = (model.listen(&first), model.listen(&both));
        for token in target {
            let expected = model.log_probs(&[token], &mut alone).unwrap();
            assert_close(&model.log_probs(&[token, 3], &mut together).unwrap()[..VOCAB], &expected, 1e-4, 1e-4);
        }
    }
}

#[test]
fn a_prompt_is_read_and_not_learnt() {
    let model = config([1, 1]).init(&device(), 5).unwrap();
    let rows = [vec![1, 2, 3, 4, 5], vec![1, 2, 6]];
    let loss = |n_prompt| SpeechObjective::default().loss(&model, &batch(sound(2, 6, 1), &rows, n_prompt), None);
    for (n_prompt, n_targets) in [(1, 6), (2, 4), (3, 2)] {
        let loss = loss(n_prompt);
        assert_eq!((loss.n_targets, batch(sound(2, 6, 1), &rows, n_prompt).n_targets()), (n_targets, n_targets));
        let expected: f64 = rows
            .iter()
            .enumerate()
            .flat_map(|(row, target)| {
                let of_row =
                    Spectrograms::new(sound(2, 6, 1).values()[row * 6 * N_MELS..][..6 * N_MELS].to_vec(), [6, N_MELS]);
                let log_probs = all_at_once(&model, &of_row, &target[..target.len() - 1]);
                let of = |at: usize| -f64::from(log_probs[(at - 1) * VOCAB + target[at] as usize]);
                (n_prompt..target.len()).map(of).collect::<Vec<_>>()
            })
            .sum();
        assert_close(&[loss.nll_sum.into_scalar::<f32>()], &[expected as f32], 1e-4, 1e-4);
    }
}

#[test]
fn a_training_step_has_the_same_loss_and_gradients_on_every_backend() {
    let rows = [vec![1, 2, 3, 4, 5], vec![1, 2, 6]];
    let params = attentive_weights::params(&config([2, 1]).init(&device(), 6).unwrap());
    let [flex, ndarray] = [BackendKind::Flex, BackendKind::NdArray].map(|kind| {
        let model = config([2, 1]).init(&kind.device().unwrap().autodiff(), 1).unwrap();
        let model = attentive_weights::load(model, params.clone()).unwrap();
        let loss = SpeechObjective { label_smoothing: 0.1 }.loss(&model, &batch(sound(2, 7, 1), &rows, 2), None);
        let sum = loss.sum.clone().into_scalar::<f32>();
        (sum, Gradients::take(loss.sum.backward(), &model))
    });
    assert_close(&[flex.0], &[ndarray.0], 1e-4, 1e-4);
    assert_eq!(flex.1.iter().count(), params.len());
    for (name, gradient) in flex.1.iter() {
        let expected = values(ndarray.1.get(name).unwrap().clone());
        assert_close(&values(gradient.clone()), &expected, 1e-3, 1e-4);
    }
}

#[test]
fn a_pass_is_a_function_of_its_seed() {
    let model = config([1, 1]).init(&device(), 5).unwrap();
    let batch = batch(sound(1, 6, 1), &[vec![1, 2, 3]], 1);
    let hidden = |seed| values(model.teacher_forced(&batch, Some(&Dropout::new(seed))));
    assert_eq!(hidden(1), hidden(1));
    assert_ne!(hidden(1), hidden(2));
}

#[test]
fn sizes_are_the_published_ones_within_their_rounding() {
    for preset in WhisperConfig::presets() {
        let millions = preset.config.n_params() as f64 / 1e6;
        let off = millions / preset.params_millions.unwrap() - 1.0;
        assert!(off.abs() < 0.05, "{}: {millions:.1} M, published {} M", preset.name, preset.params_millions.unwrap());
    }
    // As transformers counts the first and the last, with the sinusoids of the encoder and without.
    let tiny = WhisperConfig::presets().remove(0).config;
    assert_eq!(tiny.n_params() + 1500 * 384, 37_760_640);
    assert_eq!(tiny.frames(), [3000, 80]);
}

/// A file of any size may say how many positions its model hears: their encodings are made before the first is used.
#[test]
fn more_positions_of_sound_than_any_window_has_are_refused() {
    assert!(WhisperConfig { max_source_len: 1 << 16, ..config([1, 1]) }.validate().is_ok());
    let refused = WhisperConfig { max_source_len: (1 << 16) + 1, ..config([1, 1]) }.validate().unwrap_err().to_string();
    assert_eq!(refused, "max_source_len = 65537 is more than any model has; it must be at most 65536");
}
