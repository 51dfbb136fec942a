//! Fused scaled dot-product attention: the weights of a few queries at a time, none kept for the backward pass.

#![allow(unsafe_code, reason = "heads are written by several threads")]

mod backward;
mod few;
mod forward;
mod heads;
mod packed;
mod step;
mod weights;

pub use heads::{HeadStrides, Heads, HeadsMut};
pub use packed::PackedKeysValues;
pub use step::StepAttention;

use crate::extent::elements;
use crate::matmul::DEPTH;
use crate::{Dropout, Level};

/// Queries whose weights are held at once.
const QUERIES: usize = 64;
/// Keys of a block: the weights are then a block of A, ready for the next product.
const KEYS: usize = DEPTH;

/// The dimensions of [`Attention`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionShape {
    /// Sequences.
    pub batch: usize,
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values, each of which serves `heads / kv_heads` neighbouring heads of queries.
    pub kv_heads: usize,
    /// Queries of a sequence.
    pub q_len: usize,
    /// Keys and values of a sequence.
    pub k_len: usize,
    /// Features of a query and of a key.
    pub d_k: usize,
    /// Features of a value.
    pub d_v: usize,
}

/// Scaled dot-product attention of all heads, `softmax(q kᵀ / √d_k + bias) v`, with dropout on the weights.
///
/// Source: Vaswani et al. 2017, section 3.2.1, equation 1; blocks of keys with a running maximum and sum, and weights
/// recomputed in the backward pass from the log-sum-exp of each row: Dao et al. 2022, "FlashAttention", algorithms 1
/// and 4. Memory is linear in the lengths. A query that sees no key gives zeros, and passes no gradient.
///
/// ```
/// use attentive_kernels::{Attention, AttentionShape, Dropout, HeadStrides, Heads, HeadsMut};
///
/// let shape = AttentionShape { batch: 1, heads: 1, kv_heads: 1, q_len: 1, k_len: 2, d_k: 1, d_v: 1 };
/// let attention = Attention::new(shape);
/// let strides = HeadStrides::head_major(1, 2, 1);
/// let (q, k, v) = ([0.0], [1.0, 5.0], [4.0, 8.0]);
/// let mut out = [0.0];
/// attention.forward(
///     Heads::new(&q, strides),
///     Heads::new(&k, strides),
///     Heads::new(&v, strides),
///     HeadsMut::new(&mut out, strides),
///     &mut [0.0],
/// );
/// assert_eq!(out, [6.0]); // a query of zero sees both keys alike
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Attention<'a> {
    /// Dimensions.
    pub shape: AttentionShape,
    /// Keys that no query sees, such as padding, `[batch, k_len]`: true = hidden.
    pub hidden: Option<&'a [bool]>,
    /// Whether a query sees only keys at or before its own position. The last query is at the position of the last key,
    /// so fewer queries than keys are a continuation.
    pub causal: bool,
    /// Width of the window: keys `window` or more positions before or after the query are hidden.
    pub window: Option<usize>,
    /// Bias of scores.
    pub bias: Option<ScoreBias<'a>>,
    /// Bias of scores by distance, instead of [`bias`](Self::bias); it has no gradient.
    pub distances: Option<DistanceBias<'a>>,
    /// Factor of the products of queries and keys: `1 / √d_k` in the paper, 1 in T5.
    pub scale: f32,
    /// Bound `c` of scaled scores, which become `c · tanh(score / c)` before a bias (Gemma Team 2024, "Gemma 2", §2); for the
    /// forward pass alone.
    pub cap: Option<f32>,
    /// Dropout on the weights, a row of the mask for each of the `[batch, heads, q_len]` queries and `k_len` columns.
    pub dropout: Dropout,
}

/// Bias added to scores, `[batch or 1, heads or 1, q_len, k_len]`: an axis of length 1 serves all sequences or heads.
#[derive(Clone, Copy, Debug)]
pub struct ScoreBias<'a> {
    /// The values, contiguous; none is positive infinity.
    pub values: &'a [f32],
    /// Number of sequences with their own values: `batch` or 1.
    pub batch: usize,
    /// Number of heads with their own values: `heads` or 1.
    pub heads: usize,
}

