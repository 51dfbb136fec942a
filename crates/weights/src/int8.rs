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

/// A matrix of bytes and its scales.
pub(crate) struct Int8Tensor {
    pub(crate) values: Vec<u8>,
    pub(crate) scales: HostTensor,
}

impl Int8Tensor {
    /// Rounds a matrix, each row or column to the scale `max |w| / 127`.
    pub(crate) fn new(matrix: &HostTensor, axis: ScaleAxis) -> Self {
        let cols = matrix.shape[1];
        let shape = match axis {
            ScaleAxis::Rows => vec![matrix.shape[0], 1],
            ScaleAxis::Columns => vec![1, cols],
        };
        let mut scales = HostTensor { values: vec![0.0; shape.iter().product()], shape };
        for (idx, value) in matrix.values.iter().enumerate() {
            let scale = &mut scales.values[place(idx, cols, axis)];
            *scale = scale.max(value.abs());
        }
        scales.values.iter_mut().for_each(|scale| *scale /= MAX);
        let round = |(idx, value): (usize, &f32)| {
            let scale = scales.values[place(idx, cols, axis)];
            // A saturating conversion; if all are zero, 0 / 0 becomes zero too.
            ((value / scale).round().clamp(-MAX, MAX) as i8).cast_unsigned()
        };
        Self { values: matrix.values.iter().enumerate().map(round).collect(), scales }
    }
}

/// The products of bytes and scales.
///
/// # Errors
/// [`TensorProblem::Scales`] if their shapes do not fit.
pub(crate) fn widen(bytes: &[u8], shape: &[usize], scales: &HostTensor) -> Result<Vec<f32>, TensorProblem> {
    let misfit = || TensorProblem::Scales { shape: shape.to_vec(), scales: scales.shape.clone() };
    let &[rows, cols] = shape else { return Err(misfit()) };
    let axis = match scales.shape[..] {
        [1, n] if n == cols => ScaleAxis::Columns,
        [n, 1] if n == rows => ScaleAxis::Rows,
        _ => return Err(misfit()),
    };
    let mut values = Vec::with_capacity(bytes.len());
    for (row, bytes) in bytes.chunks(cols.max(1)).enumerate() {
        let bytes = bytes.iter().map(|byte| f32::from(byte.cast_signed()));
        match axis {
            ScaleAxis::Rows => values.extend(bytes.map(|value| value * scales.values[row])),
            ScaleAxis::Columns => values.extend(bytes.zip(&scales.values).map(|(value, scale)| value * scale)),
        }
    }
    Ok(values)
}

/// The scale of the value at `idx`.
fn place(idx: usize, cols: usize, axis: ScaleAxis) -> usize {
    match axis {
        ScaleAxis::Rows => idx / cols,
        ScaleAxis::Columns => idx % cols,
    }
}
