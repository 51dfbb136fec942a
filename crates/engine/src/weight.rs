//! Weights, packed for products with few rows.

use std::{fmt, str::FromStr};

use attentive_kernels::{
    BlockFormat, BlockMatrix, Epilogue, Int8Matrix, Major, MatMut, MatRef, PackedMatrix, QuantisedColumns, TopK,
};
use attentive_weights::{Blocks, GgufKind, Int8Rows, Rows, ScaleAxis, WeightsError};
use serde::{Deserialize, Serialize};

/// The numbers that weights are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum WeightFormat {
    /// 32-bit floats.
    #[default]
    F32,
    /// Signed bytes with a scale for each column; inputs are rounded to a scale of their own row.
    Int8,
    /// GGUF's `Q8_0`: signed bytes with a scale for every 32 inputs of an output, of which there must be whole blocks.
    #[serde(rename = "q8_0")]
    Q8_0,
    /// GGUF's `Q4_0`: four bits with a scale for every 32 inputs of an output, of which there must be whole blocks.
    #[serde(rename = "q4_0")]
    Q4_0,
    /// The blocks of 4 to 8 bits in which the file of weights holds matrices, and 32-bit floats for those that it holds so.
    Blocks,
}

impl WeightFormat {
    /// Every format.
    pub const ALL: [Self; 5] = [Self::F32, Self::Int8, Self::Q8_0, Self::Q4_0, Self::Blocks];

    /// Axis along which the matrix of a name has the scales of this format, if packing rounds it; `projects` says whether the
    /// matrix projects to a vocabulary. What int8 rounds is what its files hold so.
    pub(crate) fn axis(self, name: &str, projects: bool) -> Option<ScaleAxis> {
        match self {
            Self::F32 | Self::Blocks => None,
            Self::Int8 => int8_axis(name),
            // A table that is looked up alone stays as it is.
            Self::Q8_0 | Self::Q4_0 => int8_axis(name).filter(|&axis| projects || axis == ScaleAxis::Columns),
        }
    }
}

impl fmt::Display for WeightFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Int8 => "int8",
            Self::Q8_0 => "q8_0",
            Self::Q4_0 => "q4_0",
            Self::Blocks => "blocks",
        })
    }
}

impl FromStr for WeightFormat {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|format| format.to_string() == name);
        known.ok_or_else(|| {
            format!("unknown precision `{name}`; there are {}", Self::ALL.map(|f| f.to_string()).join(", "))
        })
    }
}

/// Axis of the scales with which [`WeightFormat::Int8`] rounds the matrix of a name, if it does: one for each word of
/// embeddings and projections, one for each output of linear layers.
pub fn int8_axis(name: &str) -> Option<ScaleAxis> {
    let path = name.strip_suffix(".weight")?;
    match path.rsplit('.').next()? {
        "positions" | "source_positions" | "target_positions" | "relative_buckets" | "segments" => None,
        "embedding" | "source_embedding" | "target_embedding" | "projection" => Some(ScaleAxis::Rows),
        _ => Some(ScaleAxis::Columns),
    }
}

/// A weight `[d_in, d_out]`.
#[derive(Debug)]
pub(crate) enum Weight {
    F32(PackedMatrix),
    Int8(Int8Matrix),
    Blocks(BlockMatrix),
    /// Several side by side, of the same inputs.
    Beside(Vec<Self>),
}

impl Weight {
    /// Packs rows of numbers, `[d_in, d_out]` or, where columns of the weight are rows, transposed; `None` if its inputs are not
    /// whole blocks of the format.
    pub(crate) fn of_rows(
        rows: &Rows<'_>,
        [d_in, d_out]: [usize; 2],
        major: Major,
        format: WeightFormat,
    ) -> Result<Option<Self>, WeightsError> {
        let read = |lines, to: &mut [f32]| rows.read(lines, to);
        // The scales of columns are known when all of their rows are.
        let rounded = |pack: fn(MatRef<'_>) -> Option<Self>| {
            let mut values = vec![0.0; d_in * d_out];
            let weight = match major {
                Major::Rows => read(0..d_in, &mut values).map(|()| MatRef::new(&values, d_in, d_out)),
                Major::Columns => read(0..d_out, &mut values).map(|()| MatRef::new(&values, d_out, d_in).t()),
            };
            weight.map(pack)
        };
        match format {
            WeightFormat::F32 | WeightFormat::Blocks => {
                PackedMatrix::of_lines([d_in, d_out], major, read).map(|weight| Some(Self::F32(weight)))
            }
            WeightFormat::Int8 => rounded(|weight| Some(Self::Int8(Int8Matrix::new(&QuantisedColumns::new(weight))))),
            WeightFormat::Q8_0 => rounded(|weight| BlockMatrix::quantise(BlockFormat::Q8_0, weight).map(Self::Blocks)),
            WeightFormat::Q4_0 => rounded(|weight| BlockMatrix::quantise(BlockFormat::Q4_0, weight).map(Self::Blocks)),
        }
    }

