use super::simd::{Path, STEP};
use crate::extent::elements;
use crate::parallel::Chunks;
use crate::scratch::Scratch;
use crate::simd::{Level, Simd, dispatch};
use crate::{Major, MatRef};
use rayon::prelude::*;

/// The largest magnitude of a quantised value; -128 stays unused, so that negation never overflows.
const MAX: f32 = 127.0;

/// The most rows of a weight: as many products of two bytes fit into the sum of a column, which has 32 bits.
pub(super) const MAX_ROWS: usize = i32::MAX as usize / (127 * 127);

/// A weight rounded to eight bits a value, with one scale for each column.
///
/// Source: the symmetric scheme of Jacob et al. 2018, section 2, with zero point 0.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantisedColumns {
    /// `[n, k]`: each column of the weight in a row.
    pub(super) values: Vec<i8>,
    /// `[n]`: `w[p, j] ≈ scales[j] · values[j, p]`.
    pub(super) scales: Vec<f32>,
    pub(super) k: usize,
}

/// Columns that are rounded together: neighbours in a row of the weight.
const ABREAST: usize = 16;

/// `x / scale` as [`f32::round`] rounds it, without a call; zero where the scale is. The largest number below one half never
/// rounds up.
#[inline(always)]
fn rounded(x: f32, scale: f32) -> i8 {
    let q = if scale > 0.0 { (x / scale).clamp(-MAX, MAX) } else { 0.0 };
    (q + 0.5_f32.next_down().copysign(q)) as i8
}

impl QuantisedColumns {
    /// Rounds `b` `[k, n]`, each column to the scale `max |w| / 127`.
    ///
    /// # Panics
    /// If `k` is above 133,144, more than a product's sums of 32 bits hold, or no memory can hold as many values.
    pub fn new(b: MatRef<'_>) -> Self {
        let [k, n] = b.dims();
        assert!(k <= MAX_ROWS, "a weight of bytes has {k} rows; sums of 32 bits hold {MAX_ROWS}");
        let mut quantised = Self { values: vec![0; elements([n, k])], scales: vec![0.0; n], k };
        if k == 0 {
            return quantised;
        }
        let blocks = quantised.values.par_chunks_mut(k * ABREAST).zip(quantised.scales.par_chunks_mut(ABREAST));
        blocks.enumerate().for_each(|(block, (values, scales))| {
            let columns = b.block([0, block * ABREAST], [k, scales.len()]);
            if columns.row_stride == 1 {
                let columns = (0..scales.len()).map(|j| &columns.data[j * columns.col_stride..][..k]);
                for ((column, scale), values) in columns.zip(scales).zip(values.chunks_exact_mut(k)) {
                    *scale = column.iter().fold(0.0, |max: f32, x| max.max(x.abs())) / MAX;
                    values.iter_mut().zip(column).for_each(|(to, &x)| *to = rounded(x, *scale));
                }
                return;
            }
            let row = |p: usize| -> [f32; ABREAST] {
                std::array::from_fn(|j| if j < columns.cols { columns.at(p, j) } else { 0.0 })
            };
            let mut max = [0.0_f32; ABREAST];
            for p in 0..k {
                max.iter_mut().zip(row(p)).for_each(|(max, x)| *max = max.max(x.abs()));
            }
            let all_scales = max.map(|max| max / MAX);
            scales.copy_from_slice(&all_scales[..scales.len()]);
            for p in 0..k {
                let row = row(p);
                for (j, values) in values.chunks_exact_mut(k).enumerate() {
                    values[p] = rounded(row[j], all_scales[j]);
                }
            }
        });
        quantised
    }

    /// `[n, k]`: the columns, each in a row.
    pub fn values(&self) -> &[i8] {
        &self.values
    }

    /// `[n]`: one scale a column.
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }
}

