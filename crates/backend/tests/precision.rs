//! Products of bf16 in both passes: near those of f32, and no nearer than eight significant bits can be.

use attentive_backend::{BackendKind, Precision, ops};
use attentive_testkit::Fixture;
use burn::tensor::{Tensor, TensorData};

/// Loss of two layers, and the gradients of what goes in.
fn gradients(precision: Precision) -> Vec<Vec<f32>> {
    let device = BackendKind::Flex.device().unwrap().autodiff();
    let mut fixture = Fixture::new(7);
    let mut leaf = |rows: usize, cols: usize| -> Tensor<2> {
        Tensor::from_data(TensorData::new(fixture.normal(rows * cols), [rows, cols]), &device).require_grad()
    };
    let (x, inner, projection) = (leaf(40, 96), leaf(96, 64), leaf(50, 64));
    let targets: Vec<u32> = (0..40).collect();
    let forward = || {
        let hidden = ops::linear(x.clone(), inner.clone(), None);
        ops::projected_cross_entropy(hidden, projection.clone(), None, &targets, &[false; 40], 0.1)
    };
    let gradients = precision.during(|| forward().divergence.backward());
    [x, inner, projection]
        .iter()
        .map(|leaf| leaf.grad(&gradients).unwrap().into_data().try_into_vec::<f32>().unwrap())
        .collect()
}

/// ‖a − b‖ / ‖b‖.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let square = |x: f32| f64::from(x).powi(2);
    let apart: f64 = a.iter().zip(b).map(|(&a, &b)| square(a - b)).sum();
    (apart / b.iter().map(|&b| square(b)).sum::<f64>()).sqrt()
}

#[test]
fn gradients_lose_the_bits_that_bf16_lacks_and_no_more() {
    let (exact, rounded) = (gradients(Precision::F32), gradients(Precision::Bf16));
    for (exact, rounded) in exact.iter().zip(&rounded) {
        let distance = distance(rounded, exact);
        assert!((1e-4..2e-2).contains(&distance), "{distance}");
    }
    assert_eq!(rounded, gradients(Precision::Bf16), "twice the same");
    assert_eq!(exact, gradients(Precision::F32), "and f32 comes back");
}

/// The backward pass has a thread's precision too: `dx = g · wᵀ` does not see the forward pass.
#[test]
fn the_backward_pass_multiplies_bf16_as_well() {
    let backward = |precision: Precision| {
        let device = BackendKind::Flex.device().unwrap().autodiff();
        let mut fixture = Fixture::new(8);
        let mut leaf = || Tensor::<2>::from_data(TensorData::new(fixture.normal(64 * 64), [64, 64]), &device);
        let (x, weight, g) = (leaf().require_grad(), leaf(), leaf());
        let loss = (ops::linear(x.clone(), weight, None) * g).sum();
        let gradients = precision.during(|| loss.backward());
        x.grad(&gradients).unwrap().into_data().try_into_vec::<f32>().unwrap()
    };
    let distance = distance(&backward(Precision::Bf16), &backward(Precision::F32));
    assert!((1e-4..2e-2).contains(&distance), "{distance}");
}
