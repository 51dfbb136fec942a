//! Updates as training makes them, to see what they cost.

use anyhow::Result;
use attentive_backend::{Device, Objective, Precision};
use attentive_core::Dropout;
use attentive_optim::{Adam, Gradients};
use burn::module::Module;

use super::Task;
use crate::recipe::RunRecipe;

/// A model that is trained as a run would train it, without being moved, and thrown away.
pub(crate) struct Rehearsal<T: Task> {
    objective: T::Objective,
    model: Option<T::Model>,
    adam: Adam,
    precision: Precision,
    n_params: u64,
}

impl<T: Task> Rehearsal<T> {
    pub(crate) fn new(task: &T, run: &RunRecipe, device: &Device) -> Result<Self> {
        let model = task.init(&device.clone().autodiff(), run.training.seed)?;
        Ok(Self {
            objective: task.objective(),
            n_params: model.num_params() as u64,
            model: Some(model),
            adam: run.optimizer.init()?,
            precision: run.training.precision,
        })
    }

    /// Parameters of the model.
    pub(crate) fn n_params(&self) -> u64 {
        self.n_params
    }

    /// One update by these micro-batches.
    pub(crate) fn update<'b>(&mut self, batches: impl IntoIterator<Item = &'b T::Batch>)
    where
        T::Batch: 'b,
    {
        let model = self.model.take().expect("put back below");
        let mut gradients = Gradients::default();
        for batch in batches {
            let of_batch = self.precision.during(|| {
                let loss = self.objective.loss(&model, batch, Some(&Dropout::new(1)));
                Gradients::take(loss.sum.backward(), &model)
            });
            gradients.add(of_batch);
        }
        let norm = gradients.global_norm();
        self.model = Some(self.adam.step(model, gradients, 1.0 / norm.max(1.0), 0.0));
    }
}
