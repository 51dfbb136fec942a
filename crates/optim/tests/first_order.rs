//! The older optimizers against their formulas in scalar f64.

use attentive_backend::{BackendKind, Device};
use attentive_optim::{FirstOrder, Gradients, Optimizer, UpdateRule};
use attentive_testkit::{Fixture, assert_close, widen};
use burn::{
    module::{Module, Param},
    tensor::{Tensor, TensorData},
};

#[derive(Module, Debug)]
struct Weights {
    weight: Param<Tensor<2>>,
}

impl Weights {
    fn new(weight: &[f32], device: &Device) -> Self {
        let data = TensorData::new(weight.to_vec(), [2, weight.len() / 2]);
        Self { weight: Param::from_tensor(Tensor::from_data(data, device)) }
    }

    /// `Σ c w² / 2`, whose gradient is `c w`.
    fn loss(&self, c: &[f32]) -> Tensor<1> {
        let weight = self.weight.val();
        let c = Tensor::from_data(TensorData::new(c.to_vec(), weight.dims()), &weight.device());
        (weight.clone() * weight * c).sum() / 2.0
    }
}

/// One update of a weight and its running value.
type Formula = fn(w: f64, g: f64, running: f64) -> (f64, f64);

const LR: f64 = 0.05;

#[test]
fn ten_steps_equal_the_formulas() {
    let cases: [(UpdateRule, Formula); 4] = [
        (UpdateRule::Sgd, |w, g, _| (w - LR * g, 0.0)),
        (UpdateRule::Momentum { decay: 0.9 }, |w, g, v| (w - LR * (0.9 * v + g), 0.9 * v + g)),
        (UpdateRule::AdaGrad { epsilon: 1e-8 }, |w, g, s| (w - LR * g / ((s + g * g).sqrt() + 1e-8), s + g * g)),
        (UpdateRule::RmsProp { decay: 0.9, epsilon: 1e-8 }, |w, g, s| {
            let mean = 0.9 * s + 0.1 * g * g;
            (w - LR * g / (mean.sqrt() + 1e-8), mean)
        }),
    ];
    let device = BackendKind::Flex.device().unwrap().autodiff();
    let mut fixture = Fixture::new(3);
    let (start, c) = (fixture.normal(6), fixture.uniform(6, 0.5, 2.0));
    for (rule, formula) in cases {
        let (mut model, mut optimizer) = (Weights::new(&start, &device), FirstOrder::new(rule));
        let (mut w, mut running) = (widen(&start), vec![0.0; 6]);
        for _ in 0..10 {
            let gradients = Gradients::take(model.loss(&c).backward(), &model);
            model = optimizer.step(model, gradients, 0.5, LR);
            for ((w, running), c) in w.iter_mut().zip(&mut running).zip(widen(&c)) {
                (*w, *running) = formula(*w, 0.5 * c * *w, *running);
            }
            let actual: Vec<f32> = model.weight.val().into_data().try_into_vec().unwrap();
            assert_close(&actual, &w, 1e-4, 1e-6);
        }
    }
}
