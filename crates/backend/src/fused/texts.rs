//! Attention of texts that follow one another in one sequence, on flex's slices: a call of the kernel for each.

use std::borrow::Cow;

use attentive_core::Dropout;
use attentive_kernels::{Attention, AttentionGradients, AttentionShape, HeadStrides, HeadsMut, ScoreBias, zeros};

use super::{
    AttentionArgs, DropoutArgs,
    flex::{Float, attention, dims, head_view_from, seq_major, tensor, values},
};

/// One of the texts.
struct Text<'a> {
    /// Its first position.
    first: usize,
    /// Its positions.
    n: usize,
    /// Its part of the bias, `[heads or 1, n, n]`.
    bias: Option<Cow<'a, [f32]>>,
    /// The mask of its weights is its own.
    dropout: DropoutArgs,
}

impl<'a> Text<'a> {
    fn all(
        lengths: &'a [usize],
        bias: Option<&'a Float>,
        DropoutArgs { rate, key }: DropoutArgs,
    ) -> impl Iterator<Item = Self> {
        let keys = Dropout::new(key);
        let mut end = 0;
        lengths.iter().map(move |&n| {
            end += n;
            let dropout = DropoutArgs { rate, key: keys.next_key() };
            Self { first: end - n, n, bias: bias.map(|bias| corner(bias, n)), dropout }
        })
    }

    /// The attention of the text, of that of the whole sequence.
    fn attention<'b>(&'b self, whole: Attention<'b>) -> Attention<'b> {
        let n = self.n;
        Attention {
            shape: AttentionShape { q_len: n, k_len: n, ..whole.shape },
            bias: self.bias.as_deref().map(|values| ScoreBias { values, batch: 1, heads: values.len() / (n * n) }),
            dropout: self.dropout.into(),
            ..whole
        }
    }

    /// Its part of values of `width` for each position.
    fn part<'b>(&self, of: &'b [f32], width: usize) -> &'b [f32] {
        &of[self.first * width..][..self.n * width]
    }

    /// As [`part`](Self::part), writable.
    fn part_mut<'b>(&self, of: &'b mut [f32], width: usize) -> &'b mut [f32] {
        &mut of[self.first * width..][..self.n * width]
    }

    /// Its part of heads `[seq, heads, d]`, writable; they are seen as `[1, heads, seq, d]`.
    fn heads_mut<'b>(&self, of: &'b mut [f32], [_, heads, _, d]: [usize; 4]) -> HeadsMut<'b> {
        HeadsMut::new(self.part_mut(of, heads * d), HeadStrides::seq_major(self.n, 1, heads, d))
    }
}

/// The first `n` queries and keys of each head of a contiguous bias, `[1, heads or 1, longest, longest]`.
fn corner(bias: &Float, n: usize) -> Cow<'_, [f32]> {
    let ([_, heads, longest, _], values) = (dims(bias), values(bias));
    if n == longest {
        return values.into();
    }
    let mut corner = Vec::with_capacity(heads * n * n);
    for head in values.chunks_exact(longest * longest) {
        head.chunks_exact(longest).take(n).for_each(|row| corner.extend_from_slice(&row[..n]));
    }
    corner.into()
}

/// Adds the gradient of a [`corner`] to that of the whole.
fn add_corner(gradient: &mut [f32], longest: usize, of_corner: &[f32], n: usize) {
    for (head, of_corner) in gradient.chunks_exact_mut(longest * longest).zip(of_corner.chunks_exact(n * n)) {
        for (row, of_corner) in head.chunks_exact_mut(longest).zip(of_corner.chunks_exact(n)) {
            row.iter_mut().zip(of_corner).for_each(|(sum, x)| *sum += x);
        }
    }
}

/// The output, and the log-sum-exps, `[heads, n]` of one text after another.
pub(super) fn forward(
    [q, k, v]: [&Float; 3],
    bias: Option<&Float>,
    args: &AttentionArgs,
    lengths: &[usize],
) -> (Float, Float) {
    let whole = attention(q, v, None, args);
    let AttentionShape { heads, q_len, d_v, .. } = whole.shape;
    let of_out = [1, heads, q_len, d_v];
    let (mut out, mut lse) = (zeros(q_len * heads * d_v), vec![0.0; q_len * heads]);
    for text in Text::all(lengths, bias, args.dropout) {
        let [q, k, v] = [q, k, v].map(|x| head_view_from(x, text.first));
        let (out, lse) = (text.heads_mut(&mut out, of_out), text.part_mut(&mut lse, heads));
        text.attention(whole).forward(q, k, v, out, lse);
    }
    (seq_major(out, of_out), tensor(lse, [1, heads, q_len]))
}

/// The gradients of `q`, `k` and `v`, and of the bias if it is wanted; `kept` are `q`, `k`, `v`, the output, its log-sum-exps.
pub(super) fn backward(
    kept: [&Float; 5],
    bias: Option<&Float>,
    dy: &Float,
    args: &AttentionArgs,
    lengths: &[usize],
    wants_bias: bool,
) -> ([Float; 3], Option<Float>) {
    let [q, k, v, out, lse] = kept;
    let whole = attention(q, v, None, args);
    let of_qkv @ [of_q, of_k, of_v] = [q, k, v].map(dims::<4>);
    let [mut dq, mut dk, mut dv] = of_qkv.map(|[_, heads, seq, d]| zeros(seq * heads * d));
    let mut d_bias = bias.filter(|_| wants_bias).map(|bias| zeros(values(bias).len()));
    for text in Text::all(lengths, bias, args.dropout) {
        let attention = text.attention(whole);
        let mut d_corner = text.bias.as_ref().filter(|_| wants_bias).map(|corner| zeros(corner.len()));
        let gradients = AttentionGradients {
            q: text.heads_mut(&mut dq, of_q),
            k: text.heads_mut(&mut dk, of_k),
            v: text.heads_mut(&mut dv, of_v),
            bias: d_corner.as_deref_mut(),
        };
        let [q, k, v, out, dy] = [q, k, v, out, dy].map(|x| head_view_from(x, text.first));
        attention.backward(q, k, v, out, text.part(values(lse), whole.shape.heads), dy, gradients);
        if let (Some(sum), Some(d_corner), Some(bias)) = (&mut d_bias, &d_corner, bias) {
            let [.., longest] = dims::<4>(bias);
            add_corner(sum, longest, d_corner, text.n);
        }
    }
    let d_bias = bias.zip(d_bias).map(|(bias, d)| tensor(d, bias.layout().shape().clone()));
    ([seq_major(dq, of_q), seq_major(dk, of_k), seq_major(dv, of_v)], d_bias)
}
