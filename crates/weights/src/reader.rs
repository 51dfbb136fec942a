//! Files of weights, read one tensor at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use burn::tensor::{DType, TensorData};
use safetensors::{Dtype, tensor::Metadata};

use crate::{
    Blocks, FormatError, HostTensor, Int8Rows, Rows, ScaleAxis, TensorProblem, Tensors, WeightsError,
    archive::FileBytes,
    blocks::Form,
    int8::{Int8Tensor, SCALE},
    pytorch::{self, CheckpointItem, Pickle},
    rows::InFile,
};

/// Largest number of bytes of f32 for each byte of a file. Tensors of bytes grow four times, and a few tensors may
/// share one storage; with more, a small file would fill the memory.
pub(crate) const MAX_GROWTH: u64 = 16;
/// Largest number of values that a view may skip for each one that it shows.
const MAX_SPREAD: usize = 64;
/// The longest header of a safetensors file, in bytes: the limit of its own library.
const MAX_HEADER: u64 = 100_000_000;

/// Values that are read at a time.
const VALUES_AT_ONCE: usize = 1 << 18;

/// Position of a tensor in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<usize>,
    /// Offset of its first value, in bytes.
    pub(crate) start: u64,
    /// Stride of each axis, in values; `None` if the values follow each other row by row.
    pub(crate) strides: Option<Vec<usize>>,
    /// The form of the blocks that its bytes are.
    pub(crate) blocks: Option<Form>,
}

/// Tensors of a file by name; for one that can't be read, the reason.
pub(crate) type Entries = BTreeMap<String, Result<Stored, TensorProblem>>;

/// An open file of weights: safetensors, or a checkpoint of PyTorch, in which nothing is executed.
///
/// Opening lists the tensors; each is read when it is requested. A tensor that is never requested costs nothing, and is
/// not an error if it can't be read.
#[derive(Debug)]
pub struct WeightsFile {
    path: PathBuf,
    file: Mutex<File>,
    /// Its length and time when it was opened.
    stamp: Stamp,
    entries: Entries,
    /// What a checkpoint of PyTorch holds.
    pickle: Option<Pickle>,
    made: Mutex<Made>,
}

/// The bytes of f32 that were made of tensors, each counted once however often it is read.
#[derive(Debug, Default)]
struct Made {
    of_each: BTreeMap<String, u64>,
    all: u64,
}

/// Length and time of change of a file, if the system keeps that.
type Stamp = (u64, Option<SystemTime>);

fn stamp(file: &File) -> io::Result<Stamp> {
    let found = file.metadata()?;
    Ok((found.len(), found.modified().ok()))
}

