//! Updates as training makes them, to see what they cost.

use std::fmt;

use attentive_backend::{Device, Objective};
use attentive_core::Dropout;
use attentive_optim::Optimizer;
use attentive_trainer::{TrainerConfig, Update};
use attentive_weights::Rounding;
use burn::module::Module;

use attentive_task::{Log, Result, Task, config::RunRecipe};

use crate::{
    adapter::{adapted, n_trained},
    rounding::rounding,
};

/// A model that is trained as a run would train it, without being moved, and thrown away.
pub struct Rehearsal<T: Task> {
    objective: T::Objective,
    model: Option<T::Model>,
    optimizer: Box<dyn Optimizer>,
    training: TrainerConfig,
    rounding: Option<Box<dyn Rounding>>,
    n_params: u64,
    n_trained: u64,
}

impl<T: Task> fmt::Debug for Rehearsal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rehearsal").field("training", &self.training).finish_non_exhaustive()
    }
}

impl<T: Task> Rehearsal<T> {
    /// A model of its own, with the initial parameters of a run.
    ///
    /// # Errors
    /// Those of [`Task::init`], of the optimizer's settings, and of those of the model's parts.
    pub fn new(task: &T, run: &RunRecipe, device: &Device, log: &dyn Log) -> Result<Self> {
        let model = task.init(&device.clone().autodiff(), run.training.seed, log)?;
        let model = adapted(model, task.pretrained(), run, &())?;
        let (model, optimizer) = run.training.apply_to_parts(model, run.optimizer.init()?)?;
        Ok(Self {
            objective: task.objective(),
            n_params: model.num_params() as u64,
            n_trained: n_trained(&model),
            model: Some(model),
            optimizer,
            training: run.training.clone(),
            rounding: run.training.quantize.and_then(|format| rounding(task.spec(), format)),
        })
    }

    /// Parameters of the model.
    pub fn n_params(&self) -> u64 {
        self.n_params
    }

    /// Parameters that are trained: the optimizer has a state for each of them.
    pub fn n_trained(&self) -> u64 {
        self.n_trained
    }

    /// One update by these micro-batches.
    ///
    /// # Errors
    /// A matrix can't be rounded as `training.quantize` says.
    ///
    /// # Panics
    /// If an earlier update panicked or failed.
    pub fn update<'b>(&mut self, batches: impl IntoIterator<Item = &'b T::Batch>) -> Result<()>
    where
        T::Batch: 'b,
    {
        let TrainerConfig { precision, recompute, clip_norm, .. } = self.training;
        let model = self.model.take().expect("the last update ended");
        let update = Update::of(model, &self.objective).precision(precision).recompute(recompute);
        let update = match &self.rounding {
            Some(rounding) => update.rounding(&**rounding)?,
            None => update,
        };
        let mut update = update.clip_norm(clip_norm);
        for batch in batches {
            update.add(batch, Some(&Dropout::new(1)));
        }
        let (model, _) = update.step(&mut self.optimizer, 0.0);
        self.model = Some(self.objective.after_update(model, self.optimizer.n_updates()));
        Ok(())
    }
}