/// Bias added to scores that depends on the key's position minus the query's alone: ALiBi's, or that of T5's buckets.
#[derive(Clone, Copy, Debug)]
pub struct DistanceBias<'a> {
    /// `[heads, distances]`, in the order of distances; none is positive infinity.
    pub values: &'a [f32],
    /// Index of distance 0.
    pub zero: usize,
}

/// Gradients, overwritten.
#[derive(Debug)]
pub struct AttentionGradients<'a> {
    /// `[batch, heads, q_len, d_k]`.
    pub q: HeadsMut<'a>,
    /// `[batch, kv_heads, k_len, d_k]`.
    pub k: HeadsMut<'a>,
    /// `[batch, kv_heads, k_len, d_v]`.
    pub v: HeadsMut<'a>,
    /// Laid out as [`ScoreBias::values`], if the gradient of a bias is wanted.
    pub bias: Option<&'a mut [f32]>,
}

/// Values that the jobs of one call share.
#[derive(Clone, Copy)]
struct Call<'a> {
    attention: &'a Attention<'a>,
    level: Level,
}

/// One head of one sequence.
struct HeadCall<'a> {
    call: Call<'a>,
    b: usize,
    h: usize,
    /// Keys from here on are hidden from all queries.
    k_end: usize,
    /// Zero for a visible key and minus infinity for a hidden one, if any before `k_end` is hidden.
    hidden: Option<Vec<f32>>,
    /// Bias added to the head's scores.
    bias: Option<RowBias<'a>>,
}

/// Bias of rows of scores: `values[start + row · step + column]`.
#[derive(Clone, Copy)]
struct RowBias<'a> {
    values: &'a [f32],
    start: isize,
    step: isize,
}

impl<'a> Attention<'a> {
    /// The paper's: every query sees every key, and scores are divided by √d_k.
    pub fn new(shape: AttentionShape) -> Self {
        let scale = 1.0 / (shape.d_k as f32).sqrt();
        Self {
            shape,
            hidden: None,
            causal: false,
            window: None,
            bias: None,
            distances: None,
            scale,
            cap: None,
            dropout: Dropout::NONE,
        }
    }

