//! The loss over the vocabulary against its definition.

use attentive_backend::{BackendKind, ops};
use attentive_testkit::{Fixture, assert_close, linear, smoothed_cross_entropy, transpose, widen};
use burn::tensor::{Tensor, TensorData};

const N: usize = 5;
const D: usize = 7;
const VOCAB: usize = 11;

#[test]
fn the_divergence_is_cross_entropy_less_the_entropy_of_the_target() {
    let mut fixture = Fixture::new(1);
    let (hidden, weight, bias) = (fixture.normal(N * D), fixture.normal(VOCAB * D), fixture.normal(VOCAB));
    let targets = [3_i64, 0, 10, 7, 7];
    let counts = [1.0_f32, 1.0, 0.0, 1.0, 0.0];
    let logits = linear(&widen(&hidden), &transpose(&widen(&weight), [VOCAB, D]), Some(&widen(&bias)), [N, D, VOCAB]);
    let real: Vec<Option<usize>> =
        targets.iter().zip(counts).map(|(&target, count)| (count > 0.0).then_some(target as usize)).collect();
    for kind in [BackendKind::Flex, BackendKind::NdArray] {
        let device = kind.device().unwrap();
        for smoothing in [0.0, 0.1, 0.4] {
            let expected = smoothed_cross_entropy(&logits, &real, VOCAB, smoothing);
            // H(q) of (1 - ε) one_hot + ε / V, three targets.
            let (off, on) = (smoothing / VOCAB as f64, 1.0 - smoothing + smoothing / VOCAB as f64);
            let term = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
            let entropy = 3.0 * (term(on) + (VOCAB - 1) as f64 * term(off));
            let loss = ops::projected_cross_entropy(
                Tensor::<2>::from_data(TensorData::new(hidden.clone(), [N, D]), &device),
                Tensor::<2>::from_data(TensorData::new(weight.clone(), [VOCAB, D]), &device),
                Some(Tensor::<1>::from_floats(bias.as_slice(), &device)),
                &targets.map(|target| target as u32),
                &counts.map(|count| count == 0.0),
                smoothing,
            );
            assert_close(&[loss.divergence.into_scalar::<f32>()], &[expected.loss - entropy], 1e-5, 1e-6);
            assert_close(&[loss.nll.into_scalar::<f32>()], &[expected.nll], 1e-5, 1e-6);
        }
    }
}

#[test]
fn the_divergence_of_the_smoothed_target_itself_is_zero() {
    let device = BackendKind::Flex.device().unwrap();
    let smoothing = 0.2;
    // Logits that are ln q, through an identity projection.
    let (off, on) = ((smoothing / 3.0_f64).ln() as f32, (1.0 - smoothing + smoothing / 3.0_f64).ln() as f32);
    let loss = ops::projected_cross_entropy(
        Tensor::<2>::from_floats([[off, on, off]], &device),
        Tensor::eye(3, &device),
        None,
        &[1],
        &[false],
        smoothing,
    );
    assert_close(&[loss.divergence.into_scalar::<f32>()], &[0.0], 0.0, 1e-6);
}
