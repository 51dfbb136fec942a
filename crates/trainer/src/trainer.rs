//! The loop.

use std::{
    collections::BTreeMap,
    fmt, iter,
    num::NonZeroU64,
    ops::{ControlFlow, Range},
    rc::Rc,
    time::{Duration, Instant},
};

use attentive_backend::Objective;
use attentive_collective::{Collective, any, gather, share};
use attentive_core::{Batch, BatchStream, Dropout, mix64};
use attentive_optim::{Ema, Optimizer, OptimizerError, Schedule, Shards};
use attentive_weights::{HostTensor, ParamShape, Tensors};
use burn::{module::Module, tensor::Device};
use sha2::{Digest, Sha256};

use crate::{
    Callback, Checkpoint, CheckpointDir, Diagnosis, EarlyStoppingState, Environment, EnvironmentChange, Evaluate,
    Event, LatestCheckpoint, Monitored, StepReport, TrainError, TrainState, TrainerBuilder, TrainerConfig, Update,
    UpdateReport,
    checkpoint::{all_to_device, params_of_first},
    divergence::GradientNorms,
    early_stopping::is_lower_at,
    rounding::{Rounder, rounded},
};

/// Examples of a bad batch that are named.
const N_EXAMPLES: usize = 8;

/// Trains a model; the crate's page has an example.
pub struct Trainer<M, O> {
    model: M,
    objective: O,
    schedule: Box<dyn Schedule>,
    optimizer: Box<dyn Optimizer>,
    ema: Option<Ema>,
    config: TrainerConfig,
    /// What rounds matrices in passes and in validation.
    rounder: Option<Rounder>,
    checkpoints: Option<CheckpointDir>,
    state: TrainState,
    /// The environment of the run now, and how it differs from that of its checkpoint.
    environment: Environment,
    changes: Vec<EnvironmentChange>,
    /// The step of the checkpoint's best, if it is forgotten.
    forgotten: Option<u64>,
    /// The step that was saved last, if nothing has changed since.
    saved_step: Option<u64>,
    /// Norms of the last gradients that were all finite.
    finite_norms: Option<GradientNorms>,
    /// Time trained.
    clock: Clock,
    /// The processes that train together, this one among them.
    peers: Rc<dyn Collective>,
    /// What of the parameters this process updates, if it is not the only one.
    shards: Option<Shards>,
}

impl<M, O> fmt::Debug for Trainer<M, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trainer").field("config", &self.config).field("state", &self.state).finish_non_exhaustive()
    }
}

/// The result of training.
#[derive(Debug)]
pub struct Outcome<M> {
    /// The model after the last update.
    pub model: M,
    /// The running mean of the parameters, if the run has one; of several processes, the first has it.
    pub ema: Option<Ema>,
    /// Values of the optimizer's state that this process holds.
    pub n_moments: usize,
    /// State of the run.
    pub state: TrainState,
    /// Whether a callback ended it before its end.
    pub stopped: bool,
}

impl<M: Module, O: Objective<M>> Trainer<M, O> {
    /// Begins a trainer of `model`, which lives on a device with gradients.
    pub fn builder(model: M, objective: O) -> TrainerBuilder<M, O> {
        TrainerBuilder::new(model, objective)
    }

    #[expect(clippy::too_many_arguments, reason = "the builder's fields, each of its own type")]
    pub(crate) fn new(
        model: M,
        objective: O,
        optimizer: Box<dyn Optimizer>,
        schedule: Box<dyn Schedule>,
        config: TrainerConfig,
        rounder: Option<Rounder>,
        checkpoints: Option<CheckpointDir>,
        environment: Environment,
        measure: Option<String>,
        peers: Rc<dyn Collective>,
    ) -> Self {
        Self {
            shards: (peers.size() > 1).then(|| Shards::of(&model, &*peers).exchanging(config.exchange)),
            // The first process saves and finishes, and tells the others what they validate.
            ema: (config.ema_decay > 0.0 && peers.rank() == 0).then(|| Ema::new(config.ema_decay)),
            peers,
            model,
            objective,
            schedule,
            state: TrainState {
                optimizer: optimizer.name().to_owned(),
                monitored: config.monitored(),
                measure,
                environment: environment.clone(),
                ..TrainState::default()
            },
            optimizer,
            config,
            rounder,
            checkpoints,
            environment,
            changes: Vec::new(),
            forgotten: None,
            saved_step: None,
            finite_norms: None,
            clock: Clock::starting_at(0.0),
        }
    }

