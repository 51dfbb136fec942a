//! Losses of pairs of answers against TRL's own code (`tests/golden/generate_preference.py`), and their log-probabilities and
//! gradients in a model against those of each answer alone.

use std::{collections::BTreeMap, fs};

use attentive_backend::{BackendKind, Device, Objective};
use attentive_core::{LanguageModel, PreferenceBatch, SequenceBatch};
use attentive_model::{
    AnswerLogProbs, CausalLmObjective, Gpt, GptConfig, ModelSpec, PreferenceLoss, PreferenceObjective, answer_log_probs,
};
use attentive_optim::Gradients;
use attentive_testkit::{Area, Comparison, Golden, assert_close, named};
use burn::{
    module::Module,
    tensor::{Tensor, TensorData},
};
use serde_json::Value;

const PAIRS: usize = 4;

fn values(tensor: Tensor<1>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap()
}

fn tensor(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device)
}

fn halves(rows: &Tensor<1>) -> AnswerLogProbs {
    AnswerLogProbs { chosen: rows.clone().narrow(0, 0, PAIRS), rejected: rows.clone().narrow(0, PAIRS, PAIRS) }
}

fn objective(case: &Value) -> PreferenceObjective {
    let number = |key: &str| case[key].as_f64().unwrap();
    PreferenceObjective {
        beta: number("beta"),
        loss: serde_json::from_value(case["loss"].clone()).unwrap(),
        label_smoothing: number("label_smoothing"),
        sft_weight: number("sft_weight"),
    }
}

/// The loss, what is told beside it, and the gradient of each row's log-probability.
fn results(case: &Value, device: &Device) -> Vec<(String, Vec<f32>)> {
    let objective = objective(case);
    let log_probs = |name: &str| named(name, 2 * PAIRS).iter().map(|x| x * 6.0 - 7.0).collect::<Vec<f32>>();
    let policy = tensor(log_probs("policy"), device).require_grad();
    let reference = halves(&tensor(log_probs("reference"), device));
    let lengths: Vec<f32> = serde_json::from_value(case["lengths"].clone()).unwrap();
    let tally = objective.tally(&halves(&policy), &reference);
    let sum = objective.losses(halves(&policy), reference, &halves(&tensor(lengths, device))).sum();
    let gradients = policy.grad(&sum.backward()).unwrap();
    let told = tally.into_iter().map(|(name, sum)| (name.to_owned(), vec![sum as f32]));
    [("loss".to_owned(), values(sum)), ("d policy".to_owned(), values(gradients))].into_iter().chain(told).collect()
}

#[test]
fn losses_and_gradients_are_those_of_trl() {
    let golden = Golden::of(env!("CARGO_MANIFEST_DIR"));
    let pinned = fs::read_to_string(golden.path("requirements-preference.txt")).unwrap();
    let trl = pinned.lines().find_map(|line| line.strip_prefix("trl==")).unwrap();
    for kind in [BackendKind::Flex, BackendKind::NdArray] {
        let mut comparison = Comparison::new(Area::Numbers, format!("DPO, {kind}"), format!("TRL {trl}"), 1e-5);
        let device = kind.device().unwrap().autodiff();
        for case in golden.cases("preference.json") {
            let (name, error) = Golden::largest_error(&case, &results(&case, &device));
            comparison.case(format!("{}, {name}, β = {}", case["loss"], case["beta"]), error);
            comparison.f32_of_the_other(case["f32_error"].as_f64().unwrap());
        }
        comparison.report();
    }
}

/// Two prompts with two answers each, of other lengths.
fn pairs() -> SequenceBatch {
    let rows = [vec![1, 2, 3, 4, 5], vec![1, 2, 6], vec![1, 2, 7, 3], vec![1, 2, 5, 5, 5, 2]];
    let mut batch = SequenceBatch::next_tokens(&rows, 0, vec![0, 1, 0, 1]);
    let n_cols = batch.ids.n_cols();
    batch.ignored.iter_mut().enumerate().filter(|(at, _)| at % n_cols == 0).for_each(|(_, ignored)| *ignored = true);
    batch
}

