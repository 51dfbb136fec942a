//! The values that weights have once they are packed.

use std::any::Any;

use attentive_kernels::{BlockFormat, BlockMatrix, Major, MatRef, round_to_bytes};
use attentive_model::{
    BertConfig, FamilyVisitor, GptConfig, ModelConfig, ModelSpec, Role, TransformerConfig, WhisperConfig,
};
use attentive_weights::{HostTensor, Rounding, ScaleAxis, WeightsError};
use rayon::prelude::*;

use crate::{bert, gpt, transformer, weight::WeightFormat, whisper};

/// The rounding of a model's matrices as packing does it, without packing them: for training with what will run.
///
/// At [`WeightFormat::Int8`] it is that of a file of weights in bytes, embeddings included. Packing asks the same function which
/// matrices it rounds.
///
/// ```
/// use attentive_engine::{PackedRounding, WeightFormat};
/// use attentive_model::GptConfig;
/// use attentive_weights::{HostTensor, Rounding};
///
/// let config = GptConfig::gpt2_like(50, 8, [1, 2, 32]);
/// let rounding = PackedRounding::new(&config, WeightFormat::Int8).expect("decoders are packed");
/// assert!(rounding.rounds("embedding.weight") && !rounding.rounds("positions.weight"));
///
/// // The step of the column is 1/127.
/// let matrix = HostTensor { shape: vec![2, 1], values: vec![1.0, 0.004] };
/// let rounded = rounding.round("decoder.layers.0.feed_forward.inner.weight", &matrix)?;
/// assert_eq!(rounded.values, [1.0, 1.0 / 127.0]);
/// # Ok::<(), attentive_weights::WeightsError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackedRounding {
    format: WeightFormat,
    /// Path of the matrix that projects to the vocabulary, if the model has one.
    projection: Option<&'static str>,
}

impl PackedRounding {
    /// The rounding of the weights of a model; `None` if its family is not packed, or the format rounds nothing.
    pub fn new(spec: &impl ModelSpec, format: WeightFormat) -> Option<Self> {
        if matches!(format, WeightFormat::F32 | WeightFormat::Blocks) {
            return None;
        }
        let spec = spec as &dyn Any;
        let projection = if let Some(config) = spec.downcast_ref::<TransformerConfig>() {
            Some(transformer::projection_path(config))
        } else if let Some(config) = spec.downcast_ref::<GptConfig>() {
            Some(gpt::projection_path(config))
        } else if let Some(config) = spec.downcast_ref::<BertConfig>() {
            bert::projection_path(config)
        } else if spec.is::<WhisperConfig>() {
            Some(whisper::PROJECTION_PATH)
        } else {
            return None;
        };
        Some(Self { format, projection })
    }

    fn axis(&self, name: &str) -> Option<ScaleAxis> {
        let path = name.strip_suffix(".weight")?;
        self.format.axis(name, self.projection == Some(path))
    }
}

impl Rounding for PackedRounding {
    fn rounds(&self, name: &str) -> bool {
        self.axis(name).is_some()
    }

    fn round(&self, name: &str, matrix: &HostTensor) -> Result<HostTensor, WeightsError> {
        let (Some(axis), &[rows, cols]) = (self.axis(name), &matrix.shape[..]) else { return Ok(matrix.clone()) };
        let format = match self.format {
            WeightFormat::F32 | WeightFormat::Blocks => return Ok(matrix.clone()),
            WeightFormat::Int8 => {
                let mut rounded = matrix.clone();
                let scaled = if axis == ScaleAxis::Rows { Major::Rows } else { Major::Columns };
                round_to_bytes(&mut rounded.values, cols, scaled);
                return Ok(rounded);
            }
            WeightFormat::Q8_0 => BlockFormat::Q8_0,
            WeightFormat::Q4_0 => BlockFormat::Q4_0,
        };
        let d_in = if axis == ScaleAxis::Rows { cols } else { rows };
        let values = of_blocks(format, axis, MatRef::new(&matrix.values, rows, cols));
        let (name, format) = (name.to_owned(), self.format.to_string());
        let values = values.ok_or(WeightsError::Blocks { name, format, d_in })?;
        Ok(HostTensor { shape: matrix.shape.clone(), values })
    }
}

/// Whether models of this family are packed.
pub fn packs(model: &ModelConfig) -> bool {
    struct Packs;
    impl FamilyVisitor for Packs {
        type Output = bool;

        fn any<C: ModelSpec>(self, spec: &C, _role: Role) -> bool {
            PackedRounding::new(spec, WeightFormat::Int8).is_some()
        }
    }
    model.visit(Packs)
}

/// The values that a matrix has in blocks along an axis, row by row; `None` if they are not whole blocks.
fn of_blocks(format: BlockFormat, axis: ScaleAxis, matrix: MatRef<'_>) -> Option<Vec<f32>> {
    let [rows, _] = matrix.dims();
    match axis {
        // Each row is an output, as each column of a weight.
        ScaleAxis::Rows => Some(BlockMatrix::quantise(format, matrix.t())?.dequantise()),
        ScaleAxis::Columns => {
            let columns = BlockMatrix::quantise(format, matrix)?.dequantise(); // [cols, rows]
            Some(transposed(&columns, rows))
        }
    }
}

/// `[rows, cols]` of `[cols, rows]`, row by row.
fn transposed(matrix: &[f32], rows: usize) -> Vec<f32> {
    /// Rows that are written together: what they take of a column is a cache line.
    const ABREAST: usize = 16;
    let mut to = vec![0.0; matrix.len()];
    let cols = matrix.len() / rows.max(1);
    to.par_chunks_mut((ABREAST * cols).max(1)).enumerate().for_each(|(block, to)| {
        for (col, from) in matrix.chunks_exact(rows).enumerate() {
            let from = &from[block * ABREAST..];
            to[col..].iter_mut().step_by(cols).zip(from).for_each(|(to, from)| *to = *from);
        }
    });
    to
}