    /// State of the run.
    pub fn state(&self) -> &TrainState {
        &self.state
    }

    /// Continues from a checkpoint; of several processes, each calls it with that of [`Checkpoint::of_first`].
    ///
    /// # Errors
    /// [`TrainError::Weights`] if it is of another model, [`TrainError::OtherOptimizer`] if of another optimizer, whose state
    /// may have tensors of other sizes.
    pub fn resume(mut self, checkpoint: Checkpoint) -> Result<Self, TrainError> {
        let Checkpoint { params, optimizer, ema, state } = checkpoint;
        if state.optimizer != self.optimizer.name() {
            let (found, expected) = (state.optimizer, self.optimizer.name().to_owned());
            return Err(TrainError::OtherOptimizer { found, expected });
        }
        self.model = attentive_weights::load(self.model, params)?;
        if let Some(rounder) = &mut self.rounder {
            rounder.forget();
        }
        let device = self.device();
        check_lengths(&optimizer, attentive_weights::param_shapes(&self.model))?;
        let optimizer = match &self.shards {
            Some(shards) => scattered(optimizer, shards, &*self.peers)?,
            None => optimizer,
        };
        self.optimizer.restore(state.n_updates, all_to_device(optimizer, &device))?;
        if let Some(mine) = self.ema.take() {
            self.ema = Some(mine.restored(all_to_device(ema.unwrap_or_default(), &device)));
        }
        self.clock = Clock::starting_at(state.elapsed_seconds);
        self.saved_step = Some(state.step);
        self.changes = self.environment.changes_since(&state.environment);
        let (monitored, measure) = (self.config.monitored(), self.state.measure.take());
        self.state = TrainState { environment: self.environment.clone(), ..state };
        // A run that has made all of its updates compares nothing any more, and keeps its best.
        let is_over = self.state.step >= self.config.steps;
        let is_another = self.state.measure.is_some() && self.state.measure != measure;
        let measures_otherwise = monitored == Monitored::Quality && is_another && !is_over;
        self.state.measure = measure;
        if self.state.monitored != monitored || measures_otherwise {
            // What was best by another measure can't be compared.
            self.forgotten = self.state.best.map(|(_, step)| step);
            (self.state.monitored, self.state.best, self.state.best_loss) = (monitored, None, None);
            self.state.early_stopping = EarlyStoppingState::default();
        }
        Ok(self)
    }

