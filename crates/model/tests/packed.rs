//! Texts that a language model reads one after another without padding: the losses and gradients of each by itself.

use std::collections::BTreeMap;

use attentive_attention::{PositionsConfig, RelativeBuckets};
use attentive_backend::{BackendKind, Objective};
use attentive_core::{SequenceBatch, TokenId, TokenMatrix};
use attentive_model::{CausalLmObjective, CausalModel, Gpt, GptConfig, ModelSpec, ScoresTargets};
use attentive_optim::Gradients;
use attentive_testkit::assert_close;
use burn::tensor::Tensor;

const VOCAB: usize = 13;

fn texts() -> [Vec<TokenId>; 4] {
    [vec![1, 2, 3, 4, 5, 6, 12], vec![6, 7], vec![3, 3, 10, 11, 2], vec![9, 4, 1]]
}

/// Every kind of positions, and what else attention can have.
fn configs() -> Vec<(&'static str, GptConfig)> {
    let gpt = || GptConfig::gpt2_like(VOCAB, 16, [3, 2, 8]);
    let (rotary, buckets) = (PositionsConfig::rotary(1e4), RelativeBuckets { n_buckets: 6, max_distance: 7 });
    let windows = || GptConfig { window: Some(3), full_layers: vec![1], ..gpt() };
    vec![
        ("learned", gpt()),
        ("sinusoids", GptConfig { positions: PositionsConfig::Sinusoidal, ..gpt() }),
        ("rotary", GptConfig { positions: rotary.clone(), n_kv_heads: Some(1), gated: true, ..gpt() }),
        ("ALiBi", GptConfig { positions: PositionsConfig::Alibi, ..gpt() }),
        ("buckets", GptConfig { positions: PositionsConfig::RelativeBuckets(buckets), ..gpt() }),
        ("windows", windows()),
        ("rotary windows", GptConfig { positions: rotary, window_theta: Some(100.0), ..windows() }),
        ("bounded scores", GptConfig { attention_cap: Some(1.5), logit_cap: Some(2.5), ..gpt() }),
    ]
}

/// Rows whose targets count unless 5 divides them.
fn batch(rows: &[Vec<TokenId>]) -> SequenceBatch {
    let mut batch = SequenceBatch::next_tokens(rows, 0, (0..rows.len() as u64).collect());
    batch.ignored.iter_mut().zip(&batch.targets).for_each(|(ignored, target)| *ignored |= target % 5 == 0);
    batch
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

/// The loss, smoothed and plain, and the gradient of each parameter.
fn pass(model: &Gpt, batch: &SequenceBatch) -> BTreeMap<String, Vec<f32>> {
    let loss = CausalLmObjective { label_smoothing: 0.1 }.loss(model, batch, None);
    let losses = [loss.sum.clone(), loss.nll_sum].map(|sum| sum.into_scalar::<f32>()).to_vec();
    let gradients = Gradients::take(loss.sum.backward(), model);
    let of_params = gradients.iter().map(|(name, gradient)| (name.to_owned(), values(gradient.clone())));
    of_params.chain([("loss".to_owned(), losses)]).collect()
}

#[test]
fn losses_and_gradients_are_those_of_each_text_by_itself() {
    for kind in [BackendKind::Flex, BackendKind::NdArray] {
        for (of, config) in configs() {
            let model = config.init(&kind.device().unwrap().autodiff(), 1).unwrap();
            let mut expected = BTreeMap::<String, Vec<f32>>::new();
            for text in texts() {
                for (name, values) in pass(&model, &batch(&[text])) {
                    let sum = expected.entry(name).or_insert_with(|| vec![0.0; values.len()]);
                    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
                }
            }
            let found = pass(&model, &batch(&texts()).packed());
            assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{kind}, {of}");
            for (name, expected) in &expected {
                let found = &found[name];
                let is_close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 * (1.0 + b.abs());
                assert_eq!(found.len(), expected.len(), "{kind}, {of}: {name}");
                assert!(found.iter().zip(expected).all(is_close), "{kind}, {of}: {name}: {found:?}, not {expected:?}");
            }
        }
    }
}

#[test]
fn a_text_does_not_see_the_others() {
    for (of, config) in configs() {
        let model = config.init(&BackendKind::Flex.device().unwrap(), 2).unwrap();
        let hidden = |texts: &[Vec<TokenId>]| values(model.packed_hidden(&TokenMatrix::from_rows(texts, 0, 0), None));
        let mut changed = texts();
        changed[1] = vec![8, 12];
        let (before, after) = (hidden(&texts()), hidden(&changed));
        let of_tokens = |at: std::ops::Range<usize>| at.start * 8..at.end * 8;
        for others in [of_tokens(0..7), of_tokens(9..17)] {
            assert_eq!(before[others.clone()], after[others], "{of}");
        }
        assert_ne!(before[of_tokens(7..9)], after[of_tokens(7..9)], "{of}");
    }
}

#[test]
fn students_and_teachers_score_the_same_targets() {
    let model = configs().remove(0).1.init(&BackendKind::Flex.device().unwrap(), 3).unwrap();
    let [apart, packed] =
        [batch(&texts()), batch(&texts()).packed()].map(|batch| model.target_logits(&batch, None).unwrap());
    assert_eq!(packed.targets, apart.targets);
    assert_close(&values(packed.logits), &values(apart.logits), 1e-5, 1e-5);
}
