use super::simd::{Path, STEP};
use crate::MatRef;
use crate::extent::elements;
use crate::scratch::Scratch;
use crate::simd::{Level, Simd, dispatch};

/// The largest magnitude of a quantised value; -128 stays unused, so that negation never overflows.
const MAX: f32 = 127.0;

/// A weight rounded to eight bits a value, with one scale for each column, as a model file holds it.
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

impl QuantisedColumns {
    /// Rounds `b` `[k, n]`, each column to the scale `max |w| / 127`.
    ///
    /// # Panics
    /// If no memory can hold as many values.
    pub fn new(b: MatRef<'_>) -> Self {
        let [k, n] = b.dims();
        let mut quantised = Self { values: vec![0; elements([n, k])], scales: Vec::with_capacity(n), k };
        for j in 0..n {
            let column: Vec<f32> = (0..k).map(|p| b.at(p, j)).collect();
            let scale = column.iter().fold(0.0, |max: f32, w| max.max(w.abs())) / MAX;
            quantised.scales.push(scale);
            if scale > 0.0 {
                let to = &mut quantised.values[j * k..][..k];
                to.iter_mut().zip(column).for_each(|(to, w)| *to = (w / scale).round().clamp(-MAX, MAX) as i8);
            }
        }
        quantised
    }

    /// A weight from its [`values`](Self::values) and [`scales`](Self::scales); `None` if the number of values is not a
    /// multiple of the number of scales, or a value is -128.
    pub fn from_parts(values: Vec<i8>, scales: Vec<f32>) -> Option<Self> {
        let k = values.len().checked_div(scales.len()).unwrap_or(0);
        (k.checked_mul(scales.len()) == Some(values.len()) && !values.contains(&i8::MIN)).then_some(Self {
            values,
            scales,
            k,
        })
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

/// Inputs rounded to eight bits a value, with one scale for each row.
pub(super) struct QuantisedRows {
    /// `[m, depth]`, with `depth` a multiple of four: each row filled up with zeros, all bytes xored with the path's
    /// offset.
    values: Scratch,
    pub(super) depth: usize,
    pub(super) scales: Vec<f32>,
}

impl QuantisedRows {
    pub(super) fn new(level: Level, a: MatRef<'_>) -> Self {
        let [m, k] = a.dims();
        let depth = k.next_multiple_of(STEP);
        let mut values = Scratch::new(elements([m, depth]) / size_of::<f32>());
        let mut copy = Scratch::new(k);
        let scales = (0..m).map(|i| {
            let row = if a.col_stride == 1 {
                a.row(i)
            } else {
                copy.iter_mut().enumerate().for_each(|(p, to)| *to = a.at(i, p));
                &copy
            };
            let to = &mut values.bytes_mut()[i * depth..][..depth];
            quantise_row(level, row, Path::of(level).row_offset(), to)
        });
        Self { scales: scales.collect(), values, depth }
    }

    /// Rows from `i` on.
    pub(super) fn rows_from(&self, i: usize) -> &[i8] {
        &self.values.bytes()[i * self.depth..]
    }
}

dispatch! {
    /// Rounds a row and returns its scale; bytes beyond the row are zero.
    fn quantise_row(row: &[f32], offset: u8, values: &mut [i8]) -> f32 = quantise_row_kernel
}

#[inline(always)]
fn quantise_row_kernel<S: Simd>(s: S, row: &[f32], offset: u8, values: &mut [i8]) -> f32 {
    let offset = offset as i8;
    let mut max = s.zero();
    for i in (0..row.len()).step_by(S::LANES) {
        max = s.max(s.abs(s.load(row, i)), max);
    }
    let max = s.max_lane(max);
    let (values, rest) = values.split_at_mut(row.len());
    rest.fill(offset);
    let factor = s.splat(if max > 0.0 { MAX / max } else { 0.0 });
    let mut rounded = [0.0; 16];
    for (i, values) in (0..row.len()).step_by(S::LANES).zip(values.chunks_mut(S::LANES)) {
        s.store(&mut rounded, 0, s.round(s.mul(s.load(row, i), factor)));
        // In range by construction; the conversion saturates and turns NaN into zero.
        values.iter_mut().zip(rounded).for_each(|(to, q)| *to = q as i8 ^ offset);
    }
    max / MAX
}
