//! Copies of operands in the order that tiles read them.

#![allow(unsafe_code)] // Transposing blocks in registers.

use super::tile::{A_STRIDE, ABlock, BPanels, DEPTH, multiply_block};
use crate::scratch::Scratch;
use crate::simd::{Level, Simd, dispatch};
use crate::{MatMut, MatRef};
use std::ops::DerefMut;

/// Columns of a panel of packed B at a level.
fn panel_cols(level: Level) -> usize {
    fn tile_cols<S: Simd>(_: S) -> usize {
        S::TILE_COLS
    }
    dispatch! { fn cols() -> usize = tile_cols }
    cols(level)
}

dispatch! {
    /// Packs `b` `[k, n]` into panels of `TILE_COLS` columns, each `[k, TILE_COLS]`, the last filled up with zeros.
    fn pack_panels(b: MatRef<'_>, panels: &mut [f32]) = pack_panels_kernel
}

#[inline(always)]
fn pack_panels_kernel<S: Simd>(s: S, b: MatRef<'_>, panels: &mut [f32]) {
    let [k, n] = b.dims();
    if k == 0 {
        return;
    }
    for (j, panel) in (0..n).step_by(S::TILE_COLS).zip(panels.chunks_exact_mut(k * S::TILE_COLS)) {
        let cols = S::TILE_COLS.min(n - j);
        let columns = b.block([0, j], [k, cols]);
        if b.col_stride == 1 {
            copy_rows(s, columns, panel);
        } else {
            gather_columns(s, columns, panel);
        }
    }
}

/// Rows are contiguous: copies `TILE_COLS` floats a row.
#[inline(always)]
fn copy_rows<S: Simd>(s: S, b: MatRef<'_>, panel: &mut [f32]) {
    let [k, cols] = b.dims();
    for (p, to) in (0..k).zip(panel.chunks_exact_mut(S::TILE_COLS)) {
        let from = &b.data[p * b.row_stride..][..cols];
        s.store(to, 0, s.load(from, 0));
        s.store(to, S::LANES, s.load(from, S::LANES));
    }
}

/// Columns are far apart: transposes square blocks where columns are contiguous, else one element at a time.
#[inline(always)]
fn gather_columns<S: Simd>(s: S, b: MatRef<'_>, panel: &mut [f32]) {
    let [k, cols] = b.dims();
    for v in (0..S::TILE_COLS).step_by(S::LANES) {
        for p in (0..k).step_by(S::LANES) {
            let depth = S::LANES.min(k - p);
            if b.row_stride == 1 && depth == S::LANES && v + S::LANES <= cols {
                // SAFETY: columns v..v + LANES and rows p..p + LANES lie in the matrix, and in the panel.
                unsafe {
                    let (from, to) = (b.data.as_ptr().add(v * b.col_stride + p), panel.as_mut_ptr());
                    s.transpose(from, b.col_stride, to.add(p * S::TILE_COLS + v), S::TILE_COLS);
                }
            } else {
                for p in p..p + depth {
                    for j in v..v + S::LANES {
                        panel[p * S::TILE_COLS + j] =
                            if j < cols { b.data[p * b.row_stride + j * b.col_stride] } else { 0.0 };
                    }
                }
            }
        }
    }
}

/// Copies at most `DEPTH × DEPTH` of A so that its rows (or its columns, where those are contiguous) are `A_STRIDE` apart.
pub(crate) fn pack_a<'b>(a: MatRef<'_>, block: &'b mut [f32]) -> ABlock<'b> {
    let transposed = a.col_stride != 1 && a.row_stride == 1;
    let lines = if transposed { a.t() } else { a };
    for (i, to) in (0..lines.rows).zip(block.chunks_mut(A_STRIDE)) {
        let to = &mut to[..lines.cols];
        if lines.col_stride == 1 {
            to.copy_from_slice(&lines.data[i * lines.row_stride..][..lines.cols]);
        } else {
            to.iter_mut().enumerate().for_each(|(p, to)| *to = lines.at(i, p));
        }
    }
    ABlock { data: block, transposed }
}

/// A matrix packed into panels over its whole depth.
#[derive(Clone, Debug)]
pub(crate) struct Packed<T = Scratch> {
    panels: T,
    level: Level,
    depth: usize,
}

impl Packed {
    /// Packs `b` into this thread's working memory.
    pub(crate) fn new(level: Level, b: MatRef<'_>) -> Self {
        Self::new_in(level, b, Scratch::new)
    }
}

impl<T: DerefMut<Target = [f32]>> Packed<T> {
    /// Packs `b` into memory that `allocate` gives for a length.
    pub(crate) fn new_in(level: Level, b: MatRef<'_>, allocate: impl FnOnce(usize) -> T) -> Self {
        let [depth, n] = b.dims();
        let mut panels = allocate(n.next_multiple_of(panel_cols(level)) * depth);
        pack_panels(level, b, &mut panels);
        Self { panels, level, depth }
    }

    /// The panels from row `p` on.
    pub(crate) fn rows_from(&self, p: usize) -> BPanels<'_> {
        let cols = panel_cols(self.level);
        BPanels { data: &self.panels[p * cols..], panel_stride: self.depth * cols }
    }

    /// `c = a · b` from column `j` of `b` on, or `c += a · b`, for at most [`DEPTH`] rows and `j` a multiple of 64;
    /// `room` is space for a block of A.
    pub(crate) fn multiply(&self, a: MatRef<'_>, j: usize, room: &mut [f32], mut c: MatMut<'_>, accumulate: bool) {
        let [m, k] = a.dims();
        if k == 0 && !accumulate {
            c.fill(0.0);
        }
        for p in (0..k).step_by(DEPTH) {
            let depth = DEPTH.min(k - p);
            let a = pack_a(a.block([0, p], [m, depth]), room);
            let BPanels { data, panel_stride } = self.rows_from(p);
            let b = BPanels { data: &data[j / panel_cols(self.level) * panel_stride..], panel_stride };
            let c = c.block([0, 0], [m, c.cols]);
            multiply_block(self.level, depth, a, b, c, accumulate || p > 0);
        }
    }
}
