//! The fused operations on flex's slices.

use attentive_kernels as kernels;
use burn::{
    backend::{Flex, tensor::FloatTensor},
    tensor::{Shape, TensorData},
};
use kernels::{ActivationKind, AttentionShape, HeadStrides, Heads, MatMut, MatRef, ScoreBias, zeros};

use super::{
    AttentionArgs, DropoutArgs, EmbeddingArgs, FusedGradients, FusedOps, FusedUpdates, NormArgs, RecurrenceArgs,
    TargetArgs, recurrence, texts,
};
use crate::ops::AdamStep;

pub(super) type Float = FloatTensor<Flex>;

impl From<DropoutArgs> for kernels::Dropout {
    fn from(DropoutArgs { rate, key }: DropoutArgs) -> Self {
        if rate > 0.0 { Self::new(rate, key) } else { Self::NONE }
    }
}

pub(super) fn dims<const D: usize>(x: &Float) -> [usize; D] {
    x.layout().shape().dims()
}

/// The last axis of `x`.
fn width(x: &Float) -> usize {
    let shape = x.layout().shape();
    shape[shape.num_dims() - 1]
}

/// `x` with contiguous values.
pub(super) fn contiguous(x: Float) -> Float {
    if x.is_contiguous() { x } else { x.to_contiguous() }
}

/// The values of a contiguous tensor.
pub(super) fn values(x: &Float) -> &[f32] {
    x.as_slice().expect("contiguous f32")
}

pub(super) fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> Float {
    Float::from_data(TensorData::new(values, shape.into()))
}

/// A tensor of the shape of `x`, with the values that `fill` writes.
fn map(x: Float, fill: impl FnOnce(&[f32], &mut [f32])) -> Float {
    let x = contiguous(x);
    let mut y = zeros(values(&x).len());
    fill(values(&x), &mut y);
    tensor(y, x.layout().shape().clone())
}

/// `x` with its values changed; a copy if it is shared.
fn in_place(x: Float, change: impl FnOnce(&mut [f32])) -> Float {
    let mut x = owned(x);
    change(x.storage_mut());
    x
}

/// `[rows, cols]` that may be a transposed view.
fn strided(x: Float) -> Float {
    if x.layout().strides().iter().all(|&stride| stride > 0) { x } else { x.to_contiguous() }
}

fn matrix(x: &Float) -> MatRef<'_> {
    let strides = x.layout().strides();
    let data = &x.storage::<f32>()[x.layout().start_offset()..];
    MatRef::strided(data, dims(x), [strides[0] as usize, strides[1] as usize])
}

/// `[..., d]` as `[n, d]`; two dimensions may be a transposed view.
fn rows(x: Float) -> Float {
    if x.layout().shape().num_dims() == 2 {
        return strided(x);
    }
    let (d, x) = (width(&x), contiguous(x));
    let n = x.layout().num_elements() / d.max(1);
    x.reshape([n, d].into())
}

/// The shape of `x` with `d` for its last axis.
fn shape_with(x: &Float, d: usize) -> Shape {
    let mut shape = x.layout().shape().clone();
    let last = shape.num_dims() - 1;
    shape[last] = d;
    shape
}

/// `[batch, heads, seq, d]` with any strides, as long as a head's features are adjacent.
fn heads(x: Float) -> Float {
    let strides = x.layout().strides();
    let is_view = strides[3] == 1 && strides.iter().all(|&stride| stride > 0);
    if is_view { x } else { x.to_contiguous() }
}

fn head_view(x: &Float) -> Heads<'_> {
    head_view_from(x, 0)
}

/// The heads from a position on.
pub(super) fn head_view_from(x: &Float, first: usize) -> Heads<'_> {
    let strides = x.layout().strides();
    let strides = HeadStrides { batch: strides[0] as usize, head: strides[1] as usize, seq: strides[2] as usize };
    Heads::new(&x.storage::<f32>()[x.layout().start_offset() + first * strides.seq..], strides)
}

/// Heads laid out `[batch, seq, heads, d]`, so that joining them again is free; seen as `[batch, heads, seq, d]`.
pub(super) fn seq_major(values: Vec<f32>, [batch, heads, seq, d]: [usize; 4]) -> Float {
    tensor(values, [batch, seq, heads, d]).permute(&[0, 2, 1, 3])
}

