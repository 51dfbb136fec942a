//! Matrix products: blocks of C as independent jobs, each packing what it reads.

mod epilogue;
mod pack;
mod packed;
mod tile;

pub use epilogue::Epilogue;
pub(crate) use pack::{Packed, pack_a};
pub use packed::PackedMatrix;
pub(crate) use tile::{A_STRIDE, ABlock, DEPTH, multiply_block};

use crate::scratch::Scratch;
use crate::{Level, MatMut, MatRef};
use rayon::prelude::*;

/// Floats of a block of A, at most [`DEPTH`] rows and columns.
pub(crate) const A_BLOCK: usize = DEPTH * A_STRIDE;
/// Columns of a job: with [`DEPTH`] rows, the packed B of a job fits in the second-level cache.
const JOB_COLS: usize = 256;
/// Columns of the smallest job: a whole number of panels at every level.
const MIN_COLS: usize = 64;
/// Products below this many multiply-adds are not worth another thread.
const MIN_PARALLEL: usize = 1 << 19;

/// `c = a · b`, or `c += a · b` with `accumulate`.
///
/// Any strides, so a transposed operand costs nothing. Every element is summed in order of the inner dimension, in runs
/// of 256: the result depends neither on the number of threads nor on the other rows and columns.
///
/// # Shapes
/// - `a`: `[m, k]`, `b`: `[k, n]`, `c`: `[m, n]`
///
/// # Panics
/// If the dimensions do not match.
///
/// ```
/// use attentive_kernels::{MatMut, MatRef, matmul};
///
/// let (a, b) = ([1.0, 2.0], [1.0, 2.0, 3.0, 4.0]);
/// let mut c = [0.0; 2];
/// matmul(MatRef::new(&a, 1, 2), MatRef::new(&b, 2, 2), MatMut::new(&mut c, 1, 2), false);
/// assert_eq!(c, [7.0, 10.0]);
/// ```
pub fn matmul(a: MatRef<'_>, b: MatRef<'_>, c: MatMut<'_>, accumulate: bool) {
    matmul_with(a, b, c, &Epilogue { accumulate, ..Epilogue::default() });
}

/// [`matmul`], and what follows it, on each block of `c` while that is in the cache.
///
/// # Panics
/// If the dimensions do not match.
#[allow(unsafe_code)] // Jobs write disjoint blocks of one matrix.
pub fn matmul_with(a: MatRef<'_>, b: MatRef<'_>, c: MatMut<'_>, epilogue: &Epilogue<'_>) {
    let ([m, k], [k_2, n]) = (a.dims(), b.dims());
    assert_eq!(k, k_2, "inner dimensions differ");
    assert_eq!([m, n], [c.rows, c.cols], "the product is {m} × {n}");
    epilogue.check(n);
    let level = Level::current();
    let job_rows = job_rows(m, n, k);
    for_each_job([m, n], [job_rows, JOB_COLS], m * n * k >= MIN_PARALLEL, |[i, j], [rows, cols]| {
        // SAFETY: every job has its own rows and columns.
        let mut c = unsafe { c.shared_block([i, j], [rows, cols]) };
        let (a, b) = (a.block([i, 0], [rows, k]), b.block([0, j], [k, cols]));
        multiply_job(level, a, b, c.block([0, 0], [rows, cols]), epilogue.accumulate);
        epilogue.finish(level, j, c);
    });
}

/// One job, on one thread.
fn multiply_job(level: Level, a: MatRef<'_>, b: MatRef<'_>, mut c: MatMut<'_>, accumulate: bool) {
    let ([m, k], [_, n]) = (a.dims(), b.dims());
    let mut room = Scratch::new(A_BLOCK);
    if k == 0 && !accumulate {
        c.fill(0.0);
    }
    for p in (0..k).step_by(DEPTH) {
        let depth = DEPTH.min(k - p);
        let b = Packed::new(level, b.block([p, 0], [depth, n]));
        for i in (0..m).step_by(DEPTH) {
            let rows = DEPTH.min(m - i);
            let a = pack_a(level, a.block([i, p], [rows, depth]), &mut room);
            multiply_block(level, depth, a, b.rows_from(0), c.block([i, 0], [rows, n]), accumulate || p > 0);
        }
    }
}

/// Calls `job` with the first element and the dimensions of each block of an `[m, n]` matrix.
pub(crate) fn for_each_job(
    [m, n]: [usize; 2],
    [job_rows, job_cols]: [usize; 2],
    parallel: bool,
    job: impl Fn([usize; 2], [usize; 2]) + Sync,
) {
    let (down, across) = (m.div_ceil(job_rows), n.div_ceil(job_cols));
    let numbered = |number: usize| {
        let (i, j) = (number / across * job_rows, number % across * job_cols);
        job([i, j], [job_rows.min(m - i), job_cols.min(n - j)]);
    };
    if parallel && down * across > 1 {
        (0..down * across).into_par_iter().for_each(numbered);
    } else {
        (0..down * across).for_each(numbered);
    }
}

/// Rows and columns of a job of a product whose B is packed already, so that columns may be as few as a panel's: at most
/// `DEPTH × JOB_COLS`, halved until every thread has a few jobs or these get too small.
pub(crate) fn packed_job([m, k, n]: [usize; 3]) -> [usize; 2] {
    let (mut rows, mut cols) = (DEPTH.min(m.max(1)), JOB_COLS);
    while m.div_ceil(rows) * n.div_ceil(cols) < 4 * rayon::current_num_threads() && rows * cols * k > MIN_PARALLEL {
        if cols > MIN_COLS {
            cols /= 2;
        } else {
            rows = rows.div_ceil(2);
        }
    }
    [rows, cols]
}

/// Rows of a job: as many as there are, halved until every thread has a few jobs.
fn job_rows(m: usize, n: usize, k: usize) -> usize {
    let across = n.div_ceil(JOB_COLS);
    let mut rows = m.max(1);
    while rows > 96 && m.div_ceil(rows) * across < 4 * rayon::current_num_threads() && rows * n * k > MIN_PARALLEL {
        rows = rows.div_ceil(2);
    }
    rows
}
