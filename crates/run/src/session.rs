//! One run, from initial parameters to bundle, whatever the task.

use std::{
    fs,
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use attentive_backend::{BackendKind, Device, has_kernels};
use attentive_bundle::{Bundle, ChatTemplate, DataRecord, Processor, TrainingRecord};
use attentive_collective::{Collective, Exchange};
use attentive_kernels::Level;
use attentive_model::ModelSpec;
use attentive_task::{
    Context, Error, Result, Task, clock,
    config::{Problem, RunRecipe},
    shell_path, thousands, together, with_causes,
};
use attentive_trainer::{
    Averaged, Callback, Checkpoint, CheckpointDir, Environment, FinishedModel, LatestCheckpoint, Outcome, TrainError,
    TrainState, Trainer, TrainerConfig, params_of_first,
};
use attentive_weights::Tensors;
use burn::module::Module;

use crate::{
    Ended, TrainOptions,
    adapter::{adapted, merged},
    event_log::EventLog,
    folder,
    injected::Injected,
    metrics_log::MetricsLog,
    rounding::rounding,
    together::{of_backend, of_data, other_instructions, same},
};

/// The trainer of a task's model.
type RunTrainer<T> = Trainer<<T as Task>::Model, Injected<<T as Task>::Objective>>;

/// A run's settings, folder and device.
pub(crate) struct Session<'a, 'o> {
    pub(crate) settings: &'a RunRecipe,
    /// The whole recipe, as the run's folder keeps it.
    pub(crate) config: &'a str,
    /// Last checkpoints that are averaged.
    pub(crate) average_last: usize,
    /// The model that the run ends with.
    pub(crate) finished: FinishedModel,
    pub(crate) run: &'a Path,
    pub(crate) device: Device,
    pub(crate) options: TrainOptions<'o>,
    /// The processes that train together: the first one reads and writes the run's folder.
    pub(crate) peers: Rc<dyn Collective>,
}

impl Session<'_, '_> {
    pub(crate) fn train<T: Task>(self, task: &T) -> Result<Ended> {
        let log = self.options.log;
        let latest = if self.is_first() { self.checkpoints().latest() } else { Ok(LatestCheckpoint::default()) };
        let LatestCheckpoint { checkpoint, damaged } = together(&*self.peers, latest.map_err(Error::from))?;
        for (path, problem) in &damaged {
            log.warning(&format!("passing over {}: {problem}", path.display()));
        }
        let checkpoint = Checkpoint::of_first(&*self.peers, checkpoint)?;
        match checkpoint.as_ref().and_then(|(_, checkpoint)| self.level_of(&checkpoint.state.environment)) {
            Some(level) => {
                log.line(&format!("note: on at the SIMD level {}, at which the run was saved", level.name()));
                level.during_everywhere(|| self.train_from(task, checkpoint))
            }
            None => self.train_from(task, checkpoint),
        }
    }

    /// The SIMD level that a run was saved at, if this machine has it and would take another by itself.
    fn level_of(&self, saved: &Environment) -> Option<Level> {
        let name = saved.simd.as_deref().filter(|_| has_kernels(&self.device) && Level::chosen().is_none())?;
        Level::available().into_iter().find(|level| level.name() == name && level.name() != Level::current().name())
    }

    fn train_from<T: Task>(mut self, task: &T, latest: Option<(PathBuf, Checkpoint)>) -> Result<Ended> {
        let log = self.options.log;
        let n_made = latest.as_ref().map_or(0, |(_, checkpoint)| checkpoint.state.step);
        if n_made > self.training().steps {
            let steps = self.training().steps;
            let text = format!(
                "training.steps = {steps}: the run has made {n_made} updates, which is the least that it may be; a \
                 checkpoint before them becomes a model by attentive average"
            );
            return Err(Problem::among(["training.steps"], text).into());
        }
        let model = task.init(&self.device.clone().autodiff(), self.training().seed, log)?;
        let spec = task.spec();
        self.say_size(model.num_params() as u64, spec.n_params() as u64, &spec.describe());
        task.refer_to(&model, log)?;
        let model = adapted(model, task.pretrained(), self.settings, log)?;
        let data = task.data_records(log)?;
        let processor = task.processor();
        self.compare(&data, &processor)?;
        let trainer = self.trainer(model, task)?;
        let write = || self.write_start(&data, &processor, task.chat(), &|| task.write_beside(self.run));
        together(&*self.peers, if self.is_first() { write() } else { Ok(()) })?;
        self.say_shares();
        self.compare_instructions()?;
        let go_on = format!("go on with: attentive train --resume {}", shell_path(self.run));
        let trained = self.minimise(trainer, task, latest);
        let outcome = trained.inspect_err(|_| log.warning(&format!("training stopped; {go_on}")))?;
        if outcome.stopped {
            log.line(&format!("interrupted after step {}; {go_on}", outcome.state.step));
            return Ok(Ended::Stopped { step: outcome.state.step, folder: self.run.to_owned() });
        }
        let written = if self.is_first() { self.finish(&outcome, &processor, data).map(Some) } else { Ok(None) };
        // The others wait, so that they are there until the model is.
        let written = together(&*self.peers, written);
        let scored = written.and_then(|written| self.score(&outcome.model, task, written));
        let finished = together(&*self.peers, scored).inspect_err(|error| {
            let or = match error {
                Error::Train(TrainError::NoBest | TrainError::BestUnread { .. }) => {
                    "; for the last model, add: --set evaluation.model=last"
                }
                Error::Train(TrainError::NotAveraged { cause }) if matches!(**cause, TrainError::Damaged { .. }) => {
                    "; for a mean without what is damaged, add: --leave-out-damaged"
                }
                _ => "",
            };
            log.warning(&format!("the model is not finished; {go_on}{or}"));
        });
        let example = task.example(&self.run.with_file_name("latest").display().to_string());
        finished.map(|()| Ended::Finished { folder: self.run.to_owned(), example })
    }

    /// Whether this process is the one that reads and writes.
    fn is_first(&self) -> bool {
        self.peers.rank() == 0
    }

    /// The size of the model that is trained, and of the one that is left in the end.
    fn say_size(&self, n_trained: u64, n_params: u64, describe: &str) {
        let beside = match n_trained.checked_sub(n_params) {
            None | Some(0) => String::new(),
            Some(n) => format!("; {} more for training", thousands(n)),
        };
        self.options.log.line(&format!("model     {} parameters: {describe}{beside}", thousands(n_params)));
    }

    /// Refuses to train with processes that have another backend or other data.
    fn compare(&self, data: &[DataRecord], processor: &Processor) -> Result<()> {
        same(&*self.peers, &[of_backend(backend_name(&self.device))])?;
        same(&*self.peers, &of_data(data, processor))
    }

    /// Warns of processes that compute with other instructions.
    fn compare_instructions(&self) -> Result<()> {
        if has_kernels(&self.device) {
            // Those of any CPU are the first ones of the same list.
            let (name, levels) = (Level::current().name(), Level::available());
            let place = levels.iter().position(|level| level.name() == name).unwrap_or(0);
            let note = other_instructions(&*self.peers, (place, name))?;
            note.iter().for_each(|note| self.options.log.warning(note));
        }
        Ok(())
    }

    /// How the work is shared, if it is.
    fn say_shares(&self) {
        let (size, n) = (self.peers.size(), self.training().accumulate);
        if size > 1 {
            let each = if n.is_multiple_of(size) {
                format!("{}", n / size)
            } else {
                format!("{} or {}", n / size, n / size + 1)
            };
            let how = if self.training().exchange == Exchange::Bf16 { "; gradients travel as bf16" } else { "" };
            self.options
                .log
                .line(&format!("processes {size}, each with {each} of the {n} micro-batches of an update{how}"));
        }
    }

    /// What an update has sent, and what of the optimizer's state is here, if there are others.
    fn say_shared(&self, n_bytes: u64, n_updates: u64, n_moments: usize) {
        if self.peers.size() > 1 && n_updates > 0 {
            let (log, n_bytes) = (self.options.log, thousands(n_bytes / n_updates));
            log.line(&format!("exchange  {n_bytes} bytes sent by process 0 for each update"));
            log.line(&format!("optimizer {} values of its state held by process 0", thousands(n_moments as u64)));
        }
    }

    fn training(&self) -> &TrainerConfig {
        &self.settings.training
    }

    /// Writes what resuming needs beside checkpoints; `write_beside` writes what the task alone knows.
    fn write_start(
        &self,
        data: &[DataRecord],
        processor: &Processor,
        chat: Option<&ChatTemplate>,
        write_beside: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        let path = self.run.join(folder::DATA);
        // A run that was interrupted before it knew its data has no such file.
        let is_known = path.exists();
        if is_known {
            same_data(&read_data_records(&path)?, data)
                .with_context(|| format!("{} has the hashes", path.display()))?;
        }
        Bundle::write_config(self.run, self.config)?;
        processor.write(self.run)?;
        if let Some(chat) = chat {
            Bundle::write_chat(self.run, &chat.self_contained().context("the model's chat template")?)?;
        }
        write_beside()?;
        if !is_known {
            folder::write(&path, &serde_json::to_string_pretty(data).context("the data's records")?)?;
        }
        // The run does without a name that leads to it.
        if let Err(error) = folder::point_latest(self.run) {
            self.options.log.warning(&with_causes(&error));
        }
        Ok(())
    }

    fn checkpoints(&self) -> CheckpointDir {
        CheckpointDir::new(self.run.join(folder::CHECKPOINTS), self.average_last)
    }

    /// The trainer of a run that has made no update.
    fn trainer<T: Task>(&self, model: T::Model, task: &T) -> Result<RunTrainer<T>> {
        let recipe = self.settings;
        let spec = task.spec().clone();
        let trainer = Trainer::builder(model, Injected::from_env(task.objective())?)
            .optimizer(recipe.optimizer.init()?)
            .schedule(recipe.schedule.build(task.spec().d_model()))
            .config(recipe.training.clone())
            .rounding(move |format| rounding(&spec, format))
            .checkpoints(self.checkpoints())
            .environment(self.environment())
            .measure(task.measure())
            .peers(Rc::clone(&self.peers));
        Ok(trainer.build()?)
    }

    /// Trains to the end, or until it is interrupted.
    fn minimise<T: Task>(
        &mut self,
        mut trainer: RunTrainer<T>,
        task: &T,
        latest: Option<(PathBuf, Checkpoint)>,
    ) -> Result<Outcome<T::Model>> {
        let log = self.options.log;
        let mut state = TrainState::default();
        if let Some((path, checkpoint)) = latest {
            log.line(&format!("resuming  {}", path.display()));
            state = checkpoint.state.clone();
            trainer = trainer.resume(checkpoint)?;
        }
        let (mut batches, mut evaluate) = (task.batches(), task.evaluator(&*self.peers, log));
        let metrics_path = self.run.join("metrics.jsonl");
        let metrics = self.is_first().then(|| MetricsLog::open(&metrics_path, &state)).transpose();
        let mut metrics = metrics.with_context(|| format!("can't write {}", metrics_path.display()))?;
        let writes_events = self.options.tensorboard && self.is_first();
        let events = writes_events.then(|| EventLog::create(self.run, state.step)).transpose();
        let mut events = events.context("can't write TensorBoard's events")?;
        let mut watchers: Vec<&mut dyn Callback> = Vec::new();
        watchers.extend(metrics.iter_mut().map(|metrics| metrics as &mut dyn Callback));
        for callback in &mut self.options.callbacks {
            watchers.push(&mut **callback);
        }
        watchers.extend(events.iter_mut().map(|events| events as &mut dyn Callback));
        let sent_before = self.peers.bytes_sent();
        let outcome = trainer.run(&mut *batches, evaluate.as_deref_mut(), &mut watchers)?;
        let n_updates = outcome.state.step.saturating_sub(state.step);
        self.say_shared(self.peers.bytes_sent() - sent_before, n_updates, outcome.n_moments);
        Ok(outcome)
    }

    /// What the run runs on.
    fn environment(&self) -> Environment {
        Environment {
            version: Some(env!("CARGO_PKG_VERSION").into()),
            backend: Some(backend_name(&self.device).into()),
            simd: has_kernels(&self.device).then(|| Level::current().name().into()),
            precision: Some(format!("{:?}", self.training().precision).to_lowercase()),
        }
    }

    /// Averages and writes the finished model; returns its parameters and record.
    fn finish<M: Module>(
        &self,
        outcome: &Outcome<M>,
        processor: &Processor,
        data: Vec<DataRecord>,
    ) -> Result<(Tensors, TrainingRecord)> {
        let averaged = outcome.finished(self.finished, Some(&self.checkpoints()), self.options.on_damage)?;
        let record = self.write_model(&averaged, &outcome.state, outcome.ema.is_some(), processor, data)?;
        Ok((averaged.params, record))
    }

    /// Writes the finished model, without its scores.
    fn write_model(
        &self,
        averaged: &Averaged,
        state: &TrainState,
        has_mean: bool,
        processor: &Processor,
        data: Vec<DataRecord>,
    ) -> Result<TrainingRecord> {
        let log = self.options.log;
        let ended = if state.step < self.training().steps { ", after which nothing got better," } else { "" };
        let time = clock(Duration::from_secs_f64(state.elapsed_seconds));
        let Averaged { params, steps, left_out } = averaged;
        for (_, problem) in left_out {
            log.warning(&format!("left out of the mean: {problem}"));
        }
        let mean = "the running mean of parameters";
        let of = match (self.finished, has_mean, &steps[..]) {
            (FinishedModel::Best, false, [step, ..]) => format!("the best one, of step {step}"),
            (FinishedModel::Best, true, [step, ..]) => format!("{mean} at step {step}, the best"),
            (_, true, _) => mean.into(),
            (FinishedModel::Average, false, steps) => format!("the mean of the last {} checkpoints", steps.len()),
            (_, false, _) => "the last one".into(),
        };
        log.line(&format!("trained {} steps{ended} in {time}; the model is {of}", state.step));
        let record = TrainingRecord {
            version: env!("CARGO_PKG_VERSION").into(),
            seed: self.training().seed,
            steps: state.step,
            n_targets: state.n_targets,
            seconds: state.elapsed_seconds,
            backend: backend_name(&self.device).into(),
            simd: self.environment().simd.unwrap_or_default(),
            precision: self.environment().precision.unwrap_or_default(),
            averaged_steps: steps.clone(),
            data,
            scores: Vec::new(),
        };
        let (whole, adapter) = merged(params, self.settings.adapter.as_ref())?;
        if let Some(adapter) = adapter {
            adapter.write(self.run)?;
        }
        Bundle::write(self.run, self.config, processor, &whole, &record)?;
        Ok(record)
    }

    /// Scores and shows the finished model, of which the first process has written parameters and record.
    fn score<T: Task>(&self, model: &T::Model, task: &T, written: Option<(Tensors, TrainingRecord)>) -> Result<()> {
        let model = model.valid();
        let (params, record) = match written {
            Some((params, record)) => (params, Some(record)),
            None => (attentive_weights::params(&model), None),
        };
        let params = params_of_first(&*self.peers, params)?;
        let scores = task.score(attentive_weights::load(model, params)?, &*self.peers, self.options.log)?;
        match record {
            Some(record) => Ok(Bundle::write_record(self.run, &TrainingRecord { scores, ..record })?),
            None => Ok(()),
        }
    }
}

/// Reads a run's `data.json`.
pub(crate) fn read_data_records(path: &Path) -> Result<Vec<DataRecord>> {
    let unreadable = || path.display().to_string();
    serde_json::from_slice(&fs::read(path).with_context(unreadable)?).with_context(unreadable)
}

/// A resumed run must find the data that it began with: its place in other data would mean nothing.
fn same_data(before: &[DataRecord], now: &[DataRecord]) -> Result<()> {
    if before.len() != now.len() {
        refuse!("the run began with {} files of data and now has {}: begin a new run", before.len(), now.len());
    }
    let changed = before.iter().zip(now).find(|(before, now)| before.sha256 != now.sha256);
    match changed {
        Some((_, now)) => refuse!("{} has changed since the run began: bring it back, or begin a new run", now.name),
        None => Ok(()),
    }
}

/// The name of the backend that a device is of.
fn backend_name(device: &Device) -> &'static str {
    BackendKind::of(device).map_or("unknown", BackendKind::name)
}
