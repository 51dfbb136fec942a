//! Counter-based dropout: a mask is a function of its seed and position, so it is computed again wherever it is needed.

use crate::parallel::{Chunks, for_each_chunk};
use crate::simd::{Level, Simd, dispatch};

/// A dropout mask over a matrix: which elements survive, and the factor they are scaled by.
///
/// Nothing is stored: a 32-bit hash of its position, under a key made from the seed, decides whether element `(row,
/// col)` survives; each half of a hash serves one element. The backward pass recomputes the mask of the forward pass,
/// and the mask depends neither on the number of threads nor on the instruction set. The rate is rounded to a multiple
/// of 2⁻¹⁶, and the factor is one over the rounded rate of survival, so that the expectation is exact. Source:
/// Srivastava et al. 2014, section 10 (inverted dropout).
///
/// Give each use in each step its own seed.
///
/// ```
/// use attentive_kernels::Dropout;
///
/// let dropout = Dropout::new(0.25, 42);
/// let kept = (0..10_000).filter(|&i| dropout.keeps(i / 100, i % 100, 100)).count();
/// assert!((kept as f64 - 7_500.0).abs() < 200.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    seed: u64,
    /// Elements whose 16 bits are below are dropped.
    threshold: u16,
    scale: f32,
}

/// Elements that one word of mask bits covers.
pub(crate) const WORD: usize = 64;

impl Dropout {
    /// Keeps everything.
    pub const NONE: Self = Self { seed: 0, threshold: 0, scale: 1.0 };

    /// Drops each element with probability `rate`.
    ///
    /// # Panics
    /// If `rate` is not in `0 ≤ rate < 1`.
    pub fn new(rate: f64, seed: u64) -> Self {
        assert!((0.0..1.0).contains(&rate), "a dropout rate of {rate} is not in 0 ≤ rate < 1");
        let threshold = (rate * 65_536.0).round().min(65_535.0);
        Self { seed, threshold: threshold as u16, scale: (65_536.0 / (65_536.0 - threshold)) as f32 }
    }

    /// Factor of survivors.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Whether anything can be dropped.
    pub fn is_active(&self) -> bool {
        self.threshold > 0
    }

    /// Whether element `(row, col)` of a matrix with `cols` columns survives.
    pub fn keeps(&self, row: usize, col: usize, cols: usize) -> bool {
        let word = self.row(row, cols).counter(col);
        let [key_0, key_1] = self.key(word);
        let hash = mix((word as u32).wrapping_add((col % WORD / 2) as u32), key_0, key_1);
        (hash >> (16 * (col % 2))) as u16 >= self.threshold
    }

    /// `y = x` where elements survive, times [`scale`](Self::scale), and zero elsewhere, for rows of `cols`.
    ///
    /// The backward pass is the same function of the upstream gradient.
    ///
    /// # Panics
    /// If the lengths differ or are not a multiple of `cols`.
    pub fn apply(&self, x: &[f32], cols: usize, y: &mut [f32]) {
        assert!(x.len() == y.len() && x.len().is_multiple_of(cols), "lengths do not match");
        if cols == 0 {
            return;
        }
        let level = Level::current();
        let chunks = Chunks::rows(x.len() / cols, cols);
        for_each_chunk(chunks, y, |chunk, y| {
            apply_rows(level, *self, chunk.start, cols, &x[chunk.start * cols..][..y.len()], y);
        });
    }

    /// Turns `f` into the sum `x + dropout(f)`, for rows of `cols`: a residual connection.
    ///
    /// # Panics
    /// If the lengths differ or are not a multiple of `cols`.
    pub fn residual(&self, x: &[f32], cols: usize, f: &mut [f32]) {
        assert!(x.len() == f.len() && x.len().is_multiple_of(cols), "lengths do not match");
        if cols == 0 {
            return;
        }
        let level = Level::current();
        let chunks = Chunks::rows(x.len() / cols, cols);
        for_each_chunk(chunks, f, |chunk, f| {
            residual_sum(level, *self, chunk.start, cols, &x[chunk.start * cols..][..f.len()], f);
        });
    }

    /// The mask of one row.
    #[inline(always)]
    pub(crate) fn row(&self, row: usize, cols: usize) -> DropoutRow {
        DropoutRow {
            dropout: *self,
            first: (row as u64).wrapping_mul(cols.div_ceil(WORD) as u64).wrapping_mul(WORD as u64 / 2),
        }
    }

    /// The key for a counter's upper half, by SplitMix64's finaliser (Steele, Lea and Flood 2014).
    #[inline(always)]
    fn key(&self, counter: u64) -> [u32; 2] {
        let z = (self.seed ^ (counter >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93)).wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let z = z ^ (z >> 31);
        [z as u32, (z >> 32) as u32]
    }
}

/// One row of a [`Dropout`] mask.
#[derive(Clone, Copy)]
pub(crate) struct DropoutRow {
    dropout: Dropout,
    /// The counter of the row's first element; a counter serves two elements, and rows begin at a whole word.
    first: u64,
}

impl DropoutRow {
    /// The counter of the word that holds `col`.
    #[inline(always)]
    fn counter(&self, col: usize) -> u64 {
        self.first.wrapping_add((col / WORD * (WORD / 2)) as u64)
    }

    /// The mask of elements `col..col + 64`, for `col` a multiple of 64: bit set = kept.
    #[inline(always)]
    pub(crate) fn word<S: Simd>(&self, s: S, col: usize) -> u64 {
        if !self.dropout.is_active() {
            return u64::MAX;
        }
        let counter = self.counter(col);
        let [key_0, key_1] = self.dropout.key(counter);
        s.keep_word(counter as u32, key_0, key_1, self.dropout.threshold)
    }
}

