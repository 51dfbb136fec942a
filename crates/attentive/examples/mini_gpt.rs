//! GPT, written out: a Transformer decoder made of nothing but tensors, which learns the characters of a text file.
//!
//! `cargo run --release --example mini_gpt -- FILE [STEPS]`; `mini_gpt_layers.rs` is the same, made of our layers.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::{collections::BTreeSet, env, fs};

use attentive::burn::tensor::activation::{log_softmax, relu, softmax};
use attentive::burn::tensor::{Distribution, Int, Tensor, TensorData};
use attentive::prelude::*;

const D_MODEL: usize = 64;
const N_HEADS: usize = 4;
const D_K: usize = D_MODEL / N_HEADS;
const N_LAYERS: usize = 2;
const CONTEXT: usize = 64;
const ROWS: usize = 16;

/// Parameters of one layer.
struct Layer {
    norm_1: [Tensor<2>; 2], // gain and bias, [1, d_model]
    query: Tensor<2>,       // [d_model, d_model]
    key: Tensor<2>,
    value: Tensor<2>,
    output: Tensor<2>,
    norm_2: [Tensor<2>; 2],
    up: Tensor<2>,   // [d_model, 4 d_model]
    down: Tensor<2>, // [4 d_model, d_model]
}

/// Parameters of the model; the embedding is also the last projection.
struct Gpt {
    embedding: Tensor<2>, // [vocab, d_model]
    positions: Tensor<2>, // [context, d_model]
    layers: Vec<Layer>,
    norm: [Tensor<2>; 2],
}

/// A matrix of normal values.
fn matrix(rows: usize, columns: usize, device: &Device) -> Tensor<2> {
    Tensor::random([rows, columns], Distribution::Normal(0.0, 0.02), device).require_grad()
}

fn gain_and_bias(device: &Device) -> [Tensor<2>; 2] {
    [Tensor::ones([1, D_MODEL], device).require_grad(), Tensor::zeros([1, D_MODEL], device).require_grad()]
}

/// `(x - mean) / √variance`, scaled and moved.
fn layer_norm(x: Tensor<3>, [gain, bias]: &[Tensor<2>; 2]) -> Tensor<3> {
    let centred = x.clone() - x.mean_dim(2);
    let variance = centred.clone().powi_scalar(2).mean_dim(2); // [rows, seq, 1]
    centred / (variance + 1e-5).sqrt() * gain.clone().unsqueeze() + bias.clone().unsqueeze()
}

/// `x W` for each position.
fn project(x: Tensor<3>, weight: &Tensor<2>) -> Tensor<3> {
    x.matmul(weight.clone().unsqueeze())
}

impl Layer {
    fn new(device: &Device) -> Self {
        let square = || matrix(D_MODEL, D_MODEL, device);
        Self {
            norm_1: gain_and_bias(device),
            query: square(),
            key: square(),
            value: square(),
            output: square(),
            norm_2: gain_and_bias(device),
            up: matrix(D_MODEL, 4 * D_MODEL, device),
            down: matrix(4 * D_MODEL, D_MODEL, device),
        }
    }

    /// `softmax(Q Kᵀ / √d_k) V` in each head, where a position sees itself and those before it.
    fn attention(&self, x: &Tensor<3>) -> Tensor<3> {
        let [rows, seq, _] = x.dims();
        let heads = |weight| project(x.clone(), weight).reshape([rows, seq, N_HEADS, D_K]).swap_dims(1, 2);
        let (q, k, v) = (heads(&self.query), heads(&self.key), heads(&self.value)); // [rows, heads, seq, d_k]
        let scores = q.matmul(k.swap_dims(2, 3)) / (D_K as f64).sqrt(); // [rows, heads, seq, seq]
        let future = Tensor::<2>::ones([seq, seq], &x.device()).triu(1) * -1e9;
        let weights = softmax(scores + future.unsqueeze(), 3);
        let mixed = weights.matmul(v).swap_dims(1, 2).reshape([rows, seq, D_MODEL]);
        project(mixed, &self.output)
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = x.clone() + self.attention(&layer_norm(x, &self.norm_1));
        let hidden = relu(project(layer_norm(x.clone(), &self.norm_2), &self.up)); // [rows, seq, 4 d_model]
        x + project(hidden, &self.down)
    }
}

impl Gpt {
    fn new(vocab: usize, device: &Device) -> Self {
        let layers = (0..N_LAYERS).map(|_| Layer::new(device)).collect();
        let [embedding, positions] = [vocab, CONTEXT].map(|rows| matrix(rows, D_MODEL, device));
        Self { embedding, positions, layers, norm: gain_and_bias(device) }
    }

    /// Log-probabilities of each position's next character: `[rows, seq]` to `[rows, seq, vocab]`.
    fn forward(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let [rows, seq] = ids.dims();
        let embedded = self.embedding.clone().select(0, ids.reshape([rows * seq])).reshape([rows, seq, D_MODEL]);
        let x = embedded + self.positions.clone().narrow(0, 0, seq).unsqueeze();
        let x = self.layers.iter().fold(x, |x, layer| layer.forward(x));
        log_softmax(project(layer_norm(x, &self.norm), &self.embedding.clone().transpose()), 2)
    }