/// Rounds a matrix of finite numbers with rows of `cols` in its place, to the values that bytes have with a scale for each
/// of its rows or columns: those of [`QuantisedColumns`], without the bytes.
///
/// ```
/// let mut matrix = [1.0, -2.0, 0.004, 2.0];
/// attentive_kernels::round_to_bytes(&mut matrix, 2, attentive_kernels::Major::Columns);
/// assert_eq!(matrix, [1.0, -2.0, 1.0 / 127.0, 2.0]);
/// ```
///
/// # Panics
/// If rows of `cols` do not make up the matrix.
pub fn round_to_bytes(matrix: &mut [f32], cols: usize, scaled: Major) {
    if matrix.is_empty() {
        return;
    }
    assert!(matrix.len().is_multiple_of(cols), "{} numbers in rows of {cols}", matrix.len());
    let at_once = cols * Chunks::rows(matrix.len() / cols, cols).chunk_rows;
    let round = |x: &mut f32, scale: f32| *x = scale * f32::from(rounded(*x, scale));
    match scaled {
        Major::Rows => matrix.par_chunks_mut(at_once).for_each(|rows| {
            for row in rows.chunks_exact_mut(cols) {
                // Magnitudes are in the order of their bits, whose largest is found by vectors.
                let max = row.iter().fold(0, |max: u32, x| max.max(x.abs().to_bits()));
                let scale = f32::from_bits(max) / MAX;
                row.iter_mut().for_each(|x| round(x, scale));
            }
        }),
        Major::Columns => {
            let maxima = |rows: &[f32]| {
                let mut maxima = vec![0.0_f32; cols];
                for row in rows.chunks_exact(cols) {
                    maxima.iter_mut().zip(row).for_each(|(max, x)| *max = max.max(x.abs()));
                }
                maxima
            };
            let larger = |mut maxima: Vec<f32>, others: Vec<f32>| {
                maxima.iter_mut().zip(others).for_each(|(max, other)| *max = max.max(other));
                maxima
            };
            let maxima = matrix.par_chunks(at_once).map(maxima).reduce(|| vec![0.0; cols], larger);
            let scales: Vec<f32> = maxima.into_iter().map(|max| max / MAX).collect();
            matrix.par_chunks_mut(at_once).for_each(|rows| {
                for row in rows.chunks_exact_mut(cols) {
                    row.iter_mut().zip(&scales).for_each(|(x, &scale)| round(x, scale));
                }
            });
        }
    }
}

/// Inputs rounded to eight bits a value, with one scale for each row.
pub(super) struct QuantisedRows {
    /// `[m, depth]`, with `depth` a multiple of four: each row filled up with zeros, all bytes xored with the path's
    /// offset.
    values: Scratch,
    pub(super) depth: usize,
    pub(super) scales: Vec<f32>,
    /// Of each row, if neighbours have a bound on this path.
    bounded: Vec<Bounded>,
}

/// What a row lost to the bound on neighbours, and its sum.
#[derive(Clone, Default)]
struct Bounded {
    rests: Vec<Rest>,
    total: i32,
}

/// Bytes that are to be added to those of a step.
#[derive(Clone, Copy)]
pub(super) struct Rest {
    pub(super) step: usize,
    pub(super) bytes: [i8; STEP],
}

dispatch! {
    /// Takes half of each step of a row in which the sum of two neighbours is beyond the bound.
    fn bound(row: &mut [i8], bound: i16) -> Bounded = bound_kernel
}

#[inline(always)]
fn bound_kernel<S: Simd>(_: S, row: &mut [i8], bound: i16) -> Bounded {
    let mut bounded = Bounded::default();
    // Eight steps at once, by vectors: most have no such neighbours.
    for (idx, steps) in row.chunks_mut(8 * STEP).enumerate() {
        let [total, largest] = match steps.first_chunk() {
            Some(steps) => sums_of_pairs(steps),
            None => {
                let mut filled = [0; 8 * STEP];
                filled[..steps.len()].copy_from_slice(steps);
                sums_of_pairs(&filled)
            }
        };
        bounded.total += i32::from(total);
        if largest <= bound {
            continue;
        }
        for (step, bytes) in steps.as_chunks_mut::<STEP>().0.iter_mut().enumerate() {
            if bytes.as_chunks().0.iter().any(|pair| sum_of_pair(*pair).abs() > bound) {
                let rest = bytes.map(|byte| byte >> 1);
                bytes.iter_mut().zip(rest).for_each(|(byte, rest)| *byte -= rest);
                bounded.rests.push(Rest { step: 8 * idx + step, bytes: rest });
            }
        }
    }
    bounded
}

