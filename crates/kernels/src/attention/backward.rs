use super::weights::{dot_rows, weight_gradients};
use super::{Attention, AttentionGradients, AttentionShape, Call, HeadCall, Heads, KEYS, QUERIES};
use crate::matmul::{A_BLOCK, A_STRIDE, ABlock, Packed, multiply_block};
use crate::scratch::Scratch;
use crate::{MatMut, MatRef};
use rayon::prelude::*;

/// Inputs and outputs of the forward pass.
struct Forward<'a> {
    q: MatRef<'a>,
    k: MatRef<'a>,
    v: MatRef<'a>,
    out: MatRef<'a>,
    lse: &'a [f32],
}

impl Attention<'_> {
    /// The gradients of [`forward`](Self::forward) for the gradient `d_out` of its output.
    ///
    /// Weights are computed again from `lse`; each head of keys is one job or, if a bias wants its gradient, all heads
    /// that a head of the bias serves. With `P` the weights, `M` the dropout mask times its scale, and `D` the row sums
    /// of `d_out ∘ out`: `dv = (P ∘ M)ᵀ d_out`, `dS = P ∘ (M ∘ d_out vᵀ - D)`, `dq = dS k / √d_k`, `dk = dSᵀ q / √d_k`;
    /// the bias's gradient is `dS`.
    ///
    /// # Shapes
    /// As [`forward`](Self::forward); `out` and `d_out` are `[batch, heads, q_len, d_v]`.
    ///
    /// # Panics
    /// If a view does not fit its slice, heads of a gradient overlap, or scores have a cap.
    #[allow(clippy::too_many_arguments, reason = "operands and their sizes")]
    pub fn backward(
        &self,
        q: Heads<'_>,
        k: Heads<'_>,
        v: Heads<'_>,
        out: Heads<'_>,
        lse: &[f32],
        d_out: Heads<'_>,
        gradients: AttentionGradients<'_>,
    ) {
        let AttentionShape { batch, heads, kv_heads, q_len, k_len, d_k, d_v } = self.shape;
        assert!(self.cap.is_none(), "the backward pass of bounded scores is not here");
        self.check(q, k, v, lse.len());
        out.check("outputs", [batch, heads, q_len, d_v]);
        d_out.check("output gradients", [batch, heads, q_len, d_v]);
        let AttentionGradients { q: dq, k: dk, v: dv, bias: d_bias } = gradients;
        dq.check("query gradients", [batch, heads, q_len, d_k]);
        dk.check("key gradients", [batch, kv_heads, k_len, d_k]);
        dv.check("value gradients", [batch, kv_heads, k_len, d_v]);
        // All that one head of the bias serves must be one job, if the bias's gradient is wanted; so must a head of
        // keys.
        let (batches, head_groups) = match (&d_bias, self.bias) {
            (Some(d_bias), Some(bias)) => {
                assert_eq!(d_bias.len(), bias.values.len(), "the bias and its gradient differ in length");
                (bias.batch.min(batch), if bias.heads == 1 { 1 } else { kv_heads })
            }
            (Some(_), None) => panic!("a gradient is wanted of a bias that is missing"),
            (None, _) => (batch, kv_heads),
        };
        let (call, n_jobs) = (self.call(), batches * head_groups);
        if n_jobs == 0 {
            return;
        }
        let job = |job: usize, mut d_bias: Option<&mut [f32]>| {
            let (sequences, group) = (batch / batches, heads / head_groups);
            let (first_b, first_h) = (job / head_groups * sequences, job % head_groups * group);
            for (b, h) in (0..sequences).flat_map(|b| (0..group).map(move |h| (first_b + b, first_h + h))) {
                let head = b * heads + h;
                let head_call = HeadCall::new(call, head);
                let kv = head_call.kv_head();
                let forward = Forward {
                    q: q.head(b, h, [q_len, d_k]),
                    k: k.head(b, kv, [k_len, d_k]),
                    v: v.head(b, kv, [k_len, d_v]),
                    out: out.head(b, h, [q_len, d_v]),
                    lse: &lse[head * q_len..][..q_len],
                };
                // SAFETY: a head of keys is one job's, and so are the heads of queries that it serves.
                let gradients = unsafe {
                    [dq.rows(b, h, 0, [q_len, d_k]), dk.rows(b, kv, 0, [k_len, d_k]), dv.rows(b, kv, 0, [k_len, d_v])]
                };
                let d_bias = d_bias.as_deref_mut().map_or(&mut [][..], |d_bias| {
                    // The job's own heads of the bias.
                    let n = d_bias.len() / (q_len * k_len).max(1);
                    let at = if n > 1 { h - first_h } else { 0 };
                    &mut d_bias[at * q_len * k_len..][..q_len * k_len]
                });
                let is_first = h % (heads / kv_heads) == 0;
                head_call.backward(&forward, d_out.head(b, h, [q_len, d_v]), gradients, is_first, d_bias);
            }
        };
        match d_bias {
            Some(d_bias) if !d_bias.is_empty() => {
                d_bias.fill(0.0);
                let len = d_bias.len() / n_jobs;
                d_bias.par_chunks_mut(len).enumerate().for_each(|(idx, d_bias)| job(idx, Some(d_bias)));
            }
            _ => (0..n_jobs).into_par_iter().for_each(|idx| job(idx, None)),
        }
    }
}

