use attentive_backend::Mask;
use burn::tensor::Tensor;

use super::Rotation;

/// Positions and mask, as the self-attention layers of a stack take them.
///
/// A [`Mask`] alone is enough if positions act on embeddings only.
#[derive(Debug, Clone, Default)]
pub struct AttentionContext {
    /// The keys that are hidden.
    pub mask: Mask,
    /// Bias that is added to scores: `[1, heads or 1, new, k_len]`.
    pub bias: Option<Tensor<4>>,
    /// Rotation of queries and keys of the new positions.
    pub rotation: Option<Rotation>,
}

impl From<Mask> for AttentionContext {
    fn from(mask: Mask) -> Self {
        Self { mask, bias: None, rotation: None }
    }
}
