use super::few;
use super::weights::{Running, rescale_rows, scale_rows, weights};
use super::{Attention, AttentionShape, Call, HeadCall, Heads, HeadsMut, KEYS, QUERIES};
use crate::extent::work;
use crate::matmul::{A_BLOCK, A_STRIDE, ABlock, Packed, multiply_block};
use crate::scratch::Scratch;
use crate::{MatMut, MatRef};
use rayon::prelude::*;
use std::ops::DerefMut;

/// Queries of a job: a long sequence is shared out, but each job packs the head's keys and values.
const JOB_QUERIES: usize = 512;
/// Calls with fewer multiply-adds stay on the calling thread.
pub(super) const MIN_PARALLEL: usize = 1 << 17;

impl Attention<'_> {
    /// The attention of every query, and, for the backward pass, the log-sum-exp of its scores.
    ///
    /// # Shapes
    /// - `q`: `[batch, heads, q_len, d_k]`, `k`: `[batch, kv_heads, k_len, d_k]`, `v`: `[batch, kv_heads, k_len, d_v]`
    /// - `out`: `[batch, heads, q_len, d_v]`
    /// - `lse`: `[batch, heads, q_len]`, contiguous; infinite for a query that sees no key
    ///
    /// # Panics
    /// If a view does not fit its slice, or heads of `out` overlap.
    pub fn forward(&self, q: Heads<'_>, k: Heads<'_>, v: Heads<'_>, out: HeadsMut<'_>, lse: &mut [f32]) {
        let AttentionShape { q_len, k_len, d_k, d_v, .. } = self.shape;
        self.check(q, k, v, lse.len());
        self.each_head(self.call(), out, lse, |head, first, out, lse| {
            let (b, kv) = (head.b, head.kv_head());
            let operands = [q.head(b, head.h, [q_len, d_k]), k.head(b, kv, [k_len, d_k]), v.head(b, kv, [k_len, d_v])];
            head.forward(first, operands, out, lse);
        });
    }

    /// Lets `attend` write the output and the log-sum-exps of some queries of a head, from a first one on, for all of them.
    pub(super) fn each_head(
        &self,
        call: Call<'_>,
        out: HeadsMut<'_>,
        lse: &mut [f32],
        attend: impl Fn(&HeadCall<'_>, usize, &mut MatMut<'_>, &mut [f32]) + Sync,
    ) {
        let AttentionShape { batch, heads, q_len, k_len, d_k, d_v, .. } = self.shape;
        out.check("outputs", [batch, heads, q_len, d_v]);
        let jobs_per_head = q_len.div_ceil(JOB_QUERIES);
        let all_lse = MatMut::new(lse, batch * heads, q_len);
        let job = |job: usize| {
            let (head, first) = (job / jobs_per_head, job % jobs_per_head * JOB_QUERIES);
            let rows = JOB_QUERIES.min(q_len - first);
            let head_call = HeadCall::new(call, head);
            let (b, h) = (head_call.b, head_call.h);
            // SAFETY: each job has its own queries of its own head, and so its own rows of the output.
            let (mut out, mut lse) =
                unsafe { (out.rows(b, h, first, [rows, d_v]), all_lse.shared_block([head, first], [1, rows])) };
            attend(&head_call, first, &mut out, lse.row(0));
        };
        let n_jobs = batch * heads * jobs_per_head;
        if n_jobs <= 1 || work([batch * heads * q_len, k_len, d_k.saturating_add(d_v)]) < MIN_PARALLEL {
            (0..n_jobs).for_each(job);
        } else {
            (0..n_jobs).into_par_iter().for_each(job);
        }
    }
}

impl HeadCall<'_> {
    /// The output of the queries from `first` on, one for each row of `out`.
    fn forward(&self, first: usize, [q, k, v]: [MatRef<'_>; 3], out: &mut MatMut<'_>, lse: &mut [f32]) {
        let Call { level, attention, .. } = self.call;
        let AttentionShape { d_k, d_v, .. } = attention.shape;
        if attention.shape.q_len < few::MANY {
            return few::attend(level, &self.all_keys(), q, k, v, out, lse);
        }
        let keys = Packed::new(level, k.block([0, 0], [self.k_end, d_k]).t());
        let values = Packed::new(level, v.block([0, 0], [self.k_end, d_v]));
        self.blocks(first, q, &keys, &values, out, lse);
    }

    /// As [`forward`](Self::forward), of packed keys, transposed, and values.
    pub(super) fn blocks<T: DerefMut<Target = [f32]>>(
        &self,
        first: usize,
        q: MatRef<'_>,
        keys: &Packed<T>,
        values: &Packed<T>,
        out: &mut MatMut<'_>,
        lse: &mut [f32],
    ) {
        let Call { level, attention, .. } = self.call;
        let AttentionShape { d_k, d_v, .. } = attention.shape;
        let mut scores = Scratch::new(QUERIES * A_STRIDE);
        let mut room = Scratch::new(A_BLOCK);
        let mut sums = Scratch::new(QUERIES * d_v);
        for start in (0..lse.len()).step_by(QUERIES) {
            let (i, rows) = (first + start, QUERIES.min(lse.len() - start));
            let queries = q.block([i, 0], [rows, d_k]);
            let mut running = [Running::START; QUERIES];
            sums[..rows * d_v].fill(0.0);
            let first_key = self.first_block(i);
            for j in (first_key..self.seen(i + rows - 1)).step_by(KEYS) {
                let block = self.block(i, rows, j);
                let to = MatMut::strided(&mut scores, [rows, block.cols], A_STRIDE);
                keys.multiply(queries, j, &mut room, to, false);
                weights(level, &block, &mut scores, &mut running);
                if j > first_key {
                    let factors = running.map(|running| running.rescale);
                    rescale_rows(level, &factors[..rows], d_v, &mut sums);
                }
                let a = ABlock::of(&scores, false);
                let to = MatMut::new(&mut sums, rows, d_v);
                multiply_block(level, block.cols, a, values.rows_from(j), to, true);
            }
            let block = self.block(i, rows, 0);
            let mut factors = [0.0; QUERIES];
            for r in 0..rows {
                (factors[r], lse[start + r]) = block.normaliser(running[r].max, running[r].sum);
            }
            scale_rows(level, &factors[..rows], &sums, out.block([start, 0], [rows, d_v]));
        }
    }
}
