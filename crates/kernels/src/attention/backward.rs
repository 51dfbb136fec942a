use super::weights::{dot_rows, weight_gradients};
use super::{Attention, AttentionGradients, AttentionShape, Call, HeadCall, Heads, KEYS, QUERIES};
use crate::matmul::{A_BLOCK, A_STRIDE, ABlock, Packed, multiply_block};
use crate::scratch::Scratch;
use crate::{MatMut, MatRef};
use rayon::prelude::*;

/// What the forward pass was given and gave.
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
    /// Weights are computed again from `lse`; each head is one job. With `P` the weights, `M` the dropout mask times its
    /// scale, and `D` the row sums of `d_out ∘ out`: `dv = (P ∘ M)ᵀ d_out`, `dS = P ∘ (M ∘ d_out vᵀ - D)`,
    /// `dq = dS k / √d_k`, `dk = dSᵀ q / √d_k`.
    ///
    /// # Shapes
    /// As [`forward`](Self::forward); `out` and `d_out` are `[batch, heads, q_len, d_v]`.
    ///
    /// # Panics
    /// If a view does not fit its slice, or heads of a gradient overlap.
    #[allow(clippy::too_many_arguments)]
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
        let AttentionShape { batch, heads, q_len, k_len, d_k, d_v } = self.shape;
        self.check(q, k, v, lse.len());
        out.check("outputs", [batch, heads, q_len, d_v]);
        d_out.check("output gradients", [batch, heads, q_len, d_v]);
        gradients.q.check("query gradients", [batch, heads, q_len, d_k]);
        gradients.k.check("key gradients", [batch, heads, k_len, d_k]);
        gradients.v.check("value gradients", [batch, heads, k_len, d_v]);
        let call = self.call();
        (0..batch * heads).into_par_iter().for_each(|head| {
            let head_call = HeadCall::new(call, head);
            let (b, h) = (head_call.b, head_call.h);
            let forward = Forward {
                q: q.head(b, h, [q_len, d_k]),
                k: k.head(b, h, [k_len, d_k]),
                v: v.head(b, h, [k_len, d_v]),
                out: out.head(b, h, [q_len, d_v]),
                lse: &lse[head * q_len..][..q_len],
            };
            // SAFETY: each head is one job's.
            let gradients = unsafe {
                [
                    gradients.q.rows(b, h, 0, [q_len, d_k]),
                    gradients.k.rows(b, h, 0, [k_len, d_k]),
                    gradients.v.rows(b, h, 0, [k_len, d_v]),
                ]
            };
            head_call.backward(&forward, d_out.head(b, h, [q_len, d_v]), gradients);
        });
    }
}

impl HeadCall<'_> {
    fn backward(&self, forward: &Forward<'_>, d_out: MatRef<'_>, gradients: [MatMut<'_>; 3]) {
        let Call { level, attention, .. } = self.call;
        let AttentionShape { q_len, k_len, d_k, d_v, .. } = attention.shape;
        let Forward { q, k, v, out, lse } = *forward;
        let [mut dq, mut dk, mut dv] = gradients;
        let (k, v) = (k.block([0, 0], [self.k_end, d_k]), v.block([0, 0], [self.k_end, d_v]));
        let keys = Packed::new(level, k);
        let (keys_t, values_t) = (Packed::new(level, k.t()), Packed::new(level, v.t()));
        let mut scores = Scratch::new(QUERIES * A_STRIDE);
        let mut d_scores = Scratch::new(QUERIES * A_STRIDE);
        let mut room = Scratch::new(A_BLOCK);
        // Keys up to here have a gradient already, to which later queries add.
        let mut covered = 0;
        for i in (0..q_len).step_by(QUERIES) {
            let rows = QUERIES.min(q_len - i);
            let (q, d_out, out) =
                (q.block([i, 0], [rows, d_k]), d_out.block([i, 0], [rows, d_v]), out.block([i, 0], [rows, d_v]));
            let (queries, d_outs) = (Packed::new(level, q), Packed::new(level, d_out));
            let mut dots = [0.0; QUERIES];
            dot_rows(level, out, d_out, &mut dots);
            let mut dq = dq.block([i, 0], [rows, d_k]);
            let seen = self.seen(i + rows - 1);
            for j in (0..seen).step_by(KEYS) {
                let block = self.block(i, rows, j);
                let cols = block.cols;
                keys_t.multiply(q, j, &mut room, MatMut::strided(&mut scores, [rows, cols], A_STRIDE), false);
                values_t.multiply(d_out, j, &mut room, MatMut::strided(&mut d_scores, [rows, cols], A_STRIDE), false);
                weight_gradients(level, &block, &lse[i..], &dots, &mut scores, &mut d_scores);
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
                multiply_block(level, cols, d_scores, keys.rows_from(j), dq, j > 0);
            }
            covered = covered.max(seen);
            if seen == 0 {
                dq.fill(0.0);
            }
        }
        dk.block([covered, 0], [k_len - covered, d_k]).fill(0.0);
        dv.block([covered, 0], [k_len - covered, d_v]).fill(0.0);
    }
}
