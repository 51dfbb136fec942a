//! Archives of NumPy's arrays, as `numpy.savez` and Marian write them.
//!
//! Source: NumPy's `numpy.lib.format`, versions 1 to 3 of an array's header. Sizes are compared with the file before memory
//! is allocated.

use std::{
    borrow::Cow,
    cell::Cell,
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use burn::tensor::DType;
use flate2::{Crc, read::DeflateDecoder};

use crate::{
    FormatError, HostTensor, TensorProblem, WeightsError,
    archive::{Archive, Member, Method},
    reader::{MAX_GROWTH, gather, to_f32},
};

/// Begins an array.
const MAGIC: &[u8] = b"\x93NUMPY";
/// The end of the names of arrays in an archive.
const EXTENSION: &str = ".npy";
/// The longest header of an array, in bytes: that of version 1.
const MAX_HEADER: usize = 1 << 16;
/// The most axes that NumPy's arrays have. A header has room for thousands, and values are gathered by a call for each.
const MAX_AXES: usize = 64;

/// An open `.npz` file, its arrays stored as they are or compressed; each is read when it is requested.
///
/// ```no_run
/// use attentive_weights::Npz;
///
/// let file = Npz::open("model.npz".as_ref())?;
/// let table = file.tensor("Wemb")?;
/// let settings = String::from_utf8_lossy(&file.bytes("special:model.yml")?).into_owned();
/// # Ok::<(), attentive_weights::WeightsError>(())
/// ```
#[derive(Debug)]
pub struct Npz {
    path: PathBuf,
    bytes: Vec<u8>,
    /// For a file of the archive that is not an array, the reason.
    arrays: BTreeMap<String, Result<Array, TensorProblem>>,
    /// Bytes of f32 that may still be read.
    budget: Cell<u64>,
}

#[derive(Debug)]
struct Array {
    member: Member,
    header: Header,
    /// Offset of the first value in the content.
    data: usize,
}

/// What the header of an array says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Header {
    kind: DType,
    shape: Vec<usize>,
    /// Whether the first axis varies fastest.
    by_columns: bool,
}

impl Npz {
    /// Opens a file and lists its arrays.
    ///
    /// # Errors
    /// [`WeightsError`]: the file can't be read, is cut short, or is not an archive.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let bytes = fs::read(path).map_err(|cause| WeightsError::Io { path: path.to_owned(), cause })?;
        let archive =
            Archive::open(&bytes[..]).map_err(|cause| WeightsError::Damaged { path: path.to_owned(), cause })?;
        let array = |(name, member): (&String, &Member)| {
            let array = Array::of(&bytes, member).map_err(|problem| match problem {
                Problem::Tensor(problem) => Ok(problem),
                Problem::Damage(cause) => Err(format!("{name}: {cause}").into()),
            });
            match array {
                Ok(array) => Ok((name.strip_suffix(EXTENSION).unwrap_or(name).to_owned(), Ok(array))),
                Err(Ok(problem)) => Ok((name.strip_suffix(EXTENSION).unwrap_or(name).to_owned(), Err(problem))),
                Err(Err(cause)) => Err(WeightsError::Damaged { path: path.to_owned(), cause }),
            }
        };
        let arrays = archive.files.iter().map(array).collect::<Result<_, _>>()?;
        let budget = Cell::new((bytes.len() as u64).saturating_mul(MAX_GROWTH));
        Ok(Self { path: path.to_owned(), bytes, arrays, budget })
    }

    /// The names of the arrays, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.arrays.keys().map(String::as_str)
    }

    /// The shape of an array; `None` if it is missing or can't be read.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.header(name).map(|header| &header.shape[..])
    }

    /// Whether an array holds floating-point numbers.
    pub fn is_float(&self, name: &str) -> bool {
        self.header(name).is_some_and(|header| matches!(header.kind, DType::F64 | DType::F32 | DType::F16))
    }

    /// The kind of numbers of an array.
    pub fn kind(&self, name: &str) -> Option<String> {
        self.header(name).map(|header| format!("{:?}", header.kind))
    }

    /// An array as f32, row by row.
    ///
    /// # Errors
    /// [`WeightsError::Tensor`] if it is missing or can't be read; [`WeightsError::Damaged`] if its content is not what the
    /// archive announces; [`WeightsError::TooLarge`] if all arrays read are many times as large as the file.
    pub fn tensor(&self, name: &str) -> Result<HostTensor, WeightsError> {
        let Header { kind, shape, by_columns } = &self.array(name)?.header;
        let bytes = self.bytes(name)?;
        let strides: Vec<usize> = (0..shape.len()).map(|axis| shape[..axis].iter().product()).collect();
        let bytes = match by_columns {
            true if !bytes.is_empty() => {
                let mut by_rows = Vec::with_capacity(bytes.len());
                gather(&bytes, kind.size(), shape, &strides, 0, &mut by_rows);
                by_rows
            }
            _ => bytes,
        };
        Ok(HostTensor { shape: shape.clone(), values: to_f32(bytes, *kind) })
    }

    /// The bytes of the values of an array, in their order in the file.
    ///
    /// # Errors
    /// As [`tensor`](Self::tensor).
    pub fn bytes(&self, name: &str) -> Result<Vec<u8>, WeightsError> {
        let Array { member, header, data } = self.array(name)?;
        let made = (header.shape.iter().product::<usize>() as u64).saturating_mul(4);
        let left = self.budget.get().checked_sub(made).ok_or_else(|| WeightsError::TooLarge {
            path: self.path.clone(),
            name: name.to_owned(),
            growth: MAX_GROWTH,
        })?;
        self.budget.set(left);
        let damaged = |problem: &str| {
            let cause = FormatError::from(format!("{name}: {problem}"));
            WeightsError::Damaged { path: self.path.clone(), cause }
        };
        let stored = &self.bytes[member.place.clone()];
        let content = match member.method {
            Method::Stored => Cow::Borrowed(stored),
            _ => {
                let mut content = Vec::new();
                let read = DeflateDecoder::new(stored).take(member.size as u64 + 1).read_to_end(&mut content);
                read.map_err(|_| damaged("its compression is damaged"))?;
                Cow::Owned(content)
            }
        };
        let mut crc = Crc::new();
        crc.update(&content);
        match content.len() == member.size && crc.sum() == member.crc {
            true => Ok(content[*data..].to_vec()),
            false => Err(damaged("its content is not what the archive announces")),
        }
    }

    fn header(&self, name: &str) -> Option<&Header> {
        self.arrays.get(name)?.as_ref().ok().map(|array| &array.header)
    }

    fn array(&self, name: &str) -> Result<&Array, WeightsError> {
        let array =
            self.arrays.get(name).map_or(Err(TensorProblem::Missing), |array| array.as_ref().map_err(Clone::clone));
        array.map_err(|problem| WeightsError::Tensor { path: self.path.clone(), name: name.to_owned(), problem })
    }
}

