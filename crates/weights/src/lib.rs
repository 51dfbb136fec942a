//! Parameters by name, the content of every file of weights.
//!
//! A parameter's name is its path through the module, `decoder.layers.0.cross_attention.query.weight`. [`Tensors`]
//! are parameters on the host: taken from a module, averaged, written to a safetensors file, read, and loaded into a
//! module.
#![recursion_limit = "256"]

mod archive;
mod average;
mod blocks;
mod check;
mod disk;
mod error;
mod file;
mod gguf;
mod int8;
mod model_bin;
mod module;
mod npy;
mod npz;
mod pytorch;
mod reader;
mod rounding;
mod rows;
mod source;

pub use average::average;
pub use blocks::Blocks;
pub use check::{check_finite, check_tensor};
pub use disk::{
    make_folder, read_settings, remove_folder, replace_file, replace_folder, sync_folder, sync_parent,
    write_atomically, write_settings,
};
pub use error::{FormatError, TensorProblem, WeightsError};
pub use file::{DeviceTensor, HostTensor, Packing, Tensors, write, write_from_device, write_packed};
pub use gguf::{Gguf, GgufArray, GgufEntry, GgufKind, GgufTensor, GgufValue};
pub use int8::ScaleAxis;
pub use model_bin::ModelBin;
pub use module::{ParamShape, device_params, load, param_shapes, params, trained_shapes, with_values};
pub use npy::Npy;
pub use npz::Npz;
pub use pytorch::CheckpointItem;
pub use reader::{WeightsFile, read};
pub use rounding::Rounding;
pub use rows::{Int8Rows, Rows};
pub use source::{LowRank, Source};
