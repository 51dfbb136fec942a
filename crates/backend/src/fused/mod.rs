//! Fused operations of the CPU, forward and backward, through burn's backend extension.
//!
//! [`FusedOps`] is implemented for flex on the kernels of `attentive-kernels`, and for autodiff over any backend that
//! has it, with hand-written gradients. [`ops`](crate::ops) calls the functions here where [`applies`] says so and
//! composes burn's own operations elsewhere; tests check that both give the same.

mod autodiff;
mod flex;
mod recurrence;
mod texts;

use std::sync::Arc;

use burn::{
    backend::{Backend, Dispatch, backend_extension, tensor::FloatTensor},
    tensor::{DType, Tensor},
};

use crate::ops::AdamStep;

/// Attention's settings other than its tensors.
#[derive(Debug, Clone)]
pub(crate) struct AttentionArgs {
    /// `[batch, k_len]`, true = hidden.
    pub hidden_keys: Option<Arc<[bool]>>,
    pub causal: bool,
    pub window: Option<usize>,
    /// Lengths of texts that follow one another in the one sequence, each of which attends to itself alone.
    pub texts: Option<Arc<[usize]>>,
    /// Factor of the products of queries and keys.
    pub scale: f32,
    pub dropout: DropoutArgs,
}

/// Kind of norm, and its ε.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NormArgs {
    pub kind: NormKind,
    pub epsilon: f64,
}

/// A dropout and the key that its mask is made again from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DropoutArgs {
    pub rate: f64,
    pub key: u64,
}

/// Targets of a loss.
#[derive(Debug, Clone)]
pub(crate) struct TargetArgs {
    /// `[n]`.
    pub ids: Arc<[u32]>,
    /// `[n]`, true = padding.
    pub ignored: Arc<[bool]>,
    pub smoothing: f64,
}

/// Tokens to embed, and the scale of embeddings.
#[derive(Debug, Clone)]
pub(crate) struct EmbeddingArgs {
    /// `[rows · seq]`.
    pub ids: Arc<[u32]>,
    pub rows: usize,
    pub scale: f64,
}

/// A recurrence's settings other than its tensors.
#[derive(Debug, Clone)]
pub(crate) struct RecurrenceArgs {
    pub cell: RecurrentCell,
    /// Steps of each row; without it, all.
    pub lengths: Option<Arc<[usize]>>,
    pub backwards: bool,
    /// Tokens of each row's source, with attention.
    pub source_lengths: Arc<[usize]>,
}

/// The function between the layers of a feed-forward network.
pub(crate) use attentive_kernels::ActivationKind;
pub(crate) use attentive_kernels::{NormKind, RecurrentCell};

/// Operations with hand-written kernels and gradients; `x` and the like are `[n, d]`.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait FusedOps: Backend {
    /// `x W + b`: `[..., d_in]` to `[..., d_out]`.
    fn fused_linear(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self>;

    /// `dropout(activation(x))`.
    fn fused_activation(x: FloatTensor<Self>, kind: ActivationKind, dropout: DropoutArgs) -> FloatTensor<Self>;

    /// Dropout; its own backward.
    fn fused_dropout(x: FloatTensor<Self>, dropout: DropoutArgs) -> FloatTensor<Self>;

    /// `x + f`, of one shape.
    fn fused_residual(x: FloatTensor<Self>, f: FloatTensor<Self>) -> FloatTensor<Self>;

    /// `dropout(activation(gate) ∘ x)`.
    fn fused_gate(
        gate: FloatTensor<Self>,
        x: FloatTensor<Self>,
        kind: ActivationKind,
        dropout: DropoutArgs,
    ) -> FloatTensor<Self>;

    /// Layer norm, or RMS norm.
    fn fused_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        args: NormArgs,
    ) -> FloatTensor<Self>;
    /// `norm(x + dropout(f))`.
    fn fused_add_norm(
        x: FloatTensor<Self>,
        f: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        args: NormArgs,
        dropout: DropoutArgs,
    ) -> FloatTensor<Self>;

    /// `x`, `[batch, heads, seq, d]`, turned by its positions' angles, whose cosines and sines are `[seq, d / 2]`.
    ///
    /// Angles are not differentiated.
    fn fused_rotation(x: FloatTensor<Self>, cos: FloatTensor<Self>, sin: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Scaled dot-product attention: `[batch, heads, q_len, d_v]`.
    fn fused_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        args: AttentionArgs,
    ) -> FloatTensor<Self>;

    /// [`fused_attention`](Self::fused_attention) with a bias of scores, `[batch or 1, heads or 1, q_len, k_len]`; of texts, that
    /// of the longest.
    fn fused_biased_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        args: AttentionArgs,
    ) -> FloatTensor<Self>;

    /// Projection to the vocabulary (`[vocab, d]`) and cross-entropy: `[2]`, smoothed and plain, summed.
    ///
    /// The second is not differentiated.
    fn fused_cross_entropy(
        hidden: FloatTensor<Self>,
        projection: FloatTensor<Self>,
        targets: TargetArgs,
    ) -> FloatTensor<Self>;

    /// `dropout(scale · table[id] + positions)`: `[rows, seq, d]`; `positions` are `[seq, d]`, or `[1, d]` for all
    /// positions.
    fn fused_embedding(
        table: FloatTensor<Self>,
        positions: FloatTensor<Self>,
        args: EmbeddingArgs,
        dropout: DropoutArgs,
    ) -> FloatTensor<Self>;

    /// A recurrent layer: `x` is `[rows, steps, gates]`, `start` `[rows, state]`; returns `[rows, steps, state]`.
    fn fused_recurrence(
        x: FloatTensor<Self>,
        start: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        args: RecurrenceArgs,
    ) -> FloatTensor<Self>;

    /// A recurrent layer that attends before each step: `[rows, steps, state + d_values]`.
    #[allow(clippy::too_many_arguments, reason = "operands and their sizes")]
    fn fused_attentive_recurrence(
        x: FloatTensor<Self>,
        start: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        query: FloatTensor<Self>,
        score: FloatTensor<Self>,
        context: FloatTensor<Self>,
        keys: FloatTensor<Self>,
        values: FloatTensor<Self>,
        args: RecurrenceArgs,
    ) -> FloatTensor<Self>;
}

