//! The loop.

use std::{
    num::NonZeroU64,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use attentive_backend::Objective;
use attentive_core::{Batch, Dropout, mix64};
use attentive_optim::{Adam, AdamConfig, Ema, Gradients, Schedule};
use burn::{module::Module, tensor::Device};

use crate::{
    BatchStream, Callback, Checkpoint, CheckpointDir, Diagnosis, Evaluate, Event, StepReport, TrainError, TrainState,
    TrainerConfig,
    checkpoint::{moments_to_device, to_device},
    divergence::GradientNorms,
};

/// Examples of a bad batch that are named.
const N_EXAMPLES: usize = 8;

/// Trains a model.
pub struct Trainer<'a, M, O: Objective<M>> {
    model: M,
    objective: O,
    schedule: &'a dyn Schedule,
    adam: Adam,
    ema: Option<Ema>,
    config: TrainerConfig,
    checkpoints: CheckpointDir,
    state: TrainState,
    /// The step that was saved last, as it stands now.
    saved_step: Option<u64>,
    /// Norms of the last gradients that were all finite.
    finite_norms: Option<GradientNorms>,
    /// When the run would have begun, had it never paused.
    clock: Clock,
}

/// What training comes to.
#[derive(Debug)]
pub struct Outcome<M> {
    /// The model after the last update.
    pub model: M,
    /// The running mean of the parameters, where the run has one.
    pub ema: Option<Ema>,
    /// Where the run stands.
    pub state: TrainState,
    /// Whether a callback ended it before its end.
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
        config.validate()?;
        Ok(Self {
            model,
            objective,
            schedule,
            adam: adam.init()?,
            ema: (config.ema_decay > 0.0).then(|| Ema::new(config.ema_decay)),
            checkpoints: checkpoints.keep_every(config.keep_every),
            config,
            state: TrainState::default(),
            saved_step: None,
            finite_norms: None,
            clock: Clock::starting_at(0.0),
        })
    }

    /// Goes on from a checkpoint.
    ///
    /// # Errors
    /// [`TrainError::Weights`] if it is of another model.
    pub fn resume(mut self, checkpoint: Checkpoint) -> Result<Self, TrainError> {
        let Checkpoint { params, moments, ema, state } = checkpoint;
        self.model = attentive_weights::load(self.model, params)?;
        let device = self.device();
        self.adam = self.adam.restored(state.n_updates, moments_to_device(moments, &device)?);
        if let Some(mine) = self.ema.take() {
            let means = ema.unwrap_or_default().into_iter();
            self.ema = Some(mine.restored(means.map(|(name, mean)| (name, to_device(mean, &device))).collect()));
        }
        self.clock = Clock::starting_at(state.elapsed_seconds);
        self.saved_step = Some(state.step);
        self.state = state;
        Ok(self)
    }

    /// Runs to the last update, until early stopping ends it, or until a callback breaks.
    ///
    /// What is due after an update, validation and then a checkpoint, is done before the next one. A run that breaks
    /// saves at once; what was due and left out is done when it is resumed.
    ///
    /// # Errors
    /// [`TrainError`].
    pub fn run(
        mut self,
        batches: &mut dyn BatchStream<Batch = O::Batch>,
        evaluate: &mut dyn Evaluate<M>,
        callbacks: &mut [&mut dyn Callback],
    ) -> Result<Outcome<M>, TrainError> {
        batches.seek(self.state.position).map_err(TrainError::Data)?;
        let mut stopped = false;
        loop {
            if !stopped && self.validation_is_due() {
                stopped |= self.validate(evaluate, callbacks)?;
            }
            if stopped || self.checkpoint_is_due() {
                stopped |= self.save(callbacks)?;
            }
            let is_over = self.is_over() && !self.validation_is_due();
            if stopped || is_over {
                let Self { model, ema, state, .. } = self;
                return Ok(Outcome { model, ema, state, stopped: !is_over });
            }
            let (report, diagnosis);
            (self, report, diagnosis) = self.step(batches)?;
            stopped |= tell(callbacks, &Event::Step(&report))?;
            if let Some(diagnosis) = diagnosis {
                self = self.roll_back(diagnosis, batches, callbacks)?;
            }
        }
    }

    fn is_over(&self) -> bool {
        let is_stale = self.config.early_stopping.is_some_and(|early| early.is_over(&self.state.early_stopping));
        self.state.step >= self.config.steps || is_stale
    }

    fn validation_is_due(&self) -> bool {
        let (step, every) = (self.state.step, self.config.validate_every);
        let is_due = step == self.config.steps || (every > 0 && step.is_multiple_of(every));
        is_due && step > self.state.validated_step
    }

    /// Whether the run must be saved as it stands: at its beginning, at intervals, at its end, and where it is best.
    fn checkpoint_is_due(&self) -> bool {
        let step = self.state.step;
        let is_best = self.state.best.is_some_and(|(_, best)| best == step);
        let is_for_good = self.config.keep_every > 0 && step.is_multiple_of(self.config.keep_every);
        self.saved_step != Some(step) && (step == 0 || is_best || is_for_good || self.checkpoint_is_scheduled())
    }

    fn checkpoint_is_scheduled(&self) -> bool {
        let (step, every) = (self.state.step, self.config.checkpoint_every);
        step > 0 && (self.is_over() || (every > 0 && step.is_multiple_of(every)))
    }

    /// One update; with a diagnosis if training has diverged.
    ///
    /// Takes the trainer by value: an optimizer that is the only one to hold the parameters changes them in place.
    fn step(
        mut self,
        batches: &mut dyn BatchStream<Batch = O::Batch>,
    ) -> Result<(Self, StepReport, Option<Diagnosis>), TrainError> {
        let step_started = Instant::now();
        let step = self.state.step + 1;
        let mut gradients = Gradients::default();
        let (mut loss_sum, mut nll_sum, mut n_targets) = (0.0, 0.0, 0);
        let mut examples = Vec::new();
        for micro_idx in 0..self.config.accumulate {
            let batch = batches.next_batch().map_err(TrainError::Data)?;
            let pass = Dropout::new(pass_seed(self.config.seed, step, micro_idx));
            let precision = self.config.precision;
            let loss = precision.during(|| self.objective.loss(&self.model, &batch, Some(&pass)));
            let micro_sum = f64::from(loss.sum.clone().into_scalar::<f32>());
            // The batch that a diagnosis names: the first whose loss is not finite, or else the first.
            if micro_idx == 0 || (f64::is_finite(loss_sum) && !micro_sum.is_finite()) {
                examples = batch.indices().iter().copied().take(N_EXAMPLES).collect();
            }
            loss_sum += micro_sum;
            nll_sum += f64::from(loss.nll_sum.into_scalar::<f32>());
            n_targets += loss.n_targets;
            gradients.add(Gradients::take(precision.during(|| loss.sum.backward()), &self.model));
        }
        let mean = 1.0 / n_targets.max(1) as f64;
        let (loss_nats, nll_nats) = (loss_sum * mean, nll_sum * mean);
        let norms = GradientNorms::of(&gradients, mean);
        let grad_norm = norms.global();
        let lr = self.schedule.lr(NonZeroU64::new(step).expect("counted from 1")) * self.state.divergence.lr_scale;
        let is_finite = grad_norm.is_finite() && f64::is_finite(loss_sum);
        if is_finite {
            let clip = if self.config.clip_norm > 0.0 { (self.config.clip_norm / grad_norm).min(1.0) } else { 1.0 };
            self.model = self.adam.step(self.model, gradients, mean * clip, lr);
            if let Some(ema) = &mut self.ema {
                ema.update(&self.model, self.adam.n_updates());
            }
        }
        self.state.step = step;
        self.state.n_updates = self.adam.n_updates();
        self.state.position = batches.position();
        self.state.n_targets += n_targets as u64;
        let has_diverged = self.state.divergence.note(&self.config.divergence, loss_nats, is_finite);
        let diagnosis = has_diverged.then(|| Diagnosis {
            step,
            loss_nats,
            lr,
            examples,
            broken_gradients: norms.broken(),
            n_gradients: norms.len(),
            ..self.diagnose(is_finite.then_some(&norms))
        });
        if is_finite {
            self.finite_norms = Some(norms);
        }
        let report = StepReport {
            step,
            position: self.state.position,
            loss_nats,
            nll_nats,
            lr,
            grad_norm,
            n_targets,
            skipped: !is_finite,
            elapsed: self.clock.elapsed(),
            step_time: step_started.elapsed(),
        };
        Ok((self, report, diagnosis))
    }

    /// What the run as a whole tells about its divergence.
    fn diagnose(&self, norms: Option<&GradientNorms>) -> Diagnosis {
        let is_broken = |values: &[f32]| values.iter().any(|value| !value.is_finite());
        let params = attentive_weights::params(&self.model).into_iter();
        Diagnosis {
            n_bad: self.state.divergence.n_bad,
            mean_loss_nats: self.state.divergence.mean,
            broken_params: params.filter(|(_, param)| is_broken(&param.values)).map(|(name, _)| name).collect(),
            largest_norms: norms.or(self.finite_norms.as_ref()).map(GradientNorms::largest).unwrap_or_default(),
            ..Diagnosis::default()
        }
    }

    /// Goes back to the newest checkpoint of healthy training, and on with a lower learning rate.
    fn roll_back(
        self,
        diagnosis: Diagnosis,
        batches: &mut dyn BatchStream<Batch = O::Batch>,
        callbacks: &mut [&mut dyn Callback],
    ) -> Result<Self, TrainError> {
        let (now, config) = (self.state.divergence, self.config.divergence);
        let healthy = match now.n_rollbacks < config.max_rollbacks {
            true => self.checkpoints.newest_healthy()?.checkpoint,
            false => None,
        };
        let Some((path, checkpoint)) = healthy else {
            return Err(TrainError::Diverged { n_rollbacks: now.n_rollbacks, diagnosis: Box::new(diagnosis) });
        };
        let clock = self.clock;
        let mut trainer = self.resume(checkpoint)?;
        trainer.clock = clock;
        trainer.state.divergence = now.rolled_back(&config, &trainer.state.divergence);
        batches.seek(trainer.state.position).map_err(TrainError::Data)?;
        let (step, lr_scale) = (trainer.state.step, trainer.state.divergence.lr_scale);
        tell(callbacks, &Event::RolledBack { path: &path, step, lr_scale, diagnosis: &diagnosis })?;
        Ok(trainer)
    }

    fn validate(
        &mut self,
        evaluate: &mut dyn Evaluate<M>,
        callbacks: &mut [&mut dyn Callback],
    ) -> Result<bool, TrainError> {
        let step = self.state.step;
        let model = match &self.ema {
            Some(ema) => ema.apply(self.model.valid()),
            None => self.model.valid(),
        };
        let validation = evaluate.evaluate(&model).map_err(|cause| TrainError::Evaluation { step, cause })?;
        let is_best = self.state.best.is_none_or(|(best, _)| validation.quality > best);
        if is_best {
            self.state.best = Some((validation.quality, step));
        }
        if let Some(early) = &self.config.early_stopping {
            self.state.early_stopping.note(early, &validation);
        }
        self.state.validated_step = step;
        self.saved_step = None;
        let elapsed = self.clock.elapsed();
        tell(callbacks, &Event::Validated { step, validation: &validation, is_best, elapsed })
    }

    fn save(&mut self, callbacks: &mut [&mut dyn Callback]) -> Result<bool, TrainError> {
        if self.checkpoint_is_scheduled() {
            self.checkpoints.schedule(&mut self.state);
        }
        self.state.elapsed_seconds = self.clock.elapsed().as_secs_f64();
        let path = self.checkpoints.save(&self.model, &self.adam, self.ema.as_ref(), &self.state)?;
        self.saved_step = Some(self.state.step);
        tell(callbacks, &Event::Saved { step: self.state.step, path: &path })
    }

    /// Where the model is, without gradients.
    fn device(&self) -> Device {
        let device = self.model.devices().into_iter().next().expect("a model has parameters");
        if device.is_autodiff() { device.inner() } else { device }
    }
}

/// Time trained, pauses left out.
#[derive(Debug, Clone, Copy)]
struct Clock {
    before: Duration,
    started: Instant,
}

impl Clock {
    fn starting_at(seconds: f64) -> Self {
        Self { before: Duration::try_from_secs_f64(seconds).unwrap_or_default(), started: Instant::now() }
    }

    fn elapsed(&self) -> Duration {
        self.before.saturating_add(self.started.elapsed())
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
