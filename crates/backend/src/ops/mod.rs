//! The operations that a Transformer is made of.
//!
//! Free functions on tensors: the layers of `attentive-attention` hold the parameters, the mathematics is here. On flex
//! most of them are one kernel each; elsewhere, and in the tests that compare both, they are composed.

mod activation;
mod adam;
mod attention;
mod blocks;
mod cross_entropy;
mod dropout;
mod embedding;
mod linear;
mod norm;
mod recurrence;
mod rotation;
mod squared_norm;

pub(crate) use blocks::part_of;

pub use activation::{Activation, activation, gate};
pub use adam::{AdamStep, AdamTensors, adam};
pub use attention::{Scoring, attention, attention_of_texts, attention_weights, bounded};
pub use cross_entropy::{CrossEntropy, cross_entropy, projected_cross_entropy};
pub use dropout::{dropout, residual};
pub use embedding::embedding;
pub use linear::linear;
pub use norm::{add_norm, layer_norm, rms_norm};
pub use recurrence::{
    AdditiveAttention, CellKind, RecurrentWeights, Steps, additive_attention_weights, attentive_recurrence, recurrence,
};
pub use rotation::rotate;
pub use squared_norm::{NORM_BLOCK, squared_norm, squared_norm_of_blocks, squares_of_blocks};
