//! The parameters that a finished model has.

use attentive_weights::Tensors;
use burn::module::Module;
use serde::{Deserialize, Serialize};

use crate::{Averaged, CheckpointDir, OnDamage, Outcome, TrainError, TrainerConfig};

/// The model that a run ends with. Of a run with a running mean of parameters, `Last` and `Average` are that mean at the
/// end, and `Best` is that mean at the best checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum FinishedModel {
    /// The checkpoint that validation found best.
    Best,
    /// The model after the last update.
    Last,
    /// The mean of the last checkpoints.
    Average,
}

impl TrainerConfig {
    /// The model that a run of these settings ends with: `chosen`, or else the best one where training may stop early,
    /// and the mean of the last checkpoints elsewhere.
    pub fn finished_model(&self, chosen: Option<FinishedModel>) -> FinishedModel {
        let usual = if self.early_stopping.is_some() { FinishedModel::Best } else { FinishedModel::Average };
        chosen.unwrap_or(usual)
    }
}

impl<M: Module> Outcome<M> {
    /// Parameters of the finished model. Without checkpoints, `Average` is the last model.
    ///
    /// # Errors
    /// [`TrainError::NoBest`] if no checkpoint is the best, [`TrainError::BestUnread`] if it can't be read; those of
    /// [`CheckpointDir::average`].
    pub fn finished(
        &self,
        model: FinishedModel,
        checkpoints: Option<&CheckpointDir>,
        on_damage: OnDamage,
    ) -> Result<Averaged, TrainError> {
        match (model, checkpoints, &self.ema) {
            (FinishedModel::Best, Some(checkpoints), _) => {
                let (_, step) = self.state.best.ok_or(TrainError::NoBest)?;
                let params = crate::read_params(&checkpoints.path(step));
                Ok(of_steps(vec![step], params.map_err(|cause| TrainError::BestUnread { cause: Box::new(cause) })?))
            }
            (FinishedModel::Best, None, _) => Err(TrainError::NoBest),
            (_, _, Some(ema)) => Ok(of_steps(Vec::new(), attentive_weights::params(&ema.apply(self.model.valid())))),
            (FinishedModel::Average, Some(checkpoints), None) => checkpoints.average(&self.state, on_damage),
            (_, _, None) => Ok(of_steps(Vec::new(), attentive_weights::params(&self.model))),
        }
    }
}

fn of_steps(steps: Vec<u64>, params: Tensors) -> Averaged {
    Averaged { params, steps, left_out: Vec::new() }
}