    fn parameters(&mut self) -> Vec<&mut Tensor<2>> {
        let mut all = vec![&mut self.embedding, &mut self.positions];
        all.extend(&mut self.norm);
        for Layer { norm_1, query, key, value, output, norm_2, up, down } in &mut self.layers {
            all.extend(norm_1.iter_mut().chain(norm_2));
            all.extend([query, key, value, output, up, down]);
        }
        all
    }
}

/// Adam (Kingma and Ba 2015): means of the gradients and of their squares, a pair for each parameter.
struct Adam {
    moments: Vec<[Tensor<2>; 2]>,
    step: i32,
}

impl Adam {
    const BETAS: [f32; 2] = [0.9, 0.99];

    fn new(model: &mut Gpt) -> Self {
        let zeros = |tensor: &mut Tensor<2>| tensor.clone().inner().zeros_like();
        Self { moments: model.parameters().into_iter().map(|p| [zeros(p), zeros(p)]).collect(), step: 0 }
    }

    /// Moves every parameter against its gradient.
    fn update(&mut self, model: &mut Gpt, loss: &Tensor<1>, lr: f32) {
        let gradients = loss.backward();
        self.step += 1;
        let [correction_1, correction_2] = Self::BETAS.map(|beta| 1.0 - beta.powi(self.step));
        for (parameter, [mean, square]) in model.parameters().into_iter().zip(&mut self.moments) {
            let Some(gradient) = parameter.grad(&gradients) else { continue };
            *mean = mean.clone() * Self::BETAS[0] + gradient.clone() * (1.0 - Self::BETAS[0]);
            *square = square.clone() * Self::BETAS[1] + gradient.powi_scalar(2) * (1.0 - Self::BETAS[1]);
            let direction = mean.clone() / correction_1 / ((square.clone() / correction_2).sqrt() + 1e-8);
            *parameter = Tensor::from_inner(parameter.clone().inner() - direction * lr).require_grad();
        }
    }
}

/// `n` numbers at random, at least 0 and below 1.
fn uniform(n: usize, device: &Device) -> Vec<f32> {
    Tensor::<1>::random([n], Distribution::Uniform(0.0, 1.0), device).into_data().try_into_vec().expect("f32")
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = env::args().skip(1);
    let text = fs::read_to_string(args.next().ok_or("usage: mini_gpt FILE [STEPS]")?)?;
    let n_steps: usize = args.next().map_or(Ok(500), |steps| steps.parse())?;
    let characters: Vec<char> = text.chars().collect::<BTreeSet<char>>().into_iter().collect();
    let ids: Vec<i32> = text.chars().map(|c| characters.binary_search(&c).map_or(0, |id| id as i32)).collect();
    if ids.len() <= CONTEXT {
        return Err(format!("the text must have more than {CONTEXT} characters").into());
    }

    let device = BackendKind::Flex.device()?.autodiff();
    device.seed(1);
    let mut model = Gpt::new(characters.len(), &device);
    let mut adam = Adam::new(&mut model);
    for step in 1..=n_steps {
        let start = |u: f32| (f64::from(u) * (ids.len() - CONTEXT) as f64) as usize;
        let starts: Vec<usize> = uniform(ROWS, &device).into_iter().map(start).collect();
        let rows = |shift: usize| -> Tensor<2, Int> {
            let rows: Vec<i32> = starts.iter().flat_map(|&at| &ids[at + shift..][..CONTEXT]).copied().collect();
            Tensor::from_data(TensorData::new(rows, [ROWS, CONTEXT]), &device)
        };
        let log_probabilities = model.forward(rows(0)); // [rows, context, vocab]
        let loss = -log_probabilities.gather(2, rows(1).unsqueeze_dim(2)).mean();
        adam.update(&mut model, &loss, 3e-3);
        if step % 50 == 0 || step == 1 || step == n_steps {
            println!("step {step:>5}  loss {:.3} nats per character", loss.into_scalar::<f32>());
        }
    }

    let mut written = vec![0];
    for _ in 0..200 {
        let context = written[written.len().saturating_sub(CONTEXT)..].to_vec();
        let seq = context.len();
        let last =
            model.forward(Tensor::from_data(TensorData::new(context, [1, seq]), &device)).slice([0..1, seq - 1..seq]);
        let (mut left, log_probabilities) = (uniform(1, &device)[0], last.into_data().try_into_vec::<f32>()?);
        let drawn = log_probabilities.iter().position(|p| {
            left -= p.exp();
            left < 0.0
        });
        written.push(drawn.unwrap_or(0) as i32);
    }
    println!("{}", written.iter().map(|&id| characters[id as usize]).collect::<String>());
    Ok(())
}
