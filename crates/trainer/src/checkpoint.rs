//! A run's state on disk.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use attentive_core::Position;
use attentive_optim::{Adam, Moments};
use attentive_weights::{HostTensor, Tensors, WeightsError};
use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use serde::{Deserialize, Serialize};

use crate::TrainError;

const MODEL: &str = "model.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const STATE: &str = "state.json";

/// What a run must remember beside parameters and moments.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainState {
    /// Updates made.
    pub step: u64,
    /// Updates of the optimizer, fewer where some were skipped.
    pub n_updates: u64,
    /// Where in the data the next batch stands.
    pub position: Position,
    /// Best quality so far, and its step.
    pub best: Option<(f64, u64)>,
    /// Target tokens trained on.
    pub n_targets: u64,
    /// Seconds trained, validation included.
    pub elapsed_seconds: f64,
}

/// Parameters, moments and state, read back.
#[derive(Debug)]
pub struct Checkpoint {
    /// Parameters.
    pub params: Tensors,
    /// Moments of the optimizer.
    pub moments: BTreeMap<String, Moments>,
    /// The rest.
    pub state: TrainState,
}

/// The folder that a run's checkpoints are kept in, one folder each.
#[derive(Debug, Clone)]
pub struct CheckpointDir {
    root: PathBuf,
    keep_last: usize,
}

impl CheckpointDir {
    /// Keeps the newest `keep_last` checkpoints in `root`; averaging wants as many as it averages.
    pub fn new(root: impl Into<PathBuf>, keep_last: usize) -> Self {
        Self { root: root.into(), keep_last: keep_last.max(1) }
    }

    /// Writes a checkpoint and drops those that are too old; returns its folder.
    ///
    /// A folder appears under its name only when it is whole.
    ///
    /// # Errors
    /// [`TrainError::Weights`] or [`TrainError::Checkpoint`]; older checkpoints are then untouched.
    pub fn save<M: Module>(&self, model: &M, adam: &Adam, state: &TrainState) -> Result<PathBuf, TrainError> {
        let path = self.root.join(format!("step-{:08}", state.step));
        let temporary = self.root.join("writing");
        // A folder left by a crash holds nothing of worth.
        let _ = fs::remove_dir_all(&temporary);
        fs::create_dir_all(&temporary).map_err(|cause| io_error(&temporary, &cause))?;
        attentive_weights::write(&temporary.join(MODEL), &attentive_weights::params(model), &BTreeMap::new())?;
        attentive_weights::write(&temporary.join(OPTIMIZER), &to_host(adam.moments()), &BTreeMap::new())?;
        let json = serde_json::to_vec_pretty(state).expect("numbers and names");
        let state_file = temporary.join(STATE);
        attentive_weights::write_atomically(&state_file, &json).map_err(|cause| io_error(&state_file, &cause))?;
        // Saving a step again, after a resume, gives the same bytes.
        let _ = fs::remove_dir_all(&path);
        fs::rename(&temporary, &path).map_err(|cause| io_error(&path, &cause))?;

        let steps = self.list()?;
        for old in steps.iter().rev().skip(self.keep_last) {
            fs::remove_dir_all(old).map_err(|cause| io_error(old, &cause))?;
        }
        Ok(path)
    }

    /// The checkpoints' folders, oldest first.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] if the folder can't be read.
    pub fn list(&self) -> Result<Vec<PathBuf>, TrainError> {
        if !self.root.exists() {
            return Ok(Vec::new());
        }
        let entries = fs::read_dir(&self.root).map_err(|cause| io_error(&self.root, &cause))?;
        let mut steps: Vec<PathBuf> = entries
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("step-")))
            .collect();
        steps.sort();
        Ok(steps)
    }

    /// Reads a checkpoint's folder.
    ///
    /// # Errors
    /// [`TrainError`] names the file that is missing or damaged.
    pub fn read(path: &Path, device: &Device) -> Result<Checkpoint, TrainError> {
        let state_path = path.join(STATE);
        let json = fs::read(&state_path).map_err(|cause| io_error(&state_path, &cause))?;
        let state = serde_json::from_slice(&json).map_err(|cause| TrainError::Checkpoint {
            path: state_path,
            problem: format!("{cause}; use an older checkpoint"),
        })?;
        Ok(Checkpoint {
            params: attentive_weights::read(&path.join(MODEL))?,
            moments: from_host(attentive_weights::read(&path.join(OPTIMIZER))?, device)?,
            state,
        })
    }

    /// The update after which a checkpoint's folder was written.
    pub fn step_of(path: &Path) -> Option<u64> {
        path.file_name()?.to_str()?.strip_prefix("step-")?.parse().ok()
    }

    /// The file of parameters in a checkpoint's folder.
    pub fn model_file(path: &Path) -> PathBuf {
        path.join(MODEL)
    }
}

fn io_error(path: &Path, cause: &std::io::Error) -> TrainError {
    TrainError::Checkpoint { path: path.to_owned(), problem: cause.to_string() }
}

/// `name.first` and `name.second` for each parameter.
fn to_host(moments: &BTreeMap<String, Moments>) -> Tensors {
    let tensor = |tensor: &Tensor<1>| {
        let shape = tensor.dims().to_vec();
        let values = tensor.to_data().convert::<f32>().try_into_vec().expect("converted to f32");
        HostTensor { shape, values }
    };
    moments
        .iter()
        .flat_map(|(name, moments)| {
            [(format!("{name}.first"), tensor(&moments.first)), (format!("{name}.second"), tensor(&moments.second))]
        })
        .collect()
}

fn from_host(mut tensors: Tensors, device: &Device) -> Result<BTreeMap<String, Moments>, WeightsError> {
    let tensor = |host: HostTensor| Tensor::from_data(TensorData::new(host.values, host.shape), device);
    let firsts: Vec<String> =
        tensors.keys().filter_map(|name| name.strip_suffix(".first").map(str::to_owned)).collect();
    firsts
        .into_iter()
        .map(|name| {
            let mut take = |moment: &str| {
                let name = format!("{name}.{moment}");
                tensors.remove(&name).ok_or(WeightsError::Mismatch { problems: vec![format!("missing: {name}")] })
            };
            let (first, second) = (take("first")?, take("second")?);
            Ok((name, Moments { first: tensor(first), second: tensor(second) }))
        })
        .collect()
}
