//! The running mean of parameters against its formula in f64.

use attentive_backend::BackendKind;
use attentive_optim::Ema;
use attentive_testkit::assert_close;
use burn::{
    module::{Module, Param},
    tensor::Tensor,
};

#[derive(Module, Debug)]
struct Pair {
    matrix: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

/// Parameters after update `n`.
fn params(n: u64) -> [f64; 3] {
    let n = n as f64;
    [n * 0.5, -1.0 / n, n.sin()]
}

#[test]
fn means_are_those_of_the_formula_with_and_without_a_pause() {
    let plain = BackendKind::Flex.device().unwrap();
    for device in [plain.clone(), plain.autodiff()] {
        let model = |n| {
            let [a, b, c] = params(n).map(|x| x as f32);
            Pair {
                matrix: Param::from_tensor(Tensor::from_floats([[a, b]], &device)),
                bias: Param::from_tensor(Tensor::from_floats([c], &device)),
            }
        };
        let mut ema = Ema::new(0.5);
        let mut expected = params(1);
        ema.update(&model(1), 1);
        for n in 2..=20 {
            if n == 11 {
                ema = Ema::new(0.5).restored(ema.means().clone());
            }
            ema.update(&model(n), n);
            let decay = (1.0 + n as f64) / (10.0 + n as f64);
            let decay = if decay < 0.5 { decay } else { 0.5 };
            for (mean, value) in expected.iter_mut().zip(params(n)) {
                *mean = decay * *mean + (1.0 - decay) * value;
            }
        }
        let mean = ema.apply(model(20));
        assert_eq!(mean.matrix.val().is_require_grad(), model(20).matrix.val().is_require_grad());
        let matrix: Vec<f32> = mean.matrix.val().into_data().try_into_vec().unwrap();
        let bias: Vec<f32> = mean.bias.val().into_data().try_into_vec().unwrap();
        assert_close(&[matrix, bias].concat(), &expected, 1e-5, 1e-6);
    }
}

/// A mean is moved by what it differs from a parameter, and so is equal to one that is frozen, bit for bit.
#[test]
fn the_mean_of_a_parameter_that_stays_is_that_parameter() {
    let device = BackendKind::Flex.device().unwrap();
    let values: Vec<f32> = (0..64).map(|idx| 0.1 + 0.037 * idx as f32).collect();
    let model = Pair {
        matrix: Param::from_tensor(Tensor::from_floats([[0.3, -1.7]], &device)),
        bias: Param::from_tensor(Tensor::from_floats(values.as_slice(), &device)),
    };
    let mut ema = Ema::new(0.9999);
    // Late updates, in which the decay is not below its own value any more.
    (1_000_000..1_000_100).for_each(|n| ema.update(&model, n));
    let mean: Vec<f32> = ema.apply(model).bias.val().into_data().try_into_vec().unwrap();
    assert_eq!(mean, values);
}