pub(super) fn attention<'a>(
    q: &Float,
    v: &Float,
    bias: Option<&'a Float>,
    args: &'a AttentionArgs,
) -> kernels::Attention<'a> {
    let [batch, heads, q_len, d_k] = dims(q);
    let [_, kv_heads, k_len, d_v] = dims(v);
    kernels::Attention {
        shape: AttentionShape { batch, heads, kv_heads, q_len, k_len, d_k, d_v },
        hidden: args.hidden_keys.as_deref(),
        causal: args.causal,
        window: args.window,
        bias: bias.map(|bias| {
            let [batch, heads, ..] = dims::<4>(bias);
            ScoreBias { values: values(bias), batch, heads }
        }),
        distances: None,
        scale: args.scale,
        cap: None,
        dropout: args.dropout.into(),
    }
}

fn norm<'a>(gamma: &'a Float, beta: Option<&'a Float>, args: NormArgs) -> kernels::Norm<'a> {
    kernels::Norm { kind: args.kind, gamma: values(gamma), beta: beta.map(values), eps: args.epsilon as f32 }
}

/// The rotation of `x`, `[batch, heads, seq, d]`, and the lengths of its first axes.
fn rotation<'a>(x: &Float, cos: &'a Float, sin: &'a Float) -> (kernels::Rotation<'a>, [usize; 3]) {
    let [batch, heads, seq, d] = dims(x);
    (kernels::Rotation { cos: values(cos), sin: values(sin), d }, [batch, heads, seq])
}

fn targets(args: &TargetArgs) -> kernels::Targets<'_> {
    kernels::Targets { ids: &args.ids, ignored: Some(&args.ignored), smoothing: args.smoothing as f32 }
}

fn projection(weight: &Float) -> kernels::VocabProjection<'_> {
    let [vocab_size, d_model] = dims(weight);
    kernels::VocabProjection {
        weight: values(weight),
        bias: None,
        d_model,
        vocab_size,
        layout: kernels::WeightLayout::VocabMajor,
    }
}

fn loss(sums: kernels::CrossEntropy) -> Float {
    tensor(vec![sums.loss as f32, sums.nll as f32], [2])
}

fn embedding(d_model: usize, args: &EmbeddingArgs, dropout: DropoutArgs) -> kernels::Embedding {
    kernels::Embedding { d_model, scale: args.scale as f32, dropout: dropout.into() }
}

impl FusedOps for Flex {
    fn fused_linear(x: Float, weight: Float, bias: Float) -> Float {
        let (weight, bias) = (strided(weight), contiguous(bias));
        let shape = shape_with(&x, dims::<2>(&weight)[1]);
        let epilogue = kernels::Epilogue { bias: Some(values(&bias)), ..Default::default() };
        tensor(kernels::product(matrix(&rows(x)), matrix(&weight), &epilogue), shape)
    }

    fn fused_activation(x: Float, kind: ActivationKind, dropout: DropoutArgs) -> Float {
        let activation = kernels::Activation { kind, bias: None, cols: width(&x), dropout: dropout.into() };
        if x.is_unique() {
            return in_place(x, |x| activation.apply(x));
        }
        map(x, |x, y| activation.forward(x, y))
    }

    fn fused_dropout(x: Float, dropout: DropoutArgs) -> Float {
        let cols = width(&x);
        map(x, |x, y| kernels::Dropout::from(dropout).apply(x, cols, y))
    }

    fn fused_residual(x: Float, f: Float) -> Float {
        let (cols, x) = (width(&x), contiguous(x));
        in_place(f, |f| kernels::Dropout::NONE.residual(values(&x), cols, f))
    }

    fn fused_gate(gate: Float, x: Float, kind: ActivationKind, dropout: DropoutArgs) -> Float {
        let gate = contiguous(gate);
        let op = kernels::Gate { kind, cols: width(&x), dropout: dropout.into() };
        map(x, |x, y| op.forward(values(&gate), x, y))
    }

    fn fused_norm(x: Float, gamma: Float, beta: Float, args: NormArgs) -> Float {
        Self::fused_norm_with_stats(x, gamma, beta, args).0
    }

