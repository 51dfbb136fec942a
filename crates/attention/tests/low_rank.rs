//! Changes of low rank against their definition in `f64`: values and every gradient.

use attentive_attention::{Dropout, Initializer, Linear, LowRank};
use attentive_backend::{BackendKind, Device};
use attentive_testkit::{Fixture, assert_close, gradient, linear, matmul, widen};
use burn::{
    module::{Module, Param, Reparameterizer},
    tensor::{Tensor, TensorData},
};

const BACKENDS: [BackendKind; 2] = [BackendKind::Flex, BackendKind::NdArray];
const N: usize = 6;
const D_IN: usize = 5;
const D_OUT: usize = 4;
const RANK: usize = 2;
const SCALE: f64 = 1.75;

/// Numbers of a map, its change, its input and the gradient of its output.
struct Case {
    x: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    down: Vec<f32>,
    up: Vec<f32>,
    magnitude: Vec<f32>,
    dy: Vec<f32>,
}

impl Case {
    fn new() -> Self {
        let mut fixture = Fixture::new(7);
        let mut draw = |n| fixture.uniform(n, -1.0, 1.0);
        let (x, weight, bias, down) = (draw(N * D_IN), draw(D_IN * D_OUT), draw(D_OUT), draw(D_IN * RANK));
        let (up, magnitude, dy) = (draw(RANK * D_OUT), draw(D_OUT), draw(N * D_OUT));
        Self { x, weight, bias, down, up, magnitude, dy }
    }

    /// The map on `device`, with the change on it, which nothing but its definition knows.
    fn map(&self, has_magnitude: bool, dropout: f64, device: &Device) -> Linear {
        let change = LowRank {
            down: param(&self.down, [D_IN, RANK], device),
            up: param(&self.up, [RANK, D_OUT], device),
            magnitude: has_magnitude.then(|| param(&self.magnitude, [D_OUT], device)),
            scale: SCALE,
            dropout,
        };
        let (weight, bias) = (param(&self.weight, [D_IN, D_OUT], device), param(&self.bias, [D_OUT], device));
        Linear { weight, bias: Some(bias) }.apply_reparameterization(Put(Some(change)))
    }

    fn x(&self, device: &Device) -> Tensor<2> {
        Tensor::from_data(TensorData::new(self.x.clone(), [N, D_IN]), device)
    }
}

fn param<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    Param::from_tensor(Tensor::from_data(TensorData::new(values.to_vec(), shape), device))
}

/// Puts a change on the first matrix, all else being frozen.
struct Put(Option<LowRank>);

impl Reparameterizer for Put {
    type Reparam = LowRank;

