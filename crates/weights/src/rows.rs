//! Matrices that are read some rows at a time, so that packing one needs no second copy of it.

use std::{borrow::Cow, ops::Range};

use burn::tensor::DType;

use crate::{HostTensor, ScaleAxis, WeightsError, WeightsFile, check::check_values, int8::Int8Tensor};

/// Values of a file that follow each other, row by row.
#[derive(Debug, Clone)]
pub(crate) struct InFile<'a> {
    pub(crate) file: &'a WeightsFile,
    pub(crate) name: String,
    pub(crate) dtype: DType,
    /// Offset of the first value, in bytes.
    pub(crate) start: u64,
}

impl InFile<'_> {
    /// Offset of a value, in bytes.
    fn place(&self, index: usize) -> u64 {
        self.start + (index * self.dtype.size()) as u64
    }
}

/// The rows of a matrix of numbers in memory or in a file, or of several next to each other.
#[derive(Debug, Clone)]
pub struct Rows<'a>(Vec<Part<'a, Cow<'a, HostTensor>>>);

impl<'a> Rows<'a> {
    pub(crate) fn in_file(shape: [usize; 2], values: InFile<'a>) -> Self {
        Self(vec![Part { shape, values: Values::InFile(values) }])
    }

    /// Whether they are a copy in memory, of which there may not be room for many.
    pub fn are_copied(&self) -> bool {
        self.0.iter().any(|part| matches!(part.values, Values::Held(Cow::Owned(_))))
    }

    /// Matrices of as many rows, next to each other.
    pub fn beside(parts: Vec<Self>) -> Self {
        Self(parts.into_iter().flat_map(|part| part.0).collect())
    }

    /// Writes some rows to `to`, one after another.
    ///
    /// # Errors
    /// [`WeightsError::Io`], [`WeightsError::Tensor`], and [`WeightsError::NotFinite`] for a value of a file.
    ///
    /// # Panics
    /// If there are no such rows, or `to` has another length than they.
    pub fn read(&self, rows: Range<usize>, to: &mut [f32]) -> Result<(), WeightsError> {
        read_beside(&self.0, rows, to)
    }
}

impl<'a> From<Cow<'a, HostTensor>> for Rows<'a> {
    /// Of a tensor in memory; one that is not a matrix is one row.
    fn from(tensor: Cow<'a, HostTensor>) -> Self {
        let shape = if let &[rows, cols] = &tensor.shape[..] { [rows, cols] } else { [1, tensor.values.len()] };
        Self(vec![Part { shape, values: Values::Held(tensor) }])
    }
}

/// The rows of a matrix of signed bytes in memory or in a file, or of several next to each other, and its scales.
#[derive(Debug, Clone)]
pub struct Int8Rows<'a> {
    shape: [usize; 2],
    axis: ScaleAxis,
    scales: Vec<f32>,
    parts: Vec<Part<'a, Vec<i8>>>,
}

impl<'a> Int8Rows<'a> {
    pub(crate) fn in_file(shape: [usize; 2], axis: ScaleAxis, scales: Vec<f32>, values: InFile<'a>) -> Self {
        Self { shape, axis, scales, parts: vec![Part { shape, values: Values::InFile(values) }] }
    }

    /// Whether they are a copy in memory, of which there may not be room for many.
    pub fn are_copied(&self) -> bool {
        self.parts.iter().any(|part| matches!(part.values, Values::Held(_)))
    }

    /// Matrices of as many rows, next to each other, if all have scales of their columns.
    pub fn beside(parts: Vec<Self>) -> Option<Self> {
        let [rows, _] = parts.first()?.shape;
        let mut all = Self { shape: [rows, 0], axis: ScaleAxis::Columns, scales: Vec::new(), parts: Vec::new() };
        for part in parts {
            if part.axis != ScaleAxis::Columns || part.shape[0] != rows {
                return None;
            }
            all.shape[1] += part.shape[1];
            all.scales.extend(part.scales);
            all.parts.extend(part.parts);
        }
        Some(all)
    }

    /// Rows and columns.
    pub fn shape(&self) -> &[usize; 2] {
        &self.shape
    }

    /// What has scales of its own: each row, or each column.
    pub fn axis(&self) -> ScaleAxis {
        self.axis
    }

    /// The scales, one a row or one a column.
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// Writes some rows to `to`, one after another.
    ///
    /// # Errors
    /// [`WeightsError::Io`]
    ///
    /// # Panics
    /// If there are no such rows, or `to` has another length than they.
    pub fn read(&self, rows: Range<usize>, to: &mut [i8]) -> Result<(), WeightsError> {
        read_beside(&self.parts, rows, to)
    }
}

impl From<Int8Tensor> for Int8Rows<'_> {
    fn from(tensor: Int8Tensor) -> Self {
        let Int8Tensor { shape, axis, values, scales } = tensor;
        Self { shape, axis, scales, parts: vec![Part { shape, values: Values::Held(values) }] }
    }
}

/// One of the matrices next to each other.
#[derive(Debug, Clone)]
struct Part<'a, H> {
    shape: [usize; 2],
    values: Values<'a, H>,
}

#[derive(Debug, Clone)]
enum Values<'a, H> {
    Held(H),
    InFile(InFile<'a>),
}

/// A part whose values are of a kind.
trait ReadRows<T> {
    fn shape(&self) -> [usize; 2];

    /// Writes the values from the first on that there are in the matrix.
    fn read(&self, first: usize, to: &mut [T]) -> Result<(), WeightsError>;
}

impl ReadRows<f32> for Part<'_, Cow<'_, HostTensor>> {
    fn shape(&self) -> [usize; 2] {
        self.shape
    }

    fn read(&self, first: usize, to: &mut [f32]) -> Result<(), WeightsError> {
        match &self.values {
            Values::Held(tensor) => to.copy_from_slice(&tensor.values[first..first + to.len()]),
            Values::InFile(values) => {
                values.file.read_values(values.place(first), values.dtype, to)?;
                check_values(&values.name, first, to)?;
            }
        }
        Ok(())
    }
}

impl ReadRows<i8> for Part<'_, Vec<i8>> {
    fn shape(&self) -> [usize; 2] {
        self.shape
    }

    fn read(&self, first: usize, to: &mut [i8]) -> Result<(), WeightsError> {
        match &self.values {
            Values::Held(values) => to.copy_from_slice(&values[first..first + to.len()]),
            Values::InFile(values) => values.file.read_into(values.place(first), bytemuck::cast_slice_mut(to))?,
        }
        Ok(())
    }
}

fn read_beside<T: Copy + Default>(
    parts: &[impl ReadRows<T>],
    rows: Range<usize>,
    to: &mut [T],
) -> Result<(), WeightsError> {
    let width = parts.iter().map(|part| part.shape()[1]).sum::<usize>();
    assert_eq!(to.len(), rows.len() * width, "the length of {rows:?}, {width} values each");
    assert!(parts.iter().all(|part| rows.end <= part.shape()[0]), "{rows:?} are not all there");
    if let [only] = parts {
        return only.read(rows.start * width, to);
    }
    let (mut values, mut at) = (Vec::new(), 0);
    for part in parts {
        let [_, cols] = part.shape();
        if cols == 0 {
            continue;
        }
        values.resize(rows.len() * cols, T::default());
        part.read(rows.start * cols, &mut values)?;
        for (to, from) in to.chunks_exact_mut(width).zip(values.chunks_exact(cols)) {
            to[at..at + cols].copy_from_slice(from);
        }
        at += cols;
    }
    Ok(())
}
