//! The layers of the Transformer.
//!
//! Scaled dot-product and multi-head attention with its key–value cache, positions, feed-forward, norms and the
//! residual connection around them: parameters and wiring, one noun per file. The mathematics is in
//! [`attentive_backend::ops`], so a layer runs on every backend.
//!
//! ```
//! use attentive_attention::{Mask, MultiHeadAttentionConfig};
//! use attentive_backend::{BackendKind, Initializer};
//! use burn::tensor::Tensor;
//!
//! let device = BackendKind::Flex.device()?;
//! let attention = MultiHeadAttentionConfig::new(8, 2).init(&Initializer::new(1, &device));
//! let x = Tensor::<3>::ones([1, 5, 8], &device); // [batch, seq, d_model]
//! let y = attention.forward(x.clone(), x, &Mask::causal(), None);
//! assert_eq!(y.dims(), [1, 5, 8]);
//! # Ok::<(), attentive_backend::BackendError>(())
//! ```
#![recursion_limit = "256"]

mod add_norm;
mod blocks;
mod embedding;
mod feed_forward;
mod heads_left;
mod kv_cache;
mod linear;
mod low_rank;
mod multi_head;
mod norm;
mod positions;

pub use add_norm::{AddNorm, NormPlacement};
pub use attentive_backend::{Dropout, InitScheme, Initializer, Mask, ops::Activation};
pub use blocks::Blocks;
pub use embedding::Embedding;
pub use feed_forward::{FeedForward, FeedForwardConfig};
pub use heads_left::HeadsLeft;
pub use kv_cache::{KeyValues, KvCache};
pub use linear::Linear;
pub use low_rank::LowRank;
pub use multi_head::{MultiHeadAttention, MultiHeadAttentionConfig};
pub use norm::{Norm, NormConfig, NormKind};
pub use positions::{
    AttentionContext, Positions, PositionsConfig, PositionsShape, RelativeBuckets, Rotary, RotaryScaling, Rotation,
    Sinusoids, alibi_slopes, sinusoids,
};
