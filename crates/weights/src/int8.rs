//! Matrices as signed bytes.
//!
//! In a file, a matrix `name` `[rows, cols]` of bytes comes with `name.scale`, which has a value for each column (`[1,
//! cols]`) or for each row (`[rows, 1]`); the matrix is their product.

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

impl ScaleAxis {
    /// The axis of scales, and the shape of the matrix that they are of.
    ///
    /// # Errors
    /// [`TensorProblem::Scales`] if their shapes do not fit.
    pub(crate) fn of(shape: &[usize], scales: &[usize]) -> Result<([usize; 2], Self), TensorProblem> {
        match (shape, scales) {
            (&[rows, cols], &[1, n]) if n == cols => Ok(([rows, cols], Self::Columns)),
            (&[rows, cols], &[n, 1]) if n == rows => Ok(([rows, cols], Self::Rows)),
            _ => Err(TensorProblem::Scales { shape: shape.to_vec(), scales: scales.to_vec() }),
        }
    }
}

/// A matrix of signed bytes, each of which is multiplied by the scale of its row or of its column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Int8Tensor {
    pub(crate) shape: [usize; 2],
    pub(crate) axis: ScaleAxis,
    pub(crate) values: Vec<i8>,
    pub(crate) scales: Vec<f32>,
}

impl Int8Tensor {
    /// Rounds a matrix, each row or column to the scale `max |w| / 127`.
    ///
    /// # Panics
    /// If it is not a matrix.
    pub(crate) fn round(matrix: &HostTensor, axis: ScaleAxis) -> Self {
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
        let (shape, axis) = ScaleAxis::of(shape, &scales.shape)?;
        Ok(Self { shape, axis, values, scales: scales.values })
    }

    /// The bytes, and the scales as a file has them.
    pub(crate) fn into_parts(self) -> (Vec<i8>, HostTensor) {
        let n = self.scales.len();
        let shape = if self.axis == ScaleAxis::Rows { vec![n, 1] } else { vec![1, n] };
        (self.values, HostTensor { shape, values: self.scales })
    }

    /// The products of bytes and scales.
    pub(crate) fn to_host(&self) -> HostTensor {
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
