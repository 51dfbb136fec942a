//! The innermost product: a block of A times a run of B's panels, one register tile at a time.

#![allow(unsafe_code, reason = "raw pointers in the innermost loop")]

use super::A_BLOCK;
use super::pack::pack_a;
use crate::extent::extent;
use crate::scratch::Scratch;
use crate::simd::{Simd, dispatch};
use crate::{Level, MatMut, MatRef, Precision};

/// Depth of a block: a tile's rows of A at this depth stay in the first-level cache.
pub(crate) const DEPTH: usize = 256;

/// Row stride of a block of A, in floats: an odd number of cache lines, so rows do not compete for the same sets.
pub(crate) const A_STRIDE: usize = DEPTH + 16;

/// A block of A with at most [`DEPTH`] columns: row `i` at `data[i · stride]`, or, transposed, column `p` there.
#[derive(Clone, Copy)]
pub(crate) struct ABlock<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) stride: usize,
    pub(crate) transposed: bool,
    /// Pairs of bf16, or single floats.
    pub(crate) precision: Precision,
}

impl<'a> ABlock<'a> {
    /// Floats in working memory, lines of them [`A_STRIDE`] apart.
    pub(crate) fn of(data: &'a [f32], transposed: bool) -> Self {
        Self { data, stride: A_STRIDE, transposed, precision: Precision::F32 }
    }
}

/// `k` rows of a packed B: panel `j` at `data[j · panel_stride]`, each row of a panel `TILE_COLS` floats, or pairs of
/// bf16 if the level multiplies these.
#[derive(Clone, Copy)]
pub(crate) struct BPanels<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) panel_stride: usize,
}

/// `c = a · b`, or `c += a · b`, with an inner dimension of `k <= DEPTH`.
///
/// Each element is one chain of multiply-adds in order of `k`, so it does not depend on its tile.
pub(crate) fn multiply_block(level: Level, k: usize, a: ABlock<'_>, b: BPanels<'_>, c: MatMut<'_>, accumulate: bool) {
    match (level.precision, a.precision) {
        (Precision::F32, _) => multiply_floats(level, k, a, b, c, accumulate),
        (Precision::Bf16, Precision::Bf16) => multiply_pairs(level, k, a, b, c, accumulate),
        (Precision::Bf16, Precision::F32) => {
            let strides = if a.transposed { [1, a.stride] } else { [a.stride, 1] };
            let mut room = Scratch::new(A_BLOCK);
            let a = pack_a(level, MatRef::strided(a.data, [c.rows, k], strides), &mut room);
            multiply_pairs(level, k, a, b, c, accumulate);
        }
    }
}

dispatch! {
    fn multiply_floats(
        k: usize, a: ABlock<'_>, b: BPanels<'_>, c: MatMut<'_>, accumulate: bool,
    ) = multiply_block_kernel::<_, false>
}

dispatch! {
    fn multiply_pairs(
        k: usize, a: ABlock<'_>, b: BPanels<'_>, c: MatMut<'_>, accumulate: bool,
    ) = multiply_block_kernel::<_, true>
}

#[inline(always)]
fn multiply_block_kernel<S: Simd, const PAIRS: bool>(
    s: S,
    k: usize,
    a: ABlock<'_>,
    b: BPanels<'_>,
    mut c: MatMut<'_>,
    accumulate: bool,
) {
    let (m, n) = (c.rows, c.cols);
    if m == 0 || n == 0 {
        return;
    }
    let k = if PAIRS { S::pairs(k) } else { k };
    let (lines, line) = if a.transposed { (k, m) } else { (m, k) };
    let panels = n.div_ceil(S::TILE_COLS);
    let within = |dims, stride, data: &[f32]| extent(dims, [stride, 1]).is_some_and(|extent| extent <= data.len());
    assert!(within([lines, line], a.stride, a.data), "A block out of bounds");
    assert!(within([panels, k.saturating_mul(S::TILE_COLS)], b.panel_stride, b.data), "B panels out of bounds");
    // SAFETY: the assertions are the promise for A and B; C's elements are its own.
    unsafe {
        if a.transposed {
            walk::<S, PAIRS, true>(s, [m, n, k], a, b, c.as_mut_ptr(), c.row_stride, accumulate);
        } else {
            walk::<S, PAIRS, false>(s, [m, n, k], a, b, c.as_mut_ptr(), c.row_stride, accumulate);
        }
    }
}

