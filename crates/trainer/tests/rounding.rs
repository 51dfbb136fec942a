//! Passes of rounded matrices: gradients at the rounded values change the values that were rounded.

use std::{
    cell::{Cell, RefCell},
    ops::ControlFlow,
    path::Path,
    rc::Rc,
};

use attentive_backend::{BackendKind, Device, Loss, Objective};
use attentive_core::{Batch, Dropout, SequenceBatch};
use attentive_model::{CausalLmObjective, Gpt, GptConfig, ModelSpec};
use attentive_optim::{AdamConfig, Gradients, OptimizerConfig, StepSize};
use attentive_trainer::{
    Checkpoint, CheckpointDir, Endless, Event, QuantizeFormat, TrainError, TrainState, Trainer, TrainerConfig, Update,
    Validation,
};
use attentive_weights::{HostTensor, Rounding, Tensors, WeightsError};
use burn::{
    module::{Module, Param},
    tensor::{Tensor, TensorData},
};

use crate::common::files;

/// Multiples of 1/64, for matrices that have `weight` for a name; what is not a number becomes zero.
#[derive(Debug)]
pub(crate) struct Grid;

impl Rounding for Grid {
    fn rounds(&self, name: &str) -> bool {
        name.ends_with("weight")
    }

    fn round(&self, name: &str, matrix: &HostTensor) -> Result<HostTensor, WeightsError> {
        assert!(self.rounds(name) && matrix.shape.len() == 2, "{name}");
        let values = matrix.values.iter().map(|value| f32::from((64.0 * value).round() as i16) / 64.0).collect();
        Ok(HostTensor { shape: matrix.shape.clone(), values })
    }
}

/// A format that holds no matrix.
#[derive(Debug)]
struct Nothing;

impl Rounding for Nothing {
    fn rounds(&self, _: &str) -> bool {
        true
    }

    fn round(&self, name: &str, _: &HostTensor) -> Result<HostTensor, WeightsError> {
        Err(WeightsError::Blocks { name: name.to_owned(), format: "q4_0".to_owned(), d_in: 3 })
    }
}

fn device() -> Device {
    BackendKind::Flex.device().unwrap().autodiff()
}

const WEIGHT: [f32; 6] = [0.3, -0.7, 0.11, 0.52, -0.24, 0.05];
const BIAS: [f32; 2] = [0.19, -0.33];

/// `y = x W + b`.
#[derive(Module, Debug)]
struct Map {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl Map {
    fn new(device: &Device) -> Self {
        let weight = Tensor::from_data(TensorData::new(WEIGHT.to_vec(), [3, 2]), device);
        Self { weight: Param::from_tensor(weight), bias: Param::from_tensor(Tensor::from_floats(BIAS, device)) }
    }
}

/// One `x` and one `y`.
#[derive(Debug, Clone)]
struct Point([f32; 3], [f32; 2], [u64; 1]);

impl Batch for Point {
    fn n_rows(&self) -> usize {
        1
    }

    fn n_targets(&self) -> usize {
        1
    }

    fn indices(&self) -> &[u64] {
        &self.2
    }
}

/// `|x W + b - y|²`.
struct Squares;

impl Objective<Map> for Squares {
    type Batch = Point;