/// The sum of the sums of neighbours, and their largest magnitude.
#[inline(always)]
fn sums_of_pairs(bytes: &[i8; 8 * STEP]) -> [i16; 2] {
    let (mut total, mut largest) = (0, 0);
    for pair in bytes.as_chunks().0 {
        let sum = sum_of_pair(*pair);
        (total, largest) = (total + sum, largest.max(sum.abs()));
    }
    [total, largest]
}

/// The sum of two neighbours.
#[inline(always)]
fn sum_of_pair(pair: [i8; 2]) -> i16 {
    // As halves of one number, which vectors take apart by shifts.
    let pair = i16::from_le_bytes(pair.map(|byte| byte as u8));
    (pair << 8 >> 8) + (pair >> 8)
}

impl QuantisedRows {
    pub(super) fn new(level: Level, a: MatRef<'_>) -> Self {
        let [m, k] = a.dims();
        let depth = k.next_multiple_of(STEP);
        let path = Path::of(level);
        let mut values = Scratch::new(elements([m, depth]) / size_of::<f32>());
        let mut scales = vec![0.0; m];
        let mut bounded = vec![Bounded::default(); if path.pair_bound().is_some() { m } else { 0 }];
        if depth > 0 {
            let quantise = |i: usize, to: &mut [i8]| {
                let mut copy = Scratch::new(if a.col_stride == 1 { 0 } else { k });
                copy.iter_mut().enumerate().for_each(|(p, to)| *to = a.at(i, p));
                let row = if a.col_stride == 1 { a.row(i) } else { &copy };
                quantise_row(level, row, path.row_offset(), to)
            };
            let rows = values.bytes_mut()[..m * depth].par_chunks_mut(depth).zip(&mut scales);
            // A few rows, those of a decoding step, are not worth another thread.
            let rows = rows.with_min_len((1 << 14) / depth + 1).enumerate();
            match path.pair_bound() {
                None => rows.for_each(|(i, (to, scale))| *scale = quantise(i, to)),
                Some(pair_bound) => rows.zip(&mut bounded).for_each(|((i, (to, scale)), bounded)| {
                    *scale = quantise(i, to);
                    *bounded = bound(level, to, pair_bound);
                }),
            }
        }
        Self { scales, values, depth, bounded }
    }

    /// Rows from `i` on.
    pub(super) fn rows_from(&self, i: usize) -> &[i8] {
        &self.values.bytes()[i * self.depth..]
    }

    /// What is to be added to row `i`.
    pub(super) fn rests(&self, i: usize) -> &[Rest] {
        self.bounded.get(i).map_or(&[], |row| &row.rests)
    }

    /// The sum of row `i`, if the path needs it.
    pub(super) fn total(&self, i: usize) -> i32 {
        self.bounded.get(i).map_or(0, |row| row.total)
    }
}

dispatch! {
    /// Rounds a row and returns its scale, NaN if not all of it is finite; bytes beyond the row are zero.
    fn quantise_row(row: &[f32], offset: u8, values: &mut [i8]) -> f32 = quantise_row_kernel
}

#[inline(always)]
fn quantise_row_kernel<S: Simd>(s: S, row: &[f32], offset: u8, values: &mut [i8]) -> f32 {
    let offset = offset as i8;
    let (mut max, mut zero) = (s.zero(), s.zero());
    for i in (0..row.len()).step_by(S::LANES) {
        let x = s.load(row, i);
        // The maximum passes over a NaN, and no byte could hold one.
        (max, zero) = (s.max(s.abs(x), max), s.mul_add(x, s.zero(), zero));
    }
    let (max, zero) = (s.max_lane(max), s.sum(zero));
    let (values, rest) = values.split_at_mut(row.len());
    rest.fill(offset);
    let factor = MAX / max;
    // Infinite for a row of zeros, and for one so near to zero that -128 would come of it.
    let factor = s.splat(if factor.is_finite() { factor } else { 0.0 });
    for i in (0..row.len()).step_by(S::LANES) {
        // In range by construction, or NaN, which gives any byte.
        s.store_bytes(&mut values[i..], s.round(s.mul(s.load(row, i), factor)));
    }
    if offset != 0 {
        values.iter_mut().for_each(|value| *value ^= offset);
    }
    max / MAX + zero
}