/// Parts of the gradients of [`FusedOps`]: forward passes that also return the values to keep, and backward passes.
pub(crate) trait FusedGradients: FusedOps {
    /// Gradients of `x`, added to those `so_far`, `W` and `b`, of those that are `wanted`.
    fn fused_linear_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        so_far: Option<FloatTensor<Self>>,
        wanted: [bool; 3],
    ) -> [Option<FloatTensor<Self>>; 3];
    /// Gradient of `x`; for ReLU, `x` may be the output.
    fn fused_activation_backward(
        x: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        kind: ActivationKind,
        dropout: DropoutArgs,
    ) -> FloatTensor<Self>;
    /// Gradients of the gate and of `x`.
    fn fused_gate_backward(
        gate: FloatTensor<Self>,
        x: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        kind: ActivationKind,
        dropout: DropoutArgs,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
    /// Gradient of `x`: the same rotation, the other way.
    fn fused_rotation_backward(
        dy: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
    /// The norm, and `[n, 2]` statistics.
    fn fused_norm_with_stats(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        args: NormArgs,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
    /// `norm(x + dropout(f))`, the sum, and statistics.
    fn fused_add_norm_with_stats(
        x: FloatTensor<Self>,
        f: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        args: NormArgs,
        dropout: DropoutArgs,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
    /// Gradients of the norm's input, added to those `so_far`, `γ` and `β`.
    fn fused_norm_backward(
        x: FloatTensor<Self>,
        stats: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        so_far: Option<FloatTensor<Self>>,
        args: NormArgs,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
    /// Attention, and the log-sum-exp of each query's scores.
    fn fused_attention_with_lse(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        args: AttentionArgs,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
    /// Gradients of `q`, `k`, `v`, and of the bias if it `wants_bias`; `kept` are `q`, `k`, `v`, the output, its
    /// log-sum-exps.
    fn fused_attention_backward(
        kept: [FloatTensor<Self>; 5],
        bias: Option<FloatTensor<Self>>,
        dy: FloatTensor<Self>,
        args: AttentionArgs,
        wants_bias: bool,
    ) -> ([FloatTensor<Self>; 3], Option<FloatTensor<Self>>);
    /// Cross-entropy, and gradients of `hidden` and, if it is wanted, of `projection`.
    fn fused_cross_entropy_with_gradients(
        hidden: FloatTensor<Self>,
        projection: FloatTensor<Self>,
        targets: TargetArgs,
        wants_projection: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, Option<FloatTensor<Self>>);
    /// `x` times the first value of `by`.
    fn fused_scale(x: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self>;
    /// Gradients of `table`, added to those `so_far`, and `positions`; `sizes` are their numbers of rows.
    fn fused_embedding_backward(
        dy: FloatTensor<Self>,
        so_far: Option<FloatTensor<Self>>,
        sizes: [usize; 2],
        args: EmbeddingArgs,
        dropout: DropoutArgs,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
    /// A recurrent layer, its gates, and its attention weights; `tensors` are those of the operation, in its order.
    fn fused_recurrence_with_kept(tensors: &[FloatTensor<Self>], args: &RecurrenceArgs) -> [FloatTensor<Self>; 3];
    /// The gradient of each of `tensors`, from the result of
    /// [`fused_recurrence_with_kept`](Self::fused_recurrence_with_kept).
    fn fused_recurrence_backward(
        tensors: &[FloatTensor<Self>],
        kept: [FloatTensor<Self>; 3],
        dy: FloatTensor<Self>,
        args: &RecurrenceArgs,
    ) -> Vec<FloatTensor<Self>>;
}

/// Updates of parameters, which need no gradient of their own.
#[backend_extension(Flex)]
pub(crate) trait FusedUpdates: Backend {
    /// One update of Adam on flat tensors: values and both means.
    fn fused_adam(
        values: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        step: AdamStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// `Σ x²`: `[1]`.
    fn fused_squared_norm(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// Whether the fused operations run on the device of `x`.
pub(crate) fn applies<const D: usize>(x: &Tensor<D>) -> bool {
    x.dtype() == DType::F32 && crate::has_kernels(&x.device())
}

pub(crate) fn linear<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::fused_linear(x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch()))
}

pub(crate) fn activation<const D: usize>(x: Tensor<D>, kind: ActivationKind, dropout: DropoutArgs) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::fused_activation(x.into_dispatch(), kind, dropout))
}

pub(crate) fn dropout<const D: usize>(x: Tensor<D>, dropout: DropoutArgs) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::fused_dropout(x.into_dispatch(), dropout))
}

pub(crate) fn residual<const D: usize>(x: Tensor<D>, f: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::fused_residual(x.into_dispatch(), f.into_dispatch()))
}

pub(crate) fn gate<const D: usize>(
    gate: Tensor<D>,
    x: Tensor<D>,
    kind: ActivationKind,
    dropout: DropoutArgs,
) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::fused_gate(gate.into_dispatch(), x.into_dispatch(), kind, dropout))
}

pub(crate) fn norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Option<Tensor<1>>,
    args: NormArgs,
) -> Tensor<D> {
    let beta = beta.unwrap_or_else(|| gamma.zeros_like());
    Tensor::from_dispatch(Dispatch::fused_norm(x.into_dispatch(), gamma.into_dispatch(), beta.into_dispatch(), args))
}

