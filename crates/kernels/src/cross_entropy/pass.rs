#![allow(unsafe_code, reason = "groups of the vocabulary write disjoint parts of the weight gradient")]

use super::soft_max::{STATS, Stat, exponentials, logit_gradient, normalise};
use super::{BLOCK, CrossEntropy, Targets, VocabGradients, VocabProjection, WeightLayout};
use crate::extent::elements;
use crate::matmul::{A_BLOCK, A_STRIDE, ABlock, DEPTH, Packed, multiply_block};
use crate::parallel::add_in_order;
use crate::scratch::Scratch;
use crate::{Level, MatMut, MatRef};
use rayon::prelude::*;
use std::ops::Range;

/// Parts of the vocabulary with a sum of their own for the hidden gradient, added in order.
const GROUPS: usize = 16;

/// One block of rows through the vocabulary.
///
/// Logits are kept transposed, `[vocab, rows]`: rows are lanes, so that the soft-max runs down the vocabulary without
/// crossing lanes, and a block of the gradient is a block of A for both of its products, straight and transposed.
pub(super) struct Pass<'a> {
    projection: &'a VocabProjection<'a>,
    targets: &'a Targets<'a>,
    level: Level,
    /// Hidden states of the rows that count, `[rows, d_model]`.
    hidden: Scratch,
    /// For each block of the vocabulary `[BLOCK, A_STRIDE]`: logits, then exponentials, then the gradient.
    logits: Scratch,
    /// For each block of the vocabulary, one value of each [`Stat`] for each row.
    stats: Scratch,
}

/// Words of a block of the vocabulary.
fn words(block: usize, vocab_size: usize) -> Range<usize> {
    block * BLOCK..vocab_size.min((block + 1) * BLOCK)
}

impl<'a> Pass<'a> {
    pub(super) fn new(projection: &'a VocabProjection<'a>, targets: &'a Targets<'a>) -> Self {
        let n_blocks = projection.vocab_size.div_ceil(BLOCK);
        Self {
            projection,
            targets,
            level: Level::current(),
            hidden: Scratch::new(elements([BLOCK, projection.d_model])),
            logits: Scratch::new(elements([n_blocks, A_BLOCK])),
            stats: Scratch::new(elements([n_blocks, STATS])),
        }
    }

    /// Leaves each block's exponentials in `logits`, and the factors that turn them into probabilities in `stats`.
    pub(super) fn forward(&mut self, hidden: &[f32], rows: &[usize]) -> CrossEntropy {
        let Self { projection, targets, level, .. } = *self;
        let VocabProjection { d_model, vocab_size, bias, .. } = *projection;
        for (to, &row) in self.hidden.chunks_exact_mut(d_model).zip(rows) {
            to.copy_from_slice(&hidden[row * d_model..][..d_model]);
        }
        let n = rows.len();
        let panels = Packed::new(level, MatRef::new(&self.hidden, n, d_model).t());
        let blocks = self.logits.par_chunks_mut(A_BLOCK).zip(self.stats.par_chunks_mut(STATS));
        blocks.enumerate().for_each(|(block, (logits, stats))| {
            let words = words(block, vocab_size);
            let weight = projection.matrix().block([words.start, 0], [words.len(), d_model]);
            let to = MatMut::strided(logits, [words.len(), n], A_STRIDE);
            panels.multiply(weight, 0, &mut Scratch::new(A_BLOCK), to, false);
            if let Some(bias) = bias {
                for (logits, bias) in logits.chunks_mut(A_STRIDE).zip(&bias[words.clone()]) {
                    logits[..n].iter_mut().for_each(|logit| *logit += bias);
                }
            }
            for (i, &row) in rows.iter().enumerate() {
                let id = targets.ids[row] as usize;
                if words.contains(&id) {
                    stats[Stat::Target.of(i)] = logits[(id - words.start) * A_STRIDE + i];
                }
            }
            exponentials(level, [words.len(), n], logits, stats);
        });
        let mut merged = [0.0; STATS];
        normalise(level, n, &mut self.stats, &mut merged);
        let smoothing = f64::from(targets.smoothing);
        let mut total = CrossEntropy { n_targets: n, ..CrossEntropy::default() };
        for (i, &row) in rows.iter().enumerate() {
            let stat = |stat: Stat| f64::from(merged[stat.of(i)]);
            let log_sum_exp = stat(Stat::Max) + stat(Stat::SumExp).ln();
            let target = f64::from(self.stats[targets.ids[row] as usize / BLOCK * STATS + Stat::Target.of(i)]);
            total.nll += log_sum_exp - target;
            // Not a factor of zero: a forbidden word makes the sum infinite.
            let uniform = if smoothing > 0.0 { smoothing * stat(Stat::Sum) / vocab_size as f64 } else { 0.0 };
            total.loss += log_sum_exp - (1.0 - smoothing) * target - uniform;
        }
        total
    }

