//! The loss of a student and its gradient against PyTorch (`tests/golden/generate_distillation.py`), and what teachers of both
//! kinds of batches are asked.

use std::rc::Rc;

use attentive_backend::{BackendKind, Device, Objective};
use attentive_core::{SequenceBatch, TokenMatrix, TranslationBatch};
use attentive_model::{
    CausalLmObjective, DistillationObjective, Distilling, GptConfig, ModelSpec, ScoresTargets, TargetLogits,
    TransformerConfig, TranslationObjective,
};
use attentive_testkit::{Area, Comparison, Golden, assert_close, named};
use burn::tensor::{Tensor, TensorData};
use serde_json::Value;

const TARGETS: usize = 5;
const VOCAB: usize = 11;

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap()
}

fn scores(name: &str, device: &Device) -> Tensor<2> {
    let values: Vec<f32> = named(name, TARGETS * VOCAB).iter().map(|x| x * 4.0).collect();
    Tensor::from_data(TensorData::new(values, [TARGETS, VOCAB]), device)
}

fn results(case: &Value, device: &Device) -> Vec<(String, Vec<f32>)> {
    let number = |key: &str| case[key].as_f64().unwrap();
    let settings = Distilling {
        label_smoothing: number("label_smoothing"),
        weight: number("weight"),
        temperature: number("temperature"),
        top_k: case["top_k"].as_u64().map(|k| k as usize),
    };
    let logits = scores("student", device).require_grad();
    let student = TargetLogits { logits: logits.clone(), targets: vec![3, 0, 10, 3, 7] };
    let (loss, tally) = settings.loss(student, scores("teacher", device));
    assert_eq!((loss.n_targets, tally.len()), (TARGETS, 1));
    let gradient = logits.grad(&loss.sum.backward()).unwrap();
    let told = tally.into_iter().map(|(name, sum)| (name.to_owned(), vec![sum as f32]));
    let found = [("loss", values(loss.sum)), ("nll", values(loss.nll_sum)), ("d student", values(gradient))];
    found.map(|(name, values)| (name.to_owned(), values)).into_iter().chain(told).collect()
}

#[test]
fn the_loss_and_its_gradient_are_pytorch_s() {
    let golden = Golden::of(env!("CARGO_MANIFEST_DIR"));
    for kind in [BackendKind::Flex, BackendKind::NdArray] {
        let against = format!("PyTorch {}", golden.version("torch"));
        let mut comparison = Comparison::new(Area::Numbers, format!("word-level distillation, {kind}"), against, 1e-5);
        let device = kind.device().unwrap().autodiff();
        for case in golden.cases("distillation.json") {
            let (name, error) = Golden::largest_error(&case, &results(&case, &device));
            let facts = format!("α {}, T {}, top {}", case["weight"], case["temperature"], case["top_k"]);
            comparison.case(format!("{name}, {facts}"), error);
            comparison.f32_of_the_other(case["f32_error"].as_f64().unwrap());
        }
        comparison.report();
    }
}

fn text() -> SequenceBatch {
    let mut batch = SequenceBatch::next_tokens(&[vec![1, 2, 3, 4, 5], vec![1, 2, 6]], 0, vec![0, 1]);
    batch.ignored[1] = true;
    batch
}

fn pairs() -> TranslationBatch {
    TranslationBatch {
        source: TokenMatrix::from_rows(&[vec![4, 5, 2], vec![6, 2]], 0, 0),
        target: TokenMatrix::from_rows(&[vec![1, 3, 2], vec![1, 5, 4, 6, 2]], 0, 0),
        indices: vec![0, 1],
    }
}

/// Without the teacher's part the loss is the task's own; a student that is its own teacher has no divergence.
fn agrees<B: attentive_core::Batch, C: ModelSpec>(spec: &C, batch: &B, own: &impl Objective<C::Model, Batch = B>)
where
    C::Model: ScoresTargets<B>,
{
    for kind in [BackendKind::Flex, BackendKind::NdArray] {
        let device = kind.device().unwrap();
        let student = spec.init(&device.clone().autodiff(), 3).unwrap();
        let loss = |weight: f64, seed: u64| {
            let settings = Distilling { label_smoothing: 0.0, weight, temperature: 2.0, top_k: None };
            let teacher = Rc::new(spec.init(&device, seed).unwrap());
            DistillationObjective::new(settings, teacher).loss_and_tally(&student, batch, None)
        };
        let expected = own.loss(&student, batch, None);
        let (found, told) = loss(0.0, 4);
        assert_eq!(found.n_targets, expected.n_targets);
        assert_close(&values(found.sum), &values(expected.sum), 1e-5, 1e-5);
        assert_close(&values(found.nll_sum), &values(expected.nll_sum), 1e-5, 1e-5);
        assert!(told[0].1 > 1e-3, "another teacher: {told:?}");
        let (found, told) = loss(1.0, 3);
        assert_close(&values(found.sum), &[0.0_f32], 0.0, 1e-5);
        assert!(told[0].1.abs() < 1e-5, "the same teacher: {told:?}");
    }
}

#[test]
fn students_of_texts_and_of_translations_learn_from_teachers_of_their_kind() {
    agrees(&GptConfig::gpt2_like(8, 6, [2, 2, 16]), &text(), &CausalLmObjective::default());
    let small = TransformerConfig {
        d_model: 16,
        d_ff: 16,
        n_heads: 2,
        n_encoder_layers: 1,
        n_decoder_layers: 1,
        ..TransformerConfig::base(9)
    };
    agrees(&small, &pairs(), &TranslationObjective { label_smoothing: 0.0 });
}
