//! Products with weights of eight bits: one scale for each column of the weight and each row of the input.

#![allow(unsafe_code, reason = "bytes seen as vectors; jobs write disjoint blocks of one matrix")]

mod quantise;
mod simd;
mod tile;

pub use quantise::QuantisedColumns;

use crate::extent::{elements, work};
use crate::matmul::{Epilogue, for_each_job, job};
use crate::scratch::Aligned;
use crate::top_k::{self, TopK};
use crate::{Level, MatMut, MatRef};
use quantise::{MAX_ROWS, QuantisedRows};
use rayon::prelude::*;
#[cfg(target_arch = "x86_64")]
pub(crate) use simd::Path;
use simd::{COLS, STEP};

/// Products with fewer multiply-adds are not worth another thread, unless the weight is this large.
const MIN_PARALLEL: usize = 1 << 20;

/// A weight of signed bytes, packed for products: a quarter of the memory of [`PackedMatrix`](crate::PackedMatrix).
///
/// `y[i, j] = r[i] c[j] Σ_p q_x[i, p] q_w[p, j]`, the sum in 32-bit integers; each row of the input has its own scale,
/// `max |x| / 127`. So a row's result depends on no other row, and every instruction set gives the same bits.
///
/// ```
/// use attentive_kernels::{Epilogue, Int8Matrix, MatMut, MatRef, QuantisedColumns};
///
/// let weight = QuantisedColumns::new(MatRef::new(&[1.0, -2.0, 0.5, 4.0], 2, 2));
/// let matrix = Int8Matrix::new(&weight);
/// let mut y = [0.0; 2];
/// matrix.multiply(MatRef::new(&[1.0, 1.0], 1, 2), MatMut::new(&mut y, 1, 2), &Epilogue::default());
/// assert!((y[0] - 1.5).abs() < 0.02 && (y[1] - 2.0).abs() < 0.04);
/// ```
#[derive(Clone, Debug)]
pub struct Int8Matrix {
    /// Panels of 16 columns, `[k / 4, 16, 4]` bytes each.
    panels: Aligned,
    /// The scale of each column, filled up to whole panels.
    scales: Vec<f32>,
    /// `Σ q_w` of each column, filled up to whole panels.
    column_sums: Vec<i32>,
    k: usize,
    n: usize,
}

/// The order of a matrix's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Major {
    /// Row by row.
    Rows,
    /// Column by column.
    Columns,
}

/// Packs columns of `k` bytes that follow each other, and adds each one up.
fn pack_columns(columns: &[i8], k: usize, to: &mut [i8], sums: &mut [i32]) {
    for (j, (column, sum)) in columns.chunks_exact(k).zip(sums).enumerate() {
        *sum = column.iter().map(|&q| i32::from(q)).sum();
        for (to, from) in to.chunks_exact_mut(COLS * STEP).zip(column.chunks(STEP)) {
            to[j * STEP..][..from.len()].copy_from_slice(from);
        }
    }
}

/// As [`pack_columns`], of the first bytes of rows that are `stride` apart.
fn pack_rows(rows: &[i8], stride: usize, to: &mut [i8], sums: &mut [i32]) {
    for (to, rows) in to.chunks_exact_mut(COLS * STEP).zip(rows.chunks(stride * STEP)) {
        let mut of_step = [[0; COLS]; STEP];
        for (of_row, row) in of_step.iter_mut().zip(rows.chunks(stride)) {
            of_row[..sums.len()].copy_from_slice(&row[..sums.len()]);
        }
        let (to, _) = to.as_chunks_mut::<STEP>();
        for (j, to) in to.iter_mut().enumerate() {
            *to = of_step.map(|of_row| of_row[j]);
        }
        for (j, sum) in sums.iter_mut().enumerate() {
            *sum += of_step.iter().map(|of_row| i32::from(of_row[j])).sum::<i32>();
        }
    }
}

impl Int8Matrix {
    /// Packs quantised columns.
    pub fn new(columns: &QuantisedColumns) -> Self {
        Self::pack(&columns.values, columns.scales.clone(), columns.k, Major::Columns)
    }

    /// Packs a weight `[k, n]` as a file holds it: its values in the order `major`, and a scale for each of its `n` columns.
    ///
    /// `None` if there are not as many values in each column, a value is -128, or a column has more than 133,144 values, whose
    /// products have no room in a sum of 32 bits.
    pub fn of_bytes(values: &[i8], scales: &[f32], major: Major) -> Option<Self> {
        let k = values.len().checked_div(scales.len()).unwrap_or(0);
        let fits = k <= MAX_ROWS && k.checked_mul(scales.len()) == Some(values.len()) && !values.contains(&i8::MIN);
        fits.then(|| Self::pack(values, scales.to_vec(), k, major))
    }