    fn loss(&self, model: &Map, batch: &Point, _: Option<&Dropout>) -> Loss {
        let weight = model.weight.val();
        let row = |values: &[f32]| -> Tensor<2> {
            Tensor::from_data(TensorData::new(values.to_vec(), [1, values.len()]), &weight.device())
        };
        let (x, y) = (row(&batch.0), row(&batch.1));
        let error = x.matmul(weight.clone()) + model.bias.val().reshape([1, batch.1.len()]) - y;
        let sum = error.powi_scalar(2).sum();
        Loss { nll_sum: sum.clone().detach(), sum, n_targets: 1 }
    }
}

/// The derivatives of a sum of squares in `f64`, at these weights.
fn derivatives(points: &[Point], weight: &[f64; 6], bias: [f64; 2]) -> ([f64; 6], [f64; 2]) {
    let (mut of_weight, mut of_bias) = ([0.0; 6], [0.0; 2]);
    for Point(x, y, _) in points {
        let errors: [f64; 2] = std::array::from_fn(|output| {
            let sum: f64 = (0..3).map(|input| f64::from(x[input]) * weight[2 * input + output]).sum();
            sum + bias[output] - f64::from(y[output])
        });
        of_bias.iter_mut().zip(errors).for_each(|(sum, error)| *sum += 2.0 * error);
        for (at, sum) in of_weight.iter_mut().enumerate() {
            *sum += 2.0 * errors[at % 2] * f64::from(x[at / 2]);
        }
    }
    (of_weight, of_bias)
}

#[test]
fn gradients_at_rounded_values_change_those_that_were_rounded() {
    let points = [Point([0.5, -1.5, 2.0], [1.0, -0.5], [0]), Point([1.25, 0.75, -0.5], [0.25, 2.0], [1])];
    let mut update = Update::of(Map::new(&device()), &Squares).rounding(&Grid).unwrap();
    for point in &points {
        update.add(point, None);
    }
    let mut sgd = OptimizerConfig::Sgd {}.init().unwrap();
    let (model, report) = update.step(&mut *sgd, 0.125);

    let bias = BIAS.map(f64::from);
    let rounded = WEIGHT.map(|value| (64.0 * f64::from(value)).round() / 64.0);
    let (of_weight, of_bias) = derivatives(&points, &rounded, bias);
    let after = attentive_weights::params(&model);
    let stepped = |value: f64, derivative: f64| value - 0.125 * derivative / 2.0;
    let weight = WEIGHT.iter().zip(of_weight).map(|(&value, derivative)| stepped(f64::from(value), derivative));
    for (found, expected) in after["weight"].values.iter().zip(weight) {
        assert!((f64::from(*found) - expected).abs() < 1e-6, "{found} and {expected}");
    }
    for ((found, value), derivative) in after["bias"].values.iter().zip(bias).zip(of_bias) {
        assert!((f64::from(*found) - stepped(value, derivative)).abs() < 1e-6, "{found}");
    }
    let norm = of_weight.iter().chain(&of_bias).map(|d| (d / 2.0).powi(2)).sum::<f64>().sqrt();
    assert!((report.grad_norm - norm).abs() < 1e-5 * norm, "{} and {norm}", report.grad_norm);
    // At the values that were not rounded, gradients would be others.
    let (elsewhere, _) = derivatives(&points, &WEIGHT.map(f64::from), bias);
    assert!(elsewhere.iter().zip(&of_weight).any(|(a, b)| (a - b).abs() > 1e-3));
}

fn gpt() -> Gpt {
    GptConfig::gpt2_like(17, 8, [1, 2, 16]).init(&device(), 1).unwrap()
}

/// The parameters that a trainer's validation sees.
fn as_rounded(params: &Tensors) -> Tensors {
    let round = |(name, tensor): (&String, &HostTensor)| {
        let is_rounded = Grid.rounds(name) && tensor.shape.len() == 2;
        (name.clone(), if is_rounded { Grid.round(name, tensor).unwrap() } else { tensor.clone() })
    };
    params.iter().map(round).collect()
}

fn batches() -> Vec<SequenceBatch> {
    let row = |i: u32, n: u32| (0..n).map(|at| (i * 7 + at * at * 3) % 17).collect::<Vec<_>>();
    (0..5).map(|i| SequenceBatch::next_tokens(&[row(i, 4 + i % 3), row(i + 9, 6)], 0, vec![u64::from(i)])).collect()
}

/// The bits of a step by the gradients of a model that has the rounded values for parameters, dropout included.
#[test]
fn an_update_is_that_of_the_gradients_of_the_rounded_model() {
    let (model, objective, batch) = (gpt(), CausalLmObjective::default(), batches().swap_remove(1));
    let dropout = || Dropout::new(7);
    let reference = attentive_weights::load(model.clone(), as_rounded(&attentive_weights::params(&model))).unwrap();
    let loss = objective.loss(&reference, &batch, Some(&dropout()));
    let size = StepSize { scale: 1.0 / loss.n_targets as f64, lr: 0.1 };
    let gradients = Gradients::take(loss.sum.backward(), &reference);
    let mut adam = AdamConfig::default().init().unwrap();
    let expected = attentive_optim::step(&mut adam, model.clone(), gradients, size);

    let mut update = Update::of(model, &objective).rounding(&Grid).unwrap();
    update.add(&batch, Some(&dropout()));
    let (found, _) = update.step(&mut AdamConfig::default().init().unwrap(), 0.1);
    assert!(attentive_weights::params(&found) == attentive_weights::params(&expected));
}

/// Trains in `folder`, going on if there is a checkpoint, until after an update; the model's parameters, and those that each
/// validation saw.
fn trained(folder: &Path, rounds: bool, stops_after: u64) -> (Tensors, Vec<Tensors>) {
    let quantize = rounds.then_some(QuantizeFormat::Q8_0);
    let config =
        TrainerConfig { steps: 6, accumulate: 2, clip_norm: 0.5, ema_decay: 0.9, quantize, ..Default::default() };
    let checkpoints = CheckpointDir::new(folder, 2);
    let mut trainer = Trainer::builder(gpt(), CausalLmObjective::default())
        .config(TrainerConfig { validate_every: 2, checkpoint_every: 2, ..config })
        .rounding(|_| Some(Box::new(Grid)))
        .checkpoints(checkpoints.clone())
        .build()
        .unwrap();
    if let Some((_, checkpoint)) = checkpoints.latest().unwrap().checkpoint {
        trainer = trainer.resume(checkpoint).unwrap();
    }
    let mut seen = Vec::new();
    let mut evaluate = |model: &Gpt| {
        seen.push(attentive_weights::params(model));
        Ok(Validation { nll_nats: 1.0, scores: Vec::new(), quality: None })
    };
    let mut watch = |event: &Event<'_>| match event {
        Event::Step(report) if report.step == stops_after => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let outcome = trainer.run(&mut Endless::new(batches()), Some(&mut evaluate), &mut [&mut watch]).unwrap();
    (attentive_weights::params(&outcome.model), seen)
}

#[test]
fn validation_sees_rounded_matrices_and_checkpoints_those_that_are_trained() {
    let folder = tempfile::tempdir().unwrap();
    let (params, seen) = trained(folder.path(), true, 99);
    assert_eq!(seen.len(), 3);
    for params in &seen {
        assert!(*params == as_rounded(params));
    }
    assert!(params != as_rounded(&params));
    let (_, checkpoint) = CheckpointDir::new(folder.path(), 2).latest().unwrap().checkpoint.unwrap();
    assert!(checkpoint.params == params);

    // Nothing is rounded where no format is named.
    let plain = tempfile::tempdir().unwrap();
    let (others, seen) = trained(plain.path(), false, 99);
    assert!(seen.iter().all(|params| *params != as_rounded(params)) && others != params);
}

#[test]
fn a_stopped_run_of_rounded_matrices_ends_as_a_whole_one() {
    let [whole, parts] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (expected, _) = trained(whole.path(), true, 99);
    trained(parts.path(), true, 3);
    trained(parts.path(), true, 4);
    let (found, _) = trained(parts.path(), true, 99);
    assert!(found == expected);
    let [whole, parts] = [&whole, &parts].map(|folder| files(folder.path()));
    let last = |name: &&String| name.contains("step-00000006");
    assert!(whole.keys().filter(last).count() > 2);
    assert!(whole.iter().filter(|(name, _)| last(name)).all(|(name, bytes)| parts[name] == *bytes));
}

#[test]
fn a_matrix_that_can_not_be_rounded_is_told_before_training() {
    let config = TrainerConfig { quantize: Some(QuantizeFormat::Int8), ..TrainerConfig::default() };
    let builder = || Trainer::builder(gpt(), CausalLmObjective::default()).config(config.clone());
    let error = builder().rounding(|_| Some(Box::new(Nothing))).build().unwrap_err();
    assert!(matches!(&error, TrainError::Quantize(_)) && error.keys() == ["quantize"], "{error}");
    assert!(error.to_string().starts_with("quantize: q4_0 holds whole blocks of 32 inputs, and "), "{error}");
    // A format is named, and nothing rounds.
    for builder in [builder(), builder().rounding(|_| None)] {
        let error = builder.build().unwrap_err();
        assert!(error.to_string().starts_with("quantize = int8: "), "{error}");
    }
}

/// The grid, and how often it was asked for a matrix.
#[derive(Debug)]
struct Counting(Rc<Cell<usize>>);

impl Rounding for Counting {
    fn rounds(&self, name: &str) -> bool {
        Grid.rounds(name)
    }

