//! One run, from initial parameters to bundle, whatever the task.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use attentive_backend::Device;
use attentive_bundle::{Bundle, DataRecord, TrainingRecord};
use attentive_trainer::{Callback, Checkpoint, CheckpointDir, Outcome, TrainState, Trainer};
use attentive_weights::Tensors;
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
        self.finish(&outcome, task, data)?;
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
        let mut trainer = Trainer::new(
            model,
            Injected::from_env(task.objective())?,
            recipe.optimizer,
            &schedule,
            recipe.training.clone(),
            self.checkpoints(),
        )?;
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

    /// The finished model's parameters: the running mean, or the mean of the last checkpoints, whose steps come with it.
    fn params<M: Module>(&self, outcome: &Outcome<M>) -> Result<(Tensors, Vec<u64>)> {
        if let Some(ema) = &outcome.ema {
            return Ok((attentive_weights::params(&ema.apply(outcome.model.valid())), Vec::new()));
        }
        let mut averaged = self.checkpoints().averaged(&outcome.state);
        averaged.retain(|path| {
            let problem = Checkpoint::read(path).err();
            problem.inspect(|problem| eprintln!("left out of the mean: {problem}")).is_none()
        });
        let files: Vec<PathBuf> = averaged.iter().map(|path| CheckpointDir::model_file(path)).collect();
        let steps = averaged.iter().filter_map(|path| CheckpointDir::step_of(path)).collect();
        Ok((attentive_weights::average(&files)?, steps))
    }

    /// Averages, writes, scores and shows the finished model.
    fn finish<T: Task>(&self, outcome: &Outcome<T::Model>, task: &T, data: Vec<DataRecord>) -> Result<()> {
        let steps = outcome.state.step;
        let ended = if steps < self.recipe.run.training.steps { ", after which nothing got better," } else { "" };
        let time = clock(Duration::from_secs_f64(outcome.state.elapsed_seconds));
        let (params, averaged) = self.params(outcome)?;
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