impl WeightsFile {
    /// Opens a file and lists its tensors.
    ///
    /// # Errors
    /// [`WeightsError`]: the file can't be read, is cut short, or is of another kind.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let io = |cause| WeightsError::Io { path: path.to_owned(), cause };
        let damaged = |cause| WeightsError::Damaged { path: path.to_owned(), cause };
        let mut file = File::open(path).map_err(io)?;
        let stamp = stamp(&file).map_err(io)?;
        let length = stamp.0;
        let mut head = Vec::new();
        (&file).take(pytorch::MAGIC_LEN).read_to_end(&mut head).map_err(io)?;
        let (entries, pickle) = if pytorch::is_checkpoint(&head) {
            let bytes = FileBytes { file: &file, len: length as usize };
            let (entries, pickle) = pytorch::index(&bytes).map_err(damaged)?;
            (entries, Some(pickle))
        } else {
            let header = safetensors_header(&mut file, length).map_err(io)?;
            (safetensors_index(header.as_deref(), length).map_err(damaged)?, None)
        };
        let (file, made) = (Mutex::new(file), Mutex::default());
        Ok(Self { path: path.to_owned(), file, stamp, entries, pickle, made })
    }

    /// Whether nobody has written over the file since it was opened, as far as its length and time tell. One that was put in
    /// its place is another file.
    pub fn is_unchanged(&self) -> bool {
        stamp(&self.file()).is_ok_and(|stamp| stamp == self.stamp)
    }

    /// All that a checkpoint of PyTorch holds, a dictionary for example of settings beside tensors; `None` for safetensors.
    pub fn checkpoint(&self) -> Option<CheckpointItem<'_>> {
        self.pickle.as_ref().map(Pickle::item)
    }

    /// The tensors' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str).filter(|name| !self.is_scale(name))
    }

    /// The shape of a tensor; `None` if it is missing or can't be read.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.entries.get(name)?.as_ref().ok().map(|stored| stored.shape.as_slice())
    }

    /// Whether a tensor holds floating-point numbers, as parameters do and buffers of ids and masks do not.
    pub fn is_float(&self, name: &str) -> bool {
        let float = |stored: &Stored| {
            matches!(stored.dtype, DType::F64 | DType::F32 | DType::F16 | DType::BF16)
                || stored.blocks.is_some()
                || self.entries.contains_key(&scale_of(name))
        };
        matches!(self.entries.get(name), Some(Ok(stored)) if float(stored))
    }

    /// The kinds of numbers of the tensors that [`is_float`](Self::is_float) says to be parameters: `f32`, `bf16`, `i8`.
    pub fn kinds(&self) -> BTreeSet<String> {
        let kind = |name: &str| {
            let Stored { dtype, blocks, .. } = self.entries.get(name)?.as_ref().ok()?;
            Some(blocks.map_or_else(|| format!("{dtype:?}").to_lowercase(), |form| form.kind_name().to_owned()))
        };
        self.names().filter(|name| self.is_float(name)).filter_map(kind).collect()
    }

    /// The blocks of a matrix that is kept in them; `None` for any other tensor.
    ///
    /// # Errors
    /// As [`tensor`](Self::tensor).
    pub fn blocks(&self, name: &str) -> Result<Option<Blocks>, WeightsError> {
        let Some(Ok(Stored { shape, start, blocks: Some(Form { kind, axis }), .. })) = self.entries.get(name) else {
            return Ok(None);
        };
        let misfit = || self.problem(name, TensorProblem::Other("its blocks are not whole"));
        let &[rows, cols] = &shape[..] else { return Err(misfit()) };
        let n_values = rows.checked_mul(cols).ok_or_else(misfit)?;
        let n_bytes = n_values / kind.block_len() * kind.block_bytes();
        self.account(name, n_bytes / size_of::<f32>())?;
        Blocks::new(*kind, *axis, [rows, cols], self.read(*start, n_bytes)?).map(Some).ok_or_else(misfit)
    }

    /// The bytes and scales of a matrix that is kept in them; `None` for any other tensor.
    pub(crate) fn int8_rows(&self, name: &str) -> Result<Option<Int8Rows<'_>>, WeightsError> {
        let Some((stored, scales)) = self.int8_parts(name)? else { return Ok(None) };
        if stored.strides.is_some() {
            return self.int8_of(name, stored, scales).map(|bytes| Some(bytes.into()));
        }
        let of_scales = ScaleAxis::of(&stored.shape, &scales.shape);
        let (shape, axis) = of_scales.map_err(|problem| self.problem(name, problem))?;
        self.account(name, stored.shape.iter().product())?;
        Ok(Some(Int8Rows::in_file(shape, axis, scales.values, self.in_file(name, stored))))
    }

    fn int8(&self, name: &str) -> Result<Option<Int8Tensor>, WeightsError> {
        let parts = self.int8_parts(name)?;
        parts.map(|(stored, scales)| self.int8_of(name, stored, scales)).transpose()
    }

    fn int8_of(&self, name: &str, stored: &Stored, scales: HostTensor) -> Result<Int8Tensor, WeightsError> {
        let bytes = self.bytes(name, stored)?.into_iter().map(u8::cast_signed).collect();
        Int8Tensor::new(bytes, &stored.shape, scales).map_err(|problem| self.problem(name, problem))
    }

    /// Where the bytes of a matrix that is kept in them are, and their scales.
    fn int8_parts(&self, name: &str) -> Result<Option<(&Stored, HostTensor)>, WeightsError> {
        let scale = scale_of(name);
        let stored = match self.entries.get(name) {
            Some(Ok(stored)) if stored.dtype == DType::I8 && self.entries.contains_key(&scale) => stored,
            _ => return Ok(None),
        };
        // Bytes may have scales too: read by calls within calls, a long chain of them would take all of the stack.
        if matches!(self.entries.get(&scale), Some(Ok(scales)) if scales.dtype == DType::I8) {
            return Err(self.problem(name, TensorProblem::Other("its scales are bytes")));
        }
        Ok(Some((stored, self.tensor(&scale)?)))
    }

    /// The rows of a matrix of floating-point numbers that follow each other; `None` for any other tensor.
    pub(crate) fn rows_in_file(&self, name: &str) -> Result<Option<Rows<'_>>, WeightsError> {
        let Some(Ok(stored)) = self.entries.get(name) else { return Ok(None) };
        let &Stored { dtype: DType::F64 | DType::F32 | DType::F16 | DType::BF16, strides: None, blocks: None, .. } =
            stored
        else {
            return Ok(None);
        };
        let &[rows, cols] = &stored.shape[..] else { return Ok(None) };
        self.account(name, rows * cols)?;
        Ok(Some(Rows::in_file([rows, cols], self.in_file(name, stored))))
    }

    fn in_file(&self, name: &str, stored: &Stored) -> InFile<'_> {
        InFile { file: self, name: name.to_owned(), dtype: stored.dtype, start: stored.start }
    }

    /// A tensor as f32, from any kind of number; bytes with scales are multiplied by them.
    ///
    /// # Errors
    /// [`WeightsError::Tensor`] if it is missing or can't be read as numbers; [`WeightsError::TooLarge`] if all tensors
    /// read are many times as large as the file.
    pub fn tensor(&self, name: &str) -> Result<HostTensor, WeightsError> {
        let problem = |problem| WeightsError::Tensor { path: self.path.clone(), name: name.to_owned(), problem };
        let stored = match self.entries.get(name) {
            Some(Ok(stored)) => stored.clone(),
            Some(Err(cause)) => return Err(problem(cause.clone())),
            None => return Err(problem(TensorProblem::Missing)),
        };
        if let Some(blocks) = self.blocks(name)? {
            self.account(name, stored.shape.iter().product())?;
            return Ok(blocks.to_host());
        }
        if let Some(bytes) = self.int8(name)? {
            return Ok(bytes.to_host());
        }
        let values = match stored.strides {
            None => self.values(name, &stored)?,
            Some(_) => to_f32(self.bytes(name, &stored)?, stored.dtype),
        };
        Ok(HostTensor { shape: stored.shape, values })
    }

    fn problem(&self, name: &str, problem: TensorProblem) -> WeightsError {
        WeightsError::Tensor { path: self.path.clone(), name: name.to_owned(), problem }
    }

    /// Whether the name is that of the scales of a matrix of bytes.
    fn is_scale(&self, name: &str) -> bool {
        let of = name.strip_suffix(SCALE).and_then(|of| self.entries.get(of));
        matches!(of, Some(Ok(stored)) if stored.dtype == DType::I8)
    }

    /// A tensor's values, which follow each other; no second copy of them is ever held.
    fn values(&self, name: &str, stored: &Stored) -> Result<Vec<f32>, WeightsError> {
        let n_values = stored.shape.iter().product();
        self.account(name, n_values)?;
        let mut values = vec![0.0; n_values];
        self.read_values(stored.start, stored.dtype, &mut values)?;
        Ok(values)
    }

    /// Reads values that follow each other from the byte `start` on.
    pub(crate) fn read_values(&self, mut start: u64, dtype: DType, values: &mut [f32]) -> Result<(), WeightsError> {
        if dtype == DType::F32 && cfg!(target_endian = "little") {
            return self.read_into(start, bytemuck::cast_slice_mut(values));
        }
        for values in values.chunks_mut(VALUES_AT_ONCE) {
            let bytes = self.read(start, values.len() * dtype.size())?;
            start += bytes.len() as u64;
            match dtype {
                DType::F32 => {
                    let bytes = bytes.as_chunks().0.iter();
                    values.iter_mut().zip(bytes).for_each(|(value, &bytes)| *value = f32::from_le_bytes(bytes));
                }
                dtype => values.copy_from_slice(&to_f32(bytes, dtype)),
            }
        }
        Ok(())
    }

    fn file(&self) -> MutexGuard<'_, File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the f32 that are made of `n_values` values of a tensor.
    fn account(&self, name: &str, n_values: usize) -> Result<(), WeightsError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let before = made.of_each.get(name).copied().unwrap_or(0);
        let now = (n_values as u64).saturating_mul(4).max(before);
        let all = (made.all - before).saturating_add(now);
        if all > self.stamp.0.saturating_mul(MAX_GROWTH) {
            let (path, name) = (self.path.clone(), name.to_owned());
            return Err(WeightsError::TooLarge { path, name, growth: MAX_GROWTH });
        }
        made.all = all;
        made.of_each.insert(name.to_owned(), now);
        Ok(())
    }

    /// The bytes of a tensor's values, row by row.
    fn bytes(&self, name: &str, stored: &Stored) -> Result<Vec<u8>, WeightsError> {
        let (width, n_values) = (stored.dtype.size(), stored.shape.iter().product::<usize>());
        self.account(name, n_values)?;
        let strides = stored.strides.as_deref().filter(|_| n_values > 0);
        let Some(strides) = strides else { return self.read(stored.start, n_values * width) };
        let span = 1 + stored.shape.iter().zip(strides).map(|(size, stride)| (size - 1) * stride).sum::<usize>();
        if span / MAX_SPREAD > n_values {
            return Err(self.problem(name, TensorProblem::Sparse { n_values, span }));
        }
        let all = self.read(stored.start, span * width)?;
        let mut bytes = Vec::with_capacity(n_values * width);
        gather(&all, width, &stored.shape, strides, 0, &mut bytes);
        Ok(bytes)
    }

    fn read(&self, start: u64, length: usize) -> Result<Vec<u8>, WeightsError> {
        // Into memory that is not cleared first.
        let mut bytes = Vec::with_capacity(length);
        let file = self.file();
        let mut file = &*file;
        let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.take(length as u64).read_to_end(&mut bytes));
        match read {
            Ok(n) if n == length => Ok(bytes),
            Ok(_) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            Err(cause) => Err(cause),
        }
        .map_err(|cause| WeightsError::Io { path: self.path.clone(), cause })
    }

    pub(crate) fn read_into(&self, start: u64, bytes: &mut [u8]) -> Result<(), WeightsError> {
        let file = self.file();
        let mut file = &*file;
        let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(bytes));
        read.map_err(|cause| WeightsError::Io { path: self.path.clone(), cause })
    }
}

