//! CPU kernels of the Transformer over plain slices: fused attention, layer norm, dropout, cross-entropy.
//!
//! All data are row-major `f32` slices with explicit dimensions; no tensor library is involved. A call runs on rayon's
//! current thread pool and allocates almost nothing: working memory stays with its thread.
//!
//! | for | use |
//! |---|---|
//! | products | [`matmul`], [`matmul_with`] an [`Epilogue`]; [`column_sums`] for the gradient of a bias |
//! | attention | [`Attention`]: masks, causality, windows, biases, grouped and strided heads, dropout; nothing quadratic is kept |
//! | recurrent layers | [`Recurrence`]: LSTM and GRU over whole sequences, with [`AdditiveAttention`] or without |
//! | the loss | [`VocabProjection`]: logits, label-smoothed cross-entropy and gradients, 256 rows at a time |
//! | layers | [`Norm`] with its residual connection, [`Activation`], [`Gate`], [`Rotation`], [`Embedding`], [`Dropout`], [`softmax`] |
//! | training | [`Adam`], [`sum_of_squares`] |
//! | decoding | [`PackedMatrix`], [`Int8Matrix`], [`BlockMatrix`] in GGUF's formats, and [`TopK`] of their products |
//!
//! # Design
//!
//! - **One source, several instruction sets.** A kernel is a generic function over the private trait `Simd`, one vector of
//!   `f32`; the macro `dispatch!` instantiates it for AVX-512 with BF16 and without, AVX2 and the target's baseline, and a [`Level`], found at
//!   run time and passed down from each public function, picks one. `unsafe` is in the implementations of `Simd`, in
//!   the register tiles, and where threads write disjoint parts of one buffer.
//! - **One product.** All matrix products use one register tile over blocks that fit the second-level cache. Weights of
//!   attention and gradients of logits are produced in the layout in which that tile reads its left operand, straight
//!   or transposed, so they are never copied; with [`Precision::Bf16`] operands become pairs of rounded numbers as they
//!   are packed.
//! - **The same bits for any number of threads.** The shape decides where work is cut, never the thread count; partial
//!   sums are added in order; an element of a product is one chain of multiply-adds for any neighbours, so a row does
//!   not depend on its batch either. Levels differ in the last bits (8-bit products do not).
//! - **Recompute rather than keep.** Dropout masks are a hash of seed and position. Attention keeps one number for each
//!   query.
//! - **Shapes are the caller's promise**: a violation panics, as `# Panics` says. Nothing here reads files or text.

#![allow(clippy::needless_pass_by_value, reason = "a writable view is the borrow it carries")]
#![allow(clippy::needless_range_loop, reason = "register tiles are indexed in step")]

mod activation;
mod adam;
#[cfg(feature = "mimalloc")]
mod allocator;
mod attention;
mod block;
mod column_sums;
mod cross_entropy;
mod dropout;
mod embedding;
mod extent;
mod fresh;
mod gate;
mod hangup;
mod int8;
mod math;
mod matmul;
mod matrix;
mod norm;
mod panels;
mod parallel;
mod peak;
mod recurrence;
mod rotation;
mod scratch;
mod simd;
mod softmax;
mod top_k;

pub use activation::{Activation, ActivationKind};
pub use adam::{Adam, AdamTensor, NORM_BLOCK, squares_of_blocks, sum_of_squares};
#[cfg(feature = "mimalloc")]
pub use allocator::{Allocator, keep_pages};
pub use attention::{
    Attention, AttentionGradients, AttentionShape, DistanceBias, HeadStrides, Heads, HeadsMut, PackedKeysValues,
    ScoreBias, StepAttention,
};
pub use block::{BlockFormat, BlockMatrix};
pub use column_sums::column_sums;
pub use cross_entropy::{CrossEntropy, Targets, VocabGradients, VocabProjection, WeightLayout};
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use fresh::{product, zeros};
pub use gate::Gate;
pub use hangup::leaving_hangup_ignored;
pub use int8::{Int8Matrix, QuantisedColumns, round_to_bytes};
pub use matmul::{Epilogue, PackedMatrix, matmul, matmul_with};
pub use matrix::{Major, MatMut, MatRef};
pub use norm::{Norm, NormGradients, NormKind};
pub use peak::{multiply_bytes, multiply_floats};
pub use recurrence::{
    AdditiveAttention, AttentionPartGradients, Kept, Recurrence, RecurrenceGradients, RecurrencePass, RecurrentCell,
};
pub use rotation::Rotation;
pub use simd::{Level, Precision};
pub use softmax::{log_softmax, log_softmax_backward, softmax, softmax_backward};
pub use top_k::TopK;