impl HeadCall<'_> {
    /// The gradients of one head; those of keys and values are written by the first head (`is_first`) and added to by
    /// the others. `d_bias` (`[q_len, k_len]`, or empty) is added to.
    fn backward(
        &self,
        forward: &Forward<'_>,
        d_out: MatRef<'_>,
        gradients: [MatMut<'_>; 3],
        is_first: bool,
        d_bias: &mut [f32],
    ) {
        let Call { level, attention } = self.call;
        let AttentionShape { q_len, k_len, d_k, d_v, .. } = attention.shape;
        let Forward { q, k, v, out, lse } = *forward;
        let [mut dq, mut dk, mut dv] = gradients;
        let (k, v) = (k.block([0, 0], [self.k_end, d_k]), v.block([0, 0], [self.k_end, d_v]));
        let keys = Packed::new(level, k);
        let (keys_t, values_t) = (Packed::new(level, k.t()), Packed::new(level, v.t()));
        let mut scores = Scratch::new(QUERIES * A_STRIDE);
        let mut d_scores = Scratch::new(QUERIES * A_STRIDE);
        let mut room = Scratch::new(A_BLOCK);
        // Keys before this one already have a gradient, to which later queries add.
        let mut covered = if is_first { self.first_block(0).min(k_len) } else { k_len };
        if is_first {
            dk.block([0, 0], [covered, d_k]).fill(0.0);
            dv.block([0, 0], [covered, d_v]).fill(0.0);
        }
        for i in (0..q_len).step_by(QUERIES) {
            let rows = QUERIES.min(q_len - i);
            let (q, d_out, out) =
                (q.block([i, 0], [rows, d_k]), d_out.block([i, 0], [rows, d_v]), out.block([i, 0], [rows, d_v]));
            let (queries, d_outs) = (Packed::new(level, q), Packed::new(level, d_out));
            let mut dots = [0.0; QUERIES];
            dot_rows(level, out, d_out, &mut dots);
            let mut dq = dq.block([i, 0], [rows, d_k]);
            let (first_key, seen) = (self.first_block(i), self.seen(i + rows - 1));
            for j in (first_key..seen).step_by(KEYS) {
                let block = self.block(i, rows, j);
                let cols = block.cols;
                keys_t.multiply(q, j, &mut room, MatMut::strided(&mut scores, [rows, cols], A_STRIDE), false);
                values_t.multiply(d_out, j, &mut room, MatMut::strided(&mut d_scores, [rows, cols], A_STRIDE), false);
                let d_bias = if d_bias.is_empty() { &mut [][..] } else { &mut d_bias[i * k_len + j..] };
                weight_gradients(level, &block, &lse[i..], &dots, &mut scores, &mut d_scores, d_bias);
                let split = covered.clamp(j, j + cols);
                for (keys, accumulate) in [(j..split, true), (split..j + cols, false)] {
                    let dv = dv.block([keys.start, 0], [keys.len(), d_v]);
                    let weights_t = ABlock::of(&scores[keys.start - j..], true);
                    multiply_block(level, rows, weights_t, d_outs.rows_from(0), dv, accumulate);
                    let dk = dk.block([keys.start, 0], [keys.len(), d_k]);
                    let d_scores_t = ABlock::of(&d_scores[keys.start - j..], true);
                    multiply_block(level, rows, d_scores_t, queries.rows_from(0), dk, accumulate);
                }
                let d_scores = ABlock::of(&d_scores, false);
                let dq = dq.block([0, 0], [rows, d_k]);
                multiply_block(level, cols, d_scores, keys.rows_from(j), dq, j > first_key);
            }
            covered = covered.max(seen);
            if first_key >= seen {
                dq.fill(0.0);
            }
        }
        dk.block([covered, 0], [k_len - covered, d_k]).fill(0.0);
        dv.block([covered, 0], [k_len - covered, d_v]).fill(0.0);
    }
}
