//! The loop on a model small enough to know everything about.

use std::{collections::BTreeMap, error::Error, ops::ControlFlow};

use attentive_backend::{BackendKind, Device};
use attentive_core::{Batch, Dropout, Loss, Objective, Position};
use attentive_optim::{AdamConfig, ScheduleConfig};
use attentive_trainer::{
    BatchStream, Callback, CallbackError, CheckpointDir, Evaluate, Event, Outcome, TrainError, Trainer, TrainerConfig,
    Validation,
};
use burn::{
    module::{Module, Param},
    tensor::Tensor,
};

/// `y = w`: learns the mean of what it sees, with some noise in place of dropout.
#[derive(Module, Debug)]
struct Constant {
    w: Param<Tensor<1>>,
}

impl Constant {
    fn new(device: &Device) -> Self {
        Self { w: Param::from_tensor(Tensor::from_floats([0.5, -0.5], device)) }
    }
}

#[derive(Debug, Clone)]
struct Numbers(Vec<f32>, u64);

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

struct SquaredError;

impl Objective<Constant> for SquaredError {
    type Batch = Numbers;

    fn loss(&self, model: &Constant, batch: &Numbers, pass: Option<&Dropout>) -> Loss {
        let noise = pass.map_or(0.0, |pass| (pass.next_key() % 100) as f32 / 1000.0);
        let w = model.w.val();
        let sum = batch.0.iter().map(|&y| (w.clone() - (y + noise)).powi_scalar(2).sum()).reduce(|a, b| a + b).unwrap();
        Loss { nll_sum: sum.clone().detach(), sum, n_targets: batch.0.len() }
    }
}

/// Batches of 1, 2 and 3 numbers, over and over; `poison` makes one not finite.
struct Ragged {
    position: Position,
    poison: Option<Position>,
}

impl Ragged {
    fn new() -> Self {
        Self { position: Position::START, poison: None }
    }
}

impl BatchStream for Ragged {
    type Batch = Numbers;

    fn next_batch(&mut self) -> Result<Numbers, Box<dyn Error + Send + Sync>> {
        let Position { epoch, batch_idx } = self.position;
        let mut numbers: Vec<f32> = (0..=batch_idx).map(|i| (epoch * 7 + batch_idx * 3 + i) as f32 % 5.0).collect();
        if self.poison.is_some_and(|poison| poison == self.position || poison.epoch == u64::MAX) {
            numbers[0] = f32::NAN;
        }
        let batch = Numbers(numbers, 10 * epoch + batch_idx);
        self.position = if batch_idx == 2 {
            Position { epoch: epoch + 1, batch_idx: 0 }
        } else {
            Position { epoch, batch_idx: batch_idx + 1 }
        };
        Ok(batch)
    }

    fn position(&self) -> Position {
        self.position
    }

    fn seek(&mut self, position: Position) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.position = position;
        Ok(())
    }
}

struct NoEvaluation;

impl Evaluate<Constant> for NoEvaluation {
    fn evaluate(&mut self, _: &Constant) -> Result<Validation, Box<dyn Error + Send + Sync>> {
        Ok(Validation { nll_nats: 0.0, scores: Vec::new(), quality: 0.0 })
    }
}

/// Notes what it is told, and breaks after a step.
#[derive(Default)]
struct Watch {
    losses: BTreeMap<u64, f64>,
    n_targets: usize,
    n_skipped: usize,
    n_saved: usize,
    break_after: Option<u64>,
}

