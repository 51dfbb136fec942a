//! Ten updates with the Noam schedule against PyTorch's Adam and AdamW (`tests/golden/generate.py`).

use std::num::NonZeroU64;

use attentive_backend::{BackendKind, Device};
use attentive_optim::{AdamConfig, Gradients, Optimizer, Schedule, ScheduleConfig};
use attentive_testkit::{Area, Comparison, Golden, named};
use burn::{
    module::{Module, Param},
    tensor::{Tensor, TensorData},
};

#[derive(Module, Debug)]
struct Affine {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

fn input<const D: usize>(name: &str, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(named(name, shape.iter().product()), shape), device)
}

fn values<const D: usize>(param: &Param<Tensor<D>>) -> Vec<f32> {
    param.val().into_data().try_into_vec().unwrap()
}

#[test]
fn ten_updates_equal_pytorch_s() {
    let golden = Golden::of(env!("CARGO_MANIFEST_DIR"));
    let noam = ScheduleConfig::Noam { factor: 1.0, warmup_steps: 4 }.build(8);
    for kind in [BackendKind::Flex, BackendKind::NdArray] {
        let what = format!("ten updates of Adam and AdamW with the Noam schedule, {kind}");
        let against = format!("PyTorch {}", golden.version("torch"));
        let mut comparison = Comparison::new(Area::Numbers, what, against, 1e-5);
        for case in golden.cases("adam.json") {
            let device = kind.device().unwrap().autodiff();
            let mut model = Affine {
                weight: Param::from_tensor(input("weight", [3, 2], &device)),
                bias: Param::from_tensor(input("bias", [2], &device)),
            };
            let weight_decay = case["weight_decay"].as_f64().unwrap();
            let mut adam = AdamConfig { weight_decay, ..AdamConfig::default() }.init().unwrap();
            let mut results = Vec::new();
            for step in 1..=10 {
                let y = input(&format!("x {step}"), [5, 3], &device).matmul(model.weight.val());
                let loss = (y + model.bias.val().unsqueeze()).powi_scalar(2).sum();
                let gradients = Gradients::take(loss.backward(), &model);
                model = adam.step(model, gradients, 1.0, noam.lr(NonZeroU64::new(step).unwrap()));
                results.push((format!("weight {step}"), values(&model.weight)));
                results.push((format!("bias {step}"), values(&model.bias)));
            }
            let (name, error) = Golden::largest_error(&case, &results);
            comparison.case(format!("{name} at decay {weight_decay}"), error);
            comparison.f32_of_the_other(case["f32_error"].as_f64().unwrap());
        }
        comparison.report();
    }
}
