//! A layer of your own, a gated unit, learns to multiply: `cargo run --release --example own_layer`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use attentive::{
    attention::{Initializer, Linear},
    burn::{self, module::Module, tensor::Tensor},
    optim::{AdamConfig, Gradients, StepSize, step},
    prelude::*,
};

/// `W (A x ⊙ B x)` (Dauphin et al. 2017, §3: the bilinear layer).
#[derive(Module, Debug)]
struct Gated {
    a: Linear,
    b: Linear,
    output: Linear,
}

impl Gated {
    fn new([d_in, d_hidden, d_out]: [usize; 3], init: &Initializer) -> Self {
        let [a, b] = [0, 1].map(|_| Linear::new(d_in, d_hidden, false, init));
        Self { a, b, output: Linear::new(d_hidden, d_out, false, init) }
    }

    /// `[rows, d_in]` to `[rows, d_out]`.
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.output.forward(self.a.forward(x.clone()) * self.b.forward(x))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = BackendKind::Flex.device()?.autodiff();
    let x = Tensor::<2>::from_floats([[1.0, 2.0], [-1.0, 1.5], [0.5, 0.5], [2.0, -1.0]], &device);
    let y = x.clone().prod_dim(1);
    let mut model = Gated::new([2, 8, 1], &Initializer::new(1, &device));
    let mut optimizer = AdamConfig::default().init()?;
    for number in 0..=300 {
        let loss = (model.forward(x.clone()) - y.clone()).powi_scalar(2).mean();
        if number % 100 == 0 {
            println!("step {number:>3}  squared error {:.4}", loss.clone().into_scalar::<f32>());
        }
        let gradients = Gradients::take(loss.backward(), &model);
        model = step(&mut optimizer, model, gradients, StepSize { scale: 1.0, lr: 0.02 });
    }
    let product = model.forward(Tensor::from_floats([[1.5, -1.5]], &device));
    println!("1.5 · -1.5 = {:.2}", product.into_scalar::<f32>());
    Ok(())
}