    /// Zeros, in the place of a weight that is missing.
    pub(crate) fn zeros(dims: [usize; 2]) -> Self {
        Self::F32(PackedMatrix::new(MatRef::strided(&[0.0], dims, [0, 0])))
    }

    /// Packs bytes whose scales are those of outputs; `None` if products do not take them.
    pub(crate) fn of_int8(bytes: &Int8Rows<'_>) -> Result<Option<Self>, WeightsError> {
        let &[rows, cols] = bytes.shape();
        // A row with a scale is a column of the weight, `[d_in, d_out]`.
        let (d_in, major) = if bytes.axis() == ScaleAxis::Rows { (cols, Major::Columns) } else { (rows, Major::Rows) };
        let packed = Int8Matrix::of_lines(d_in, bytes.scales(), major, |lines, to| bytes.read(lines, to))?;
        Ok(packed.map(Self::Int8))
    }

    /// Packs blocks whose lines are outputs; `None` if there are no products with them.
    pub(crate) fn of_blocks(blocks: &Blocks) -> Option<Self> {
        let format = match blocks.kind() {
            GgufKind::Q4_0 => BlockFormat::Q4_0,
            GgufKind::Q4_1 => BlockFormat::Q4_1,
            GgufKind::Q8_0 => BlockFormat::Q8_0,
            GgufKind::Q4K => BlockFormat::Q4K,
            GgufKind::Q5K => BlockFormat::Q5K,
            GgufKind::Q6K => BlockFormat::Q6K,
            _ => return None,
        };
        let &[rows, cols] = blocks.shape();
        let dims = if blocks.axis() == ScaleAxis::Rows { [cols, rows] } else { [rows, cols] };
        BlockMatrix::new(format, blocks.bytes(), dims).map(Self::Blocks)
    }

    pub(crate) fn dims(&self) -> [usize; 2] {
        match self {
            Self::Beside(parts) => [parts[0].dims()[0], parts.iter().map(|part| part.dims()[1]).sum()],
            Self::F32(weight) => weight.dims(),
            Self::Int8(weight) => weight.dims(),
            Self::Blocks(weight) => weight.dims(),
        }
    }

    /// `y = x W`, then the epilogue, for rows `x` `[n, d_in]` and `y` `[n, d_out]`.
    pub(crate) fn multiply(&self, x: &[f32], y: &mut [f32], epilogue: &Epilogue<'_>) {
        let [d_in, d_out] = self.dims();
        let n = x.len() / d_in;
        self.multiply_into(MatRef::new(x, n, d_in), MatMut::new(y, n, d_out), epilogue);
    }

    /// As [`multiply`](Self::multiply), of rows anywhere.
    pub(crate) fn multiply_into(&self, x: MatRef<'_>, mut y: MatMut<'_>, epilogue: &Epilogue<'_>) {
        match self {
            Self::Beside(parts) => {
                let (n, mut first) = (x.dims()[0], 0);
                for part in parts {
                    let [_, width] = part.dims();
                    let bias = epilogue.bias.map(|bias| &bias[first..first + width]);
                    part.multiply_into(x, y.block([0, first], [n, width]), &Epilogue { bias, ..*epilogue });
                    first += width;
                }
            }
            Self::F32(weight) => weight.multiply(x, y, epilogue),
            Self::Int8(weight) => weight.multiply(x, y, epilogue),
            Self::Blocks(weight) => weight.multiply(x, y, epilogue),
        }
    }

    /// The largest elements of each row of `x W + bias`.
    pub(crate) fn top_k(&self, x: &[f32], bias: Option<&[f32]>, best: TopK<'_>) {
        let [d_in, _] = self.dims();
        let x = MatRef::new(x, x.len() / d_in, d_in);
        match self {
            Self::F32(weight) => weight.top_k(x, bias, best),
            Self::Int8(weight) => weight.top_k(x, bias, best),
            Self::Blocks(weight) => weight.top_k(x, bias, best),
            Self::Beside(_) => unreachable!("a projection to a vocabulary is one matrix"),
        }
    }

    /// The weight of some columns, in this order.
    pub(crate) fn select(&self, columns: &[u32]) -> Self {
        match self {
            Self::F32(weight) => Self::F32(weight.select(columns)),
            Self::Int8(weight) => Self::Int8(weight.select(columns)),
            Self::Blocks(weight) => Self::Blocks(weight.select(columns)),
            Self::Beside(_) => unreachable!("a projection to a vocabulary is one matrix"),
        }
    }

    /// Column `j`, written to `to`.
    pub(crate) fn column(&self, j: usize, to: &mut [f32]) {
        match self {
            Self::F32(weight) => weight.column(j, to),
            Self::Int8(weight) => weight.column(j, to),
            Self::Blocks(weight) => weight.dequantise_row(j, to),
            Self::Beside(_) => unreachable!("a table of embeddings is one matrix"),
        }
    }
}