    fn call(&'a self) -> Call<'a> {
        Call { attention: self, level: Level::current() }
    }

    /// [`forward`](Self::forward) into new memory, which is not cleared first: `[batch, q_len, heads, d_v]`, and the
    /// log-sum-exps.
    ///
    /// # Panics
    /// If a view is too small for the shape, or heads can't share those of keys.
    pub fn output(&self, q: Heads<'_>, k: Heads<'_>, v: Heads<'_>) -> (Vec<f32>, Vec<f32>) {
        let AttentionShape { batch, heads, q_len, d_v, .. } = self.shape;
        let len = elements([batch, q_len, heads, d_v]);
        let (mut out, mut lse) = (Vec::with_capacity(len), vec![0.0; batch * heads * q_len]);
        // SAFETY: the forward pass reads nothing of its output, and writes all of it.
        unsafe {
            let room = HeadsMut::in_room(&mut out.spare_capacity_mut()[..len], [q_len, heads, d_v]);
            self.forward(q, k, v, room, &mut lse);
            out.set_len(len);
        }
        (out, lse)
    }

    /// [`backward`](Self::backward) into new memory, which is not cleared first: gradients of `q`, `k` and `v`, each
    /// `[batch, seq, heads, d]`, and, with `of_bias`, that of the bias.
    ///
    /// # Panics
    /// If a view is too small for the shape, heads can't share those of keys, or a gradient is wanted of a bias that is
    /// missing.
    #[allow(clippy::too_many_arguments, reason = "operands and their sizes")]
    pub fn gradients(
        &self,
        q: Heads<'_>,
        k: Heads<'_>,
        v: Heads<'_>,
        out: Heads<'_>,
        lse: &[f32],
        d_out: Heads<'_>,
        of_bias: bool,
    ) -> ([Vec<f32>; 3], Option<Vec<f32>>) {
        let AttentionShape { batch, heads, kv_heads, q_len, k_len, d_k, d_v } = self.shape;
        let dims = [[q_len, heads, d_k], [k_len, kv_heads, d_k], [k_len, kv_heads, d_v]];
        let lens = dims.map(|[seq, heads, d]| elements([batch, seq, heads, d]));
        let [mut dq, mut dk, mut dv] = lens.map(Vec::with_capacity);
        let mut d_bias = of_bias.then(|| {
            let bias = self.bias.expect("a gradient of a bias needs the bias");
            crate::zeros(bias.values.len())
        });
        // SAFETY: the backward pass writes each element of a gradient before it adds to it, and writes all.
        unsafe {
            let gradients = AttentionGradients {
                q: HeadsMut::in_room(&mut dq.spare_capacity_mut()[..lens[0]], dims[0]),
                k: HeadsMut::in_room(&mut dk.spare_capacity_mut()[..lens[1]], dims[1]),
                v: HeadsMut::in_room(&mut dv.spare_capacity_mut()[..lens[2]], dims[2]),
                bias: d_bias.as_deref_mut(),
            };
            self.backward(q, k, v, out, lse, d_out, gradients);
            dq.set_len(lens[0]);
            dk.set_len(lens[1]);
            dv.set_len(lens[2]);
        }
        ([dq, dk, dv], d_bias)
    }

    fn check(&self, q: Heads<'_>, k: Heads<'_>, v: Heads<'_>, lse_len: usize) {
        let AttentionShape { batch, kv_heads, k_len, d_k, d_v, .. } = self.shape;
        self.check_queries(q, lse_len);
        k.check("keys", [batch, kv_heads, k_len, d_k]);
        v.check("values", [batch, kv_heads, k_len, d_v]);
    }

    fn check_queries(&self, q: Heads<'_>, lse_len: usize) {
        let AttentionShape { batch, heads, kv_heads, q_len, k_len, d_k, d_v } = self.shape;
        assert!(d_k > 0 && d_v > 0, "heads without features");
        assert!(
            heads > 0 && heads.is_multiple_of(kv_heads),
            "{heads} heads of queries can't share {kv_heads} heads of keys and values"
        );
        assert!(self.window != Some(0), "a window of no keys");
        // The number of weights is the largest size, though the weights are never kept.
        elements([batch, heads, q_len, k_len]);
        q.check("queries", [batch, heads, q_len, d_k]);
        assert!(self.hidden.is_none_or(|hidden| hidden.len() == batch * k_len), "hidden is {batch} × {k_len}");
        assert_eq!(lse_len, batch * heads * q_len, "log-sum-exp is {batch} × {heads} × {q_len}");
        if let Some(ScoreBias { values, batch: of_batch, heads: of_heads }) = self.bias {
            let is_shared = (of_batch == 1 || of_batch == batch) && (of_heads == 1 || of_heads == heads);
            assert!(is_shared, "a bias of {of_batch} × {of_heads} heads, for {batch} × {heads}");
            assert_eq!(values.len(), of_batch * of_heads * q_len * k_len, "the bias's length");
        }
        if let Some(distances) = self.distances {
            assert!(self.bias.is_none(), "scores have one bias");
            distances.check(heads, k_len, if self.causal { 1 } else { q_len });
        }
    }
}

impl<'a> HeadCall<'a> {
    fn new(call: Call<'a>, head: usize) -> Self {
        let AttentionShape { heads, q_len, k_len, .. } = call.attention.shape;
        let (b, h) = (head / heads, head % heads);
        let hidden = call.attention.hidden.map(|hidden| &hidden[b * k_len..][..k_len]);
        let k_end =
            hidden.map_or(k_len, |hidden| hidden.iter().rposition(|&hidden| !hidden).map_or(0, |last| last + 1));
        let hidden = hidden
            .map(|hidden| &hidden[..k_end])
            .filter(|hidden| hidden.contains(&true))
            .map(|hidden| hidden.iter().map(|&hidden| if hidden { f32::NEG_INFINITY } else { 0.0 }).collect());
        let bias = call.attention.bias.map(|bias| {
            let values = &bias.values[bias.head(b, h) * q_len * k_len..][..q_len * k_len];
            RowBias { values, start: 0, step: k_len as isize }
        });
        let by_distance = call.attention.distances.map(|distances| {
            let first = distances.zero as isize + q_len as isize - k_len as isize;
            RowBias { values: distances.head(heads, h), start: first, step: -1 }
        });
        let bias = bias.or(by_distance);
        Self { call, b, h, k_end, hidden, bias }
    }

