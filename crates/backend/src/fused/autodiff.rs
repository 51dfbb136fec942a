//! Gradients of the fused operations.
//!
//! The kernel adds to the gradient that other uses of an input gave already, so no second gradient of its size is made.
//! For that a state holds the input's node but no descendant of its own: an abandoned graph is freed with it.

use burn::backend::{
    Autodiff, TensorMetadata,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::FloatTensor,
};

use super::{
    ActivationKind, AttentionArgs, DropoutArgs, EmbeddingArgs, FusedGradients, FusedOps, NormArgs, RecurrenceArgs,
    TargetArgs,
};

/// Hands each input that wants one its gradient.
macro_rules! register {
    ($grads:ident, $parents:expr, $gradients:expr) => {
        let parents = $parents.into_iter();
        let gradients = $gradients.into_iter();
        for (parent, gradient) in parents.zip(gradients) {
            if let Some(parent) = parent {
                $grads.register::<B>(parent.id, gradient);
            }
        }
    };
}

/// The output of an operation, and what its gradient is made of where one is wanted.
macro_rules! tracked {
    ($operation:ident, $nodes:expr, $state:expr, $y:expr) => {
        match Backward::<B, _>::prepare::<C>($operation, $nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish($state, $y),
            OpsKind::UnTracked(prep) => prep.finish($y),
        }
    };
}

#[derive(Debug)]
struct Linear;

impl<B: FusedGradients> Backward<B, 3> for Linear {
    /// `x`, `W`.
    type State = (FloatTensor<Autodiff<B>>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let (x, weight) = ops.state;
        let so_far = grads.remove::<B>(&x);
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let gradients = B::fused_linear_backward(x.into_primitive(), weight, dy, so_far, wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            register!(grads, [parent], gradient);
        }
    }
}

#[derive(Debug)]
struct Activation;

impl<B: FusedGradients> Backward<B, 1> for Activation {
    /// `x`, or for ReLU the output.
    type State = (FloatTensor<B>, ActivationKind, DropoutArgs);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let (x, kind, dropout) = ops.state;
        register!(grads, ops.parents, [B::fused_activation_backward(x, dy, kind, dropout)]);
    }
}

#[derive(Debug)]
struct Dropout;

impl<B: FusedGradients> Backward<B, 1> for Dropout {
    type State = DropoutArgs;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        register!(grads, ops.parents, [B::fused_dropout(dy, ops.state)]);
    }
}

#[derive(Debug)]
struct Residual;

impl<B: FusedGradients> Backward<B, 2> for Residual {
    type State = ();

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        register!(grads, ops.parents, [dy.clone(), dy]);
    }
}

#[derive(Debug)]
struct Gate;

impl<B: FusedGradients> Backward<B, 2> for Gate {
    /// The gate and `x`.
    type State = (FloatTensor<B>, FloatTensor<B>, ActivationKind, DropoutArgs);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let (gate, x, kind, dropout) = ops.state;
        let (d_gate, dx) = B::fused_gate_backward(gate, x, dy, kind, dropout);
        register!(grads, ops.parents, [d_gate, dx]);
    }
}

#[derive(Debug)]
struct Rotation;

impl<B: FusedGradients> Backward<B, 1> for Rotation {
    /// Cosines and sines.
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let (cos, sin) = ops.state;
        register!(grads, ops.parents, [B::fused_rotation_backward(dy, cos, sin)]);
    }
}

#[derive(Debug)]
struct Norm;

impl<B: FusedGradients> Backward<B, 3> for Norm {
    /// `x`, statistics, `γ`.
    type State = (FloatTensor<Autodiff<B>>, FloatTensor<B>, FloatTensor<B>, NormArgs);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let (x, stats, gamma, args) = ops.state;
        let so_far = grads.remove::<B>(&x);
        let (dx, d_gamma, d_beta) = B::fused_norm_backward(x.into_primitive(), stats, gamma, dy, so_far, args);
        register!(grads, ops.parents, [dx, d_gamma, d_beta]);
    }
}

#[derive(Debug)]
struct AddNorm;

impl<B: FusedGradients> Backward<B, 4> for AddNorm {
    /// The sum, statistics, `γ`.
    type State = (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>, NormArgs, DropoutArgs);

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let (sum, stats, gamma, args, dropout) = ops.state;
        let (dx, d_gamma, d_beta) = B::fused_norm_backward(sum, stats, gamma, dy, None, args);
        let df = if dropout.rate > 0.0 { B::fused_dropout(dx.clone(), dropout) } else { dx.clone() };
        register!(grads, ops.parents, [dx, df, d_gamma, d_beta]);
    }
}

#[derive(Debug)]
struct Attention;

impl<B: FusedGradients> Backward<B, 3> for Attention {
    /// `q`, `k`, `v`, the output, its log-sum-exps.
    type State = ([FloatTensor<B>; 5], AttentionArgs);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let (kept, args) = ops.state;
        let (gradients, _) = B::fused_attention_backward(kept, None, dy, args, false);
        register!(grads, ops.parents, gradients);
    }
}

#[derive(Debug)]
struct BiasedAttention;

