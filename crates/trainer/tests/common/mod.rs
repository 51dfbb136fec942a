//! A model small enough to know everything about, and what it is trained with.

use std::{cell::Cell, collections::BTreeMap, convert::Infallible, error::Error, ops::ControlFlow, path::Path};

use attentive_backend::{BackendKind, Device, Loss, Objective};
use attentive_core::{Batch, Dropout, Endless, Epochs, Position};
use attentive_optim::ScheduleConfig;
use attentive_trainer::{
    Callback, CallbackError, CheckpointDir, Evaluate, Event, Outcome, TrainError, Trainer, TrainerBuilder,
    TrainerConfig, Validation,
};
use burn::{
    module::{Module, Param},
    tensor::Tensor,
};

/// `y = w`: learns the mean of what it sees, with some noise in place of dropout.
#[derive(Module, Debug)]
pub(crate) struct Constant {
    pub(crate) w: Param<Tensor<1>>,
}

impl Constant {
    pub(crate) fn new(device: &Device) -> Self {
        Self { w: Param::from_tensor(Tensor::from_floats([0.5, -0.5], device)) }
    }

    pub(crate) fn weights(&self) -> Vec<f32> {
        self.w.val().into_data().try_into_vec().unwrap()
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Numbers(Vec<f32>, u64);

impl Batch for Numbers {
    fn n_rows(&self) -> usize {
        self.0.len()
    }

    fn n_targets(&self) -> usize {
        self.0.len()
    }

    fn indices(&self) -> &[u64] {
        std::slice::from_ref(&self.1)
    }
}

pub(crate) struct SquaredError;

impl Objective<Constant> for SquaredError {
    type Batch = Numbers;

    fn loss(&self, model: &Constant, batch: &Numbers, pass: Option<&Dropout>) -> Loss {
        let noise = pass.map_or(0.0, |pass| (pass.next_key() % 100) as f32 / 1000.0);
        let w = model.w.val();
        let sum = batch.0.iter().map(|&y| (w.clone() - (y + noise)).powi_scalar(2).sum()).reduce(|a, b| a + b).unwrap();
        Loss { nll_sum: sum.clone().detach(), sum, n_targets: batch.0.len() }
    }
}

/// Batches of 1, 2 and 3 numbers, over and over; where `poison` says so, one of them is not finite.
pub(crate) struct Ragged {
    pub(crate) poison: fn(Position) -> bool,
    /// Until when, in batches taken, there is poison.
    pub(crate) n_poisoned: Cell<usize>,
}

impl Ragged {
    pub(crate) fn new() -> Self {
        Self { poison: |_| false, n_poisoned: Cell::new(usize::MAX) }
    }
}

impl Epochs for Ragged {
    type Batch = Numbers;
    type Order = u64;
    type Error = Infallible;

    fn lay_out(&self, epoch: u64) -> Result<u64, Infallible> {
        Ok(epoch)
    }

    fn len(&self, _: &u64) -> u64 {
        3
    }

    fn batch(&self, &epoch: &u64, batch_idx: u64) -> Result<Numbers, Infallible> {
        let mut numbers: Vec<f32> = (0..=batch_idx).map(|i| (epoch * 7 + batch_idx * 3 + i) as f32 % 5.0).collect();
        if (self.poison)(Position { epoch, batch_idx }) && self.n_poisoned.get() > 0 {
            self.n_poisoned.set(self.n_poisoned.get() - 1);
            numbers[0] = f32::NAN;
        }
        Ok(Numbers(numbers, 10 * epoch + batch_idx))
    }
}

/// Quality is how near the first weight is to 2.
pub(crate) struct Nearness;

impl Evaluate<Constant> for Nearness {
    fn evaluate(&mut self, model: &Constant) -> Result<Validation, Box<dyn Error + Send + Sync>> {
        let distance = f64::from((model.weights()[0] - 2.0).abs());
        Ok(Validation { nll_nats: distance, scores: Vec::new(), quality: Some(-distance) })
    }
}

/// Notes what it is told, and breaks after a step.
#[derive(Default)]
pub(crate) struct Watch {
    pub(crate) losses: BTreeMap<u64, f64>,
    pub(crate) lrs: BTreeMap<u64, f64>,
    pub(crate) qualities: BTreeMap<u64, f64>,
    pub(crate) saved: Vec<u64>,
    pub(crate) rolled_back_to: Vec<u64>,
    pub(crate) passed_over: Vec<String>,
    pub(crate) changes: Vec<String>,
    pub(crate) forgotten: Vec<u64>,
    pub(crate) n_targets: usize,
    pub(crate) n_skipped: usize,
    pub(crate) break_after: Option<u64>,
    pub(crate) breaks_at_rollback: bool,
}

impl Callback for Watch {
    fn on_event(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>, CallbackError> {
        match event {
            Event::Step(report) => {
                self.losses.insert(report.step, report.loss_nats);
                self.lrs.insert(report.step, report.lr);
                self.n_targets += report.n_targets;
                self.n_skipped += usize::from(report.skipped);
                if self.break_after == Some(report.step) {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Event::Validated { step, validation, .. } => drop(self.qualities.insert(*step, validation.quality())),
            Event::EnvironmentChanged { changes } => {
                assert!(self.losses.is_empty(), "it comes before the first update");
                self.changes.extend(changes.iter().map(ToString::to_string));
            }
            Event::BestForgotten { step } => self.forgotten.push(*step),
            Event::Saved { step, .. } => self.saved.push(*step),
            Event::PassedOver { .. } => self.passed_over.extend(event.notes()),
            Event::RolledBack { step, .. } => {
                self.rolled_back_to.push(*step);
                if self.breaks_at_rollback {
                    return Ok(ControlFlow::Break(()));
                }
            }
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }
}

pub(crate) fn config(steps: u64) -> TrainerConfig {
    let config = TrainerConfig { steps, accumulate: 2, clip_norm: 1.0, seed: 5, ..TrainerConfig::default() };
    TrainerConfig { validate_every: 4, checkpoint_every: 3, ..config }
}

/// Trains, going on from the newest whole checkpoint in `folder` if there is one.
pub(crate) fn run(
    config: TrainerConfig,
    folder: &Path,
    data: &Ragged,
    watch: &mut Watch,
) -> Result<Outcome<Constant>, TrainError> {
    run_with(config, folder, data, Some(&mut Nearness), watch)
}

/// As [`run`], validated by `evaluate`.
pub(crate) fn run_with(
    config: TrainerConfig,
    folder: &Path,
    data: &Ragged,
    evaluate: Option<&mut dyn Evaluate<Constant>>,
    watch: &mut Watch,
) -> Result<Outcome<Constant>, TrainError> {
    go_on(builder(config, folder), folder, data, evaluate, watch)
}

/// A trainer of the model, not resumed yet; `folder` is where its checkpoints are.
pub(crate) fn builder(config: TrainerConfig, folder: &Path) -> TrainerBuilder<Constant, SquaredError> {
    let device = BackendKind::Flex.device().unwrap();
    let schedule = ScheduleConfig::InverseSqrt { peak: 0.1, warmup_steps: 4 }.build(1);
    let trainer = Trainer::builder(Constant::new(&device.autodiff()), SquaredError);
    trainer.config(config).schedule(schedule).checkpoints(CheckpointDir::new(folder, 2))
}

/// Trains, going on from the newest whole checkpoint in `folder` if there is one.
pub(crate) fn go_on(
    builder: TrainerBuilder<Constant, SquaredError>,
    folder: &Path,
    data: &Ragged,
    evaluate: Option<&mut dyn Evaluate<Constant>>,
    watch: &mut Watch,
) -> Result<Outcome<Constant>, TrainError> {
    let mut trainer = builder.build()?;
    if let Some((_, checkpoint)) = CheckpointDir::new(folder, 2).latest()?.checkpoint {
        trainer = trainer.resume(checkpoint)?;
    }
    trainer.run(&mut Endless::new(data), evaluate, &mut [watch])
}

/// Every file below `folder` that is the same in every run, by its name.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for checkpoint in CheckpointDir::new(folder, 1).list().unwrap() {
        for file in std::fs::read_dir(&checkpoint).unwrap() {
            let path = file.unwrap().path();
            if !path.ends_with("clock.toml") {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                files.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    files
}
