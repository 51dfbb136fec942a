//! Products with weights of eight bits: one scale for each column of the weight and each row of the input.

#![allow(unsafe_code, reason = "bytes seen as vectors; jobs write disjoint blocks of one matrix")]

mod quantise;
mod simd;
mod tile;

pub use quantise::{QuantisedColumns, round_to_bytes};

use std::convert::Infallible;
use std::ops::Range;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::extent::{elements, work};
use crate::matmul::{Epilogue, for_each_job, job};
use crate::panels::Panels;
use crate::scratch::{Aligned, Scratch};
use crate::top_k::{self, TopK};
use crate::{Level, Major, MatMut, MatRef};
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
/// `max |x| / 127`. So a row's result depends on no other row, and every instruction set gives the same bits. The result of
/// a row with a NaN or an infinity is NaN.
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

/// Bytes that a thread reads and packs together: they stay in its cache.
const READ_AT_ONCE: usize = 1 << 18;

/// The bytes of a step of sixteen columns.
type Step = [i8; COLS * STEP];

/// Lines of a matrix that are packed together, and their places.
struct Part<'a> {
    lines: Range<usize>,
    /// Panels of columns, or pieces of all panels where the lines are rows.
    panels: Vec<&'a mut [i8]>,
}

impl Part<'_> {
    /// Packs columns of `k` bytes that follow each other, and adds each one to its sum.
    fn pack_columns(self, columns: &[i8], k: usize, sums: &[AtomicI32]) {
        for (column, sum) in columns.chunks_exact(k).zip(&sums[self.lines.start..]) {
            sum.fetch_add(column.iter().map(|&q| i32::from(q)).sum(), Ordering::Relaxed);
        }
        let panels = columns.chunks(k * COLS).zip(self.panels);
        for (columns, to) in panels {
            let (steps, _): (&mut [Step], _) = to.as_chunks_mut();
            for (j, column) in columns.chunks_exact(k).enumerate() {
                let (whole, rest) = column.as_chunks::<STEP>();
                for (to, from) in steps.iter_mut().zip(whole) {
                    to[j * STEP..][..STEP].copy_from_slice(from);
                }
                if let Some(to) = steps.get_mut(whole.len()) {
                    to[j * STEP..][..rest.len()].copy_from_slice(rest);
                }
            }
        }
    }

    /// Packs rows of `n` bytes that follow each other, and adds them to the sums of their columns.
    fn pack_rows(mut self, rows: &[i8], n: usize, sums: &[AtomicI32]) {
        let mut of_part = vec![0; n];
        // Step by step: rows are read as they lie in memory.
        for (step, rows) in rows.chunks(n * STEP).enumerate() {
            for (panel, (to, sums)) in self.panels.iter_mut().zip(of_part.chunks_mut(COLS)).enumerate() {
                let cols = sums.len();
                let mut of_step = [[0; COLS]; STEP];
                for (of_row, row) in of_step.iter_mut().zip(rows.chunks_exact(n)) {
                    // A whole row of a panel is one load.
                    match row[panel * COLS..].first_chunk() {
                        Some(whole) if cols == COLS => *of_row = *whole,
                        _ => of_row[..cols].copy_from_slice(&row[panel * COLS..][..cols]),
                    }
                }
                let (to, _): (&mut [Step], _) = to.as_chunks_mut();
                to[step] = interleaved(&of_step);
                for of_row in &of_step {
                    sums.iter_mut().zip(of_row).for_each(|(sum, &q)| *sum += i32::from(q));
                }
            }
        }
        sums.iter().zip(of_part).for_each(|(sum, of_part)| _ = sum.fetch_add(of_part, Ordering::Relaxed));
    }
}

/// The bytes of rows, column by column.
#[cfg(target_arch = "x86_64")]
fn interleaved(rows: &[[i8; COLS]; STEP]) -> Step {
    use std::arch::x86_64::*;
    let mut columns = [0; COLS * STEP];
    // SAFETY: every x86-64 processor has SSE2; 16 bytes are read of each row, and 64 are written.
    unsafe {
        let [a, b, c, d] = [0, 1, 2, 3].map(|row: usize| _mm_loadu_si128(rows[row].as_ptr().cast()));
        let halves =
            [[_mm_unpacklo_epi8(a, b), _mm_unpacklo_epi8(c, d)], [_mm_unpackhi_epi8(a, b), _mm_unpackhi_epi8(c, d)]];
        for (half, [ab, cd]) in halves.into_iter().enumerate() {
            let to: *mut __m128i = columns.as_mut_ptr().cast();
            _mm_storeu_si128(to.add(2 * half), _mm_unpacklo_epi16(ab, cd));
            _mm_storeu_si128(to.add(2 * half + 1), _mm_unpackhi_epi16(ab, cd));
        }
    }
    columns
}

/// The bytes of rows, column by column.
#[cfg(not(target_arch = "x86_64"))]
fn interleaved(rows: &[[i8; COLS]; STEP]) -> Step {
    std::array::from_fn(|at| rows[at % STEP][at / STEP])
}

impl Int8Matrix {
    /// Packs quantised columns.
    pub fn new(columns: &QuantisedColumns) -> Self {
        let QuantisedColumns { values, scales, k } = columns;
        let packed = Self::of_values(values, scales, *k, Major::Columns);
        packed.unwrap_or_else(|| unreachable!("rounded columns have no -128, and their number of rows was checked"))
    }

