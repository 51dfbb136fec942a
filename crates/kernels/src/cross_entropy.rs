//! Projection on the vocabulary and label-smoothed cross-entropy in one pass over the weights.

#![allow(unsafe_code)] // Groups of the vocabulary write disjoint parts of the weight gradient.

use crate::math::exp;
use crate::matmul::{A_BLOCK, A_STRIDE, ABlock, DEPTH, Packed, multiply_block};
use crate::parallel::add_in_order;
use crate::scratch::Scratch;
use crate::simd::{Simd, dispatch};
use crate::{Level, MatMut, MatRef};
use rayon::prelude::*;
use std::ops::Range;

/// Tokens, and words of the vocabulary, that are worked on at once: a block of A, so no gradient is ever repacked.
const BLOCK: usize = DEPTH;
/// Parts of the vocabulary with a sum of their own for the hidden gradient, added in order.
const GROUPS: usize = 16;

/// How a projection's weight lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightLayout {
    /// `[vocab, d_model]`, as an embedding that is tied to the projection.
    VocabMajor,
    /// `[d_model, vocab]`, as burn's linear layer.
    ModelMajor,
}

/// The projection from hidden states to vocabulary logits, `logits = hidden · weightᵀ + bias`.
#[derive(Clone, Copy, Debug)]
pub struct VocabProjection<'a> {
    /// The weight, as `layout` says.
    pub weight: &'a [f32],
    /// `[vocab]`.
    pub bias: Option<&'a [f32]>,
    /// Features of a hidden state.
    pub d_model: usize,
    /// Words.
    pub vocab_size: usize,
    /// The order of `weight`.
    pub layout: WeightLayout,
}

/// What the model should have said.
#[derive(Clone, Copy, Debug)]
pub struct Targets<'a> {
    /// The right word of each row.
    pub ids: &'a [u32],
    /// Rows that do not count, such as padding: true = ignored; their ids are not looked at.
    pub ignored: Option<&'a [bool]>,
    /// Label smoothing ε in `0 ≤ ε < 1`.
    pub smoothing: f32,
}

/// Sums over the rows that count, in nats.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CrossEntropy {
    /// `-Σ q log p`, with `q` the smoothed target: the objective.
    pub loss: f64,
    /// `-Σ log p(target)`: the log of the perplexity, summed.
    pub nll: f64,
    /// Rows that count.
    pub n_targets: usize,
}

/// Where gradients of the summed loss go; what they held is overwritten.
#[derive(Debug)]
pub struct VocabGradients<'a> {
    /// `[n, d_model]`; zero for ignored rows.
    pub hidden: &'a mut [f32],
    /// As the projection's weight.
    pub weight: &'a mut [f32],
    /// `[vocab]`.
    pub bias: Option<&'a mut [f32]>,
}