    /// Turns the exponentials into the logits' gradient and multiplies it with the weight and the hidden states.
    pub(super) fn backward(&mut self, rows: &[usize], gradients: &mut VocabGradients<'_>, accumulate: bool) {
        let Self { projection, targets, level, ref stats, .. } = *self;
        let VocabProjection { d_model, vocab_size, layout, .. } = *projection;
        let n = rows.len();
        let hidden = MatRef::new(&self.hidden, n, d_model);
        let d_weight = gradients.weight.as_deref_mut().map(|weight| match layout {
            WeightLayout::VocabMajor => MatMut::new(weight, vocab_size, d_model),
            WeightLayout::ModelMajor => MatMut::new(weight, d_model, vocab_size),
        });
        let takes_rows = d_weight.is_some() && layout == WeightLayout::VocabMajor;
        let hidden_panels = takes_rows.then(|| Packed::new(level, hidden));
        let mut bias_room = Scratch::new(vocab_size);
        let d_bias = gradients.bias.as_deref_mut().unwrap_or(&mut bias_room);

        let group_blocks = vocab_size.div_ceil(BLOCK).div_ceil(GROUPS);
        let n_groups = vocab_size.div_ceil(group_blocks * BLOCK);
        let mut d_hidden = Scratch::new(elements([n_groups, n, d_model]));
        let groups = self.logits.par_chunks_mut(group_blocks * A_BLOCK).zip(d_hidden.par_chunks_mut(n * d_model));
        groups.zip(d_bias.par_chunks_mut(group_blocks * BLOCK)).enumerate().for_each(
            |(group, ((logits, d_hidden), d_bias))| {
                for (i, (gradient, d_bias)) in logits.chunks_mut(A_BLOCK).zip(d_bias.chunks_mut(BLOCK)).enumerate() {
                    let block = group * group_blocks + i;
                    let words = words(block, vocab_size);
                    let share = &stats[block * STATS..][..BLOCK];
                    logit_gradient(level, n, share, targets.smoothing / vocab_size as f32, gradient, d_bias);
                    for (i, &row) in rows.iter().enumerate() {
                        let id = targets.ids[row] as usize;
                        if words.contains(&id) {
                            gradient[(id - words.start) * A_STRIDE + i] -= 1.0 - targets.smoothing;
                            d_bias[id - words.start] -= 1.0 - targets.smoothing;
                        }
                    }
                    let weight = projection.matrix().block([words.start, 0], [words.len(), d_model]);
                    let a = ABlock::of(gradient, true);
                    let b = Packed::new(level, weight);
                    multiply_block(level, words.len(), a, b.rows_from(0), MatMut::new(d_hidden, n, d_model), i > 0);
                    let Some(d_weight) = &d_weight else { continue };
                    if let Some(hidden) = &hidden_panels {
                        // SAFETY: each block has its own rows.
                        let c = unsafe { d_weight.shared_block([words.start, 0], [words.len(), d_model]) };
                        let a = ABlock::of(gradient, false);
                        multiply_block(level, n, a, hidden.rows_from(0), c, accumulate);
                    } else {
                        // SAFETY: each block has its own columns.
                        let mut c = unsafe { d_weight.shared_block([0, words.start], [d_model, words.len()]) };
                        let gradient = MatRef::strided(gradient, [words.len(), n], [A_STRIDE, 1]);
                        let b = Packed::new(level, gradient.t());
                        let mut room = Scratch::new(A_BLOCK);
                        for j in (0..d_model).step_by(DEPTH) {
                            let features = DEPTH.min(d_model - j);
                            let a = hidden.block([0, j], [n, features]).t();
                            b.multiply(a, 0, &mut room, c.block([j, 0], [features, words.len()]), accumulate);
                        }
                    }
                }
            },
        );
        let (sum, rest) = d_hidden.split_at_mut(n * d_model);
        add_in_order(rest, sum);
        for (from, &row) in sum.chunks_exact(d_model).zip(rows) {
            gradients.hidden[row * d_model..][..d_model].copy_from_slice(from);
        }
    }
}