    fn round(&self, name: &str, matrix: &HostTensor) -> Result<HostTensor, WeightsError> {
        self.0.set(self.0.get() + 1);
        Grid.round(name, matrix)
    }
}

/// The squares, and the weights of each pass.
struct Seeing(Rc<RefCell<Vec<Vec<f32>>>>);

impl Objective<Map> for Seeing {
    type Batch = Point;

    fn loss(&self, model: &Map, batch: &Point, pass: Option<&Dropout>) -> Loss {
        self.0.borrow_mut().push(attentive_weights::params(model)["weight"].values.clone());
        Squares.loss(model, batch, pass)
    }
}

#[test]
fn a_frozen_matrix_is_rounded_once_for_all_updates() {
    let on_grid = |values: &[f32]| values.iter().map(|value| (64.0 * value).round() / 64.0).collect::<Vec<_>>();
    let points = vec![Point([0.5, -1.5, 2.0], [1.0, -0.5], [0]), Point([1.25, 0.75, -0.5], [0.25, 2.0], [1])];
    let config = |freeze: &[&str]| TrainerConfig {
        steps: 4,
        quantize: Some(QuantizeFormat::Int8),
        freeze: freeze.iter().map(|&pattern| pattern.to_owned()).collect(),
        ..TrainerConfig::default()
    };
    let (asked, seen) = (Rc::new(Cell::new(0)), Rc::new(RefCell::new(Vec::new())));
    let trainer = |freeze: &[&str]| {
        let asked = Rc::clone(&asked);
        asked.set(0);
        seen.borrow_mut().clear();
        let builder = Trainer::builder(Map::new(&device()), Seeing(Rc::clone(&seen))).config(config(freeze));
        builder.rounding(move |_| Some(Box::new(Counting(asked)))).build().unwrap()
    };
    let batches = || Endless::new(points.clone());
    // Once before the first update, to know that it can be.
    let outcome = trainer(&["weight"]).run(&mut batches(), None, &mut []).unwrap();
    assert_eq!((asked.get(), seen.borrow().len()), (1, 4));
    assert!(seen.borrow().iter().all(|weight| *weight == on_grid(&WEIGHT)));
    assert_eq!(attentive_weights::params(&outcome.model)["weight"].values, WEIGHT);
    trainer(&[]).run(&mut batches(), None, &mut []).unwrap();
    assert_eq!(asked.get(), 1 + 4);

    // A checkpoint has a frozen matrix of its own.
    let mut params = attentive_weights::params(&outcome.model);
    params.get_mut("weight").unwrap().values.reverse();
    let reversed = on_grid(&params["weight"].values);
    let checkpoint = Checkpoint { params, optimizer: Tensors::new(), ema: None, state: TrainState::default() };
    trainer(&["weight"]).resume(checkpoint).unwrap().run(&mut batches(), None, &mut []).unwrap();
    assert_eq!((asked.get(), seen.borrow().len()), (2, 4));
    assert!(seen.borrow().iter().all(|weight| *weight == reversed));
}

/// A matrix that has a number which is not finite stays as it is: rounding must not make one of it.
#[test]
fn what_is_not_finite_is_not_rounded_away() {
    let mut params = attentive_weights::params(&gpt());
    let broken = params.get_mut("decoder.layers.0.feed_forward.inner.weight").unwrap();
    broken.values[3] = f32::NAN;
    let model = attentive_weights::load(gpt(), params).unwrap();
    let objective = CausalLmObjective::default();
    let mut update = Update::of(model, &objective).rounding(&Grid).unwrap();
    assert!(update.add(&batches()[0], None).is_nan());
    let (_, report) = update.step(&mut AdamConfig::default().init().unwrap(), 0.1);
    assert!(report.skipped);
}