impl VocabProjection<'_> {
    /// The label-smoothed cross-entropy of `hidden` `[n, d_model]`, without gradients.
    ///
    /// `-Σ_v q_v log p_v` with `q = (1 - ε) onehot(target) + ε / vocab` and `p = softmax(logits)`. Source: Szegedy et al.
    /// 2016, section 7; Vaswani et al. 2017, section 5.4. Only a block of 256 rows of logits exists at a time.
    ///
    /// # Panics
    /// If lengths do not match, or the target of a row that counts is not below `vocab_size`.
    pub fn loss(&self, hidden: &[f32], targets: &Targets<'_>) -> CrossEntropy {
        let rows = self.check(hidden, targets);
        let mut pass = Pass::new(self, targets);
        rows.chunks(BLOCK).map(|rows| pass.forward(hidden, rows)).fold(CrossEntropy::default(), CrossEntropy::plus)
    }

    /// [`loss`](Self::loss) and its gradients, for an upstream gradient of one: scale them by another.
    ///
    /// A block of 256 rows at a time, its logits become its gradient in place: `∂loss/∂logits = p - q`.
    ///
    /// # Panics
    /// As [`loss`](Self::loss).
    ///
    /// ```
    /// use attentive_kernels::{Targets, VocabGradients, VocabProjection, WeightLayout};
    ///
    /// // Two words with equal logits: the gradient pulls the right one up and the wrong one down.
    /// let projection = VocabProjection {
    ///     weight: &[1.0, 1.0], bias: None, d_model: 1, vocab_size: 2, layout: WeightLayout::VocabMajor,
    /// };
    /// let (mut hidden, mut weight) = ([0.0], [0.0; 2]);
    /// let loss = projection.loss_and_gradients(
    ///     &[3.0],
    ///     &Targets { ids: &[1], ignored: None, smoothing: 0.0 },
    ///     VocabGradients { hidden: &mut hidden, weight: &mut weight, bias: None },
    /// );
    /// assert!((loss.nll - 2f64.ln()).abs() < 1e-6);
    /// assert_eq!((hidden, weight), ([0.0], [1.5, -1.5]));
    /// ```
    pub fn loss_and_gradients(
        &self,
        hidden: &[f32],
        targets: &Targets<'_>,
        mut gradients: VocabGradients<'_>,
    ) -> CrossEntropy {
        let rows = self.check(hidden, targets);
        assert_eq!(gradients.hidden.len(), hidden.len(), "the hidden gradient's length");
        assert_eq!(gradients.weight.len(), self.weight.len(), "the weight gradient's length");
        assert!(gradients.bias.as_ref().is_none_or(|bias| bias.len() == self.vocab_size), "the bias gradient's length");
        if rows.len() < targets.ids.len() {
            gradients.hidden.fill(0.0);
        }
        if rows.is_empty() {
            gradients.weight.fill(0.0);
        }
        if let Some(bias) = &mut gradients.bias {
            bias.fill(0.0);
        }
        let mut pass = Pass::new(self, targets);
        let mut total = CrossEntropy::default();
        for (i, rows) in rows.chunks(BLOCK).enumerate() {
            total = total.plus(pass.forward(hidden, rows));
            pass.backward(rows, &mut gradients, i > 0);
        }
        total
    }

    /// Checks lengths and targets; returns the rows that count.
    fn check(&self, hidden: &[f32], targets: &Targets<'_>) -> Vec<usize> {
        let n = targets.ids.len();
        assert!(self.d_model > 0, "hidden states without features");
        assert_eq!(hidden.len(), n * self.d_model, "hidden is {n} × {}", self.d_model);
        assert_eq!(self.weight.len(), self.vocab_size * self.d_model, "the weight's length");
        assert!(self.bias.is_none_or(|bias| bias.len() == self.vocab_size), "the bias's length");
        assert!(targets.ignored.is_none_or(|ignored| ignored.len() == n), "one ignored flag a row");
        let rows: Vec<usize> = (0..n).filter(|&row| targets.ignored.is_none_or(|ignored| !ignored[row])).collect();
        for &row in &rows {
            assert!((targets.ids[row] as usize) < self.vocab_size, "target {} of row {row}", targets.ids[row]);
        }
        rows
    }

    /// `[vocab, d_model]`, wherever its elements lie.
    fn matrix(&self) -> MatRef<'_> {
        match self.layout {
            WeightLayout::VocabMajor => MatRef::new(self.weight, self.vocab_size, self.d_model),
            WeightLayout::ModelMajor => MatRef::new(self.weight, self.d_model, self.vocab_size).t(),
        }
    }
}

impl CrossEntropy {
    fn plus(self, other: Self) -> Self {
        Self { loss: self.loss + other.loss, nll: self.nll + other.nll, n_targets: self.n_targets + other.n_targets }
    }
}

/// One block of rows through the vocabulary.
///
/// Logits are kept transposed, `[vocab, rows]`: rows are lanes, so that the soft-max runs down the vocabulary without
/// crossing lanes, and a block of the gradient is a block of A for both of its products, straight and transposed.
struct Pass<'a> {
    projection: &'a VocabProjection<'a>,
    targets: &'a Targets<'a>,
    level: Level,
    /// Hidden states of the rows that count, `[rows, d_model]`.
    hidden: Scratch,
    /// For each block of the vocabulary `[BLOCK, A_STRIDE]`: logits, then exponentials, then the gradient.
    logits: Scratch,
    /// For each block of the vocabulary, one value a row of each [`Stat`].
    stats: Scratch,
}

