//! The loop.

use std::{
    num::NonZeroU64,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use attentive_core::{Batch, Dropout, Objective, Position, mix64};
use attentive_optim::{Adam, AdamConfig, Gradients, Schedule};
use burn::module::Module;
use serde::{Deserialize, Serialize};

use crate::{Callback, Checkpoint, CheckpointDir, Event, StepReport, TrainError, TrainState, Validation};

/// Updates that may be skipped in a row before training gives up.
const MAX_SKIPPED: u64 = 20;

/// An endless stream of batches, a pass over the data after another.
pub trait BatchStream {
    /// What it gives.
    type Batch: Batch;

    /// The next batch.
    ///
    /// # Errors
    /// Whatever reading data can meet.
    fn next_batch(&mut self) -> Result<Self::Batch, Box<dyn std::error::Error + Send + Sync>>;

    /// Where the next batch stands.
    fn position(&self) -> Position;

    /// Goes on from `position`.
    ///
    /// # Errors
    /// Whatever reading data can meet.
    fn seek(&mut self, position: Position) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

/// Scores a model in use, without gradients.
pub trait Evaluate<M> {
    /// Scores `model`.
    ///
    /// # Errors
    /// Whatever scoring can meet.
    fn evaluate(&mut self, model: &M) -> Result<Validation, Box<dyn std::error::Error + Send + Sync>>;
}

/// Settings of the loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainerConfig {
    /// Updates to make.
    pub steps: u64,
    /// Micro-batches an update; their losses and gradients add up before the mean is taken.
    #[serde(default = "one")]
    pub accumulate: usize,
    /// Largest L2 norm of the mean gradient over all parameters; 0 for no limit.
    #[serde(default)]
    pub clip_norm: f64,
    /// Updates between validations; 0 for one at the end only.
    #[serde(default)]
    pub validate_every: u64,
    /// Updates between checkpoints; 0 for one at the end only.
    #[serde(default)]
    pub checkpoint_every: u64,
    /// Seed of dropout and of the order of batches.
    #[serde(default)]
    pub seed: u64,
}

fn one() -> usize {
    1
}

/// Trains a model.
pub struct Trainer<'a, M, O: Objective<M>> {
    model: M,
    objective: O,
    schedule: &'a dyn Schedule,
    adam: Adam,
    config: TrainerConfig,
    checkpoints: CheckpointDir,
    state: TrainState,
}

/// What training comes to.
#[derive(Debug)]
pub struct Outcome<M> {
    /// The model after the last update.
    pub model: M,
    /// Where the run stands.
    pub state: TrainState,
    /// Whether a callback ended it before its last update.
    pub stopped: bool,
}

impl<'a, M: Module, O: Objective<M>> Trainer<'a, M, O> {
    /// A run that has made no update; `model` lives on a device with gradients.
    ///
    /// # Errors
    /// [`TrainError::Setting`] or [`TrainError::Optimizer`] names a setting that is out of range.
    pub fn new(
        model: M,
        objective: O,
        adam: AdamConfig,
        schedule: &'a dyn Schedule,
        config: TrainerConfig,
        checkpoints: CheckpointDir,
    ) -> Result<Self, TrainError> {
        let setting = |key, value: String, problem| Err(TrainError::Setting { key, value, problem });
        if config.accumulate == 0 {
            return setting("accumulate", "0".into(), "an update needs at least one batch");
        }
        if !(config.clip_norm >= 0.0 && config.clip_norm.is_finite()) {
            return setting("clip_norm", config.clip_norm.to_string(), "a norm is not negative; 0 is no limit");
        }
        let adam = adam.init()?;
        Ok(Self { model, objective, schedule, adam, config, checkpoints, state: TrainState::default() })
    }

    /// Goes on from a checkpoint.
    ///
    /// # Errors
    /// [`TrainError::Weights`] if it is of another model.
    pub fn resume(mut self, checkpoint: Checkpoint) -> Result<Self, TrainError> {
        self.model = attentive_weights::load(self.model, checkpoint.params)?;
        self.adam = self.adam.restored(checkpoint.state.n_updates, checkpoint.moments);
        self.state = checkpoint.state;
        Ok(self)
    }

