//! A run's state on disk: one folder a checkpoint.
//!
//! `model.safetensors`, `optimizer.safetensors`, `state.toml`, with a running mean of parameters `ema.safetensors`;
//! `manifest.toml` has the format's version and the size and SHA-256 of each. Times, which differ from
//! run to run, are kept apart in `clock.toml`.

mod average;
mod folder;
mod manifest;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use attentive_collective::{Collective, broadcast, broadcast_to};
use attentive_optim::{Ema, OptimizerState};
use attentive_weights::{DeviceTensor, HostTensor, Tensors};
use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use serde::{Deserialize, Serialize};

use crate::{TrainError, TrainState};
use manifest::Manifest;

pub use average::{Averaged, OnDamage, average};
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
    /// State of the optimizer, flattened: `name.first` and `name.second` for each parameter of Adam.
    pub optimizer: Tensors,
    /// Running means of parameters, flattened, if the run has them.
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
        moments: OptimizerState,
        ema: Option<&Ema>,
        state: &TrainState,
    ) -> Result<(), TrainError> {
        let mut files = vec![MODEL, OPTIMIZER, STATE];
        attentive_weights::write_from_device(&folder.join(MODEL), attentive_weights::device_params(model))?;
        attentive_weights::write_from_device(&folder.join(OPTIMIZER), device_tensors(moments))?;
        if let Some(ema) = ema {
            attentive_weights::write_from_device(&folder.join(EMA), device_tensors(ema.means().clone()))?;
            files.push(EMA);
        }
        write_toml(&folder.join(STATE), state)?;
        write_toml(&folder.join(CLOCK), &Clock { elapsed_seconds: state.elapsed_seconds })?;
        Manifest::of(folder, &files)?.write(folder)
    }

    /// The checkpoint of the first process and its folder, for all; those that the others give are not looked at.
    ///
    /// The state of the optimizer and running means stay with the first process: all would be several times the parameters, of
    /// which each process needs a part, that [`Trainer::resume`](crate::Trainer::resume) gives it.
    ///
    /// # Errors
    /// [`TrainError::Collective`] if a process has ended.
    ///
    /// # Panics
    /// If processes run different versions of this crate.
    pub fn of_first(
        peers: &dyn Collective,
        mine: Option<(PathBuf, Self)>,
    ) -> Result<Option<(PathBuf, Self)>, TrainError> {
        if peers.size() == 1 {
            return Ok(mine);
        }
        let mine = mine.filter(|_| peers.rank() == 0);
        let header = mine.as_ref().map(|(path, Self { params, state, .. })| {
            let header = Header {
                folder: path.display().to_string(),
                elapsed_seconds: state.elapsed_seconds,
                shapes: params.iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone())).collect(),
                state: state.clone(),
            };
            toml::to_string(&header).expect("numbers and names").into_bytes()
        });
        let header = broadcast(peers, header.unwrap_or_default())?;
        if header.is_empty() {
            return Ok(None);
        }
        let Header { folder, state, elapsed_seconds, shapes } =
            toml::from_str(&String::from_utf8_lossy(&header)).expect("as it was written");
        let (path, mut checkpoint) = mine.unwrap_or_else(|| {
            let tensor = |shape: Vec<usize>| HostTensor { values: vec![0.0; shape.iter().product()], shape };
            let params = shapes.into_iter().map(|(name, shape)| (name, tensor(shape))).collect();
            let state = TrainState { elapsed_seconds, ..state };
            (folder.into(), Self { params, optimizer: Tensors::new(), ema: None, state })
        });
        checkpoint.params = params_of_first(peers, checkpoint.params)?;
        Ok(Some((path, checkpoint)))
    }

    /// Reads a checkpoint's folder and holds every file against its checksum.
    ///
    /// Format 1, which had none, is read as it is.
    ///
    /// # Errors
    /// [`TrainError`] names the file that is missing or damaged.
    pub fn read(folder: &Path) -> Result<Self, TrainError> {
        let state = read_state(folder)?;
        let ema_path = folder.join(EMA);
        Ok(Self {
            params: attentive_weights::read(&folder.join(MODEL))?,
            optimizer: attentive_weights::read(&folder.join(OPTIMIZER))?,
            ema: if ema_path.exists() { Some(attentive_weights::read(&ema_path)?) } else { None },
            state,
        })
    }
}

/// The parameters of the first process, for all; `mine` of the others are of the same model.
///
/// # Errors
/// [`TrainError::Collective`] if a process has ended.
pub fn params_of_first(peers: &dyn Collective, mut mine: Tensors) -> Result<Tensors, TrainError> {
    for tensor in mine.values_mut() {
        broadcast_to(peers, &mut tensor.values)?;
    }
    Ok(mine)
}

