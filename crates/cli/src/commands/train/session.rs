//! One run, from initial parameters to bundle, whatever the task.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use attentive_backend::Device;
use attentive_bundle::{Bundle, TrainingRecord};
use attentive_trainer::{CheckpointDir, Evaluate, Outcome, Trainer, Validation};
use burn::module::Module;

use super::{
    interrupt::{self, INTERRUPTED},
    task::Task,
    thousands,
};
use crate::{
    progress::{MetricsLog, Progress, StopFlag, clock},
    recipe::Recipe,
    run_dir,
};

/// A run's recipe, folder and device.
pub(super) struct Session<'a> {
    pub recipe: &'a Recipe,
    pub run: &'a Path,
    pub device: Device,
    pub backend: &'static str,
    pub resumed: bool,
}

impl Session<'_> {
    pub(super) fn train<T: Task>(&self, task: T) -> Result<ExitCode> {
        let model = task.init(&self.device.clone().autodiff(), self.recipe.run.training.seed)?;
        println!("model     {} parameters: {}", thousands(model.num_params() as u64), task.describe());
        if !self.resumed {
            self.write_start(&task)?;
        }
        let outcome = self.minimise(model, &task)?;
        if outcome.stopped {
            println!(
                "interrupted after step {}; go on with: attentive train --resume {}",
                outcome.state.step,
                self.run.display()
            );
            return Ok(ExitCode::from(INTERRUPTED));
        }
        self.finish(outcome, &task)?;
        Ok(ExitCode::SUCCESS)
    }

    /// What resuming needs beside checkpoints.
    fn write_start(&self, task: &impl Task) -> Result<()> {
        let path = self.run.join("config.toml");
        fs::write(&path, self.recipe.to_toml()).with_context(|| format!("can't write {}", path.display()))?;
        attentive_tokenizer::save(task.tokenizer(), &self.run.join("tokenizer.json"))?;
        run_dir::point_latest(self.run)
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
            task.objective(),
            recipe.optimizer,
            &schedule,
            recipe.training.clone(),
            self.checkpoints(),
        )?;
        if self.resumed {
            let checkpoints = self.checkpoints().list()?;
            let Some(last) = checkpoints.last() else { bail!("{} has no checkpoint to resume", self.run.display()) };
            println!("resuming  {}", last.display());
            trainer = trainer.resume(CheckpointDir::read(last, &self.device)?)?;
        }
        let mut batches = task.batches();
        let mut progress = Progress::new(recipe.training.steps);
        let metrics_path = self.run.join("metrics.jsonl");
        let mut metrics =
            MetricsLog::open(&metrics_path).with_context(|| format!("can't write {}", metrics_path.display()))?;
        let mut stop = StopFlag(interrupt::flag()?);
        Ok(trainer.run(&mut *batches, &mut Validate(task), &mut [&mut progress, &mut metrics, &mut stop])?)
    }

    /// Averages, writes, scores and shows the finished model.
    fn finish<T: Task>(&self, outcome: Outcome<T::Model>, task: &T) -> Result<()> {
        let averaged = self.checkpoints().list()?;
        let files: Vec<PathBuf> = averaged.iter().map(|path| CheckpointDir::model_file(path)).collect();
        let params = attentive_weights::average(&files)?;
        println!(
            "trained {} steps in {}; the model is the mean of the last {} checkpoints",
            outcome.state.step,
            clock(Duration::from_secs_f64(outcome.state.elapsed_seconds)),
            files.len()
        );
        let mut record = TrainingRecord {
            version: env!("CARGO_PKG_VERSION").into(),
            seed: self.recipe.run.training.seed,
            steps: outcome.state.step,
            n_targets: outcome.state.n_targets,
            seconds: outcome.state.elapsed_seconds,
            backend: self.backend.into(),
            averaged_steps: averaged.iter().filter_map(|path| CheckpointDir::step_of(path)).collect(),
            data: task.data_records()?,
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

/// A task, asked for scores while it is trained.
struct Validate<'a, T>(&'a T);

impl<T: Task> Evaluate<T::Model> for Validate<'_, T> {
    fn evaluate(&mut self, model: &T::Model) -> Result<Validation, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.validate(model)?)
    }
}
