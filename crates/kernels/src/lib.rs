//! CPU kernels of the Transformer over plain slices: fused attention, layer norm, dropout, cross-entropy

#![allow(clippy::needless_pass_by_value)] // A writable view is the borrow it carries.
#![allow(clippy::needless_range_loop)] // Register tiles are indexed in step.

mod activation;
mod adam;
mod attention;
mod column_sums;
mod cross_entropy;
mod dropout;
mod embedding;
mod int8;
mod math;
mod matmul;
mod matrix;
mod norm;
mod parallel;
mod scratch;
mod simd;
mod softmax;
mod top_k;

pub use activation::{Activation, ActivationKind};
pub use adam::{Adam, AdamTensor, sum_of_squares};
pub use attention::{Attention, AttentionGradients, AttentionShape, HeadStrides, Heads, HeadsMut};
pub use column_sums::column_sums;
pub use cross_entropy::{CrossEntropy, Targets, VocabGradients, VocabProjection, WeightLayout};
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use int8::{Int8Matrix, QuantisedColumns};
pub use matmul::{Epilogue, PackedMatrix, matmul, matmul_with};
pub use matrix::{MatMut, MatRef};
pub use norm::{Norm, NormGradients, NormKind};
pub use simd::Level;
pub use softmax::{log_softmax, log_softmax_backward, softmax, softmax_backward};
pub use top_k::TopK;