/// The hash of a counter: Wellons's `lowbias32` with the second half of the key between its multiplications.
///
/// Without that half, masks of different seeds would be shifted copies of one another. Source: C. Wellons 2018,
/// "Prospecting for hash functions" (the constants). [`Simd::keep_word`] computes the same on vectors.
#[inline(always)]
pub(crate) fn mix(counter: u32, key_0: u32, key_1: u32) -> u32 {
    let x = counter.wrapping_add(key_0);
    let x = (x ^ (x >> 16)).wrapping_mul(MIX_0);
    let x = (x ^ (x >> 15) ^ key_1).wrapping_mul(MIX_1);
    x ^ (x >> 16)
}

pub(crate) const MIX_0: u32 = 0x7FEB_352D;
pub(crate) const MIX_1: u32 = 0x846C_A68B;

dispatch! {
    fn apply_rows(dropout: Dropout, first_row: usize, cols: usize, x: &[f32], y: &mut [f32]) = apply_rows_kernel
}

#[inline(always)]
fn apply_rows_kernel<S: Simd>(s: S, dropout: Dropout, first_row: usize, cols: usize, x: &[f32], y: &mut [f32]) {
    let scale = s.splat(dropout.scale());
    for (r, (x, y)) in x.chunks_exact(cols).zip(y.chunks_exact_mut(cols)).enumerate() {
        let mask = dropout.row(first_row + r, cols);
        for word_col in (0..cols).step_by(WORD) {
            let word = mask.word(s, word_col);
            for i in (word_col..cols.min(word_col + WORD)).step_by(S::LANES) {
                s.store(y, i, s.keep((word >> (i - word_col)) as u32, s.mul(s.load(x, i), scale)));
            }
        }
    }
}

dispatch! {
    /// `f = x + dropout(f)`.
    pub(crate) fn residual_sum(dropout: Dropout, first_row: usize, cols: usize, x: &[f32], f: &mut [f32]) = residual_sum_kernel
}

#[inline(always)]
fn residual_sum_kernel<S: Simd>(s: S, dropout: Dropout, first_row: usize, cols: usize, x: &[f32], f: &mut [f32]) {
    let scale = s.splat(dropout.scale());
    for (r, (x, f)) in x.chunks_exact(cols).zip(f.chunks_exact_mut(cols)).enumerate() {
        let mask = dropout.row(first_row + r, cols);
        for word_col in (0..cols).step_by(WORD) {
            let word = mask.word(s, word_col);
            for i in (word_col..cols.min(word_col + WORD)).step_by(S::LANES) {
                let kept = s.keep((word >> (i - word_col)) as u32, s.load(f, i));
                s.store(f, i, s.mul_add(kept, scale, s.load(x, i)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_and_scalars_agree() {
        for (rate, cols) in [(0.1, 131), (0.5, 64), (0.0, 7), (0.999, 3)] {
            let dropout = Dropout::new(rate, 0x0123_4567_89AB_CDEF);
            let rows = 37;
            let expected: Vec<f32> = (0..rows * cols)
                .map(|i| if dropout.keeps(i / cols, i % cols, cols) { dropout.scale() } else { 0.0 })
                .collect();
            for level in Level::available() {
                level.during(|| {
                    let mut y = vec![f32::NAN; rows * cols];
                    dropout.apply(&vec![1.0; rows * cols], cols, &mut y);
                    assert_eq!(y, expected);
                });
            }
        }
    }

    #[test]
    fn rows_without_columns_are_no_work() {
        let dropout = Dropout::new(0.5, 1);
        dropout.apply(&[], 0, &mut []);
        dropout.residual(&[], 0, &mut []);
    }

    #[test]
    fn positions_beyond_32_bits_have_their_own_mask() {
        let dropout = Dropout::new(0.5, 9);
        let far = (1 << 33) / 64;
        let near: Vec<bool> = (0..64).map(|col| dropout.keeps(0, col, 64)).collect();
        assert_ne!(near, (0..64).map(|col| dropout.keeps(far, col, 64)).collect::<Vec<_>>());
    }

    /// Fractions near their expectation, within five standard deviations of a fair draw.
    #[test]
    fn draws_look_independent() {
        const N: usize = 1 << 20;
        let draw = |rate: f64, seed: u64| -> Vec<bool> {
            let dropout = Dropout::new(rate, seed);
            (0..N).map(|i| !dropout.keeps(i / 1024, i % 1024, 1024)).collect()
        };
        let near = |what: &str, n_hits: usize, n: usize, p: f64| {
            let deviation = (n_hits as f64 - n as f64 * p) / (n as f64 * p * (1.0 - p)).sqrt();
            assert!(deviation.abs() < 5.0, "{what}: {deviation:.1} standard deviations from {p}");
        };
        for rate in [0.1, 0.3] {
            let (a, b) = (draw(rate, 1), draw(rate, 2));
            near("dropped", a.iter().filter(|&&x| x).count(), N, rate);
            near("in both seeds", (0..N).filter(|&i| a[i] && b[i]).count(), N, rate * rate);
            for lag in [1, 2, 3, 4, 31, 32, 64, 1024, 2048, 4096, 1 << 15] {
                let n = N - lag;
                near(&format!("both at lag {lag}"), (0..n).filter(|&i| a[i] && a[i + lag]).count(), n, rate * rate);
                near(&format!("seeds at lag {lag}"), (0..n).filter(|&i| a[i] && b[i + lag]).count(), n, rate * rate);
            }
        }
    }
}
