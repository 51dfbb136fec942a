//! Matrices as signed bytes.
//!
//! In a file, a matrix `name` `[rows, cols]` of bytes comes with `name.scale`, which has a value for each column (`[1,
//! cols]`) or for each row (`[rows, 1]`); the matrix is their product.

use std::borrow::Borrow;

use crate::{HostTensor, TensorProblem};

/// Suffix of the name of a matrix's scales.
pub(crate) const SCALE: &str = ".scale";

/// The largest byte in use; -128 is unused, so that signs can be inverted.
const MAX: f32 = 127.0;

/// The axis along which values share scales.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScaleAxis {
    /// Each row has its own, for example each word of an embedding.
    Rows,
    /// Each column has its own, the outputs of a linear layer.
    Columns,
}

/// A matrix of signed bytes, each of which is multiplied by the scale of its row or of its column.
#[derive(Debug, Clone, PartialEq)]
pub struct Int8Tensor {
    shape: [usize; 2],
    axis: ScaleAxis,
    values: Vec<i8>,
    scales: Vec<f32>,
}

impl Int8Tensor {
    /// Rounds a matrix, each row or column to the scale `max |w| / 127`.
    ///
    /// # Panics
    /// If it is not a matrix.
    pub fn round(matrix: &HostTensor, axis: ScaleAxis) -> Self {
        let shape @ [rows, cols] = [matrix.shape[0], matrix.shape[1]];
        let mut scales = vec![0.0_f32; if axis == ScaleAxis::Rows { rows } else { cols }];
        for (idx, value) in matrix.values.iter().enumerate() {
            let scale = &mut scales[place(idx, cols, axis)];
            *scale = scale.max(value.abs());
        }
        scales.iter_mut().for_each(|scale| *scale /= MAX);
        let round = |(idx, value): (usize, &f32)| {
            // A saturating conversion; if all are zero, 0 / 0 becomes zero too.
            (value / scales[place(idx, cols, axis)]).round().clamp(-MAX, MAX) as i8
        };
        let values = matrix.values.iter().enumerate().map(round).collect();
        Self { shape, axis, values, scales }
    }

    /// A matrix of bytes, row by row, and the tensor of its scales.
    ///
    /// # Errors
    /// [`TensorProblem::Scales`] if their shapes do not fit.
    pub(crate) fn new(values: Vec<i8>, shape: &[usize], scales: HostTensor) -> Result<Self, TensorProblem> {
        let axis = match (shape, &scales.shape[..]) {
            (&[_, cols], &[1, n]) if n == cols => ScaleAxis::Columns,
            (&[rows, _], &[n, 1]) if n == rows => ScaleAxis::Rows,
            _ => return Err(TensorProblem::Scales { shape: shape.to_vec(), scales: scales.shape }),
        };
        Ok(Self { shape: [shape[0], shape[1]], axis, values, scales: scales.values })
    }

    /// Matrices of as many rows, next to each other, if all have scales of their columns.
    pub fn beside(parts: &[impl Borrow<Self>]) -> Option<Self> {
        let parts: Vec<&Self> = parts.iter().map(Borrow::borrow).collect();
        let [rows, _] = parts.first()?.shape;
        if parts.iter().any(|part| part.axis != ScaleAxis::Columns || part.shape[0] != rows) {
            return None;
        }
        let cols = parts.iter().map(|part| part.shape[1]).sum();
        let mut values = Vec::with_capacity(rows * cols);
        for row in 0..rows {
            parts
                .iter()
                .for_each(|part| values.extend_from_slice(&part.values[row * part.shape[1]..][..part.shape[1]]));
        }
        let scales = parts.iter().flat_map(|part| &part.scales).copied().collect();
        Some(Self { shape: [rows, cols], axis: ScaleAxis::Columns, values, scales })
    }

    /// Rows and columns.
    pub fn shape(&self) -> &[usize; 2] {
        &self.shape
    }

    /// What has scales of its own: each row, or each column.
    pub fn axis(&self) -> ScaleAxis {
        self.axis
    }

    /// The bytes, row by row.
    pub fn values(&self) -> &[i8] {
        &self.values
    }

    /// The scales, one a row or one a column.
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// The bytes, and the scales as a file has them.
    pub(crate) fn into_parts(self) -> (Vec<i8>, HostTensor) {
        let n = self.scales.len();
        let shape = if self.axis == ScaleAxis::Rows { vec![n, 1] } else { vec![1, n] };
        (self.values, HostTensor { shape, values: self.scales })
    }

    /// The products of bytes and scales.
    pub fn to_host(&self) -> HostTensor {
        let mut values = Vec::with_capacity(self.values.len());
        for (row, bytes) in self.values.chunks(self.shape[1].max(1)).enumerate() {
            let bytes = bytes.iter().map(|&byte| f32::from(byte));
            match self.axis {
                ScaleAxis::Rows => values.extend(bytes.map(|value| value * self.scales[row])),
                ScaleAxis::Columns => values.extend(bytes.zip(&self.scales).map(|(value, scale)| value * scale)),
            }
        }
        HostTensor { shape: self.shape.to_vec(), values }
    }
}

/// The scale of the value at `idx`.
fn place(idx: usize, cols: usize, axis: ScaleAxis) -> usize {
    match axis {
        ScaleAxis::Rows => idx / cols,
        ScaleAxis::Columns => idx % cols,
    }
}