    fn pack(values: &[i8], mut scales: Vec<f32>, k: usize, major: Major) -> Self {
        let n = scales.len();
        let (depth, n_panels) = (k.next_multiple_of(STEP), n.div_ceil(COLS));
        let mut panels = Aligned::zeroed_in_large_pages(elements([n_panels, depth, COLS]) / size_of::<f32>());
        let mut column_sums = vec![0; n_panels * COLS];
        if depth > 0 {
            let panels = panels.bytes_mut().par_chunks_mut(depth * COLS).zip(column_sums.par_chunks_mut(COLS));
            // Neighbours share the lines of the cache that rows are read by.
            panels.enumerate().with_min_len(4).for_each(|(panel, (to, sums))| {
                let first = panel * COLS;
                let sums = &mut sums[..COLS.min(n - first)];
                match major {
                    Major::Columns => pack_columns(&values[first * k..], k, to, sums),
                    Major::Rows => pack_rows(&values[first..], n, to, sums),
                }
            });
        }
        scales.resize(n_panels * COLS, 0.0);
        Self { panels, scales, column_sums, k, n }
    }

    /// Rows and columns.
    pub fn dims(&self) -> [usize; 2] {
        [self.k, self.n]
    }

    /// Writes column `j` of `b` to `to`, of `k` elements, as [`PackedMatrix::column`](crate::PackedMatrix::column).
    ///
    /// # Panics
    /// If there is no such column, or `to` has another length.
    pub fn column(&self, j: usize, to: &mut [f32]) {
        assert!(to.len() == self.k && j < self.n, "{} elements of column {j}, of {} × {}", to.len(), self.k, self.n);
        let panel_bytes = self.k.next_multiple_of(STEP) * COLS;
        let steps = self.panels.bytes()[j / COLS * panel_bytes..][..panel_bytes].chunks_exact(COLS * STEP);
        let scale = self.scales[j];
        for (to, step) in to.chunks_mut(STEP).zip(steps) {
            to.iter_mut().zip(&step[j % COLS * STEP..]).for_each(|(to, &q)| *to = scale * f32::from(q));
        }
    }

    /// `c = a · b` and its epilogue, for `a` `[m, k]` and `c` `[m, n]`.
    ///
    /// # Panics
    /// If the dimensions do not match.
    pub fn multiply(&self, a: MatRef<'_>, c: MatMut<'_>, epilogue: &Epilogue<'_>) {
        let [m, k] = a.dims();
        assert_eq!(k, self.k, "inner dimensions differ");
        assert_eq!([m, self.n], [c.rows, c.cols], "the product is {m} × {}", self.n);
        epilogue.check(self.n);
        let level = Level::current();
        let rows = QuantisedRows::new(level, a);
        for_each_job([m, self.n], job([m, k, self.n]), self.parallel(m), |[i, j], dims| {
            // SAFETY: every job has its own rows and columns.
            let mut c = unsafe { c.shared_block([i, j], dims) };
            self.multiply_block(level, &rows, [i, j], c.block([0, 0], dims), epilogue.accumulate);
            epilogue.finish(level, j, c);
        });
    }

    /// The largest elements of each row of `a · b + bias`, as [`PackedMatrix::top_k`](crate::PackedMatrix::top_k).
    ///
    /// # Panics
    /// If the dimensions do not match.
    pub fn top_k(&self, a: MatRef<'_>, bias: Option<&[f32]>, best: TopK<'_>) {
        let [m, k] = a.dims();
        assert_eq!(k, self.k, "inner dimensions differ");
        let level = Level::current();
        let rows = QuantisedRows::new(level, a);
        top_k::of_product(level, [m, self.n], bias, self.parallel(m), best, |at, c| {
            self.multiply_block(level, &rows, at, c, false);
        });
    }

    fn parallel(&self, m: usize) -> bool {
        work([m.max(1), self.k, self.n]) >= MIN_PARALLEL
    }

    /// The block of the product that begins at `(i, j)`, with `j` a multiple of 16.
    fn multiply_block(&self, level: Level, rows: &QuantisedRows, [i, j]: [usize; 2], c: MatMut<'_>, accumulate: bool) {
        let panel_bytes = self.k.next_multiple_of(STEP) * COLS;
        let columns = tile::Columns {
            panels: &self.panels.bytes()[j / COLS * panel_bytes..],
            panel_bytes,
            scales: &self.scales[j..],
            sums: &self.column_sums[j..],
        };
        tile::multiply(level, rows, i, columns, c, accumulate);
    }
}
