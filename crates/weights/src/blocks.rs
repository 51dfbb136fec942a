//! Matrices in blocks of few bits, as GGUF's files have them.
//!
//! In a safetensors file, the blocks of a matrix `name` are bytes with the name `name.q4_k.rows`, or `name.q4_k.columns` if
//! the blocks lie along its columns: `[lines, bytes of a line]`, and a line is a row or a column.

use std::borrow::Borrow;

use crate::{GgufKind, HostTensor, ScaleAxis, WeightsError, gguf::dequantise};

/// The kinds of blocks that are kept as they are.
const KEPT: [(GgufKind, &str); 6] = [
    (GgufKind::Q4_0, "q4_0"),
    (GgufKind::Q4_1, "q4_1"),
    (GgufKind::Q8_0, "q8_0"),
    (GgufKind::Q4K, "q4_k"),
    (GgufKind::Q5K, "q5_k"),
    (GgufKind::Q6K, "q6_k"),
];

/// Kind of blocks, and the axis along which they lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) kind: GgufKind,
    pub(crate) axis: ScaleAxis,
}

/// A matrix in blocks of GGUF's kinds, which lie along its rows or its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocks {
    form: Form,
    shape: [usize; 2],
    bytes: Vec<u8>,
}

impl Blocks {
    /// A matrix `[rows, cols]` of the lines that `bytes` hold one after another: its rows, or its columns. `None` if the
    /// lines are not whole blocks, the bytes are not that many, or blocks of this kind are not kept.
    pub fn new(kind: GgufKind, axis: ScaleAxis, shape: [usize; 2], bytes: Vec<u8>) -> Option<Self> {
        let form = Form { kind, axis };
        let [lines, len] = form.lines(shape);
        let is_whole = kind.row_bytes(len)?.checked_mul(lines)? == bytes.len();
        (is_whole && KEPT.iter().any(|&(kept, _)| kept == kind)).then_some(Self { form, shape, bytes })
    }

    /// The lines of `from` with these numbers, which lie along `axis` here: all of `from`, or a part in another order.
    ///
    /// Blocks of `Q5_0` and `IQ4_NL` become `Q8_0`, which holds the same values. `None` if blocks of this kind are not kept, or a
    /// line is not there.
    pub fn of_lines(from: &crate::GgufTensor, lines: &[usize], axis: ScaleAxis) -> Option<Self> {
        let &[n_lines, len] = &from.shape[..] else { return None };
        let row_bytes = from.kind.row_bytes(len)?;
        let mut bytes = Vec::with_capacity(row_bytes * lines.len());
        for &line in lines {
            bytes.extend_from_slice(
                from.bytes.get(line * row_bytes..(line + 1) * row_bytes).filter(|_| line < n_lines)?,
            );
        }
        let shape = match axis {
            ScaleAxis::Rows => [lines.len(), len],
            ScaleAxis::Columns => [len, lines.len()],
        };
        match from.kind {
            GgufKind::Q5_0 | GgufKind::IQ4NL => Self::new(GgufKind::Q8_0, axis, shape, widened(from.kind, &bytes)?),
            kind => Self::new(kind, axis, shape, bytes),
        }
    }

    /// Matrices of as many rows, next to each other, if all have blocks of one kind along their columns.
    pub fn beside(parts: &[impl Borrow<Self>]) -> Option<Self> {
        let parts = parts.iter().map(Borrow::borrow);
        let first = parts.clone().next()?;
        let [rows, _] = first.shape;
        let fits = |part: &Self| part.form == first.form && part.shape[0] == rows;
        if first.form.axis != ScaleAxis::Columns || !parts.clone().all(fits) {
            return None;
        }
        let cols = parts.clone().map(|part| part.shape[1]).sum();
        let bytes: Vec<&[u8]> = parts.map(|part| &part.bytes[..]).collect();
        Self::new(first.form.kind, first.form.axis, [rows, cols], bytes.concat())
    }

    /// The kind of the blocks.
    pub fn kind(&self) -> GgufKind {
        self.form.kind
    }

    /// The axis that the blocks lie along: each row is made of them, or each column.
    pub fn axis(&self) -> ScaleAxis {
        self.form.axis
    }

    /// Rows and columns of the matrix.
    pub fn shape(&self) -> &[usize; 2] {
        &self.shape
    }