    /// Runs to the last update, or until a callback breaks.
    ///
    /// # Errors
    /// [`TrainError`].
    pub fn run(
        mut self,
        batches: &mut dyn BatchStream<Batch = O::Batch>,
        evaluate: &mut dyn Evaluate<M>,
        callbacks: &mut [&mut dyn Callback],
    ) -> Result<Outcome<M>, TrainError> {
        let started = Instant::now() - Duration::from_secs_f64(self.state.elapsed_seconds);
        batches.seek(self.state.position).map_err(TrainError::Data)?;
        let mut n_skipped = 0;
        let mut stopped = false;
        while self.state.step < self.config.steps && !stopped {
            let report;
            (self, report) = self.step(batches, started)?;
            n_skipped = if report.skipped { n_skipped + 1 } else { 0 };
            if n_skipped >= MAX_SKIPPED {
                let step = self.state.step;
                return Err(TrainError::Diverged { step, n_skipped, examples: self.examples(batches)? });
            }
            stopped |= tell(callbacks, &Event::Step(&report))?;

            let step = self.state.step;
            let is_last = step == self.config.steps;
            let due = |every: u64| (every > 0 && step.is_multiple_of(every)) || is_last;
            if due(self.config.validate_every) {
                stopped |= self.validate(evaluate, callbacks, started)?;
            }
            if due(self.config.checkpoint_every) || stopped {
                self.state.elapsed_seconds = started.elapsed().as_secs_f64();
                let path = self.checkpoints.save(&self.model, &self.adam, &self.state)?;
                stopped |= tell(callbacks, &Event::Saved { step, path: &path })?;
            }
        }
        Ok(Outcome { stopped: self.state.step < self.config.steps, model: self.model, state: self.state })
    }

    /// One update.
    ///
    /// Takes the trainer by value: an optimizer that is the only one to hold the parameters changes them in place.
    fn step(
        mut self,
        batches: &mut dyn BatchStream<Batch = O::Batch>,
        started: Instant,
    ) -> Result<(Self, StepReport), TrainError> {
        let step_started = Instant::now();
        let step = self.state.step + 1;
        let mut gradients = Gradients::default();
        let (mut loss_sum, mut nll_sum, mut n_targets) = (0.0, 0.0, 0);
        for micro_idx in 0..self.config.accumulate {
            let batch = batches.next_batch().map_err(TrainError::Data)?;
            let pass = Dropout::new(pass_seed(self.config.seed, step, micro_idx));
            let loss = self.objective.loss(&self.model, &batch, Some(&pass));
            loss_sum += loss.sum.clone().into_scalar::<f32>() as f64;
            nll_sum += loss.nll_sum.into_scalar::<f32>() as f64;
            n_targets += loss.n_targets;
            gradients.add(Gradients::take(loss.sum.backward(), &self.model));
        }
        let mean = 1.0 / n_targets.max(1) as f64;
        let grad_norm = gradients.global_norm() * mean;
        let lr = self.schedule.lr(NonZeroU64::new(step).expect("counted from 1"));
        let skipped = !(grad_norm.is_finite() && f64::is_finite(loss_sum));
        if !skipped {
            let clip = if self.config.clip_norm > 0.0 { (self.config.clip_norm / grad_norm).min(1.0) } else { 1.0 };
            self.model = self.adam.step(self.model, gradients, mean * clip, lr);
        }
        self.state.step = step;
        self.state.n_updates = self.adam.n_updates();
        self.state.position = batches.position();
        self.state.n_targets += n_targets as u64;
        let report = StepReport {
            step,
            position: self.state.position,
            loss_nats: loss_sum * mean,
            nll_nats: nll_sum * mean,
            lr,
            grad_norm,
            n_targets,
            skipped,
            elapsed: started.elapsed(),
            step_time: step_started.elapsed(),
        };
        Ok((self, report))
    }

    fn validate(
        &mut self,
        evaluate: &mut dyn Evaluate<M>,
        callbacks: &mut [&mut dyn Callback],
        started: Instant,
    ) -> Result<bool, TrainError> {
        let step = self.state.step;
        let validation =
            evaluate.evaluate(&self.model.valid()).map_err(|cause| TrainError::Evaluation { step, cause })?;
        let is_best = self.state.best.is_none_or(|(best, _)| validation.quality > best);
        if is_best {
            self.state.best = Some((validation.quality, step));
        }
        let elapsed = started.elapsed();
        tell(callbacks, &Event::Validated { step, validation: &validation, is_best, elapsed })
    }

    /// First examples of the batch that stands before the stream's position.
    fn examples(&self, batches: &mut dyn BatchStream<Batch = O::Batch>) -> Result<Vec<u64>, TrainError> {
        let position = self.state.position;
        let last = Position { batch_idx: position.batch_idx.saturating_sub(1), ..position };
        batches.seek(last).map_err(TrainError::Data)?;
        let batch = batches.next_batch().map_err(TrainError::Data)?;
        Ok(batch.indices().iter().copied().take(8).collect())
    }
}

/// Tells everyone; whether someone wants training to end.
fn tell(callbacks: &mut [&mut dyn Callback], event: &Event<'_>) -> Result<bool, TrainError> {
    let mut stop = false;
    for callback in callbacks.iter_mut() {
        stop |= callback.on_event(event)? == ControlFlow::Break(());
    }
    Ok(stop)
}

/// The seed of a forward pass: a function of the run's seed and the step, so that resuming needs no random state.
fn pass_seed(seed: u64, step: u64, micro_idx: usize) -> u64 {
    mix64(seed ^ mix64(step ^ mix64(micro_idx as u64)))
}
