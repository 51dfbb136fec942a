//! Matrix products: B is packed by all threads, then blocks of C are independent jobs, each packing its rows of A.

mod epilogue;
mod pack;
mod packed;
mod tile;

pub use epilogue::Epilogue;
pub(crate) use pack::Packed;
pub use packed::PackedMatrix;
pub(crate) use tile::{A_STRIDE, ABlock, DEPTH, multiply_block};

use crate::extent::work;
use crate::scratch::Scratch;
use crate::{Level, MatMut, MatRef};
use rayon::prelude::*;

/// Floats of a block of A, at most [`DEPTH`] rows and columns.
pub(crate) const A_BLOCK: usize = DEPTH * A_STRIDE;
/// Columns of a block of B: with [`DEPTH`] rows, they fit in the second-level cache.
const BLOCK_COLS: usize = 256;
/// Columns of the largest job: packing its rows of A costs nothing compared with multiplying them.
const JOB_COLS: usize = 1024;
/// Columns of the smallest job: a whole number of panels at every level.
const MIN_COLS: usize = 64;
/// Floats of B that are packed at a time: they fit in the third-level cache.
const PACKED: usize = 1 << 20;
/// Products with fewer multiply-adds are not worth another thread.
const MIN_PARALLEL: usize = 1 << 19;

/// `c = a · b`, or `c += a · b` with `accumulate`.
///
/// Strides may be any, so a transposed operand costs nothing. Every element is summed in order of the inner dimension,
/// in runs of 256: the result depends neither on the number of threads nor on the other rows and columns.
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

/// [`matmul`] and its epilogue, on each block of `c` while that is in the cache.
///
/// # Panics
/// If the dimensions do not match.
pub fn matmul_with(a: MatRef<'_>, b: MatRef<'_>, c: MatMut<'_>, epilogue: &Epilogue<'_>) {
    matmul_at(Level::current(), a, b, c, epilogue);
}

/// [`matmul_with`] at a level that need not be this thread's: within work that another thread began.
#[allow(unsafe_code, reason = "jobs write disjoint blocks of one matrix")]
pub(crate) fn matmul_at(level: Level, a: MatRef<'_>, b: MatRef<'_>, mut c: MatMut<'_>, epilogue: &Epilogue<'_>) {
    let ([m, k], [k_2, n]) = (a.dims(), b.dims());
    assert_eq!(k, k_2, "inner dimensions differ");
    assert_eq!([m, n], [c.rows, c.cols], "the product is {m} × {n}");
    epilogue.check(n);
    if m == 0 || n == 0 {
        return;
    }
    let parallel = work([m, n, k]) >= MIN_PARALLEL;
    if k == 0 {
        if !epilogue.accumulate {
            c.fill(0.0);
        }
        epilogue.finish(level, 0, c);
        return;
    }
    for j in (0..n).step_by(PACKED / DEPTH) {
        let cols = (PACKED / DEPTH).min(n - j);
        for (p, depth) in depths(k, cols) {
            let b = Packed::by_all(level, b.block([p, j], [depth, cols]), parallel);
            for_each_job([m, cols], job([m, depth, cols]), parallel, |[i, job_j], [rows, cols]| {
                // SAFETY: every job has its own rows and columns.
                let mut c = unsafe { c.shared_block([i, j + job_j], [rows, cols]) };
                let (a, room) = (a.block([i, p], [rows, depth]), &mut Scratch::new(A_BLOCK));
                b.multiply(a, job_j, room, c.block([0, 0], [rows, cols]), epilogue.accumulate || p > 0);
                if p + depth == k {
                    epilogue.finish(level, j + job_j, c);
                }
            });
        }
    }
}

/// The first row and the number of rows of each part of B, `k` deep in all, that is packed at a time.
fn depths(k: usize, cols: usize) -> impl Iterator<Item = (usize, usize)> {
    let depth = PACKED / cols.next_multiple_of(MIN_COLS) / DEPTH * DEPTH;
    (0..k).step_by(depth).map(move |p| (p, depth.min(k - p)))
}

/// Calls `job` with the first element and the dimensions of each block of an `[m, n]` matrix, whose number of elements
/// must be a size.
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
        (0..down * across).into_par_iter().with_max_len(1).for_each(numbered);
    } else {
        (0..down * across).for_each(numbered);
    }
}

/// Rows and columns of a job, for a product whose B is packed already: at most `DEPTH × JOB_COLS`, the longer side
/// halved until every thread has a few jobs or these get too small.
pub(crate) fn job([m, k, n]: [usize; 3]) -> [usize; 2] {
    let (mut rows, mut cols) = (DEPTH.min(m.max(1)), n.clamp(1, JOB_COLS).next_multiple_of(MIN_COLS));
    let jobs = |rows, cols| work([m.div_ceil(rows), n.div_ceil(cols)]);
    while jobs(rows, cols) < 4 * rayon::current_num_threads() && work([rows, cols, k]) > MIN_PARALLEL {
        if rows == 1 && cols == MIN_COLS {
            break;
        }
        if cols > MIN_COLS && cols >= rows {
            cols = (cols / 2).next_multiple_of(MIN_COLS);
        } else {
            rows = rows.div_ceil(2);
        }
    }
    [rows, cols]
}