pub(crate) fn add_norm<const D: usize>(
    x: Tensor<D>,
    f: Tensor<D>,
    gamma: Tensor<1>,
    beta: Option<Tensor<1>>,
    args: NormArgs,
    dropout: DropoutArgs,
) -> Tensor<D> {
    let beta = beta.unwrap_or_else(|| gamma.zeros_like());
    Tensor::from_dispatch(Dispatch::fused_add_norm(
        x.into_dispatch(),
        f.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        args,
        dropout,
    ))
}

pub(crate) fn rotation(x: Tensor<4>, cos: Tensor<2>, sin: Tensor<2>) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::fused_rotation(x.into_dispatch(), cos.into_dispatch(), sin.into_dispatch()))
}

pub(crate) fn attention([q, k, v]: [Tensor<4>; 3], bias: Option<Tensor<4>>, args: AttentionArgs) -> Tensor<4> {
    let (q, k, v) = (q.into_dispatch(), k.into_dispatch(), v.into_dispatch());
    Tensor::from_dispatch(match bias {
        None => Dispatch::fused_attention(q, k, v, args),
        Some(bias) => Dispatch::fused_biased_attention(q, k, v, bias.into_dispatch(), args),
    })
}

pub(crate) fn adam([values, gradient, first, second]: [Tensor<1>; 4], step: AdamStep) -> [Tensor<1>; 3] {
    let (values, first, second) = Dispatch::fused_adam(
        values.into_dispatch(),
        gradient.into_dispatch(),
        first.into_dispatch(),
        second.into_dispatch(),
        step,
    );
    [values, first, second].map(Tensor::from_dispatch)
}

pub(crate) fn squared_norm(x: Tensor<1>) -> Tensor<1> {
    Tensor::from_dispatch(Dispatch::fused_squared_norm(x.into_dispatch()))
}

/// `[2]`: smoothed and plain cross-entropy.
pub(crate) fn cross_entropy(hidden: Tensor<2>, projection: Tensor<2>, targets: TargetArgs) -> Tensor<1> {
    Tensor::from_dispatch(Dispatch::fused_cross_entropy(hidden.into_dispatch(), projection.into_dispatch(), targets))
}

pub(crate) fn embedding(
    table: Tensor<2>,
    positions: Tensor<2>,
    args: EmbeddingArgs,
    dropout: DropoutArgs,
) -> Tensor<3> {
    Tensor::from_dispatch(Dispatch::fused_embedding(table.into_dispatch(), positions.into_dispatch(), args, dropout))
}

pub(crate) fn recurrence(
    x: Tensor<3>,
    [start, weight]: [Tensor<2>; 2],
    bias: Tensor<1>,
    args: RecurrenceArgs,
) -> Tensor<3> {
    Tensor::from_dispatch(Dispatch::fused_recurrence(
        x.into_dispatch(),
        start.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        args,
    ))
}

pub(crate) fn attentive_recurrence(
    [x, keys, values]: [Tensor<3>; 3],
    [start, weight, query, score, context]: [Tensor<2>; 5],
    bias: Tensor<1>,
    args: RecurrenceArgs,
) -> Tensor<3> {
    Tensor::from_dispatch(Dispatch::fused_attentive_recurrence(
        x.into_dispatch(),
        start.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        query.into_dispatch(),
        score.into_dispatch(),
        context.into_dispatch(),
        keys.into_dispatch(),
        values.into_dispatch(),
        args,
    ))
}
