//! GGUF, the files of ggml and llama.cpp: metadata by name, and tensors in blocks of few bits.
//!
//! Source: the specification of GGUF, versions 2 and 3, in ggml's repository (`docs/gguf.md`). Lengths in a file are
//! compared with the bytes that follow before memory is allocated.

mod blocks;
mod header;
mod kind;
mod value;

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use burn::tensor::DType;

pub(crate) use self::blocks::dequantise;
use self::header::Header;
pub use self::{
    kind::GgufKind,
    value::{GgufArray, GgufValue},
};
use crate::{FormatError, TensorProblem, WeightsError, reader::to_f32};

/// Begins a file.
const MAGIC: &[u8] = b"GGUF";
/// Key of the number that the tensors' positions are multiples of.
const ALIGNMENT: &str = "general.alignment";
/// The alignment of files that have no such key.
const USUAL_ALIGNMENT: u64 = 32;
/// The most axes that ggml has.
const MAX_AXES: u32 = 4;

/// An open GGUF file: its metadata, and the tensors, each of which is read when it is requested.
///
/// ```no_run
/// use attentive_weights::{Gguf, GgufValue};
///
/// let mut file = Gguf::open("model.gguf".as_ref())?;
/// let n_layers = file.metadata("llama.block_count").and_then(GgufValue::as_u64);
/// let embedding = file.read("token_embd.weight")?;
/// println!("{n_layers:?} layers, an embedding {:?} of {:?}", embedding.shape, embedding.kind);
/// # Ok::<(), attentive_weights::WeightsError>(())
/// ```
#[derive(Debug)]
pub struct Gguf {
    path: PathBuf,
    file: File,
    metadata: BTreeMap<String, GgufValue>,
    tensors: BTreeMap<String, GgufEntry>,
    /// Offset of the first tensor, in bytes.
    data: u64,
}

/// Kind, shape and position of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GgufEntry {
    /// Row-major shape: `[d_out, d_in]` of a linear layer, the reverse of the file's order.
    pub shape: Vec<usize>,
    /// Kind of its values; if it is not one that is read here, its name in ggml.
    pub kind: Result<GgufKind, String>,
    /// Offset from the first tensor, in bytes.
    start: u64,
}

/// The bytes of a tensor as in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GgufTensor {
    /// Row-major shape: `[d_out, d_in]` of a linear layer.
    pub shape: Vec<usize>,
    /// Kind of its values.
    pub kind: GgufKind,
    /// Values, row by row; a row is a whole number of blocks.
    pub bytes: Vec<u8>,
}

impl Gguf {
    /// Opens a file, reads its metadata and lists its tensors.
    ///
    /// # Errors
    /// [`WeightsError`]: the file can't be read, is cut short, or is of another kind; the message has the offset of the
    /// defect. [`WeightsError::Unsupported`]: it is of version 1, or of a big-endian machine.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let io = |cause| WeightsError::Io { path: path.to_owned(), cause };
        let file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let mut header = Header::new(BufReader::new(&file), length);
        let read = read_header(&mut header);
        if let Some(cause) = header.failure {
            return Err(io(cause));
        }
        let (metadata, tensors, data) = read.map_err(|problem| match problem {
            Problem::Damage(cause) => WeightsError::Damaged { path: path.to_owned(), cause },
            Problem::Version(cause) => WeightsError::Unsupported { path: path.to_owned(), cause },
        })?;
        Ok(Self { path: path.to_owned(), file, metadata, tensors, data })
    }

    /// The value of a key.
    pub fn metadata(&self, key: &str) -> Option<&GgufValue> {
        self.metadata.get(key)
    }

    /// All keys and values, in order of the keys.
    pub fn all_metadata(&self) -> impl Iterator<Item = (&str, &GgufValue)> {
        self.metadata.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The tensors, in order of their names.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &GgufEntry)> {
        self.tensors.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// Kind, shape and position of a tensor, if it is there.
    pub fn entry(&self, name: &str) -> Option<&GgufEntry> {
        self.tensors.get(name)
    }

    /// The bytes of a tensor.
    ///
    /// # Errors
    /// [`WeightsError::Tensor`] if it is missing, or of a kind that is not read here; [`WeightsError::Io`].
    pub fn read(&mut self, name: &str) -> Result<GgufTensor, WeightsError> {
        let problem = |problem| WeightsError::Tensor { path: self.path.clone(), name: name.to_owned(), problem };
        let entry = self.tensors.get(name).ok_or_else(|| problem(TensorProblem::Missing))?;
        let kind = entry.kind.clone().map_err(|kind| problem(TensorProblem::Kind(kind)))?;
        let n_bytes = entry.n_bytes().ok_or_else(|| problem(TensorProblem::Other("its size has no number")))?;
        let mut bytes = vec![0; n_bytes as usize];
        let seek = self.file.seek(SeekFrom::Start(self.data + entry.start));
        let read = seek.and_then(|_| self.file.read_exact(&mut bytes));
        read.map_err(|cause| WeightsError::Io { path: self.path.clone(), cause })?;
        Ok(GgufTensor { shape: entry.shape.clone(), kind, bytes })
    }
}