    /// Packs a weight `[k, n]` as a file holds it: its values in the order `major`, and a scale for each of its `n` columns.
    ///
    /// `None` if there are not as many values in each column, a value is -128, or a column has more than 133,144 values, whose
    /// products have no room in a sum of 32 bits.
    pub fn of_bytes(values: &[i8], scales: &[f32], major: Major) -> Option<Self> {
        let k = values.len().checked_div(scales.len()).unwrap_or(0);
        let fits = k.checked_mul(scales.len()) == Some(values.len());
        if fits { Self::of_values(values, scales, k, major) } else { None }
    }

    fn of_values(values: &[i8], scales: &[f32], k: usize, major: Major) -> Option<Self> {
        let line = major.line([k, scales.len()]);
        let read = |lines: Range<usize>, to: &mut [i8]| {
            to.copy_from_slice(&values[lines.start * line..][..to.len()]);
            Ok::<_, Infallible>(())
        };
        let Ok(packed) = Self::of_lines(k, scales, major, read);
        packed
    }

    /// As [`of_bytes`](Self::of_bytes), of the values that `read` writes for some lines, rows or columns. Apart from what is
    /// packed, each thread holds some lines.
    ///
    /// # Errors
    /// That of `read` for the first lines that it fails for.
    ///
    /// # Panics
    /// If no memory can hold the matrix.
    pub fn of_lines<E: Send>(
        k: usize,
        scales: &[f32],
        major: Major,
        read: impl Fn(Range<usize>, &mut [i8]) -> Result<(), E> + Sync,
    ) -> Result<Option<Self>, E> {
        let n = scales.len();
        if k > MAX_ROWS {
            return Ok(None);
        }
        let (depth, n_panels) = (k.next_multiple_of(STEP), n.div_ceil(COLS));
        let mut panels = Aligned::zeroed_in_large_pages(elements([n_panels, depth, COLS]) / size_of::<f32>());
        let line = major.line([k, n]);
        let column_sums: Vec<AtomicI32> = (0..n_panels * COLS).map(|_| AtomicI32::new(0)).collect();
        let pack = |part: Part<'_>| {
            let n_bytes = part.lines.len() * line;
            let mut lines = Scratch::new(n_bytes.div_ceil(size_of::<f32>()));
            let lines = &mut lines.bytes_mut()[..n_bytes];
            read(part.lines.clone(), lines)?;
            match major {
                Major::Rows => part.pack_rows(lines, n, &column_sums),
                Major::Columns => part.pack_columns(lines, k, &column_sums),
            }
            // The least of many is found by vectors.
            Ok(lines.iter().fold(0, |least: i8, &value| least.min(value)) > i8::MIN)
        };
        let parts = Self::parts(panels.bytes_mut(), [k, n], major);
        let packed: Vec<Result<bool, E>> = parts.into_par_iter().map(pack).collect();
        for is_symmetric in packed {
            if !is_symmetric? {
                return Ok(None);
            }
        }
        let column_sums = column_sums.into_iter().map(AtomicI32::into_inner).collect();
        let mut scales = scales.to_vec();
        scales.resize(n_panels * COLS, 0.0);
        Ok(Some(Self { panels, scales, column_sums, k, n }))
    }

    /// The parts of panels that threads pack: whole steps of rows, or whole panels of columns.
    fn parts(panels: &mut [i8], [k, n]: [usize; 2], major: Major) -> Vec<Part<'_>> {
        if k == 0 || n == 0 {
            return Vec::new();
        }
        let (n_lines, unit) = match major {
            Major::Rows => (k, STEP),
            Major::Columns => (n, COLS),
        };
        let at_once = (READ_AT_ONCE / major.line([k, n])).max(1).next_multiple_of(unit);
        let part = |at: usize| Part { lines: at..n_lines.min(at + at_once), panels: Vec::new() };
        let mut parts: Vec<_> = (0..n_lines).step_by(at_once).map(part).collect();
        for (panel, to) in panels.chunks_exact_mut(k.next_multiple_of(STEP) * COLS).enumerate() {
            match major {
                Major::Rows => {
                    let pieces = parts.iter_mut().zip(to.chunks_mut(at_once * COLS));
                    pieces.for_each(|(part, piece)| part.panels.push(piece));
                }
                Major::Columns => parts[panel * COLS / at_once].panels.push(to),
            }
        }
        parts
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

    /// The matrix of some columns, in this order; its products have the bits that they have here.
    ///
    /// # Panics
    /// If there is no such column.
    pub fn select(&self, columns: &[u32]) -> Self {
        assert!(columns.iter().all(|&j| (j as usize) < self.n), "some of {} columns", self.n);
        let (n, len) = (columns.len(), self.k.next_multiple_of(STEP));
        let n_padded = n.next_multiple_of(COLS);
        let mut panels = Aligned::zeroed_in_large_pages(elements([n_padded, len]) / size_of::<f32>());
        Panels { cols: COLS, len }.select::<_, STEP>(columns, self.panels.bytes(), panels.bytes_mut());
        let mut scales: Vec<f32> = columns.iter().map(|&j| self.scales[j as usize]).collect();
        let mut column_sums: Vec<i32> = columns.iter().map(|&j| self.column_sums[j as usize]).collect();
        scales.resize(n_padded, 0.0);
        column_sums.resize(n_padded, 0);
        Self { panels, scales, column_sums, k: self.k, n }
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
