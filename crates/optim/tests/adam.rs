//! Adam against the algorithm in scalar f64, and accumulation against one batch.

use attentive_backend::{BackendKind, Device};
use attentive_optim::{AdamConfig, Gradients, Optimizer};
use attentive_testkit::{Adam as Oracle, AdamMoments, Fixture, assert_close, widen};
use burn::{
    module::{Module, Param},
    tensor::{Tensor, TensorData},
};

#[derive(Module, Debug)]
struct Affine {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl Affine {
    fn new(weight: &[f32], bias: &[f32], device: &Device) -> Self {
        let weight = TensorData::new(weight.to_vec(), [weight.len() / bias.len(), bias.len()]);
        Self {
            weight: Param::from_tensor(Tensor::from_data(weight, device)),
            bias: Param::from_tensor(Tensor::from_data(TensorData::new(bias.to_vec(), [bias.len()]), device)),
        }
    }

    /// A loss with a gradient that differs from value to value.
    fn loss(&self, x: Tensor<2>) -> Tensor<1> {
        (x.matmul(self.weight.val()) + self.bias.val().unsqueeze()).powi_scalar(2).sum()
    }
}

fn values<const D: usize>(param: &Param<Tensor<D>>) -> Vec<f32> {
    param.val().into_data().try_into_vec().unwrap()
}

#[test]
fn ten_steps_equal_the_algorithm() {
    let device = BackendKind::Flex.device().unwrap().autodiff();
    let mut fixture = Fixture::new(1);
    let (weight, bias) = (fixture.normal(3 * 2), fixture.normal(2));
    let mut model = Affine::new(&weight, &bias, &device);
    let mut adam = AdamConfig { weight_decay: 0.1, ..AdamConfig::default() }.init().unwrap();
    let oracle = |weight_decay| Oracle { lr: 0.01, beta_1: 0.9, beta_2: 0.98, eps: 1e-9, weight_decay };
    let (mut w, mut b) = (widen(&weight), widen(&bias));
    let (mut w_moments, mut b_moments) = (AdamMoments::zeros(6), AdamMoments::zeros(2));
    for step in 1..=10 {
        let x = Tensor::<2>::from_data(TensorData::new(fixture.normal(4 * 3), [4, 3]), &device);
        let gradients = Gradients::take(model.loss(x).backward(), &model);
        let grad = |name: &str| -> Vec<f64> {
            let values: Vec<f32> = gradients.get(name).unwrap().to_data().try_into_vec().unwrap();
            values.iter().map(|&g| f64::from(g) * 0.5).collect()
        };
        // Decay is for matrices alone.
        oracle(0.1).update(&mut w, &grad("weight"), &mut w_moments, step);
        oracle(0.0).update(&mut b, &grad("bias"), &mut b_moments, step);
        model = adam.step(model, gradients, 0.5, 0.01);
        assert_close(&values(&model.weight), &w, 1e-5, 1e-6);
        assert_close(&values(&model.bias), &b, 1e-5, 1e-6);
    }
    assert_eq!(adam.n_updates(), 10);
}

#[test]
fn micro_batches_add_up_to_one_batch() {
    let device = BackendKind::Flex.device().unwrap().autodiff();
    let mut fixture = Fixture::new(2);
    let model = Affine::new(&fixture.normal(3 * 2), &fixture.normal(2), &device);
    let x = Tensor::<2>::from_data(TensorData::new(fixture.normal(7 * 3), [7, 3]), &device);
    let take = |x: Tensor<2>| Gradients::take(model.loss(x).backward(), &model);
    let whole = take(x.clone());
    let mut parts = Gradients::default();
    // Ragged: 1, 4 and 2 rows.
    for (start, n) in [(0, 1), (1, 4), (5, 2)] {
        parts.add(take(x.clone().narrow(0, start, n)));
    }
    for (name, gradient) in whole.iter() {
        let expected: Vec<f32> = gradient.to_data().try_into_vec().unwrap();
        let actual: Vec<f32> = parts.get(name).unwrap().to_data().try_into_vec().unwrap();
        assert_close(&actual, &expected, 1e-6, 1e-6);
    }
    assert!((parts.global_norm() / whole.global_norm() - 1.0).abs() < 1e-6);
}

#[test]
fn settings_out_of_range_are_named() {
    for (config, key) in [
        (AdamConfig { beta_1: 1.0, ..AdamConfig::default() }, "beta_1"),
        (AdamConfig { epsilon: f64::NAN, ..AdamConfig::default() }, "epsilon"),
        (AdamConfig { weight_decay: -1.0, ..AdamConfig::default() }, "weight_decay"),
    ] {
        assert!(config.init().unwrap_err().to_string().contains(key));
    }
}