impl<B: FusedGradients> Backward<B, 4> for BiasedAttention {
    /// As [`Attention`]'s, and the bias.
    type State = ([FloatTensor<B>; 5], FloatTensor<B>, AttentionArgs);

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let (kept, bias, args) = ops.state;
        let [q, k, v, bias_node] = ops.parents;
        let (gradients, d_bias) = B::fused_attention_backward(kept, Some(bias), dy, args, bias_node.is_some());
        register!(grads, [q, k, v], gradients);
        register!(grads, [bias_node], d_bias);
    }
}

#[derive(Debug)]
struct CrossEntropy;

impl<B: FusedGradients> Backward<B, 2> for CrossEntropy {
    /// Gradients of `hidden` and, where it is trained, of `projection`, computed in the forward pass.
    type State = (FloatTensor<B>, Option<FloatTensor<B>>);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let (d_hidden, d_projection) = ops.state;
        let [hidden, projection] = ops.parents;
        register!(grads, [hidden], [B::fused_scale(d_hidden, dy.clone())]);
        register!(grads, [projection], d_projection.map(|d_projection| B::fused_scale(d_projection, dy)));
    }
}

#[derive(Debug)]
struct Embedding;

impl<B: FusedGradients> Backward<B, 2> for Embedding {
    /// The table, rows of positions, tokens, dropout.
    type State = (FloatTensor<Autodiff<B>>, usize, EmbeddingArgs, DropoutArgs);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let (table, n_positions, args, dropout) = ops.state;
        let so_far = grads.remove::<B>(&table);
        let sizes = [table.shape()[0], n_positions];
        let (d_table, d_positions) = B::fused_embedding_backward(dy, so_far, sizes, args, dropout);
        register!(grads, ops.parents, [d_table, d_positions]);
    }
}

#[derive(Debug)]
struct Recurrence;

impl<B: FusedGradients, const N: usize> Backward<B, N> for Recurrence {
    /// The operation's tensors; those that the forward pass returned and kept.
    type State = ([FloatTensor<B>; N], [FloatTensor<B>; 3], RecurrenceArgs);

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let (tensors, kept, args) = ops.state;
        register!(grads, ops.parents, B::fused_recurrence_backward(&tensors, kept, dy, &args));
    }
}

fn recurrence<B: FusedGradients, C: CheckpointStrategy, const N: usize>(
    tensors: [Tracked<B, C>; N],
    args: RecurrenceArgs,
) -> Tracked<B, C> {
    let nodes = tensors.each_ref().map(Tracked::<B, C>::node);
    let tensors = tensors.map(Tracked::<B, C>::into_primitive);
    let kept = B::fused_recurrence_with_kept(&tensors, &args);
    let y = kept[0].clone();
    tracked!(Recurrence, nodes, (tensors, kept, args), y)
}

type Tracked<B, C> = FloatTensor<Autodiff<B, C>>;

