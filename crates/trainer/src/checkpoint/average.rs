//! The mean of several checkpoints' parameters.

use std::path::{Path, PathBuf};

use attentive_weights::Tensors;

use super::{CheckpointDir, MODEL, verify};
use crate::{TrainError, TrainState};

/// Treatment of a checkpoint that its checksum proves damaged, when parameters are averaged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnDamage {
    /// No mean is made.
    #[default]
    Refuse,
    /// It is left out of the mean.
    LeaveOut,
}

/// Parameters of a finished model.
#[derive(Debug)]
pub struct Averaged {
    /// The parameters.
    pub params: Tensors,
    /// The steps of the checkpoints that they are of; none for the running mean at the end, or the last model.
    pub steps: Vec<u64>,
    /// Damaged checkpoints that were left out, and what is wrong with each.
    pub left_out: Vec<(PathBuf, TrainError)>,
}

/// The mean of the parameters in some checkpoints' folders, each held against its checksum first.
///
/// The paper averages the last 5 (base) or 20 (big) checkpoints (§6.1).
///
/// # Errors
/// [`TrainError::NotAveraged`] if a file can't be read, or is damaged and `on_damage` is [`OnDamage::Refuse`];
/// [`TrainError::Weights`] if there is no checkpoint, or they are of different models. A checkpoint that can't be read is
/// never left out: whether it can may differ from one moment to the next, and the model would too.
pub fn average<P: AsRef<Path>>(folders: &[P], on_damage: OnDamage) -> Result<Averaged, TrainError> {
    let (mut whole, mut left_out) = (Vec::new(), Vec::new());
    for folder in folders.iter().map(AsRef::as_ref) {
        match verify(folder, MODEL) {
            Ok(()) => whole.push(folder),
            Err(problem @ TrainError::Damaged { .. }) if on_damage == OnDamage::LeaveOut => {
                left_out.push((folder.to_owned(), problem));
            }
            Err(cause) => return Err(TrainError::NotAveraged { cause: Box::new(cause) }),
        }
    }
    let files: Vec<PathBuf> = whole.iter().map(|folder| CheckpointDir::model_file(folder)).collect();
    let params = attentive_weights::average(&files)?;
    let steps = whole.iter().filter_map(|folder| CheckpointDir::step_of(folder)).collect();
    Ok(Averaged { params, steps, left_out })
}

impl CheckpointDir {
    /// The mean of the checkpoints that the run averages: of the newest that were due.
    ///
    /// # Errors
    /// Those of [`average`].
    pub fn average(&self, state: &TrainState, on_damage: OnDamage) -> Result<Averaged, TrainError> {
        average(&self.averaged(state), on_damage)
    }
}
