use crate::Level;
use crate::parallel::{Chunks, add_in_order};
use crate::scratch::Scratch;
use crate::simd::{Simd, dispatch};
use rayon::prelude::*;

/// `sums[j] = Σᵢ x[i, j]` for rows of `sums.len()`: the gradient of a bias.
///
/// # Panics
/// If the rows do not divide `x`.
///
/// ```
/// let mut sums = [0.0; 2];
/// attentive_kernels::column_sums(&[1.0, 2.0, 10.0, 20.0], &mut sums);
/// assert_eq!(sums, [11.0, 22.0]);
/// ```
pub fn column_sums(x: &[f32], sums: &mut [f32]) {
    let (level, cols) = (Level::current(), sums.len());
    assert!(cols > 0 && x.len().is_multiple_of(cols), "{} elements in rows of {cols}", x.len());
    let chunks = Chunks::rows(x.len() / cols, cols);
    let mut partials = Scratch::zeroed(chunks.count() * cols);
    partials.par_chunks_mut(cols).enumerate().for_each(|(chunk, partial)| {
        let rows = chunks.range(chunk);
        add_rows(level, &x[rows.start * cols..rows.end * cols], partial);
    });
    sums.fill(0.0);
    add_in_order(&partials, sums);
}

dispatch! { fn add_rows(x: &[f32], sums: &mut [f32]) = add_rows_kernel }

#[inline(always)]
fn add_rows_kernel<S: Simd>(s: S, x: &[f32], sums: &mut [f32]) {
    for row in x.chunks_exact(sums.len()) {
        for i in (0..row.len()).step_by(S::LANES) {
            s.store(sums, i, s.add(s.load(sums, i), s.load(row, i)));
        }
    }
}
