//! The best few of each row of a product that is never kept: the end of a decoding step.

use crate::MatMut;
use crate::extent::elements;
use crate::math::exp;
use crate::scratch::Scratch;
use crate::simd::{Level, Simd, dispatch};
use rayon::prelude::*;

/// Columns of the product that exist at once.
const BLOCK: usize = 256;
/// Rows of the product that exist at once.
const ROWS: usize = 64;
/// Columns whose best are found by one job.
const GROUP: usize = 8 * BLOCK;

/// The best few of each row, written by a product.
///
/// In falling order of value, and of rising index among equals. A column whose value is NaN or minus infinity (a bias can
/// forbid it so) is never among them; unused places have index `u32::MAX` and value minus infinity.
#[derive(Debug)]
pub struct TopK<'a> {
    /// Number of elements.
    pub k: usize,
    /// Their columns, `[rows, k]`.
    pub ids: &'a mut [u32],
    /// Their values, `[rows, k]`.
    pub values: &'a mut [f32],
    /// The log-sum-exp of all values of each row, `[rows]`: `value - log_sum_exp` is a log-probability.
    pub log_sum_exp: &'a mut [f32],
}

/// The best of some columns of one row.
#[derive(Clone, Debug)]
struct Best {
    /// Falling values and their columns.
    candidates: Vec<(f32, u32)>,
    /// Threshold that a value must exceed while places are free.
    floor: f32,
    max: f32,
    /// Relative to the maximum.
    sum_exp: f32,
}

impl Best {
    fn new(k: usize) -> Self {
        let candidates = vec![(f32::NEG_INFINITY, u32::MAX); k];
        Self { candidates, floor: f32::NEG_INFINITY, max: f32::NEG_INFINITY, sum_exp: 0.0 }
    }

    fn threshold(&self) -> f32 {
        self.candidates.last().map_or(f32::INFINITY, |&(value, _)| value.max(self.floor))
    }

    /// Inserts a value larger than the threshold, after its equals.
    fn insert(&mut self, value: f32, id: u32) {
        let at = self.candidates.partition_point(|&(other, _)| other >= value);
        self.candidates.pop();
        self.candidates.insert(at, (value, id));
    }

    /// Merges the best of columns further right.
    fn merge(&mut self, other: &Self) {
        for &(value, id) in &other.candidates {
            if value <= self.threshold() {
                break;
            }
            self.insert(value, id);
        }
        self.add_exp(other.max, other.sum_exp);
    }

    fn add_exp(&mut self, max: f32, sum_exp: f32) {
        if max <= self.max {
            if max > f32::NEG_INFINITY {
                self.sum_exp += sum_exp * (max - self.max).exp();
            }
        } else {
            self.sum_exp =
                sum_exp + if self.max > f32::NEG_INFINITY { self.sum_exp * (self.max - max).exp() } else { 0.0 };
            self.max = max;
        }
    }
}

/// The best of each row of a product `[m, n]`, of which `columns([i, j], c)` computes the block that begins there.
pub(crate) fn of_product(
    level: Level,
    [m, n]: [usize; 2],
    bias: Option<&[f32]>,
    parallel: bool,
    best: TopK<'_>,
    columns: impl Fn([usize; 2], MatMut<'_>) + Sync,
) {
    let TopK { k, ids, values, log_sum_exp } = best;
    assert!(bias.is_none_or(|bias| bias.len() == n), "the bias of {n} columns");
    let len = elements([m, k]);
    assert!([ids.len(), values.len(), log_sum_exp.len()] == [len, len, m], "{m} rows of {k}");
    assert!(n < u32::MAX as usize, "{n} columns are more than indices name");
    let (n_rows, n_groups) = (m.div_ceil(ROWS), n.div_ceil(GROUP));
    let job = |job: usize| {
        let (i, first) = (job / n_groups * ROWS, job % n_groups * GROUP);
        let rows = ROWS.min(m - i);
        let mut best = vec![Best::new(k); rows];
        let mut block = Scratch::new(rows * BLOCK);
        for j in (first..n.min(first + GROUP)).step_by(BLOCK) {
            let cols = BLOCK.min(n - j);
            columns([i, j], MatMut::new(&mut block, rows, cols));
            let bias = bias.map(|bias| &bias[j..j + cols]);
            scan(level, bias, j, &mut block[..rows * cols], &mut best);
        }
        best
    };
    let jobs: Vec<Vec<Best>> = if parallel {
        (0..n_rows * n_groups).into_par_iter().map(job).collect()
    } else {
        (0..n_rows * n_groups).map(job).collect()
    };
    for i in 0..m {
        let mut best = Best::new(k);
        for group in &jobs[i / ROWS * n_groups..][..n_groups] {
            best.merge(&group[i % ROWS]);
        }
        for (slot, (value, id)) in best.candidates.into_iter().enumerate() {
            values[i * k + slot] = value;
            ids[i * k + slot] = id;
        }
        log_sum_exp[i] = best.max + best.sum_exp.ln();
    }
}

dispatch! {
    /// Takes the columns from `first` on into the best of each row.
    fn scan(bias: Option<&[f32]>, first: usize, block: &mut [f32], best: &mut [Best]) = scan_kernel
}

#[inline(always)]
fn scan_kernel<S: Simd>(s: S, bias: Option<&[f32]>, first: usize, block: &mut [f32], best: &mut [Best]) {
    let cols = block.len() / best.len();
    let lowest = s.splat(f32::NEG_INFINITY);
    for (row, best) in block.chunks_exact_mut(cols).zip(best) {
        if let Some(bias) = bias {
            for i in (0..cols).step_by(S::LANES) {
                s.store(row, i, s.add(s.load(row, i), s.load(bias, i)));
            }
        }
        let mut maxima = lowest;
        for i in (0..cols).step_by(S::LANES) {
            maxima = s.max(s.load_or(row, i, lowest), maxima);
        }
        let max = s.max_lane(maxima);
        if max == f32::NEG_INFINITY {
            continue;
        }
        let mut sum = s.zero();
        for i in (0..cols).step_by(S::LANES) {
            let e = exp(s, s.sub(s.load_or(row, i, lowest), s.splat(max)));
            sum = s.add(sum, e);
        }
        best.add_exp(max, s.sum(sum));
        if max <= best.threshold() {
            continue;
        }
        let k = best.candidates.len();
        if k <= S::LANES && best.threshold() == f32::NEG_INFINITY {
            // At least `k` lanes have a value as large as this, so smaller ones are ignored. Saves most insertions.
            let mut lanes = [0.0; 16];
            s.store(&mut lanes[..S::LANES], 0, maxima);
            let lanes = &mut lanes[..S::LANES];
            lanes.sort_unstable_by(|a, b| b.total_cmp(a));
            best.floor = lanes[k - 1].next_down();
        }
        for i in (0..cols).step_by(S::LANES) {
            let mut larger = s.bits(s.lt(s.splat(best.threshold()), s.load_or(row, i, lowest)));
            while larger != 0 {
                let j = i + larger.trailing_zeros() as usize;
                larger &= larger - 1;
                if row[j] > best.threshold() {
                    best.insert(row[j], (first + j) as u32);
                }
            }
        }
    }
}
