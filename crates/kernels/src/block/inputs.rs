use super::layout::SLAB;
use crate::MatRef;
use crate::extent::elements;
use crate::scratch::Scratch;
use crate::simd::{Level, Simd, dispatch};

/// Values of an input that share a scale.
pub(super) const SHARED: usize = 32;
/// The largest magnitude of a rounded value.
const MAX: f32 = 127.0;
/// Adding `1.5 · 2²³` leaves no bit for a fraction, so that the sum is rounded, ties to even, and its lowest byte is the
/// rounded number's.
const ROUNDING: f32 = 12_582_912.0;

/// Inputs rounded to eight bits a value, with a scale for every 32 of a row; slab by slab, so that the rows of a slab are
/// adjacent.
pub(super) struct QuantisedInputs {
    /// `[slabs, m, 256]`.
    values: Scratch,
    /// `[slabs, m, 8]`.
    scales: Scratch,
    /// `[slabs, m, 256 / group]`: the sums of the values of each group.
    sums: Vec<i32>,
    m: usize,
    group: usize,
}

/// Rows of a slab.
#[derive(Clone, Copy)]
pub(super) struct InputSlab<'a> {
    pub(super) values: &'a [i8],
    pub(super) scales: &'a [f32],
    pub(super) sums: &'a [i32],
}

impl QuantisedInputs {
    pub(super) fn new(level: Level, a: MatRef<'_>, group: usize) -> Self {
        let [m, k] = a.dims();
        let n = elements([m, k.next_multiple_of(SLAB)]);
        let mut values = Scratch::new(n / size_of::<f32>());
        let (mut scales, mut sums) = (Scratch::new(n / SHARED), vec![0; n / group]);
        let mut copy = Scratch::new(k);
        for i in 0..m {
            let row = if a.col_stride == 1 {
                a.row(i)
            } else {
                copy.iter_mut().enumerate().for_each(|(p, to)| *to = a.at(i, p));
                &copy
            };
            for (slab, row) in row.chunks(SLAB).enumerate() {
                let at = (slab * m + i) * SLAB;
                let values = &mut values.bytes_mut()[at..][..SLAB];
                quantise(level, row, group, values, &mut scales[at / SHARED..], &mut sums[at / group..]);
            }
        }
        Self { values, scales, sums, m, group }
    }

    /// Rows from `first` on of a slab.
    #[inline(always)]
    pub(super) fn slab(&self, slab: usize, first: usize, rows: usize) -> InputSlab<'_> {
        let (at, n) = ((slab * self.m + first) * SLAB, rows * SLAB);
        InputSlab {
            values: &self.values.bytes()[at..][..n],
            scales: &self.scales[at / SHARED..][..n / SHARED],
            sums: &self.sums[at / self.group..][..n / self.group],
        }
    }
}

dispatch! {
    /// Rounds a part of a row.
    fn quantise(row: &[f32], group: usize, values: &mut [i8], scales: &mut [f32], sums: &mut [i32]) = quantise_kernel
}

#[inline(always)]
fn quantise_kernel<S: Simd>(_: S, row: &[f32], group: usize, values: &mut [i8], scales: &mut [f32], sums: &mut [i32]) {
    for ((row, values), scale) in row.chunks_exact(SHARED).zip(values.chunks_exact_mut(SHARED)).zip(scales) {
        // As integers, magnitudes are in the same order, and a NaN is the largest: it makes the scale NaN.
        let mut max = 0;
        for x in row {
            max = max.max(x.abs().to_bits());
        }
        let max = f32::from_bits(max);
        *scale = max / MAX;
        let factor = if max > 0.0 { MAX / max } else { 0.0 };
        for (to, x) in values.iter_mut().zip(row) {
            *to = (x * factor + ROUNDING).to_bits() as i8;
        }
    }
    for (values, sum) in values[..row.len()].chunks_exact(group).zip(sums) {
        let mut total = 0;
        for &value in values {
            total += i32::from(value);
        }
        *sum = total;
    }
}
