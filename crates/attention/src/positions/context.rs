use std::sync::Arc;

use attentive_backend::Mask;
use burn::tensor::{Int, Tensor, TensorData};

use super::Rotation;

/// Positions and mask, as the self-attention layers of a stack take them.
///
/// A [`Mask`] alone is enough if positions act on embeddings only.
#[derive(Debug, Clone, Default)]
pub struct AttentionContext {
    /// The keys that are hidden.
    pub mask: Mask,
    /// Bias that is added to scores: `[1, heads or 1, new, k_len]`, or `[1, heads or 1, longest, longest]` of
    /// [`texts`](Self::texts).
    pub bias: Option<Tensor<4>>,
    /// Rotation of queries and keys of the new positions.
    pub rotation: Option<Rotation>,
    /// Lengths of texts that follow one another in the one row there is, each of which sees itself alone; without them, rows are
    /// a text each.
    pub texts: Option<Arc<[usize]>>,
}

impl AttentionContext {
    /// The context of texts that follow one another in one row, from that of the positions of the longest, all of them new.
    #[must_use]
    pub fn of_texts(self, lengths: &[usize]) -> Self {
        let rotation = self.rotation.map(|rotation| rotation.of_texts(lengths));
        Self { rotation, texts: Some(lengths.into()), ..self }
    }
}

impl From<Mask> for AttentionContext {
    fn from(mask: Mask) -> Self {
        Self { mask, ..Self::default() }
    }
}

/// Rows of the positions of texts that follow one another, from those of the longest: `[longest, d]` to `[tokens, d]`.
pub(super) fn of_texts(rows: Tensor<2>, lengths: &[usize]) -> Tensor<2> {
    let places: Vec<i64> = lengths.iter().flat_map(|&n| 0..n as i64).collect();
    let n_tokens = places.len();
    let places = Tensor::<1, Int>::from_data(TensorData::new(places, [n_tokens]), &rows.device());
    rows.select(0, places)
}