/// Reads all tensors of a file as f32: a safetensors file, of any kind of number or of bytes with scales, or a checkpoint
/// of PyTorch, in which nothing is executed.
///
/// # Errors
/// [`WeightsError`]: the file can't be read, is cut short, or holds something other than tensors of numbers.
pub fn read(path: &Path) -> Result<Tensors, WeightsError> {
    let file = WeightsFile::open(path)?;
    let names: Vec<String> = file.names().map(str::to_owned).collect();
    names.into_iter().map(|name| file.tensor(&name).map(|tensor| (name, tensor))).collect()
}

fn scale_of(name: &str) -> String {
    name.to_owned() + SCALE
}

/// Appends the values of a view, the last axis fastest.
pub(crate) fn gather(all: &[u8], width: usize, shape: &[usize], strides: &[usize], at: usize, bytes: &mut Vec<u8>) {
    match (shape, strides) {
        ([n, shape @ ..], [stride, strides @ ..]) => {
            (0..*n).for_each(|idx| gather(all, width, shape, strides, at + idx * stride, bytes));
        }
        _ => bytes.extend_from_slice(&all[at * width..][..width]),
    }
}

/// Values of any kind as f32.
pub(crate) fn to_f32(bytes: Vec<u8>, dtype: DType) -> Vec<f32> {
    let n = bytes.len() / dtype.size();
    let data = TensorData::from_bytes_vec(bytes, [n], dtype);
    data.convert::<f32>().try_into_vec().expect("converted to f32")
}