    /// The lines, one after another.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The values, row by row.
    pub fn to_host(&self) -> HostTensor {
        let values = dequantise(self.form.kind, &self.bytes).unwrap_or_default();
        let [rows, cols] = self.shape;
        let values = match self.form.axis {
            ScaleAxis::Rows => values,
            ScaleAxis::Columns => (0..rows * cols).map(|at| values[at % cols * rows + at / cols]).collect(),
        };
        HostTensor { shape: self.shape.to_vec(), values }
    }

    /// Checks that every scale is a finite number.
    ///
    /// # Errors
    /// [`WeightsError::NotFinite`] gives the matrix this name.
    pub fn check_finite(&self, name: &str) -> Result<(), WeightsError> {
        let places: &[usize] = match self.form.kind {
            GgufKind::Q4_0 | GgufKind::Q8_0 => &[0],
            GgufKind::Q6K => &[208],
            _ => &[0, 2],
        };
        // All ones in the exponent of a number of 16 bits: the upper byte, without the sign and the fraction's upper bits.
        let is_finite = |block: &[u8]| places.iter().all(|at| block[at + 1] & 0x7c != 0x7c);
        match self.bytes.chunks_exact(self.form.kind.block_bytes()).position(|block| !is_finite(block)) {
            Some(block) => {
                let index = block * self.form.kind.block_len();
                Err(WeightsError::NotFinite { name: name.to_owned(), index, value: f32::NAN })
            }
            None => Ok(()),
        }
    }

    /// Name of its bytes in a file.
    pub(crate) fn name(&self, name: &str) -> String {
        let kind = KEPT.iter().find(|(kind, _)| *kind == self.form.kind).map_or("", |(_, kind)| kind);
        format!("{name}.{kind}.{}", axis_name(self.form.axis))
    }

    /// Number of lines, and bytes of each.
    pub(crate) fn stored_shape(&self) -> [usize; 2] {
        let [lines, _] = self.form.lines(self.shape);
        [lines, self.bytes.len() / lines.max(1)]
    }
}

impl Form {
    /// Number and length of the lines of a matrix.
    fn lines(self, [rows, cols]: [usize; 2]) -> [usize; 2] {
        match self.axis {
            ScaleAxis::Rows => [rows, cols],
            ScaleAxis::Columns => [cols, rows],
        }
    }

    /// The matrix that bytes of this name and shape hold, its form and its shape; `None` if they are something else.
    pub(crate) fn of_stored<'a>(name: &'a str, shape: &[usize]) -> Option<(&'a str, Self, [usize; 2])> {
        let (rest, axis) = name.rsplit_once('.')?;
        let axis = [ScaleAxis::Rows, ScaleAxis::Columns].into_iter().find(|&known| axis_name(known) == axis)?;
        let (name, kind) = rest.rsplit_once('.')?;
        let &(kind, _) = KEPT.iter().find(|(_, known)| *known == kind)?;
        let &[lines, n_bytes] = shape else { return None };
        let len = (n_bytes / kind.block_bytes()).checked_mul(kind.block_len())?;
        let form = Self { kind, axis };
        // Rows and columns change places as lines do.
        (kind.row_bytes(len) == Some(n_bytes)).then(|| (name, form, form.lines([lines, len])))
    }

    pub(crate) fn kind_name(self) -> &'static str {
        KEPT.iter().find(|(kind, _)| *kind == self.kind).map_or("blocks", |(_, name)| name)
    }
}

fn axis_name(axis: ScaleAxis) -> &'static str {
    match axis {
        ScaleAxis::Rows => "rows",
        ScaleAxis::Columns => "columns",
    }
}

/// Blocks of 32 values of which each is a whole number of one byte times the block's scale, as `Q8_0`.
fn widened(kind: GgufKind, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut wide = Vec::new();
    for block in bytes.chunks_exact(kind.block_bytes()) {
        // With the scale 1, values are the numbers that it multiplies.
        let unit = [&0x3c00_u16.to_le_bytes()[..], &block[2..]].concat();
        wide.extend_from_slice(&block[..2]);
        wide.extend(dequantise(kind, &unit)?.into_iter().map(|value| (value as i8).cast_unsigned()));
    }
    Some(wide)
}