/// The reason why a file of an archive is not an array that can be read.
enum Problem {
    Tensor(TensorProblem),
    Damage(FormatError),
}

impl From<TensorProblem> for Problem {
    fn from(problem: TensorProblem) -> Self {
        Self::Tensor(problem)
    }
}

impl From<&'static str> for Problem {
    fn from(problem: &'static str) -> Self {
        Self::Damage(problem.into())
    }
}

impl Array {
    /// Reads the header of a file of an archive.
    fn of(bytes: &[u8], member: &Member) -> Result<Self, Problem> {
        let stored = &bytes[member.place.clone()];
        let (text, data) = match member.method {
            Method::Stored => header_text(stored)?,
            Method::Deflated => header_text(DeflateDecoder::new(stored))?,
            Method::Other(_) => return Err(TensorProblem::Other("it is compressed in another way than DEFLATE").into()),
        };
        let header = Header::parse(&text)?;
        let n_values = header.shape.iter().try_fold(1_usize, |n, &size| n.checked_mul(size));
        let size = n_values.and_then(|n| n.checked_mul(header.kind.size())?.checked_add(data));
        match size == Some(member.size) {
            true => Ok(Self { member: member.clone(), header, data }),
            false => Err("its size is not that of its shape".into()),
        }
    }
}

/// The header of an array, and the number of bytes before its values.
fn header_text(mut array: impl Read) -> Result<(String, usize), Problem> {
    let mut next = |n: usize| {
        let mut bytes = vec![0; n];
        array.read_exact(&mut bytes).map(|()| bytes).map_err(|_| Problem::from("it is cut short, or damaged"))
    };
    if next(MAGIC.len())? != MAGIC {
        return Err(TensorProblem::Other("it does not begin as NumPy's arrays do").into());
    }
    let width = match next(2)?[0] {
        1 => 2,
        2 | 3 => 4,
        _ => return Err(TensorProblem::Other("its version of NumPy's format is not one of 1 to 3").into()),
    };
    let length = next(width)?.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte));
    if length > MAX_HEADER {
        return Err("its header is too long".into());
    }
    Ok((String::from_utf8_lossy(&next(length)?).into_owned(), MAGIC.len() + 2 + width + length))
}

impl Header {
    /// Reads a dictionary of Python with the keys `descr`, `fortran_order` and `shape`.
    fn parse(text: &str) -> Result<Self, Problem> {
        let value = |key: &str| {
            let found = text.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start());
            found.ok_or(Problem::from("its header is damaged"))
        };
        let within = |text: &'_ str, open: char, close: char| -> Option<String> {
            Some(text.strip_prefix(open)?.split_once(close)?.0.to_owned())
        };
        let descr = value("descr")?;
        let descr = within(descr, '\'', '\'').ok_or_else(|| TensorProblem::Kind("several fields".to_owned()))?;
        let kind = kind(&descr).ok_or(TensorProblem::Kind(descr))?;
        let shape = within(value("shape")?, '(', ')').ok_or("its shape is damaged")?;
        let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
        let shape: Vec<usize> = sizes.map(str::parse).collect::<Result<_, _>>().map_err(|_| "its shape is damaged")?;
        if shape.len() > MAX_AXES {
            return Err(TensorProblem::Other("it has more than 64 axes").into());
        }
        let by_columns = match value("fortran_order")? {
            order if order.starts_with("True") => true,
            order if order.starts_with("False") => false,
            _ => return Err("its order is damaged".into()),
        };
        Ok(Self { kind, shape, by_columns })
    }
}

/// burn's name of a kind of number, little-endian or of one byte.
fn kind(descr: &str) -> Option<DType> {
    Some(match descr {
        "<f8" => DType::F64,
        "<f4" => DType::F32,
        "<f2" => DType::F16,
        "<i8" => DType::I64,
        "<i4" => DType::I32,
        "<i2" => DType::I16,
        "|i1" => DType::I8,
        "<u8" => DType::U64,
        "<u4" => DType::U32,
        "<u2" => DType::U16,
        "|u1" | "|b1" => DType::U8,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_has_as_many_axes_as_numpy_allows_at_most() {
        let header = |n_axes: usize| {
            let text = format!("{{'descr': '<f4', 'fortran_order': True, 'shape': ({}), }}", "1,".repeat(n_axes));
            Header::parse(&text)
        };
        assert!(header(64).is_ok_and(|header| header.shape == [1; 64]));
        assert!(matches!(header(65), Err(Problem::Tensor(TensorProblem::Other(_)))));
    }
}