impl Callback for Watch {
    fn on_event(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>, CallbackError> {
        match event {
            Event::Step(report) => {
                self.losses.insert(report.step, report.loss_nats);
                self.n_targets += report.n_targets;
                self.n_skipped += usize::from(report.skipped);
                if self.break_after == Some(report.step) {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Event::Saved { .. } => self.n_saved += 1,
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn config(steps: u64) -> TrainerConfig {
    TrainerConfig { steps, accumulate: 2, clip_norm: 1.0, validate_every: 4, checkpoint_every: 3, seed: 5 }
}

fn run(
    config: TrainerConfig,
    folder: &std::path::Path,
    stream: &mut Ragged,
    watch: &mut Watch,
    resume: bool,
) -> Result<Outcome<Constant>, TrainError> {
    let device = BackendKind::Flex.device().unwrap();
    let schedule = ScheduleConfig::InverseSqrt { peak: 0.1, warmup_steps: 4 }.build(1);
    let checkpoints = CheckpointDir::new(folder, 2);
    let model = Constant::new(&device.clone().autodiff());
    let mut trainer = Trainer::new(model, SquaredError, AdamConfig::default(), &schedule, config, checkpoints.clone())?;
    if resume {
        let last = checkpoints.list()?.pop().unwrap();
        trainer = trainer.resume(CheckpointDir::read(&last, &device)?)?;
    }
    trainer.run(stream, &mut NoEvaluation, &mut [watch])
}

fn weights(model: &Constant) -> Vec<f32> {
    model.w.val().into_data().try_into_vec().unwrap()
}

#[test]
fn resuming_equals_never_having_stopped() {
    let (whole_dir, split_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut whole_watch = Watch::default();
    let whole = run(config(11), whole_dir.path(), &mut Ragged::new(), &mut whole_watch, false).unwrap();

    let mut first_watch = Watch { break_after: Some(5), ..Watch::default() };
    let stopped = run(config(11), split_dir.path(), &mut Ragged::new(), &mut first_watch, false).unwrap();
    assert!(stopped.stopped && stopped.state.step == 5);
    let mut second_watch = Watch::default();
    let resumed = run(config(11), split_dir.path(), &mut Ragged::new(), &mut second_watch, true).unwrap();

    assert_eq!(weights(&resumed.model), weights(&whole.model));
    let mut losses = first_watch.losses;
    losses.extend(second_watch.losses);
    assert_eq!(losses, whole_watch.losses);
    assert_eq!(resumed.state.n_targets, whole.state.n_targets);
    let name = "step-00000011/model.safetensors";
    let bytes = |folder: &tempfile::TempDir| std::fs::read(folder.path().join(name)).unwrap();
    assert_eq!(bytes(&whole_dir), bytes(&split_dir));
}

#[test]
fn two_ragged_micro_batches_are_one_batch() {
    // The mean is over targets, not over batches: 1 + 2 numbers in the first update.
    let folder = tempfile::tempdir().unwrap();
    let mut watch = Watch::default();
    run(config(1), folder.path(), &mut Ragged::new(), &mut watch, false).unwrap();
    assert_eq!(watch.n_targets, 3);
    let noise = |micro_idx: u64| {
        use attentive_core::mix64;
        let pass = Dropout::new(mix64(5 ^ mix64(1 ^ mix64(micro_idx))));
        (pass.next_key() % 100) as f64 / 1000.0
    };
    let numbers = [(0.0, noise(0)), (3.0, noise(1)), (4.0, noise(1))];
    let error = |w: f64| numbers.iter().map(|(y, noise)| (w - y - noise).powi(2)).sum::<f64>();
    let expected = (error(0.5) + error(-0.5)) / 3.0;
    assert!((watch.losses[&1] - expected).abs() < 1e-5, "{} against {expected}", watch.losses[&1]);
}

#[test]
fn an_update_that_is_not_finite_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut stream = Ragged { poison: Some(Position { epoch: 1, batch_idx: 0 }), ..Ragged::new() };
    let mut watch = Watch::default();
    let outcome = run(config(6), folder.path(), &mut stream, &mut watch, false).unwrap();
    assert_eq!(watch.n_skipped, 1);
    assert_eq!((outcome.state.step, outcome.state.n_updates), (6, 5));
    assert!(weights(&outcome.model).iter().all(|w| w.is_finite()));
}

#[test]
fn a_run_that_only_diverges_stops_and_names_the_batch() {
    let folder = tempfile::tempdir().unwrap();
    let mut stream = Ragged { poison: Some(Position { epoch: u64::MAX, batch_idx: 0 }), ..Ragged::new() };
    let error = run(config(1_000), folder.path(), &mut stream, &mut Watch::default(), false).unwrap_err();
    let TrainError::Diverged { step, n_skipped, examples } = &error else { panic!("{error}") };
    assert_eq!((*step, *n_skipped), (20, 20));
    // Update 20 read batches 38 and 39: epoch 13, the first.
    assert_eq!(examples, &[130]);
    assert!(error.to_string().contains("clip_norm"));
}

#[test]
fn the_newest_checkpoints_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut watch = Watch::default();
    run(config(10), folder.path(), &mut Ragged::new(), &mut watch, false).unwrap();
    assert_eq!(watch.n_saved, 4); // after 3, 6, 9 and 10
    let kept = CheckpointDir::new(folder.path(), 2).list().unwrap();
    let steps: Vec<u64> = kept.iter().filter_map(|path| CheckpointDir::step_of(path)).collect();
    assert_eq!(steps, [9, 10]);
}

#[test]
fn a_damaged_checkpoint_is_named() {
    let folder = tempfile::tempdir().unwrap();
    run(config(3), folder.path(), &mut Ragged::new(), &mut Watch::default(), false).unwrap();
    let path = CheckpointDir::new(folder.path(), 2).list().unwrap().remove(0);
    let device = BackendKind::Flex.device().unwrap();
    for part in ["state.json", "model.safetensors", "optimizer.safetensors"] {
        let file = path.join(part);
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        let message = CheckpointDir::read(&path, &device).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
        std::fs::write(&file, whole).unwrap();
    }
}