    /// The head of keys and values.
    fn kv_head(&self) -> usize {
        let AttentionShape { heads, kv_heads, .. } = self.call.attention.shape;
        self.h / (heads / kv_heads)
    }

    /// Number of keys up to the last that query `i` sees, hidden ones included.
    fn seen(&self, i: usize) -> usize {
        let AttentionShape { q_len, k_len, .. } = self.call.attention.shape;
        match self.ahead() {
            Some(ahead) => (i + ahead + k_len).saturating_sub(q_len).min(self.k_end),
            None => self.k_end,
        }
    }

    /// The first key within the window of query `i`.
    fn first(&self, i: usize) -> usize {
        let AttentionShape { q_len, k_len, .. } = self.call.attention.shape;
        self.call.attention.window.map_or(0, |window| (i + 1 + k_len).saturating_sub(q_len + window.min(k_len)))
    }

    /// The first key of the first block of keys that query `i` needs.
    fn first_block(&self, i: usize) -> usize {
        self.first(i) / KEYS * KEYS
    }

    /// Number of keys that a query sees from its own position on: 1 without a future.
    fn ahead(&self) -> Option<usize> {
        let Attention { causal, window, shape, .. } = self.call.attention;
        if *causal { Some(1) } else { window.map(|window| window.min(shape.q_len.max(shape.k_len))) }
    }

    /// The block of weights of queries `i..i + rows` from key `j` on: as many keys as any of the queries sees.
    fn block(&self, i: usize, rows: usize, j: usize) -> weights::Block<'_> {
        let seen = self.seen(i + rows - 1).saturating_sub(j);
        self.keys(i, rows, j, seen.min(KEYS))
    }

    /// All queries against all keys.
    fn all_keys(&self) -> weights::Block<'_> {
        self.keys(0, self.call.attention.shape.q_len, 0, self.k_end)
    }

    fn keys(&self, i: usize, rows: usize, j: usize, cols: usize) -> weights::Block<'_> {
        let AttentionShape { heads, q_len, k_len, .. } = self.call.attention.shape;
        let Attention { window, scale, cap, dropout, .. } = *self.call.attention;
        // Position of the block's key 0, relative to the first query's.
        let own = (i + k_len) as isize - (q_len + j) as isize;
        weights::Block {
            rows,
            cols,
            first: window.map_or(isize::MIN, |window| own + 1 - window.min(k_len) as isize),
            first_unseen: self.ahead().map_or(isize::MAX - rows as isize, |ahead| own + ahead as isize),
            scale,
            cap,
            hidden: self.hidden.as_deref().map(|hidden| &hidden[j..j + cols]),
            bias: self.bias.map(|bias| RowBias { start: bias.start + i as isize * bias.step + j as isize, ..bias }),
            dropout,
            first_row: (self.b * heads + self.h) * q_len + i,
            first_key: j,
            k_len,
        }
    }
}

impl RowBias<'_> {
    /// The bias of the first `cols` scores of a row.
    #[inline(always)]
    fn row(&self, row: usize, cols: usize) -> &[f32] {
        if cols == 0 {
            return &[];
        }
        &self.values[(self.start + row as isize * self.step) as usize..][..cols]
    }
}

impl<'a> DistanceBias<'a> {
    /// The values of a head.
    fn head(&self, heads: usize, h: usize) -> &'a [f32] {
        let n = self.values.len() / heads;
        &self.values[h * n..][..n]
    }

    /// Checks that there are values for `before` keys up to the query's own position and `after` from there on.
    fn check(&self, heads: usize, before: usize, after: usize) {
        let n = self.values.len() / heads;
        assert_eq!(self.values.len(), heads * n, "biases of {heads} heads");
        let fits = self.zero + 1 >= before && n.saturating_sub(self.zero) >= after;
        assert!(fits, "biases of {n} distances, the first -{}, for {before} keys and {after} after them", self.zero);
    }
}

impl ScoreBias<'_> {
    /// Index of the bias's head that serves head `h` of sequence `b`.
    fn head(&self, b: usize, h: usize) -> usize {
        let b = if self.batch == 1 { 0 } else { b };
        b * self.heads + if self.heads == 1 { 0 } else { h }
    }
}