/// What a block of the vocabulary tells of each row.
#[derive(Clone, Copy)]
enum Stat {
    /// The largest logit; after normalising, what turns the block's exponentials into probabilities.
    Max,
    /// The sum of exponentials, relative to the maximum.
    SumExp,
    /// The sum of logits.
    Sum,
    /// The logit of the target, where the block holds it.
    Target,
}

const STATS: usize = 4 * BLOCK;

impl Stat {
    fn of(self, row: usize) -> usize {
        self as usize * BLOCK + row
    }
}

/// Words of a block of the vocabulary.
fn words(block: usize, vocab_size: usize) -> Range<usize> {
    block * BLOCK..vocab_size.min((block + 1) * BLOCK)
}

impl<'a> Pass<'a> {
    fn new(projection: &'a VocabProjection<'a>, targets: &'a Targets<'a>) -> Self {
        let n_blocks = projection.vocab_size.div_ceil(BLOCK);
        Self {
            projection,
            targets,
            level: Level::current(),
            hidden: Scratch::new(BLOCK * projection.d_model),
            logits: Scratch::new(n_blocks * A_BLOCK),
            stats: Scratch::new(n_blocks * STATS),
        }
    }

    /// Leaves each block's exponentials in `logits`, and in `stats` what turns them into probabilities.
    fn forward(&mut self, hidden: &[f32], rows: &[usize]) -> CrossEntropy {
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
            total.loss += log_sum_exp - (1.0 - smoothing) * target - smoothing * stat(Stat::Sum) / vocab_size as f64;
        }
        total
    }

    /// Turns the exponentials into the logits' gradient and multiplies it with the weight and the hidden states.
    fn backward(&mut self, rows: &[usize], gradients: &mut VocabGradients<'_>, accumulate: bool) {
        let Self { projection, targets, level, ref stats, .. } = *self;
        let VocabProjection { d_model, vocab_size, layout, .. } = *projection;
        let n = rows.len();
        let hidden = MatRef::new(&self.hidden, n, d_model);
        let hidden_panels = (layout == WeightLayout::VocabMajor).then(|| Packed::new(level, hidden));
        let d_weight = match layout {
            WeightLayout::VocabMajor => MatMut::new(gradients.weight, vocab_size, d_model),
            WeightLayout::ModelMajor => MatMut::new(gradients.weight, d_model, vocab_size),
        };
        let mut bias_room = Scratch::new(vocab_size);
        let d_bias = gradients.bias.as_deref_mut().unwrap_or(&mut bias_room);

        let group_blocks = vocab_size.div_ceil(BLOCK).div_ceil(GROUPS);
        let n_groups = vocab_size.div_ceil(group_blocks * BLOCK);
        let mut d_hidden = Scratch::new(n_groups * n * d_model);
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
                    let a = ABlock { data: gradient, transposed: true };
                    let b = Packed::new(level, weight);
                    multiply_block(level, words.len(), a, b.rows_from(0), MatMut::new(d_hidden, n, d_model), i > 0);
                    if let Some(hidden) = &hidden_panels {
                        // SAFETY: each block has its own rows.
                        let c = unsafe { d_weight.shared_block([words.start, 0], [words.len(), d_model]) };
                        let a = ABlock { data: gradient, transposed: false };
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

dispatch! {
    /// `exp(logit - max)` in place for a block `[words, rows]`, with each row's maximum and sums.
    fn exponentials(dims: [usize; 2], logits: &mut [f32], stats: &mut [f32]) = exponentials_kernel
}

/// Vectors side by side in walks down a block: a few cache lines a step.
const ABREAST: usize = 4;

#[inline(always)]
fn exponentials_kernel<S: Simd>(s: S, [words, rows]: [usize; 2], logits: &mut [f32], stats: &mut [f32]) {
    // Lanes beyond `rows` hold whatever they held; no lane looks at another.
    for i in (0..rows).step_by(ABREAST * S::LANES) {
        let mut max = [s.splat(f32::NEG_INFINITY); ABREAST];
        let mut sum = [s.zero(); ABREAST];
        for logits in logits.chunks_exact(A_STRIDE).take(words) {
            for u in 0..ABREAST {
                let logit = s.load(logits, i + u * S::LANES);
                max[u] = s.max(logit, max[u]);
                sum[u] = s.add(sum[u], logit);
            }
        }
        let mut sum_exp = [s.zero(); ABREAST];
        for logits in logits.chunks_exact_mut(A_STRIDE).take(words) {
            for u in 0..ABREAST {
                let e = exp(s, s.sub(s.load(logits, i + u * S::LANES), max[u]));
                sum_exp[u] = s.add(sum_exp[u], e);
                s.store(logits, i + u * S::LANES, e);
            }
        }
        for u in 0..ABREAST {
            let i = i + u * S::LANES;
            s.store(stats, Stat::Max.of(i), max[u]);
            s.store(stats, Stat::SumExp.of(i), sum_exp[u]);
            s.store(stats, Stat::Sum.of(i), sum[u]);
        }
    }
}

dispatch! {
    /// Merges the blocks' statistics, and turns each block's maximum into `exp(max - overall max) / overall sum`.
    fn normalise(rows: usize, stats: &mut [f32], merged: &mut [f32]) = normalise_kernel
}

#[inline(always)]
fn normalise_kernel<S: Simd>(s: S, rows: usize, stats: &mut [f32], merged: &mut [f32]) {
    for i in (0..rows).step_by(S::LANES) {
        let mut max = s.splat(f32::NEG_INFINITY);
        for stats in stats.chunks_exact(STATS) {
            max = s.max(s.load(stats, Stat::Max.of(i)), max);
        }
        let (mut sum_exp, mut sum) = (s.zero(), s.zero());
        for stats in stats.chunks_exact_mut(STATS) {
            let share = exp(s, s.sub(s.load(stats, Stat::Max.of(i)), max));
            sum_exp = s.mul_add(s.load(stats, Stat::SumExp.of(i)), share, sum_exp);
            sum = s.add(sum, s.load(stats, Stat::Sum.of(i)));
            s.store(stats, Stat::Max.of(i), share);
        }
        for stats in stats.chunks_exact_mut(STATS) {
            s.store(stats, Stat::Max.of(i), s.div(s.load(stats, Stat::Max.of(i)), sum_exp));
        }
        s.store(merged, Stat::Max.of(i), max);
        s.store(merged, Stat::SumExp.of(i), sum_exp);
        s.store(merged, Stat::Sum.of(i), sum);
    }
}

dispatch! {
    /// `p - uniform` in place of a block's exponentials `[words, rows]`; adds its sum over rows to `d_bias`.
    fn logit_gradient(rows: usize, share: &[f32], uniform: f32, logits: &mut [f32], d_bias: &mut [f32]) =
        logit_gradient_kernel
}

#[inline(always)]
fn logit_gradient_kernel<S: Simd>(
    s: S,
    rows: usize,
    share: &[f32],
    uniform: f32,
    logits: &mut [f32],
    d_bias: &mut [f32],
) {
    let share = &share[..rows];
    for (logits, d_bias) in logits.chunks_exact_mut(A_STRIDE).zip(d_bias) {
        let logits = &mut logits[..rows];
        let mut sum = s.zero();
        for i in (0..rows).step_by(S::LANES) {
            let p = s.mul(s.load(logits, i), s.load(share, i));
            sum = s.add(sum, p);
            s.store(logits, i, s.sub(p, s.splat(uniform)));
        }
        *d_bias += s.sum(sum) - uniform * rows as f32;
    }
}
