//! Models made of a run's checkpoints, whether the run is finished or not.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use attentive_bundle::{Bundle, TrainingRecord};
use attentive_task::{Context, Result, resolve};
use attentive_trainer::{Averaged, CheckpointDir, Environment, OnDamage, TrainState, average, read_params, read_state};

use crate::{
    Recipe,
    adapter::merged,
    folder::{self, CHECKPOINTS},
    session::read_data_records,
};

/// Checkpoints of a run that a model is made of. `best`, `last` and a step are read from text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelOf {
    /// The one that validation found best, up to the newest.
    Best,
    /// The newest.
    Last,
    /// The one after an update.
    Step(u64),
    /// The mean of as many of the newest, those between the ones that were due left out: the best, and those that are kept
    /// for good.
    MeanOfLast(usize),
    /// The mean of those that a finished run's own model is the mean of: of the newest that were due, and not of those that
    /// are kept for good.
    Mean,
}

impl FromStr for ModelOf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "best" => Ok(Self::Best),
            "last" => Ok(Self::Last),
            step => step.parse().map(Self::Step).map_err(|_| format!("{text:?} is not best, last or a step")),
        }
    }
}

impl ModelOf {
    /// The model of these checkpoints of a run, which may be unfinished; `record.averaged_steps` has their steps.
    ///
    /// # Errors
    /// [`Error::Refused`](crate::Error::Refused) if there are no such checkpoints; those of reading them, and the rest of
    /// the folder.
    pub fn read(self, run: &Path) -> Result<Bundle> {
        let run = &resolve(run);
        folder::check_is_run(run)?;
        let checkpoints = CheckpointDir::new(run.join(CHECKPOINTS), 1);
        let folders = checkpoints.list()?;
        let Some(newest) = folders.last() else { refuse!("{} has no checkpoints", run.display()) };
        let kept: Vec<String> =
            folders.iter().filter_map(|folder| CheckpointDir::step_of(folder)).map(|step| step.to_string()).collect();
        let kept = kept.join(", ");
        let folder = match self {
            Self::MeanOfLast(n) => {
                let last = due_or_older(&folders, &newest_state(&folders)?);
                let Some(first) = last.len().checked_sub(n).filter(|_| n > 0) else {
                    refuse!(
                        "--last {n}: the run keeps {} checkpoints that were due; training keeps evaluation.average_last of \
                         them",
                        last.len()
                    );
                };
                let Averaged { params, steps, .. } = average(&last[first..], OnDamage::Refuse)?;
                return Self::bundle(run, &params, steps, &read_state(newest)?);
            }
            Self::Mean => {
                let n = Recipe::of_run(&run.join("config.toml"), &[])?.average_last();
                let due = CheckpointDir::new(run.join(CHECKPOINTS), n).averaged(&newest_state(&folders)?);
                // A run that was stopped before its first checkpoint was due has the one of where it stopped.
                let due = if due.is_empty() { vec![newest.clone()] } else { due };
                let Averaged { params, steps, .. } = average(&due, OnDamage::Refuse)?;
                return Self::bundle(run, &params, steps, &read_state(newest)?);
            }
            Self::Last => newest.clone(),
            Self::Step(step) => checkpoints.path(step),
            Self::Best => match newest_state(&folders)?.best {
                Some((_, step)) => checkpoints.path(step),
                None => refuse!(
                    "{}: no validation has scored the model yet, so no checkpoint is the best; name one by its step: {kept}",
                    run.display()
                ),
            },
        };
        if !folders.contains(&folder) {
            let step = CheckpointDir::step_of(&folder).unwrap_or_default();
            refuse!("{} has no checkpoint of step {step}; it has those of {kept}", run.display());
        }
        let state = read_state(&folder)?;
        Self::bundle(run, &read_params(&folder)?, vec![state.step], &state)
    }

    fn bundle(run: &Path, params: &attentive_weights::Tensors, steps: Vec<u64>, state: &TrainState) -> Result<Bundle> {
        let data = run.join(folder::DATA);
        let data = if data.exists() { read_data_records(&data)? } else { Vec::new() };
        let Environment { version, backend, simd, precision } = state.environment.clone();
        let record = TrainingRecord {
            version: version.unwrap_or_else(|| env!("CARGO_PKG_VERSION").into()),
            seed: 0,
            steps: state.step,
            n_targets: state.n_targets,
            seconds: state.elapsed_seconds,
            backend: backend.unwrap_or_default(),
            simd: simd.unwrap_or_default(),
            precision: precision.unwrap_or_default(),
            averaged_steps: steps,
            data,
            scores: Vec::new(),
        };
        let mut bundle = Bundle::of_run(run, params.clone(), record)?;
        let adapter = bundle.recipe.get("adapter").map(|settings| settings.clone().try_into()).transpose();
        let (params, _) = merged(params, adapter.context("the run's adapter")?.as_ref())?;
        bundle.params = params.into_owned();
        let seed = bundle.recipe.get("training").and_then(|training| training.get("seed"));
        bundle.record.seed = seed.and_then(toml::Value::as_integer).unwrap_or_default().unsigned_abs();
        Ok(bundle)
    }
}

/// The checkpoints that a mean of the last ones is taken of, oldest first: those that were due, and all trained ones from
/// before, of which the run no longer knows which were.
fn due_or_older(folders: &[PathBuf], state: &TrainState) -> Vec<PathBuf> {
    let due = &state.scheduled;
    let is_taken = |step: u64| due.contains(&step) || step > 0 && due.first().is_none_or(|&first| step < first);
    folders.iter().filter(|folder| CheckpointDir::step_of(folder).is_some_and(is_taken)).cloned().collect()
}

/// The state of the newest checkpoint that is whole.
fn newest_state(folders: &[PathBuf]) -> Result<TrainState> {
    let mut states = folders.iter().rev().map(|folder| read_state(folder));
    let newest = states.next().expect("there are some");
    newest.or_else(|error| states.find_map(std::result::Result::ok).ok_or(error)).map_err(Into::into)
}