impl GgufEntry {
    /// Number of bytes; `None` if its kind is not read here, its rows are not whole blocks, or the number is not a size.
    fn n_bytes(&self) -> Option<u64> {
        let kind = self.kind.as_ref().ok()?;
        let (&d_in, rows) = self.shape.split_last().unwrap_or((&1, &[]));
        // Zeros count as ones, so that the sizes can be multiplied in any order.
        let n_bytes = rows.iter().try_fold(kind.row_bytes(d_in)?.max(1), |n, &size| n.checked_mul(size.max(1)))?;
        isize::try_from(n_bytes).ok()?;
        Some(if self.shape.contains(&0) { 0 } else { n_bytes as u64 })
    }
}

impl GgufTensor {
    /// The values as f32, row by row.
    pub fn to_f32(&self) -> Vec<f32> {
        let numbers = |dtype| to_f32(self.bytes.clone(), dtype);
        match self.kind {
            GgufKind::F32 => numbers(DType::F32),
            GgufKind::F16 => numbers(DType::F16),
            GgufKind::BF16 => numbers(DType::BF16),
            kind => dequantise(kind, &self.bytes).unwrap_or_default(),
        }
    }
}

/// The reason why a header can't be read.
enum Problem {
    Damage(FormatError),
    Version(FormatError),
}

impl From<FormatError> for Problem {
    fn from(problem: FormatError) -> Self {
        Self::Damage(problem)
    }
}

type Content = (BTreeMap<String, GgufValue>, BTreeMap<String, GgufEntry>, u64);

/// Metadata, tensors, and the offset of the first.
fn read_header(header: &mut Header<impl Read>) -> Result<Content, Problem> {
    if header.bytes(4)? != MAGIC {
        return Err(FormatError::from("it does not begin with GGUF").into());
    }
    match header.u32()? {
        2 | 3 => {}
        version if matches!(version.swap_bytes(), 1..=3) => {
            let cause = "it was written for big-endian machines, which is not supported; convert the model again without \
                         that option";
            return Err(Problem::Version(cause.into()));
        }
        version => {
            let cause = format!("version {version} of GGUF is not supported, only 2 and 3; convert the model again");
            return Err(Problem::Version(cause.into()));
        }
    }
    let (n_tensors, n_values) = (header.u64()?, header.u64()?);
    let mut metadata = BTreeMap::new();
    for _ in 0..n_values {
        let at = header.at;
        let key = header.text()?;
        let value = header.value()?;
        insert(&mut metadata, at, key, value)?;
    }
    let mut tensors = BTreeMap::new();
    for _ in 0..n_tensors {
        let at = header.at;
        let name = header.text()?;
        let entry = tensor(header)?;
        insert(&mut tensors, at, name, entry)?;
    }
    let alignment = match metadata.get(ALIGNMENT) {
        None => USUAL_ALIGNMENT,
        Some(value) => match value.as_u64() {
            Some(n) if n.is_power_of_two() => n,
            Some(n) => return Err(FormatError::from(format!("{ALIGNMENT} is {n}, not a power of two")).into()),
            None => return Err(FormatError::from(format!("{ALIGNMENT} is not a whole number")).into()),
        },
    };
    let data = header.at.checked_next_multiple_of(alignment);
    let data = data.ok_or_else(|| FormatError::from(format!("{ALIGNMENT} is {alignment}, which is too large")))?;
    check_places(&tensors, alignment, header.length.saturating_sub(data))?;
    Ok((metadata, tensors, data))
}

fn insert<T>(all: &mut BTreeMap<String, T>, at: u64, name: String, item: T) -> Result<(), FormatError> {
    match all.entry(name) {
        Entry::Vacant(place) => {
            place.insert(item);
            Ok(())
        }
        Entry::Occupied(place) => Err(format!("byte {at}: {:?} occurs twice", place.key()).into()),
    }
}

/// Shape, kind and position of a tensor.
fn tensor(header: &mut Header<impl Read>) -> Result<GgufEntry, FormatError> {
    let at = header.at;
    let n_axes = header.u32()?;
    if n_axes > MAX_AXES {
        return Err(format!("byte {at}: a tensor has {n_axes} axes, more than {MAX_AXES}").into());
    }
    let mut shape = Vec::new();
    for _ in 0..n_axes {
        let size = header.u64()?;
        shape.push(usize::try_from(size).map_err(|_| format!("byte {at}: an axis of {size} is too long"))?);
    }
    shape.reverse();
    let entry = GgufEntry { shape, kind: GgufKind::of(header.u32()?), start: header.u64()? };
    if let (Ok(kind), None) = (&entry.kind, entry.n_bytes()) {
        let shape = &entry.shape;
        return Err(format!("byte {at}: a tensor of {kind:?} can't have the shape {shape:?}").into());
    }
    Ok(entry)
}

/// Checks that each tensor that can be read is aligned and in the file, and that no two share bytes: so reading all of
/// them takes no more memory than the file.
fn check_places(tensors: &BTreeMap<String, GgufEntry>, alignment: u64, length: u64) -> Result<(), FormatError> {
    let mut places: Vec<_> =
        tensors.iter().filter_map(|(name, entry)| Some((entry.start, entry.n_bytes()?, name))).collect();
    places.sort_unstable();
    let mut free = 0;
    for (start, n_bytes, name) in places {
        if !start.is_multiple_of(alignment) {
            return Err(format!("{name} begins at {start}, not at a multiple of {alignment}").into());
        }
        if start < free {
            return Err(format!("{name} shares bytes with another tensor").into());
        }
        free = start.checked_add(n_bytes).filter(|&end| end <= length).ok_or_else(|| {
            format!("it is cut short: {name} has {n_bytes} bytes from {start} on, and the tensors have {length} in all")
        })?;
    }
    Ok(())
}