impl<B: FusedGradients, C: CheckpointStrategy> FusedOps for Autodiff<B, C> {
    fn fused_linear(x: Tracked<B, C>, weight: Tracked<B, C>, bias: Tracked<B, C>) -> Tracked<B, C> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let (weight, bias) = (weight.into_primitive(), bias.into_primitive());
        match Linear.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let y = B::fused_linear(x.primitive().clone(), weight.clone(), bias);
                prep.finish((x, weight), y)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::fused_linear(x.into_primitive(), weight, bias)),
        }
    }

    fn fused_activation(x: Tracked<B, C>, kind: ActivationKind, dropout: DropoutArgs) -> Tracked<B, C> {
        let nodes = [x.node()];
        let x = x.into_primitive();
        match Activation.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                // ReLU's gradient follows from its output, which may take the place of its input.
                let input = (kind != ActivationKind::Relu).then(|| x.clone());
                let y = B::fused_activation(x, kind, dropout);
                prep.finish((input.unwrap_or_else(|| y.clone()), kind, dropout), y)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::fused_activation(x, kind, dropout)),
        }
    }

    fn fused_dropout(x: Tracked<B, C>, dropout: DropoutArgs) -> Tracked<B, C> {
        let nodes = [x.node()];
        let y = B::fused_dropout(x.into_primitive(), dropout);
        tracked!(Dropout, nodes, dropout, y)
    }

    fn fused_residual(x: Tracked<B, C>, f: Tracked<B, C>) -> Tracked<B, C> {
        let nodes = [x.node(), f.node()];
        let y = B::fused_residual(x.into_primitive(), f.into_primitive());
        tracked!(Residual, nodes, (), y)
    }

    fn fused_gate(gate: Tracked<B, C>, x: Tracked<B, C>, kind: ActivationKind, dropout: DropoutArgs) -> Tracked<B, C> {
        let nodes = [gate.node(), x.node()];
        let (gate, x) = (gate.into_primitive(), x.into_primitive());
        match Gate.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let y = B::fused_gate(gate.clone(), x.clone(), kind, dropout);
                prep.finish((gate, x, kind, dropout), y)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::fused_gate(gate, x, kind, dropout)),
        }
    }

    fn fused_rotation(x: Tracked<B, C>, cos: Tracked<B, C>, sin: Tracked<B, C>) -> Tracked<B, C> {
        let nodes = [x.node()];
        let (cos, sin) = (cos.into_primitive(), sin.into_primitive());
        let y = B::fused_rotation(x.into_primitive(), cos.clone(), sin.clone());
        tracked!(Rotation, nodes, (cos, sin), y)
    }

    fn fused_norm(x: Tracked<B, C>, gamma: Tracked<B, C>, beta: Tracked<B, C>, args: NormArgs) -> Tracked<B, C> {
        let nodes = [x.node(), gamma.node(), beta.node()];
        let (gamma, beta) = (gamma.into_primitive(), beta.into_primitive());
        match Norm.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (y, stats) = B::fused_norm_with_stats(x.primitive().clone(), gamma.clone(), beta, args);
                prep.finish((x, stats, gamma, args), y)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::fused_norm(x.into_primitive(), gamma, beta, args)),
        }
    }

    fn fused_add_norm(
        x: Tracked<B, C>,
        f: Tracked<B, C>,
        gamma: Tracked<B, C>,
        beta: Tracked<B, C>,
        args: NormArgs,
        dropout: DropoutArgs,
    ) -> Tracked<B, C> {
        let nodes = [x.node(), f.node(), gamma.node(), beta.node()];
        let (x, f) = (x.into_primitive(), f.into_primitive());
        let (gamma, beta) = (gamma.into_primitive(), beta.into_primitive());
        match AddNorm.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (y, sum, stats) = B::fused_add_norm_with_stats(x, f, gamma.clone(), beta, args, dropout);
                prep.finish((sum, stats, gamma, args, dropout), y)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::fused_add_norm(x, f, gamma, beta, args, dropout)),
        }
    }

    fn fused_attention(q: Tracked<B, C>, k: Tracked<B, C>, v: Tracked<B, C>, args: AttentionArgs) -> Tracked<B, C> {
        let nodes = [q.node(), k.node(), v.node()];
        let (q, k, v) = (q.into_primitive(), k.into_primitive(), v.into_primitive());
        match Attention.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (y, lse) = B::fused_attention_with_lse(q.clone(), k.clone(), v.clone(), None, args.clone());
                prep.finish(([q, k, v, y.clone(), lse], args), y)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::fused_attention(q, k, v, args)),
        }
    }

    fn fused_biased_attention(
        q: Tracked<B, C>,
        k: Tracked<B, C>,
        v: Tracked<B, C>,
        bias: Tracked<B, C>,
        args: AttentionArgs,
    ) -> Tracked<B, C> {
        let nodes = [q.node(), k.node(), v.node(), bias.node()];
        let (q, k, v) = (q.into_primitive(), k.into_primitive(), v.into_primitive());
        let bias = bias.into_primitive();
        match BiasedAttention.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (y, lse) =
                    B::fused_attention_with_lse(q.clone(), k.clone(), v.clone(), Some(bias.clone()), args.clone());
                prep.finish(([q, k, v, y.clone(), lse], bias, args), y)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::fused_biased_attention(q, k, v, bias, args)),
        }
    }

    fn fused_cross_entropy(hidden: Tracked<B, C>, projection: Tracked<B, C>, targets: TargetArgs) -> Tracked<B, C> {
        let nodes = [hidden.node(), projection.node()];
        let is_trained = projection.is_tracked();
        let (hidden, projection) = (hidden.into_primitive(), projection.into_primitive());
        match CrossEntropy.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (loss, d_hidden, d_projection) =
                    B::fused_cross_entropy_with_gradients(hidden, projection, targets, is_trained);
                prep.finish((d_hidden, d_projection), loss)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::fused_cross_entropy(hidden, projection, targets)),
        }
    }

    fn fused_embedding(
        table: Tracked<B, C>,
        positions: Tracked<B, C>,
        args: EmbeddingArgs,
        dropout: DropoutArgs,
    ) -> Tracked<B, C> {
        let nodes = [table.node(), positions.node()];
        let n_positions = positions.shape()[0];
        let y = B::fused_embedding(table.primitive().clone(), positions.into_primitive(), args.clone(), dropout);
        tracked!(Embedding, nodes, (table, n_positions, args, dropout), y)
    }

    fn fused_recurrence(
        x: Tracked<B, C>,
        start: Tracked<B, C>,
        weight: Tracked<B, C>,
        bias: Tracked<B, C>,
        args: RecurrenceArgs,
    ) -> Tracked<B, C> {
        recurrence::<B, C, _>([x, start, weight, bias], args)
    }

    fn fused_attentive_recurrence(
        x: Tracked<B, C>,
        start: Tracked<B, C>,
        weight: Tracked<B, C>,
        bias: Tracked<B, C>,
        query: Tracked<B, C>,
        score: Tracked<B, C>,
        context: Tracked<B, C>,
        keys: Tracked<B, C>,
        values: Tracked<B, C>,
        args: RecurrenceArgs,
    ) -> Tracked<B, C> {
        recurrence::<B, C, _>([x, start, weight, bias, query, score, context, keys, values], args)
    }
}