/// What is said of a checkpoint before its values are.
#[derive(Serialize, Deserialize)]
struct Header {
    folder: String,
    /// Which the state leaves out.
    elapsed_seconds: f64,
    state: TrainState,
    /// Of the parameters.
    shapes: BTreeMap<String, Vec<usize>>,
}

/// The state in a checkpoint's folder, every file of which is held against its checksum.
///
/// # Errors
/// As [`Checkpoint::read`].
pub fn read_state(folder: &Path) -> Result<TrainState, TrainError> {
    if folder.join(STATE_1).exists() {
        return read_state_1(folder);
    }
    Manifest::read(folder)?.verify(folder, &[MODEL, OPTIMIZER, STATE])?;
    // Without the clock, only a number in a report is wrong.
    let clock: Clock = read_toml(&folder.join(CLOCK)).unwrap_or_default();
    let state: TrainState = read_toml(&folder.join(STATE))?;
    if let Some(step) = CheckpointDir::step_of(folder).filter(|&step| step != state.step) {
        let problem = format!("it is of step {}, and its folder of step {step}", state.step);
        return Err(damaged(&folder.join(STATE), &problem));
    }
    Ok(TrainState { elapsed_seconds: clock.elapsed_seconds, ..state })
}

/// The model in a checkpoint's folder as validation scored it: its parameters, or their running means where it has them.
///
/// # Errors
/// [`TrainError`] names the file that is missing or damaged.
pub fn read_params(folder: &Path) -> Result<Tensors, TrainError> {
    verify(folder, MODEL)?;
    let mut params = attentive_weights::read(&folder.join(MODEL))?;
    if folder.join(EMA).exists() {
        verify(folder, EMA)?;
        for (name, mean) in attentive_weights::read(&folder.join(EMA))? {
            let param = params.get_mut(&name).filter(|param| param.values.len() == mean.values.len());
            let Some(param) = param else {
                return Err(damaged(&folder.join(EMA), &format!("{name} is not a parameter of that size in {MODEL}")));
            };
            param.values = mean.values;
        }
    }
    Ok(params)
}

/// Holds a file in a checkpoint's folder against its checksum; format 1 has none.
fn verify(folder: &Path, name: &str) -> Result<(), TrainError> {
    if folder.join(STATE_1).exists() { Ok(()) } else { Manifest::read(folder)?.verify_one(folder, name) }
}

/// The state of format 1, in which every checkpoint was due and validated before it was written.
fn read_state_1(folder: &Path) -> Result<TrainState, TrainError> {
    let path = folder.join(STATE_1);
    let json = fs::read(&path).map_err(|cause| io_error(&path, cause))?;
    let state: TrainState = serde_json::from_slice(&json).map_err(|cause| damaged(&path, &cause))?;
    let siblings = folder.parent().map_or(Ok(Vec::new()), |root| CheckpointDir::new(root, 1).list())?;
    let scheduled = siblings.iter().filter_map(|path| CheckpointDir::step_of(path));
    let scheduled = scheduled.filter(|&step| step <= state.step).collect();
    Ok(TrainState { scheduled, validated_step: state.step, ..state })
}

fn write_toml<T: Serialize>(path: &Path, value: &T) -> Result<(), TrainError> {
    let text = toml::to_string(value).expect("numbers and names");
    attentive_weights::write_atomically(path, text.as_bytes()).map_err(|cause| io_error(path, cause))
}

fn read_toml<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, TrainError> {
    let text = attentive_weights::read_settings(path).map_err(|cause| io_error(path, cause))?;
    toml::from_str(&text).map_err(|cause| damaged(path, &cause))
}

fn io_error(path: &Path, cause: std::io::Error) -> TrainError {
    TrainError::Io { path: path.to_owned(), cause }
}

fn damaged(path: &Path, cause: &dyn std::fmt::Display) -> TrainError {
    TrainError::Damaged { path: path.to_owned(), problem: cause.to_string().trim().to_owned() }
}

/// Flattened tensors on a device.
pub(crate) fn all_to_device(tensors: Tensors, device: &Device) -> BTreeMap<String, Tensor<1>> {
    let on_device = |HostTensor { values, .. }| {
        let n = values.len();
        Tensor::from_data(TensorData::new(values, [n]), device)
    };
    tensors.into_iter().map(|(name, tensor)| (name, on_device(tensor))).collect()
}

fn device_tensors(tensors: BTreeMap<String, Tensor<1>>) -> BTreeMap<String, DeviceTensor> {
    tensors.into_iter().map(|(name, tensor)| (name, DeviceTensor::new(tensor))).collect()
}