/// The header of a safetensors file; `None` if the file is too short for it.
fn safetensors_header(file: &mut File, length: u64) -> io::Result<Option<Vec<u8>>> {
    let mut size = [0; 8];
    if length < size.len() as u64 {
        return Ok(None);
    }
    file.rewind()?;
    file.read_exact(&mut size)?;
    let size = u64::from_le_bytes(size);
    if size > MAX_HEADER.min(length - 8) {
        return Ok(None);
    }
    let mut header = vec![0; size as usize];
    file.read_exact(&mut header)?;
    Ok(Some(header))
}

fn safetensors_index(header: Option<&[u8]>, length: u64) -> Result<Entries, FormatError> {
    let header = header.ok_or("the header is cut short, or of another kind of file")?;
    let metadata: Metadata = serde_json::from_slice(header).map_err(|cause| FormatError::from(cause.to_string()))?;
    let data = 8 + header.len() as u64;
    if data.checked_add(metadata.data_len() as u64) != Some(length) {
        return Err("it is cut short, or longer than its header says".into());
    }
    let entry = |name: String, info: &safetensors::tensor::TensorInfo| {
        let Some(dtype) = dtype(info.dtype) else {
            return (name, Err(TensorProblem::Kind(format!("{:?}", info.dtype))));
        };
        let start = data + info.data_offsets.0 as u64;
        match Form::of_stored(&name, &info.shape).filter(|_| dtype == DType::U8) {
            Some((of, form, shape)) => {
                (of.to_owned(), Ok(Stored { dtype, shape: shape.to_vec(), start, strides: None, blocks: Some(form) }))
            }
            None => (name, Ok(Stored { dtype, shape: info.shape.clone(), start, strides: None, blocks: None })),
        }
    };
    let mut entries = Entries::new();
    for (name, stored) in metadata.tensors().into_iter().map(|(name, info)| entry(name, info)) {
        if entries.insert(name.clone(), stored).is_some() {
            return Err(format!("{name} is there twice, once in blocks").into());
        }
    }
    Ok(entries)
}

/// burn's name of a kind of number; a truth value is a byte of 0 or 1.
fn dtype(dtype: Dtype) -> Option<DType> {
    Some(match dtype {
        Dtype::F64 => DType::F64,
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        Dtype::I64 => DType::I64,
        Dtype::I32 => DType::I32,
        Dtype::I16 => DType::I16,
        Dtype::I8 => DType::I8,
        Dtype::U64 => DType::U64,
        Dtype::U32 => DType::U32,
        Dtype::U16 => DType::U16,
        Dtype::U8 | Dtype::BOOL => DType::U8,
        _ => return None,
    })
}