    fn reparameterize<const D: usize>(
        &mut self,
        _: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<LowRank>) {
        (param.set_require_grad(false), self.0.take_if(|_| D == 2))
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

/// `W + s A B`.
fn changed(weight: &[f64], down: &[f64], up: &[f64]) -> Vec<f64> {
    let change = matmul(down, up, [D_IN, RANK, D_OUT]);
    weight.iter().zip(change).map(|(weight, change)| weight + SCALE * change).collect()
}

/// The length of each column.
fn lengths(weight: &[f64]) -> Vec<f64> {
    (0..D_OUT).map(|j| (0..D_IN).map(|i| weight[i * D_OUT + j].powi(2)).sum::<f64>().sqrt()).collect()
}

#[test]
fn values_and_gradients_are_those_of_the_definition() {
    let case = Case::new();
    let [x, weight, bias, dy] = [&case.x, &case.weight, &case.bias, &case.dy].map(|values| widen(values));
    let [down, up, magnitude] = [&case.down, &case.up, &case.magnitude].map(|values| widen(values));
    // The lengths that weights have count as constants (Liu et al. 2024, §4.3).
    let constant = lengths(&changed(&weight, &down, &up));
    for has_magnitude in [false, true] {
        let effective = |down: &[f64], up: &[f64], magnitude: &[f64]| {
            let mut effective = changed(&weight, down, up);
            if has_magnitude {
                effective.iter_mut().enumerate().for_each(|(at, value)| {
                    *value *= magnitude[at % D_OUT] / constant[at % D_OUT];
                });
            }
            effective
        };
        let y = |x: &[f64], down: &[f64], up: &[f64], magnitude: &[f64]| {
            linear(x, &effective(down, up, magnitude), Some(&bias), [N, D_IN, D_OUT])
        };
        let loss = |x: &[f64], down: &[f64], up: &[f64], magnitude: &[f64]| -> f64 {
            y(x, down, up, magnitude).iter().zip(&dy).map(|(y, dy)| y * dy).sum()
        };
        for kind in BACKENDS {
            let device = kind.device().unwrap().autodiff();
            let map = case.map(has_magnitude, 0.0, &device);
            let input = case.x(&device).require_grad();
            let output = map.forward(input.clone());
            assert_close(&values(output.clone()), &y(&x, &down, &up, &magnitude), 1e-5, 1e-5);
            // Whoever takes the weight has the changed one.
            assert_close(&values(map.weight.val()), &effective(&down, &up, &magnitude), 1e-5, 1e-5);
            let merged = map.clone().valid().materialize();
            assert_close(&values(merged.weight.val()), &effective(&down, &up, &magnitude), 1e-5, 1e-5);

            let dy = Tensor::from_data(TensorData::new(case.dy.clone(), [N, D_OUT]), &device);
            let gradients = (output * dy).sum().backward();
            let change = map.weight.reparameterization::<LowRank>().unwrap();
            let compare = |actual: Vec<f32>, expected: Vec<f64>| assert_close(&actual, &expected, 1e-4, 1e-5);
            compare(values(input.grad(&gradients).unwrap()), gradient(|x| loss(x, &down, &up, &magnitude), &x));
            compare(
                values(change.down.val().grad(&gradients).unwrap()),
                gradient(|down| loss(&x, down, &up, &magnitude), &down),
            );
            compare(
                values(change.up.val().grad(&gradients).unwrap()),
                gradient(|up| loss(&x, &down, up, &magnitude), &up),
            );
            if let Some(of_change) = &change.magnitude {
                compare(
                    values(of_change.val().grad(&gradients).unwrap()),
                    gradient(|magnitude| loss(&x, &down, &up, magnitude), &magnitude),
                );
            }
            assert!(map.weight.base().grad(&gradients).is_none(), "the weight stays as it is");
            assert!(map.bias.unwrap().val().grad(&gradients).is_none());
        }
    }
}

#[test]
fn a_new_change_changes_nothing() {
    let case = Case::new();
    for kind in BACKENDS {
        let device = kind.device().unwrap();
        let plain = Linear { weight: param(&case.weight, [D_IN, D_OUT], &device), bias: None };
        for has_magnitude in [false, true] {
            let change = LowRank::new(plain.weight.val(), RANK, has_magnitude, &Initializer::new(1, &device));
            assert!(values(change.down.val()).iter().all(|&value| value != 0.0));
            let with = plain.clone().apply_reparameterization(Put(Some(change)));
            let [before, after] = [&plain, &with].map(|map| values(map.forward(case.x(&device))));
            if has_magnitude {
                assert_close(&after, &before, 1e-6, 1e-6);
            } else {
                assert_eq!(after, before);
            }
        }
    }
}

#[test]
fn dropout_zeroes_inputs_of_the_change_alone() {
    let case = Case::new();
    for kind in BACKENDS {
        let device = kind.device().unwrap().autodiff();
        let map = case.map(false, 0.5, &device);
        let y = |pass: Option<&Dropout>| values(map.forward_in(case.x(&device), pass));
        assert_eq!(y(None), values(map.forward(case.x(&device))));
        assert_eq!(y(Some(&Dropout::new(1))), y(Some(&Dropout::new(1))));
        assert_ne!(y(Some(&Dropout::new(1))), y(Some(&Dropout::new(2))));
        // The mean over many passes is the output without dropout.
        let n = 4000;
        let mut mean = vec![0.0; N * D_OUT];
        for seed in 0..n {
            let of_pass = y(Some(&Dropout::new(seed)));
            mean.iter_mut().zip(of_pass).for_each(|(mean, y)| *mean += f64::from(y) / n as f64);
        }
        assert_close(&mean, &widen(&y(None)), 0.0, 0.1);
    }
}