    /// Runs to the last update, until early stopping ends it, or until a callback breaks.
    ///
    /// Validation and then a checkpoint, where they are due after an update, come before the next one. A run that breaks
    /// saves at once; what was due and left out is done when it is resumed. Without `evaluate` there is no validation:
    /// no checkpoint is the best.
    ///
    /// Of several processes, each calls `evaluate`, of which the first one's counts, and the first saves; each tells its own
    /// callbacks, and any of them ends training for all. At the end it is [finished](Collective::finish); after an error it is
    /// not, so that the others do not wait for it.
    ///
    /// # Errors
    /// [`TrainError`]; early stopping without `evaluate` is refused at once.
    pub fn run<'e>(
        mut self,
        batches: &mut dyn BatchStream<Batch = O::Batch>,
        mut evaluate: Option<&mut (dyn Evaluate<M> + 'e)>,
        callbacks: &mut [&mut dyn Callback],
    ) -> Result<Outcome<M>, TrainError> {
        self.config.validate_for(evaluate.is_some())?;
        if let Some(checkpoints) = self.checkpoints.as_ref().filter(|_| self.is_first()) {
            checkpoints.tidy(&self.state)?;
        }
        self.compare_parameters()?;
        let ours = self.micro_batches();
        batches.share(ours.start as u64..ours.end as u64, self.config.accumulate as u64);
        batches.seek(self.state.position).map_err(TrainError::Data)?;
        if let (Some(before), Some(now)) = (self.state.epoch_batches, epoch_batches(batches)?)
            && before != now
        {
            return Err(TrainError::OtherBatches { before, now });
        }
        let mut stopped = false;
        // Of several processes, on different machines, one may see a change alone.
        if any(&*self.peers, !self.changes.is_empty())? {
            stopped |= self.tell(callbacks, &Event::EnvironmentChanged { changes: &self.changes })?;
        }
        if let Some(step) = self.forgotten.take() {
            stopped |= self.tell(callbacks, &Event::BestForgotten { step })?;
        }
        loop {
            if let Some(evaluate) = evaluate.as_deref_mut()
                && !stopped
                && self.validation_is_due()
            {
                stopped |= self.validate(evaluate, callbacks)?;
            }
            if stopped || self.checkpoint_is_due() {
                stopped |= self.save(callbacks)?;
            }
            let is_over = self.is_over() && !(evaluate.is_some() && self.validation_is_due());
            if stopped || is_over {
                self.peers.finish();
                let n_moments = self.optimizer.state().values().map(|moments| moments.dims()[0]).sum();
                let Self { model, ema, state, .. } = self;
                return Ok(Outcome { model, ema, n_moments, state, stopped: !is_over });
            }
            let (report, diagnosis);
            (self, report, diagnosis) = self.step(batches)?;
            stopped |= self.tell(callbacks, &Event::Step(&report))?;
            if let Some(diagnosis) = diagnosis {
                let stops;
                (self, stops) = self.roll_back(diagnosis, batches, callbacks)?;
                stopped |= stops;
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

    /// Whether the run must be saved now: at its beginning, at intervals, at its end, and where it is best.
    fn checkpoint_is_due(&self) -> bool {
        let step = self.state.step;
        let is_best = self.state.best.is_some_and(|(_, best)| best == step);
        let is_for_good = self.config.keep_every > 0 && step.is_multiple_of(self.config.keep_every);
        let is_saved = self.checkpoints.is_none() || self.saved_step == Some(step);
        !is_saved && (step == 0 || is_best || is_for_good || self.checkpoint_is_scheduled())
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
        let TrainerConfig { precision, recompute, clip_norm, seed, .. } = self.config;
        let step = self.state.step + 1;
        let ours = self.micro_batches();
        let rounded = self.rounder.as_mut().map(|rounder| rounder.round(self.model.clone())).transpose()?;
        let update = Update::of(self.model, &self.objective).precision(precision).recompute(recompute);
        let mut update = update.through(rounded).clip_norm(clip_norm).accumulate(ours.len());
        let (mut examples, mut was_finite) = (Vec::new(), true);
        for micro_idx in ours.clone() {
            let batch = batches.next_batch().map_err(TrainError::Data)?;
            let loss = update.add(&batch, Some(&Dropout::new(pass_seed(seed, step, micro_idx))));
            // The batch that a diagnosis names: the first whose loss is not finite, or else the first.
            if micro_idx == ours.start || (was_finite && !loss.is_finite()) {
                examples = batch.indices().iter().copied().take(N_EXAMPLES).collect();
            }
            was_finite &= loss.is_finite();
        }
        let lr = self.schedule.lr(NonZeroU64::new(step).expect("counted from 1")) * self.state.divergence.lr_scale;
        let (model, update) = match &self.shards {
            Some(shards) => update.step_among(&*self.peers, shards, &mut *self.optimizer, lr)?,
            None => update.step(&mut *self.optimizer, lr),
        };
        self.model =
            if update.skipped { model } else { self.objective.after_update(model, self.optimizer.n_updates()) };
        let UpdateReport { loss_nats, nll_nats, grad_norm, n_targets, scores, skipped, norms } = update;
        if let Some(ema) = self.ema.as_mut().filter(|_| !skipped) {
            ema.update(&self.model, self.optimizer.n_updates());
        }
        self.state.step = step;
        self.state.n_updates = self.optimizer.n_updates();
        self.state.position = batches.position();
        self.state.epoch_batches = epoch_batches(batches)?;
        self.state.n_targets += n_targets as u64;
        let has_diverged = self.state.divergence.record(&self.config.divergence, loss_nats, !skipped);
        let diagnosis = match has_diverged {
            true => Some(Diagnosis {
                step,
                loss_nats,
                lr,
                examples: bad_batch(&*self.peers, examples, was_finite)?,
                broken_gradients: norms.broken(),
                n_gradients: norms.len(),
                ..self.diagnose((!skipped).then_some(&norms))
            }),
            false => None,
        };
        if !skipped {
            self.finite_norms = Some(norms);
        }
        let report = StepReport {
            step,
            position: self.state.position,
            loss_nats,
            nll_nats,
            is_in_nats: self.objective.is_in_nats(&self.model),
            lr,
            grad_norm,
            n_targets,
            scores,
            skipped,
            elapsed: self.clock.elapsed(),
            step_time: step_started.elapsed(),
        };
        Ok((self, report, diagnosis))
    }

    /// The part of a diagnosis that the run as a whole tells.
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

    /// Goes back to the newest checkpoint of healthy training, to go on with a lower learning rate; also whether a callback
    /// ends the run there.
    fn roll_back(
        self,
        diagnosis: Diagnosis,
        batches: &mut dyn BatchStream<Batch = O::Batch>,
        callbacks: &mut [&mut dyn Callback],
    ) -> Result<(Self, bool), TrainError> {
        let (now, config) = (self.state.divergence, self.config.divergence);
        let mut stops = false;
        let healthy = match &self.checkpoints {
            Some(checkpoints) if now.n_rollbacks < config.max_rollbacks => {
                let latest = if self.is_first() { checkpoints.latest_healthy()? } else { LatestCheckpoint::default() };
                let LatestCheckpoint { checkpoint, damaged } = latest;
                if any(&*self.peers, !damaged.is_empty())? {
                    stops |= self.tell(callbacks, &Event::PassedOver { damaged: &damaged })?;
                }
                Checkpoint::of_first(&*self.peers, checkpoint)?
            }
            _ => None,
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
        let event = Event::RolledBack { path: &path, step, lr_scale, diagnosis: &diagnosis };
        stops |= trainer.tell(callbacks, &event)?;
        Ok((trainer, stops))
    }

    fn validate(
        &mut self,
        evaluate: &mut dyn Evaluate<M>,
        callbacks: &mut [&mut dyn Callback],
    ) -> Result<bool, TrainError> {
        let step = self.state.step;
        let model = self.validated_model()?;
        let validation = evaluate.evaluate(&model).map_err(|cause| TrainError::Evaluation { step, cause })?;
        let validation = validation.of_first(&*self.peers)?;
        let value = self.config.monitored().of(&validation);
        let best = (self.state.best.map(|(best, _)| best), self.state.best_loss);
        let is_better = !value.is_nan() && best.0.is_none_or(|best| best.is_nan() || value > best);
        let is_best = is_better || is_lower_at(&validation, value, best);
        if is_best {
            (self.state.best, self.state.best_loss) = (Some((value, step)), Some(validation.nll_nats));
        }
        if let Some(early) = &self.config.early_stopping {
            self.state.early_stopping.record(early, &validation);
        }
        self.state.validated_step = step;
        self.saved_step = None;
        let elapsed = self.clock.elapsed();
        let is_in_nats = self.objective.is_in_nats(&self.model);
        self.tell(callbacks, &Event::Validated { step, validation: &validation, is_in_nats, is_best, elapsed })
    }

    /// The model that is scored: with the running means of parameters, if there are any, and rounded as in use.
    fn validated_model(&self) -> Result<M, TrainError> {
        let model = self.model.valid();
        let model = match &self.ema {
            Some(ema) => ema.apply(model),
            None => model,
        };
        let model = match self.shards.is_some() && self.config.ema_decay > 0.0 {
            // Only the first process has the means.
            true => {
                let params = params_of_first(&*self.peers, attentive_weights::params(&model))?;
                attentive_weights::load(model, params)?
            }
            false => model,
        };
        match &self.rounder {
            Some(rounder) => rounded(model, &*rounder.rounding),
            None => Ok(model),
        }
    }

    fn save(&mut self, callbacks: &mut [&mut dyn Callback]) -> Result<bool, TrainError> {
        self.state.elapsed_seconds = self.clock.elapsed().as_secs_f64();
        let is_scheduled = self.checkpoint_is_scheduled();
        let Some(checkpoints) = &self.checkpoints else { return Ok(false) };
        let stops = self.tell(callbacks, &Event::Saving)?;
        if is_scheduled {
            checkpoints.schedule(&mut self.state);
        }
        let moments = match &self.shards {
            Some(shards) => shards.gather_state(&self.optimizer.state(), &self.device(), &*self.peers)?,
            None => self.optimizer.state(),
        };
        let path = match self.is_first() {
            true => checkpoints.save(&self.model, moments, self.ema.as_ref(), &self.state)?,
            false => checkpoints.path(self.state.step),
        };
        self.saved_step = Some(self.state.step);
        Ok(stops | self.tell(callbacks, &Event::Saved { step: self.state.step, path: &path })?)
    }

    /// Refuses to train different models together.
    fn compare_parameters(&self) -> Result<(), TrainError> {
        if self.shards.is_none() {
            return Ok(());
        }
        let mut sha = Sha256::new();
        for (name, tensor) in attentive_weights::device_params(&self.model) {
            sha.update(name);
            sha.update(bytemuck::cast_slice::<f32, u8>(&tensor.into_host().values));
        }
        let sums = gather(&*self.peers, &sha.finalize())?;
        match sums.iter().position(|sum| *sum != sums[0]) {
            Some(rank) => Err(TrainError::OtherParameters { rank, size: self.peers.size() }),
            None => Ok(()),
        }
    }

    /// Tells this process's callbacks; whether one of any process wants training to end.
    fn tell(&self, callbacks: &mut [&mut dyn Callback], event: &Event<'_>) -> Result<bool, TrainError> {
        let stops = tell(callbacks, event)?;
        Ok(if self.shards.is_some() { any(&*self.peers, stops)? } else { stops })
    }

    /// Whether this process is the one that reads and writes.
    fn is_first(&self) -> bool {
        self.peers.rank() == 0
    }

    /// The micro-batches of each update that are this process's.
    fn micro_batches(&self) -> Range<usize> {
        share(self.config.accumulate, self.peers.rank(), self.peers.size())
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

/// Batches in the epoch of a stream's position. At the beginning of an epoch, any number of them will do.
fn epoch_batches<B: Batch>(batches: &mut dyn BatchStream<Batch = B>) -> Result<Option<u64>, TrainError> {
    let is_inside = batches.position().batch_idx > 0;
    is_inside.then(|| batches.n_batches()).transpose().map_err(TrainError::Data)
}

/// Tells everyone; whether someone wants training to end.
fn tell(callbacks: &mut [&mut dyn Callback], event: &Event<'_>) -> Result<bool, TrainError> {
    let mut stop = false;
    for callback in callbacks.iter_mut() {
        stop |= callback.on_event(event)? == ControlFlow::Break(());
    }
    Ok(stop)
}

/// The part of an optimizer's state that is this process's.
fn scattered(state: Tensors, shards: &Shards, peers: &dyn Collective) -> Result<Tensors, TrainError> {
    let whole = state.into_iter().map(|(name, tensor)| (name, tensor.values)).collect();
    let parts = shards.scatter_state(whole, peers)?.into_iter();
    let flat = |values: Vec<f32>| HostTensor { shape: vec![values.len()], values };
    Ok(parts.map(|(name, values)| (name, flat(values))).collect())
}

/// Refuses an optimizer's state whose tensors, `param.slot`, do not have a number for each of the parameter's.
fn check_lengths(state: &Tensors, params: Vec<ParamShape>) -> Result<(), TrainError> {
    let lengths = params.into_iter().map(|param| (param.name, param.shape.iter().product()));
    let lengths: BTreeMap<String, usize> = lengths.collect();
    let is_other = |(name, tensor): &(&String, &HostTensor)| {
        let of_param = name.rsplit_once('.').and_then(|(param, _)| lengths.get(param));
        of_param.is_some_and(|length| *length != tensor.values.len())
    };
    match state.iter().find(is_other) {
        Some((name, _)) => {
            let problem = "has another number of values than its parameter";
            Err(OptimizerError::State { name: name.clone(), problem }.into())
        }
        None => Ok(()),
    }
}

/// The examples of the first batch of all processes whose loss was not finite, or else of the first batch.
fn bad_batch(peers: &dyn Collective, examples: Vec<u64>, was_finite: bool) -> Result<Vec<u64>, TrainError> {
    if peers.size() == 1 {
        return Ok(examples);
    }
    let mine: Vec<u8> = iter::once(u64::from(was_finite)).chain(examples).flat_map(u64::to_le_bytes).collect();
    let words = |bytes: Vec<u8>| bytes.as_chunks().0.iter().map(|&word| u64::from_le_bytes(word)).collect::<Vec<_>>();
    let all: Vec<Vec<u64>> = gather(peers, &mine)?.into_iter().map(words).collect();
    Ok(all.iter().find(|one| one[0] == 0).unwrap_or(&all[0])[1..].to_vec())
}

/// The seed of a forward pass: a function of the run's seed and the step, so that resuming needs no random state.
fn pass_seed(seed: u64, step: u64, micro_idx: usize) -> u64 {
    mix64(seed ^ mix64(step ^ mix64(micro_idx as u64)))
}
