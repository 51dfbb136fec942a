//! Writing safetensors files.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fmt, io,
    path::Path,
};

use burn::tensor::{Tensor, TensorData};
use safetensors::{Dtype, SafeTensorError, View};

use crate::{
    Blocks, WeightsError,
    check::check_tensor,
    disk::atomically,
    int8::{Int8Tensor, SCALE, ScaleAxis},
};

/// A tensor's values on the host, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct HostTensor {
    /// Shape.
    pub shape: Vec<usize>,
    /// Values, as many as the product of the shape.
    pub values: Vec<f32>,
}

/// Tensors by name.
pub type Tensors = BTreeMap<String, HostTensor>;

/// Writes tensors as f32, with `metadata` in the file's header; the same input gives the same bytes.
///
/// # Errors
/// [`WeightsError::Io`]; an older file of that name then stays whole.
pub fn write(path: &Path, tensors: &Tensors, metadata: &BTreeMap<String, String>) -> Result<(), WeightsError> {
    write_packed(path, tensors, &BTreeMap::new(), |_| Packing::Floats, metadata)
}

/// How a tensor is kept in a file.
#[derive(Debug, Clone, Copy)]
pub enum Packing {
    /// As f32.
    Floats,
    /// A matrix as signed bytes, with scales along an axis.
    Int8(ScaleAxis),
}

/// Writes tensors as [`write()`] does, but each as `packing` says of its name, and matrices in `blocks`, of other names, as they
/// are; [`read`](crate::read) gives the values that bytes and blocks mean.
///
/// # Errors
/// [`WeightsError::NotFinite`] names a matrix that can't be rounded to bytes; [`WeightsError::Io`]. An older file of
/// that name then stays whole.
///
/// # Panics
/// If a tensor that is not a matrix is to be packed.
pub fn write_packed(
    path: &Path,
    tensors: &Tensors,
    blocks: &BTreeMap<String, Blocks>,
    packing: impl Fn(&str) -> Packing,
    metadata: &BTreeMap<String, String>,
) -> Result<(), WeightsError> {
    let stored =
        |(name, blocks): (&String, _)| (Blocks::name(blocks, name), Stored::Blocks(blocks.stored_shape(), blocks));
    let mut views: Vec<_> = blocks.iter().map(stored).collect();
    for (name, tensor) in tensors {
        match packing(name) {
            Packing::Int8(axis) => {
                check_tensor(name, tensor)?;
                let (values, scales) = Int8Tensor::round(tensor, axis).into_parts();
                views.push((name.clone(), Stored::Int8(&tensor.shape, values)));
                views.push((name.clone() + SCALE, Stored::Floats(Cow::Owned(scales))));
            }
            Packing::Floats => views.push((name.clone(), Stored::Floats(Cow::Borrowed(tensor)))),
        }
    }
    // A hash map of several entries would be written in no fixed order.
    let header = match metadata.len() {
        0 => None,
        1 => Some(metadata.clone().into_iter().collect()),
        _ => Some([("attentive".to_owned(), flatten(metadata))].into()),
    };
    write_views(path, views, header)
}

fn write_views(
    path: &Path,
    views: Vec<(String, Stored<'_>)>,
    header: Option<HashMap<String, String>>,
) -> Result<(), WeightsError> {
    let written = atomically(path, |temporary| match safetensors::serialize_to_file(views, header, temporary) {
        Ok(()) => Ok(()),
        Err(SafeTensorError::IoError(cause)) => Err(cause),
        Err(cause) => Err(io::Error::other(cause)),
    });
    written.map_err(|cause| WeightsError::Io { path: path.to_owned(), cause })
}

/// A tensor on its device; its values come to the host when they are asked for.
pub struct DeviceTensor {
    shape: Vec<usize>,
    values: Box<dyn Fn() -> TensorData>,
}

impl fmt::Debug for DeviceTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceTensor").field("shape", &self.shape).finish_non_exhaustive()
    }
}

impl DeviceTensor {
    /// `tensor`, which is held, not copied.
    pub fn new<const D: usize>(tensor: Tensor<D>) -> Self {
        Self { shape: tensor.dims().to_vec(), values: Box::new(move || tensor.to_data().convert::<f32>()) }
    }

    /// A copy of its values.
    ///
    /// # Panics
    /// If the device can't hand them over.
    pub fn into_host(self) -> HostTensor {
        HostTensor { values: (self.values)().try_into_vec().expect("converted to f32"), shape: self.shape }
    }
}

/// Writes tensors as [`write()`] does, but brings one at a time to the host.
///
/// # Errors
/// [`WeightsError::Io`]; an older file of that name then stays whole.
pub fn write_from_device(path: &Path, tensors: BTreeMap<String, DeviceTensor>) -> Result<(), WeightsError> {
    write_views(path, tensors.into_iter().map(|(name, tensor)| (name, Stored::Device(tensor))).collect(), None)
}

/// A tensor on its way into a file; its bytes are made when its turn comes.
enum Stored<'a> {
    Floats(Cow<'a, HostTensor>),
    Int8(&'a [usize], Vec<i8>),
    Blocks([usize; 2], &'a Blocks),
    Device(DeviceTensor),
}

fn little_endian(values: &[f32]) -> Cow<'_, [u8]> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        match self {
            Self::Floats(_) | Self::Device(_) => Dtype::F32,
            Self::Int8(..) => Dtype::I8,
            Self::Blocks(..) => Dtype::U8,
        }
    }

    fn shape(&self) -> &[usize] {
        match self {
            Self::Floats(tensor) => &tensor.shape,
            Self::Int8(shape, _) => shape,
            Self::Blocks(shape, _) => &shape[..],
            Self::Device(tensor) => &tensor.shape,
        }
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Floats(tensor) => little_endian(&tensor.values),
            Self::Int8(_, values) => bytemuck::cast_slice(values).into(),
            Self::Blocks(_, blocks) => blocks.bytes().into(),
            Self::Device(tensor) => {
                let values = (tensor.values)();
                Cow::Owned(little_endian(values.as_slice().expect("converted to f32")).into_owned())
            }
        }
    }

    fn data_len(&self) -> usize {
        match self {
            Self::Floats(tensor) => size_of_val(&tensor.values[..]),
            Self::Int8(_, values) => values.len(),
            Self::Blocks(_, blocks) => blocks.bytes().len(),
            Self::Device(tensor) => size_of::<f32>() * tensor.shape.iter().product::<usize>(),
        }
    }
}

/// `key=value`, a line each.
fn flatten(metadata: &BTreeMap<String, String>) -> String {
    metadata.iter().map(|(key, value)| format!("{key}={value}\n")).collect()
}