/// Cuts the block into tiles of nearly equal height.
///
/// # Safety
/// As [`tile`], for every tile.
#[inline(always)]
unsafe fn walk<S: Simd, const PAIRS: bool, const TRANSPOSED: bool>(
    s: S,
    [m, n, k]: [usize; 3],
    a: ABlock<'_>,
    b: BPanels<'_>,
    c: *mut f32,
    c_stride: usize,
    accumulate: bool,
) {
    let n_tiles = m.div_ceil(S::TILE_ROWS);
    for t in 0..n_tiles {
        let (i, end) = (t * m / n_tiles, (t + 1) * m / n_tiles);
        for j in (0..n).step_by(S::TILE_COLS) {
            let cols = S::TILE_COLS.min(n - j);
            // SAFETY: rows i..end and columns j..j + cols lie inside the block.
            unsafe {
                let (stride, first) = (a.stride, if TRANSPOSED { i } else { i * a.stride });
                let (a, c) = (a.data.as_ptr().add(first), c.add(i * c_stride + j));
                let b = b.data.as_ptr().add(j / S::TILE_COLS * b.panel_stride);
                macro_rules! tiles {
                    ($($rows:literal)*) => {
                        match end - i {
                            $($rows if $rows <= S::TILE_ROWS => if cols > S::LANES {
                                tile::<S, PAIRS, TRANSPOSED, $rows, 2>(s, k, a, stride, b, c, c_stride, cols, accumulate);
                            } else {
                                tile::<S, PAIRS, TRANSPOSED, $rows, 1>(s, k, a, stride, b, c, c_stride, cols, accumulate);
                            })*
                            _ => unreachable!("a tile of {} rows", end - i),
                        }
                    };
                }
                tiles!(1 2 3 4 5 6 7 8 9 10 11 12);
            }
        }
    }
}

/// One tile of `M × (V · LANES)` sums in registers, over `k` floats or `PAIRS`.
///
/// # Safety
/// `a` must be readable at `i · stride + p`, or transposed `p · stride + i`, `b` at `p · TILE_COLS ..` for `V` vectors, and
/// `c` writable at `i · c_stride ..` for `cols` floats, for all `i < M`, `p < k`; and `cols <= V · LANES`.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "operands and their sizes")]
unsafe fn tile<S: Simd, const PAIRS: bool, const TRANSPOSED: bool, const M: usize, const V: usize>(
    s: S,
    k: usize,
    a: *const f32,
    stride: usize,
    b: *const f32,
    c: *mut f32,
    c_stride: usize,
    cols: usize,
    accumulate: bool,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[s.zero(); V]; M];
        // Rows of C are far apart, and are needed at the end: prefetch them.
        for i in 0..M {
            s.prefetch(c.add(i * c_stride));
            s.prefetch(c.add(i * c_stride + cols - 1));
        }
        // A pointer for every four rows: few enough to stay in registers.
        let mut rows = [0, 1, 2].map(|four| a.wrapping_add(4 * four * stride));
        let mut column = a;
        for p in 0..k {
            let mut row = [s.zero(); V];
            for v in 0..V {
                row[v] = s.load_ptr(b.add(p * S::TILE_COLS + v * S::LANES));
            }
            for i in 0..M {
                let x = s.splat(if TRANSPOSED { *column.add(i) } else { *rows[i / 4].add(i % 4 * stride) });
                for v in 0..V {
                    sums[i][v] = match PAIRS {
                        true => s.mul_add_pairs(x, row[v], sums[i][v]),
                        false => s.mul_add(x, row[v], sums[i][v]),
                    };
                }
            }
            column = column.wrapping_add(stride);
            rows = rows.map(|row| row.wrapping_add(1));
        }
        for i in 0..M {
            for v in 0..V {
                let (c, n) = (c.add(i * c_stride + v * S::LANES), cols - v * S::LANES);
                let mut sum = sums[i][v];
                if n >= S::LANES {
                    if accumulate {
                        sum = s.add(s.load_ptr(c), sum);
                    }
                    s.store_ptr(c, sum);
                } else {
                    if accumulate {
                        sum = s.add(s.load_ptr_part(c, n), sum);
                    }
                    s.store_ptr_part(c, sum, n);
                }
            }
        }
    }
}
