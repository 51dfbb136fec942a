//! Models that act, of any family, as objectives and applications use them.

use attentive_attention::Dropout;
use attentive_backend::{Loss, Objective, ops};
use attentive_core::{ActionSpace, Batch, Steps, TrajectoryBatch};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// A model that acts: it reads steps of episodes, and says at each what to do.
pub trait PolicyModel {
    /// For the state of each step, given all up to it, a score of each action, or the numbers of the action:
    /// `[rows, steps, d_action]`.
    ///
    /// # Panics
    /// If widths differ from the model's, or a step's number is beyond its last.
    fn predict(&self, steps: &Steps, pass: Option<&Dropout>) -> Tensor<3>;

    /// What the agent can do.
    fn actions(&self) -> ActionSpace;

    /// The device of the model.
    fn device(&self) -> Device;
}

impl<M: PolicyModel + ?Sized> PolicyModel for Box<M> {
    fn predict(&self, steps: &Steps, pass: Option<&Dropout>) -> Tensor<3> {
        (**self).predict(steps, pass)
    }

    fn actions(&self) -> ActionSpace {
        (**self).actions()
    }

    fn device(&self) -> Device {
        (**self).device()
    }
}

/// Loss of the actions of episodes, given the returns that they led to (Chen et al. 2021, §3): cross-entropy in nats of a
/// discrete one, else the mean of the squared errors of its numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PolicyObjective {
    /// Mass ε that is spread over all actions, of discrete ones.
    pub label_smoothing: f64,
}

impl<M: PolicyModel> Objective<M> for PolicyObjective {
    type Batch = TrajectoryBatch;

    fn loss(&self, model: &M, batch: &TrajectoryBatch, pass: Option<&Dropout>) -> Loss {
        let predicted = model.predict(&batch.steps, pass);
        let [rows, n_steps, d_action] = predicted.dims();
        let predicted = predicted.reshape([rows * n_steps, d_action]);
        let ignored = batch.padding();
        let (sum, nll_sum) = match model.actions() {
            ActionSpace::Discrete(_) => {
                let loss = ops::cross_entropy(predicted, &batch.classes(), &ignored, self.label_smoothing);
                (loss.divergence, loss.nll)
            }
            ActionSpace::Continuous(_) => {
                let device = predicted.device();
                let targets = TensorData::new(batch.steps.actions.clone(), [rows * n_steps, d_action]);
                let counts: Vec<f32> = ignored.iter().map(|&ignored| if ignored { 0.0 } else { 1.0 }).collect();
                let counts = Tensor::<2>::from_data(TensorData::new(counts, [rows * n_steps, 1]), &device);
                let error = predicted - Tensor::from_data(targets, &device);
                let sum = (error.clone() * error * counts).sum() / d_action as f64;
                (sum.clone(), sum.detach())
            }
        };
        Loss { sum, nll_sum, n_targets: batch.n_targets() }
    }

    fn is_in_nats(&self, model: &M) -> bool {
        matches!(model.actions(), ActionSpace::Discrete(_))
    }
}