    fn fused_add_norm(x: Float, f: Float, gamma: Float, beta: Float, args: NormArgs, dropout: DropoutArgs) -> Float {
        Self::fused_add_norm_with_stats(x, f, gamma, beta, args, dropout).0
    }

    fn fused_rotation(x: Float, cos: Float, sin: Float) -> Float {
        let (x, cos, sin) = (heads(x), contiguous(cos), contiguous(sin));
        let (rotation, dims) = rotation(&x, &cos, &sin);
        let [batch, n_heads, seq] = dims;
        seq_major(rotation.turn(head_view(&x), dims), [batch, n_heads, seq, rotation.d])
    }

    fn fused_attention(q: Float, k: Float, v: Float, args: AttentionArgs) -> Float {
        Self::fused_attention_with_lse(q, k, v, None, args).0
    }

    fn fused_biased_attention(q: Float, k: Float, v: Float, bias: Float, args: AttentionArgs) -> Float {
        Self::fused_attention_with_lse(q, k, v, Some(bias), args).0
    }

    fn fused_cross_entropy(hidden: Float, weight: Float, args: TargetArgs) -> Float {
        let (hidden, weight) = (contiguous(hidden), contiguous(weight));
        loss(projection(&weight).loss(values(&hidden), &targets(&args)))
    }

    fn fused_embedding(table: Float, positions: Float, args: EmbeddingArgs, dropout: DropoutArgs) -> Float {
        let (table, positions) = (contiguous(table), contiguous(positions));
        let [n_positions, d_model] = dims(&positions);
        let mut y = zeros(args.ids.len() * d_model);
        let positions = Some((values(&positions), n_positions));
        embedding(d_model, &args, dropout).forward(values(&table), &args.ids, positions, &mut y);
        tensor(y, [args.rows, args.ids.len() / args.rows, d_model])
    }

    fn fused_recurrence(x: Float, start: Float, weight: Float, bias: Float, args: RecurrenceArgs) -> Float {
        let [y, ..] = recurrence::forward(&[x, start, weight, bias], &args);
        y
    }

    fn fused_attentive_recurrence(
        x: Float,
        start: Float,
        weight: Float,
        bias: Float,
        query: Float,
        score: Float,
        context: Float,
        keys: Float,
        values: Float,
        args: RecurrenceArgs,
    ) -> Float {
        let [y, ..] = recurrence::forward(&[x, start, weight, bias, query, score, context, keys, values], &args);
        y
    }
}

impl FusedGradients for Flex {
    fn fused_linear_backward(
        x: Float,
        weight: Float,
        dy: Float,
        so_far: Option<Float>,
        [wants_x, wants_weight, wants_bias]: [bool; 3],
    ) -> [Option<Float>; 3] {
        let shape = x.layout().shape().clone();
        let (x, weight, dy) = (rows(x), strided(weight), rows(contiguous(dy)));
        let ([n, d_in], [_, d_out]) = (dims::<2>(&x), dims::<2>(&weight));
        let (d, w) = (matrix(&dy), matrix(&weight).t());
        let dx = wants_x.then(|| match so_far {
            Some(so_far) => in_place(so_far, |dx| kernels::matmul(d, w, MatMut::new(dx, n, d_in), true)),
            None => tensor(kernels::product(d, w, &Default::default()), shape),
        });
        let d_weight = wants_weight
            .then(|| tensor(kernels::product(matrix(&x).t(), matrix(&dy), &Default::default()), [d_in, d_out]));
        let d_bias = wants_bias.then(|| {
            let mut sums = vec![0.0; d_out];
            kernels::column_sums(values(&dy), &mut sums);
            tensor(sums, [d_out])
        });
        [dx, d_weight, d_bias]
    }

    fn fused_activation_backward(x: Float, dy: Float, kind: ActivationKind, dropout: DropoutArgs) -> Float {
        let (cols, x) = (width(&x), contiguous(x));
        let activation = kernels::Activation { kind, bias: None, cols, dropout: dropout.into() };
        in_place(dy, |d| activation.backward(values(&x), d, None))
    }

