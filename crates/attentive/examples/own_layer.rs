//! A layer of your own, a gated unit, learns to multiply: `cargo run --release --example own_layer`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use attentive::attention::{Initializer, Linear};
use attentive::backend::{BackendKind, Dropout, Loss, Objective};
use attentive::burn::{self, module::Module, tensor::Tensor};
use attentive::{core::Batch, optim::AdamConfig, trainer::Update};

/// `W (A x ⊙ B x)` (Dauphin et al. 2017, the bilinear gate).
#[derive(Module, Debug)]
struct Gated {
    a: Linear,
    b: Linear,
    output: Linear,
}

impl Gated {
    fn new(d_in: usize, d_hidden: usize, d_out: usize, init: &Initializer) -> Self {
        let [a, b] = [0, 1].map(|_| Linear::new(d_in, d_hidden, false, init));
        Self { a, b, output: Linear::new(d_hidden, d_out, false, init) }
    }

    /// `[rows, d_in]` to `[rows, d_out]`.
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.output.forward(self.a.forward(x.clone()) * self.b.forward(x))
    }
}

/// Pairs of numbers, and what should be made of them.
struct Points(Tensor<2>, Tensor<2>, Vec<u64>);

#[rustfmt::skip]
impl Batch for Points {
    fn n_rows(&self) -> usize { self.2.len() }
    fn n_targets(&self) -> usize { self.2.len() }
    fn indices(&self) -> &[u64] { &self.2 }
}

struct SquaredError;

impl Objective<Gated> for SquaredError {
    type Batch = Points;

    fn loss(&self, model: &Gated, Points(x, y, rows): &Points, _: Option<&Dropout>) -> Loss {
        let sum = (model.forward(x.clone()) - y.clone()).powi_scalar(2).sum();
        Loss { nll_sum: sum.clone().detach(), sum, n_targets: rows.len() }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = BackendKind::Flex.device()?.autodiff();
    let x = Tensor::<2>::from_floats([[1.0, 2.0], [-1.0, 1.5], [0.5, 0.5], [2.0, -1.0]], &device);
    let points = Points(x.clone(), x.prod_dim(1), (0..4).collect());
    let (mut model, mut optimizer) =
        (Gated::new(2, 8, 1, &Initializer::new(1, &device)), AdamConfig::default().init()?);
    for step in 0..=300 {
        let mut update = Update::of(model, &SquaredError);
        let loss = update.add(&points, None);
        if step % 100 == 0 {
            println!("step {step:>3}  squared error {loss:.4}");
        }
        (model, _) = update.step(&mut optimizer, 0.02);
    }
    println!("3 · -2 = {:.2}", model.forward(Tensor::from_floats([[3.0, -2.0]], &device)).into_scalar::<f32>());
    Ok(())
}
