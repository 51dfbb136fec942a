//! One run, from initial parameters to bundle, whatever the task.

use std::{fs, path::Path, process::ExitCode, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use attentive_backend::{Device, has_kernels};
use attentive_bundle::{Bundle, DataRecord, TrainingRecord};
use attentive_kernels::Level;
use attentive_trainer::{Averaged, Callback, CheckpointDir, Environment, OnDamage, Outcome, TrainState, Trainer};
use burn::module::Module;

use super::{
    injected::Injected,
    interrupt::{self, INTERRUPTED},
    task::Task,
    thousands,
};
use crate::{
    event_log::EventLog,
    metrics_log::MetricsLog,
    progress::{Progress, StopFlag, clock},
    recipe::Recipe,
    run_dir,
};

/// A run's recipe, folder and device.
pub(super) struct Session<'a> {
    pub recipe: &'a Recipe,
    pub run: &'a Path,
    pub device: Device,
    pub backend: &'static str,
    /// Whether TensorBoard shall be able to watch.
    pub tensorboard: bool,
    /// What is done about damaged checkpoints when the last ones are averaged.
    pub on_damage: OnDamage,
}

impl Session<'_> {
    pub(super) fn train<T: Task>(&self, task: &T) -> Result<ExitCode> {
        let model = task.init(&self.device.clone().autodiff(), self.recipe.run.training.seed)?;
        println!("model     {} parameters: {}", thousands(model.num_params() as u64), task.describe());
        let data = self.write_start(task)?;
        let go_on = format!("go on with: attentive train --resume {}", self.run.display());
        let outcome = self.minimise(model, task).inspect_err(|_| eprintln!("training stopped; {go_on}"))?;
        if outcome.stopped {
            println!("interrupted after step {}; {go_on}", outcome.state.step);
            return Ok(ExitCode::from(INTERRUPTED));
        }
        self.finish(&outcome, task, data).inspect_err(|_| eprintln!("the model is not finished; {go_on}"))?;
        Ok(ExitCode::SUCCESS)
    }

    /// What resuming needs beside checkpoints; returns names and hashes of the data.
    fn write_start(&self, task: &impl Task) -> Result<Vec<DataRecord>> {
        run_dir::write(&self.run.join("config.toml"), &self.recipe.to_toml())?;
        attentive_tokenizer::save(task.tokenizer(), &self.run.join("tokenizer.json"))?;
        let (path, data) = (self.run.join("data.json"), task.data_records()?);
        // A run that was interrupted before it knew its data has no such file.
        if let Ok(before) = fs::read(&path) {
            let before: Vec<DataRecord> =
                serde_json::from_slice(&before).with_context(|| path.display().to_string())?;
            same_data(&before, &data).with_context(|| format!("{} has the hashes", path.display()))?;
        } else {
            run_dir::write(&path, &serde_json::to_string_pretty(&data)?)?;
        }
        run_dir::point_latest(self.run)?;
        Ok(data)
    }

    fn checkpoints(&self) -> CheckpointDir {
        CheckpointDir::new(self.run.join("checkpoints"), self.recipe.average_last())
    }

    /// Trains to the end, or until it is interrupted.
    fn minimise<T: Task>(&self, model: T::Model, task: &T) -> Result<Outcome<T::Model>> {
        let recipe = &self.recipe.run;
        let schedule = recipe.schedule.build(task.d_model());
        let mut trainer = Trainer::builder(model, Injected::from_env(task.objective())?)
            .optimizer(recipe.optimizer.init()?)
            .schedule(schedule)
            .config(recipe.training.clone())
            .checkpoints(self.checkpoints())
            .environment(self.environment())
            .build()?;
        let latest = self.checkpoints().latest()?;
        for (path, problem) in &latest.damaged {
            eprintln!("passing over {}: {problem}", path.display());
        }
        let mut state = TrainState::default();
        if let Some((path, checkpoint)) = latest.checkpoint {
            println!("resuming  {}", path.display());
            state = checkpoint.state.clone();
            trainer = trainer.resume(checkpoint)?;
        }
        let (mut batches, mut evaluate) = (task.batches(), task.evaluator());
        let mut progress = Progress::new(recipe.training.steps);
        let metrics_path = self.run.join("metrics.jsonl");
        let mut metrics = MetricsLog::open(&metrics_path, &state)
            .with_context(|| format!("can't write {}", metrics_path.display()))?;
        let mut stop = StopFlag(interrupt::flag()?);
        let mut watchers: Vec<&mut dyn Callback> = vec![&mut progress, &mut metrics, &mut stop];
        let mut events = self.tensorboard.then(|| EventLog::create(self.run, state.step)).transpose();
        let events = events.as_mut().map_err(|cause| anyhow!("can't write TensorBoard's events: {cause}"))?;
        watchers.extend(events.iter_mut().map(|events| events as &mut dyn Callback));
        Ok(trainer.run(&mut *batches, evaluate.as_deref_mut(), &mut watchers)?)
    }

    /// What the run runs on.
    fn environment(&self) -> Environment {
        Environment {
            version: Some(env!("CARGO_PKG_VERSION").into()),
            backend: Some(self.backend.into()),
            simd: has_kernels(&self.device).then(|| Level::current().name().into()),
            precision: Some(format!("{:?}", self.recipe.run.training.precision).to_lowercase()),
        }
    }

    /// Averages, writes, scores and shows the finished model.
    fn finish<T: Task>(&self, outcome: &Outcome<T::Model>, task: &T, data: Vec<DataRecord>) -> Result<()> {
        let steps = outcome.state.step;
        let ended = if steps < self.recipe.run.training.steps { ", after which nothing got better," } else { "" };
        let time = clock(Duration::from_secs_f64(outcome.state.elapsed_seconds));
        let Averaged { params, steps: averaged, left_out } =
            outcome.finished(Some(&self.checkpoints()), self.on_damage)?;
        for (_, problem) in &left_out {
            println!("left out of the mean: {problem}");
        }
        let of = match (&outcome.ema, averaged.len()) {
            (Some(_), _) => "the running mean of parameters".into(),
            (None, n) => format!("the mean of the last {n} checkpoints"),
        };
        println!("trained {steps} steps{ended} in {time}; the model is {of}");
        let mut record = TrainingRecord {
            version: env!("CARGO_PKG_VERSION").into(),
            seed: self.recipe.run.training.seed,
            steps: outcome.state.step,
            n_targets: outcome.state.n_targets,
            seconds: outcome.state.elapsed_seconds,
            backend: self.backend.into(),
            averaged_steps: averaged,
            data,
            scores: Vec::new(),
        };
        // The model is safe before it is scored.
        Bundle::write(self.run, &self.recipe.to_toml(), task.tokenizer(), &params, &record)?;
        record.scores = task.score(attentive_weights::load(outcome.model.valid(), params)?)?;
        Bundle::write_record(self.run, &record)?;
        let latest = self.run.parent().unwrap_or(Path::new("")).join("latest");
        println!("model in {}; use it with:", self.run.display());
        println!("  cargo xtask {}", task.example(&latest.display().to_string()));
        Ok(())
    }
}

/// A resumed run must find the data that it began with: its place in other data would mean nothing.
fn same_data(before: &[DataRecord], now: &[DataRecord]) -> Result<()> {
    if before.len() != now.len() {
        bail!("the run began with {} files of data and now has {}: begin a new run", before.len(), now.len());
    }
    let changed = before.iter().zip(now).find(|(before, now)| before.sha256 != now.sha256);
    match changed {
        Some((_, now)) => bail!("{} has changed since the run began: bring it back, or begin a new run", now.name),
        None => Ok(()),
    }
}