    fn fused_gate_backward(
        gate: Float,
        x: Float,
        dy: Float,
        kind: ActivationKind,
        dropout: DropoutArgs,
    ) -> (Float, Float) {
        let (cols, shape) = (width(&x), x.layout().shape().clone());
        let (gate, x) = (contiguous(gate), contiguous(x));
        let op = kernels::Gate { kind, cols, dropout: dropout.into() };
        let mut d_gate = zeros(values(&gate).len());
        let dx = in_place(dy, |d| op.backward(values(&gate), values(&x), d, &mut d_gate));
        (tensor(d_gate, shape), dx)
    }

    fn fused_rotation_backward(dy: Float, cos: Float, sin: Float) -> Float {
        let (dy, cos, sin) = (heads(dy), contiguous(cos), contiguous(sin));
        let (rotation, dims) = rotation(&dy, &cos, &sin);
        let [batch, n_heads, seq] = dims;
        seq_major(rotation.turn_back(head_view(&dy), dims), [batch, n_heads, seq, rotation.d])
    }

    fn fused_norm_with_stats(x: Float, gamma: Float, beta: Float, args: NormArgs) -> (Float, Float) {
        let (gamma, beta) = (contiguous(gamma), contiguous(beta));
        let n = x.layout().num_elements() / width(&x);
        let mut stats = vec![0.0; 2 * n];
        let y = map(x, |x, y| norm(&gamma, Some(&beta), args).forward(x, y, &mut stats));
        (y, tensor(stats, [n, 2]))
    }

    fn fused_add_norm_with_stats(
        x: Float,
        f: Float,
        gamma: Float,
        beta: Float,
        args: NormArgs,
        dropout: DropoutArgs,
    ) -> (Float, Float, Float) {
        let (gamma, beta) = (contiguous(gamma), contiguous(beta));
        let n = x.layout().num_elements() / width(&x);
        let (mut sum, mut stats) = (owned(f), vec![0.0; 2 * n]);
        let norm = norm(&gamma, Some(&beta), args);
        let y = map(x, |x, y| norm.residual_forward(x, sum.storage_mut(), dropout.into(), y, &mut stats));
        (y, sum, tensor(stats, [n, 2]))
    }

    fn fused_norm_backward(
        x: Float,
        stats: Float,
        gamma: Float,
        dy: Float,
        so_far: Option<Float>,
        args: NormArgs,
    ) -> (Float, Float, Float) {
        let (d, x, gamma, so_far) = (width(&x), contiguous(x), contiguous(gamma), so_far.map(contiguous));
        let (mut d_gamma, mut d_beta) = (vec![0.0; d], vec![0.0; d]);
        // The gradients do not depend on β, but its own gradient is wanted.
        let norm = norm(&gamma, Some(&gamma), args);
        let dx = in_place(dy, |dx| {
            let gradients = kernels::NormGradients { x: dx, gamma: &mut d_gamma, beta: Some(&mut d_beta) };
            norm.backward(values(&x), values(&stats), so_far.as_ref().map(values), gradients);
        });
        (dx, tensor(d_gamma, [d]), tensor(d_beta, [d]))
    }

    fn fused_attention_with_lse(
        q: Float,
        k: Float,
        v: Float,
        bias: Option<Float>,
        args: AttentionArgs,
    ) -> (Float, Float) {
        let (q, k, v, bias) = (heads(q), heads(k), heads(v), bias.map(contiguous));
        if let Some(lengths) = &args.texts {
            return texts::forward([&q, &k, &v], bias.as_ref(), &args, lengths);
        }
        let attention = attention(&q, &v, bias.as_ref(), &args);
        let AttentionShape { batch, heads, q_len, d_v, .. } = attention.shape;
        let (out, lse) = attention.output(head_view(&q), head_view(&k), head_view(&v));
        (seq_major(out, [batch, heads, q_len, d_v]), tensor(lse, [batch, heads, q_len]))
    }

