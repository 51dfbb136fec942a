//! A run's state on disk: one folder a checkpoint.
//!
//! `model.safetensors`, `optimizer.safetensors`, `state.toml`, with a running mean of parameters `ema.safetensors`;
//! `manifest.toml` has the format's version and the size and SHA-256 of each. What the clock said, which differs from
//! run to run, stands apart in `clock.toml`.

mod folder;
mod manifest;

use std::{collections::BTreeMap, fs, path::Path};

use attentive_optim::{Adam, Ema, Moments};
use attentive_weights::{DeviceTensor, HostTensor, Tensors, WeightsError};
use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use serde::{Deserialize, Serialize};

use crate::{TrainError, TrainState};
use manifest::Manifest;

pub use folder::{CheckpointDir, LatestCheckpoint};

const MODEL: &str = "model.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const EMA: &str = "ema.safetensors";
const STATE: &str = "state.toml";
const CLOCK: &str = "clock.toml";
/// The state of format 1, which had no manifest.
const STATE_1: &str = "state.json";

/// Parameters, moments and state, read back; on the host.
#[derive(Debug)]
pub struct Checkpoint {
    /// Parameters.
    pub params: Tensors,
    /// Moments of the optimizer, `name.first` and `name.second` for each parameter.
    pub moments: Tensors,
    /// Running means of parameters, flattened, where the run has them.
    pub ema: Option<Tensors>,
    /// The rest.
    pub state: TrainState,
}

/// The content of `clock.toml`.
#[derive(Default, Serialize, Deserialize)]
struct Clock {
    elapsed_seconds: f64,
}

impl Checkpoint {
    /// Writes all files into an empty folder, each of them synced.
    fn write<M: Module>(
        folder: &Path,
        model: &M,
        adam: &Adam,
        ema: Option<&Ema>,
        state: &TrainState,
    ) -> Result<(), TrainError> {
        let mut files = vec![MODEL, OPTIMIZER, STATE];
        attentive_weights::write_from_device(&folder.join(MODEL), attentive_weights::device_params(model))?;
        attentive_weights::write_from_device(&folder.join(OPTIMIZER), device_moments(adam.moments()))?;
        if let Some(ema) = ema {
            let means =
                ema.means().iter().map(|(name, mean)| (name.clone(), DeviceTensor::new(mean.clone()))).collect();
            attentive_weights::write_from_device(&folder.join(EMA), means)?;
            files.push(EMA);
        }
        write_toml(&folder.join(STATE), state)?;
        write_toml(&folder.join(CLOCK), &Clock { elapsed_seconds: state.elapsed_seconds })?;
        Manifest::of(folder, &files)?.write(folder)
    }

    /// Reads a checkpoint's folder and holds every file against its checksum.
    ///
    /// Format 1, which had none, is read as it is.
    ///
    /// # Errors
    /// [`TrainError`] names the file that is missing or damaged.
    pub fn read(folder: &Path) -> Result<Self, TrainError> {
        let state = if folder.join(STATE_1).exists() {
            read_state_1(folder)?
        } else {
            Manifest::read(folder)?.verify(folder, &[MODEL, OPTIMIZER, STATE])?;
            // A clock that does not tell costs a figure in a report.
            let clock: Clock = read_toml(&folder.join(CLOCK)).unwrap_or_default();
            let state: TrainState = read_toml(&folder.join(STATE))?;
            TrainState { elapsed_seconds: clock.elapsed_seconds, ..state }
        };
        let ema_path = folder.join(EMA);
        Ok(Self {
            params: attentive_weights::read(&folder.join(MODEL))?,
            moments: attentive_weights::read(&folder.join(OPTIMIZER))?,
            ema: if ema_path.exists() { Some(attentive_weights::read(&ema_path)?) } else { None },
            state,
        })
    }
}

/// The state of format 1, in which every checkpoint was due and validated before it was written.
fn read_state_1(folder: &Path) -> Result<TrainState, TrainError> {
    let path = folder.join(STATE_1);
    let json = fs::read(&path).map_err(|cause| io_error(&path, &cause))?;
    let state: TrainState = serde_json::from_slice(&json).map_err(|cause| damaged(&path, &cause))?;
    let siblings = folder.parent().map_or(Ok(Vec::new()), |root| CheckpointDir::new(root, 1).list())?;
    let scheduled = siblings.iter().filter_map(|path| CheckpointDir::step_of(path));
    let scheduled = scheduled.filter(|&step| step <= state.step).collect();
    Ok(TrainState { scheduled, validated_step: state.step, ..state })
}

fn write_toml<T: Serialize>(path: &Path, value: &T) -> Result<(), TrainError> {
    let text = toml::to_string(value).expect("numbers and names");
    attentive_weights::write_atomically(path, text.as_bytes()).map_err(|cause| io_error(path, &cause))
}

fn read_toml<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, TrainError> {
    let text = fs::read_to_string(path).map_err(|cause| io_error(path, &cause))?;
    toml::from_str(&text).map_err(|cause| damaged(path, &cause))
}

fn io_error(path: &Path, cause: &std::io::Error) -> TrainError {
    TrainError::Checkpoint { path: path.to_owned(), problem: cause.to_string() }
}

fn damaged(path: &Path, cause: &dyn std::fmt::Display) -> TrainError {
    TrainError::Checkpoint { path: path.to_owned(), problem: format!("damaged: {}", cause.to_string().trim()) }
}

/// A flattened tensor on a device.
pub(crate) fn to_device(host: HostTensor, device: &Device) -> Tensor<1> {
    let n = host.values.len();
    Tensor::from_data(TensorData::new(host.values, [n]), device)
}

fn device_moments(moments: &BTreeMap<String, Moments>) -> BTreeMap<String, DeviceTensor> {
    let both = |(name, Moments { first, second }): (&String, &Moments)| {
        [("first", first), ("second", second)]
            .map(|(moment, tensor)| (format!("{name}.{moment}"), DeviceTensor::new(tensor.clone())))
    };
    moments.iter().flat_map(both).collect()
}

/// The moments of a checkpoint on a device.
pub(crate) fn moments_to_device(
    mut tensors: Tensors,
    device: &Device,
) -> Result<BTreeMap<String, Moments>, WeightsError> {
    let names: Vec<String> = tensors.keys().filter_map(|name| name.strip_suffix(".first")).map(str::to_owned).collect();
    names
        .into_iter()
        .map(|name| {
            let mut take = |moment: &str| {
                let name = format!("{name}.{moment}");
                let tensor = tensors.remove(&name).map(|tensor| to_device(tensor, device));
                tensor.ok_or(WeightsError::Mismatch { problems: vec![format!("missing: {name}")] })
            };
            let (first, second) = (take("first")?, take("second")?);
            Ok((name, Moments { first, second }))
        })
        .collect()
}