fn gpt(device: &Device) -> Gpt {
    GptConfig::gpt2_like(8, 6, [2, 2, 16]).init(device, 3).unwrap()
}

#[test]
fn answers_are_as_probable_as_each_text_alone_says() {
    for kind in [BackendKind::Flex, BackendKind::NdArray] {
        let model = gpt(&kind.device().unwrap());
        let batch = pairs();
        let found = values(answer_log_probs(&model, &batch, None));
        let rows = [vec![1, 2, 3, 4, 5], vec![1, 2, 6], vec![1, 2, 7, 3], vec![1, 2, 5, 5, 5, 2]];
        let expected: Vec<f32> =
            rows.iter().map(|row| model.log_probs_of(row).unwrap()[1..].iter().sum::<f32>()).collect();
        assert_close(&found, &expected, 1e-5, 1e-5);
    }
}

/// Where model and reference are the same, DPO's gradient is `-β/2` times that of the difference of log-probabilities
/// (Rafailov et al. 2023, §4), and IPO's `-2/β` times that of the difference of their means.
#[test]
fn the_first_gradient_is_that_of_the_difference_of_answers() {
    let device = BackendKind::Flex.device().unwrap().autodiff();
    let model = gpt(&device);
    let sequences = pairs();
    let reference = values(answer_log_probs(&model.valid(), &sequences, None));
    let batch = PreferenceBatch { sequences: sequences.clone(), reference };
    let gradients = |loss: Tensor<1>| {
        let taken = Gradients::take(loss.backward(), &model);
        taken.iter().map(|(name, gradient)| (name.to_owned(), values(gradient.clone()))).collect::<BTreeMap<_, _>>()
    };
    // The same by the loss of language models, row by row.
    let of_row = |row: usize| {
        let n_cols = sequences.ids.n_cols();
        let mut alone = sequences.clone();
        alone.ignored.iter_mut().enumerate().filter(|(at, _)| at / n_cols != row).for_each(|(_, skip)| *skip = true);
        let n_targets = alone.ignored.iter().filter(|&&skip| !skip).count();
        (gradients(CausalLmObjective::default().loss(&model, &alone, None).sum), n_targets as f32)
    };
    let rows: Vec<_> = (0..4).map(of_row).collect();
    for (loss, scale) in [(PreferenceLoss::Sigmoid, 0.05), (PreferenceLoss::Hinge, 0.1), (PreferenceLoss::Ipo, 10.0)] {
        let objective = PreferenceObjective { loss, ..PreferenceObjective::default() };
        let (found, tally) = objective.loss_and_tally(&model, &batch, None);
        assert_eq!(found.n_targets, 2);
        assert!(tally.iter().all(|(_, sum)| sum.abs() < 1e-5), "no reward yet: {tally:?}");
        let at_start = [2.0 * 2.0_f32.ln(), 2.0, 2.0 * 25.0][loss as usize];
        assert_close(&values(found.sum.clone()), &[at_start], 1e-4, 1e-4);
        for (name, gradient) in gradients(found.sum) {
            let of = |row: usize| {
                let (gradients, n_targets) = &rows[row];
                let n = if loss == PreferenceLoss::Ipo { *n_targets } else { 1.0 };
                gradients[&name].iter().map(move |x| x / n)
            };
            // Losses are negative log-probabilities.
            let chosen = of(0).zip(of(1)).map(|(a, b)| a + b);
            let rejected = of(2).zip(of(3)).map(|(a, b)| a + b);
            let expected: Vec<f32> =
                chosen.zip(rejected).map(|(chosen, rejected)| scale * (chosen - rejected)).collect();
            assert_close(&gradient, &expected, 1e-3, 1e-4);
        }
    }
}