    fn fused_attention_backward(
        [q, k, v, out, lse]: [Float; 5],
        bias: Option<Float>,
        dy: Float,
        args: AttentionArgs,
        wants_bias: bool,
    ) -> ([Float; 3], Option<Float>) {
        let (q, k, v, out, dy) = (heads(q), heads(k), heads(v), heads(out), heads(dy));
        let bias = bias.map(contiguous);
        if let Some(lengths) = &args.texts {
            return texts::backward([&q, &k, &v, &out, &lse], bias.as_ref(), &dy, &args, lengths, wants_bias);
        }
        let attention = attention(&q, &v, bias.as_ref(), &args);
        let ([dq, dk, dv], d_bias) = attention.gradients(
            head_view(&q),
            head_view(&k),
            head_view(&v),
            head_view(&out),
            values(&lse),
            head_view(&dy),
            wants_bias,
        );
        let d_bias = bias.as_ref().zip(d_bias).map(|(bias, d)| tensor(d, bias.layout().shape().clone()));
        let d_qkv = [(dq, &q), (dk, &k), (dv, &v)];
        (d_qkv.map(|(gradient, of)| seq_major(gradient, dims(of))), d_bias)
    }

    fn fused_cross_entropy_with_gradients(
        hidden: Float,
        weight: Float,
        args: TargetArgs,
        wants_weight: bool,
    ) -> (Float, Float, Option<Float>) {
        let weight = contiguous(weight);
        let mut d_weight = wants_weight.then(|| zeros(values(&weight).len()));
        let mut sums = kernels::CrossEntropy::default();
        let d_hidden = map(hidden, |hidden, d_hidden| {
            let gradients = kernels::VocabGradients { hidden: d_hidden, weight: d_weight.as_deref_mut(), bias: None };
            sums = projection(&weight).loss_and_gradients(hidden, &targets(&args), gradients);
        });
        (loss(sums), d_hidden, d_weight.map(|d_weight| tensor(d_weight, weight.layout().shape().clone())))
    }

    fn fused_scale(x: Float, by: Float) -> Float {
        let factor = values(&contiguous(by))[0];
        // A loss that is differentiated itself, the usual case, has the gradient 1.
        if factor == 1.0 {
            return x;
        }
        map(x, |x, y| y.iter_mut().zip(x).for_each(|(y, x)| *y = x * factor))
    }

    fn fused_embedding_backward(
        dy: Float,
        so_far: Option<Float>,
        [vocab, n_positions]: [usize; 2],
        args: EmbeddingArgs,
        dropout: DropoutArgs,
    ) -> (Float, Float) {
        let dy = contiguous(dy);
        let d_model = width(&dy);
        let so_far = so_far.unwrap_or_else(|| tensor(zeros(vocab * d_model), [vocab, d_model]));
        let mut d_positions = zeros(n_positions * d_model);
        let d_table = in_place(so_far, |d_table| {
            embedding(d_model, &args, dropout).backward(&args.ids, values(&dy), d_table, Some(&mut d_positions));
        });
        (d_table, tensor(d_positions, [n_positions, d_model]))
    }

    fn fused_recurrence_with_kept(tensors: &[Float], args: &RecurrenceArgs) -> [Float; 3] {
        recurrence::forward(tensors, args)
    }

    fn fused_recurrence_backward(tensors: &[Float], kept: [Float; 3], dy: Float, args: &RecurrenceArgs) -> Vec<Float> {
        recurrence::backward(tensors, kept, dy, args)
    }
}

impl FusedUpdates for Flex {
    fn fused_adam(
        values: Float,
        gradient: Float,
        first: Float,
        second: Float,
        step: AdamStep,
    ) -> (Float, Float, Float) {
        let AdamStep { n, lr, scale, beta_1, beta_2, epsilon, weight_decay } = step;
        let gradient = contiguous(gradient);
        let (mut w, mut m, mut v) = (owned(values), owned(first), owned(second));
        let tensor = kernels::AdamTensor {
            weights: w.storage_mut(),
            grads: self::values(&gradient),
            m: m.storage_mut(),
            v: v.storage_mut(),
            weight_decay,
        };
        kernels::Adam { lr, beta_1, beta_2, eps: epsilon }.update(n, scale as f32, vec![tensor]);
        (w, m, v)
    }

    fn fused_squared_norm(x: Float) -> Float {
        tensor(vec![kernels::sum_of_squares(&[values(&contiguous(x))]) as f32], [1])
    }
}

/// `x` as all of its storage, writable; a copy if it is shared.
fn owned(x: Float) -> Float {
    let fills_storage = x.is_contiguous() && x.storage::<f32>().len() == x.layout().num_elements();
    if fills_storage { x } else { x.to_contiguous() }
}
