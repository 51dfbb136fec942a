//! Copies of operands in the order that tiles read them.

#![allow(unsafe_code, reason = "transposing blocks in registers")]

use super::tile::{A_STRIDE, ABlock, BPanels, DEPTH, multiply_block};
use super::{BLOCK_COLS, MIN_COLS};
use crate::extent::elements;
use crate::panels::Panels;
use crate::scratch::Scratch;
use crate::simd::{Level, Simd, dispatch};
use crate::{Major, MatMut, MatRef, Precision};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::{DerefMut, Range};

/// Largest stride, in floats, at which lines of A are read in place: further apart, they compete for the same sets of
/// the caches.
const NEAR: usize = 512;

/// Columns of a panel of packed B at a level.
fn panel_cols(level: Level) -> usize {
    fn tile_cols<S: Simd>(_: S) -> usize {
        S::TILE_COLS
    }
    dispatch! { fn cols() -> usize = tile_cols }
    cols(level)
}

/// Rows of a panel for `k` rows of B.
fn panel_rows(level: Level, k: usize) -> usize {
    fn pairs<S: Simd>(_: S, k: usize) -> usize {
        S::pairs(k)
    }
    dispatch! { fn pairs_of(k: usize) -> usize = pairs }
    match level.precision {
        Precision::F32 => k,
        Precision::Bf16 => pairs_of(level, k),
    }
}

dispatch! {
    /// Packs `b` `[k, n]` into panels of `TILE_COLS` columns, each `[k, TILE_COLS]`, the last filled up with zeros.
    fn pack_panels(b: MatRef<'_>, panels: &mut [f32]) = pack_panels_kernel
}

dispatch! {
    /// As [`pack_panels`], with pairs of rows rounded to bf16.
    fn pack_paired_panels(b: MatRef<'_>, panels: &mut [f32]) = pack_paired_panels_kernel
}

dispatch! {
    /// Pairs of a block of A, as [`pack_a`] lays it out.
    fn pack_paired_a(a: MatRef<'_>, block: &mut [f32]) -> bool = pack_paired_a_kernel
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

/// Columns are far apart: transposes square blocks if columns are contiguous, else copies one element at a time.
#[inline(always)]
fn gather_columns<S: Simd>(s: S, b: MatRef<'_>, panel: &mut [f32]) {
    let [k, cols] = b.dims();
    for v in (0..S::TILE_COLS).step_by(S::LANES) {
        for p in (0..k).step_by(S::LANES) {
            let depth = S::LANES.min(k - p);
            if b.row_stride == 1 && depth == S::LANES && v + S::LANES <= cols {
                // SAFETY: columns v..v + LANES and rows p..p + LANES lie in the matrix, and in the panel, whose size
                // `Packed::room` has checked.
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

/// Gathers `LANES × LANES` above and below one another, and pairs their rows.
#[inline(always)]
fn pack_paired_panels_kernel<S: Simd>(s: S, b: MatRef<'_>, panels: &mut [f32]) {
    let [k, n] = b.dims();
    let rows = S::pairs(k);
    if k == 0 {
        return;
    }
    // Rows p.. and p + LANES.. of a vector of columns.
    let mut halves = [[0.0; 16 * 16]; 2];
    for (j, panel) in (0..n).step_by(S::TILE_COLS).zip(panels.chunks_exact_mut(rows * S::TILE_COLS)) {
        for v in (j..j + S::TILE_COLS).step_by(S::LANES) {
            let cols = S::LANES.min(n.saturating_sub(v));
            for p in (0..k).step_by(2 * S::LANES) {
                if b.col_stride == 1 && cols > 0 && k - p >= 2 * S::LANES {
                    for r in p..p + S::LANES {
                        let [low, high] = [r, r + S::LANES].map(|r| &b.data[r * b.row_stride + v..][..cols]);
                        let pairs = s.pair(s.load(low, 0), s.load(high, 0));
                        s.store(panel, (p / 2 + r - p) * S::TILE_COLS + v - j, pairs);
                    }
                    continue;
                }
                for (p, half) in [p, p + S::LANES].into_iter().zip(&mut halves) {
                    let depth = S::LANES.min(k.saturating_sub(p));
                    gather_block(s, b, [p, v], [depth, cols], half);
                }
                for r in 0..S::LANES {
                    let (low, high) = (s.load(&halves[0], r * S::LANES), s.load(&halves[1], r * S::LANES));
                    s.store(panel, (p / 2 + r) * S::TILE_COLS + v - j, s.pair(low, high));
                }
            }
        }
    }
}

/// `LANES × LANES` of a matrix from element `[i, j]` on, with zeros outside `[rows, cols]`.
#[inline(always)]
fn gather_block<S: Simd>(s: S, b: MatRef<'_>, [i, j]: [usize; 2], [rows, cols]: [usize; 2], to: &mut [f32; 16 * 16]) {
    if rows * cols == 0 {
        to.fill(0.0);
    } else if b.col_stride == 1 {
        for (r, to) in to.chunks_exact_mut(S::LANES).take(S::LANES).enumerate() {
            let from = if r < rows { &b.data[(i + r) * b.row_stride + j..][..cols] } else { &[] };
            s.store(to, 0, s.load(from, 0));
        }
    } else if b.row_stride == 1 && rows == S::LANES && cols == S::LANES {
        // SAFETY: LANES rows and columns lie in the matrix, and in the block.
        unsafe { s.transpose(b.data.as_ptr().add(j * b.col_stride + i), b.col_stride, to.as_mut_ptr(), S::LANES) }
    } else {
        for (r, to) in to.chunks_exact_mut(S::LANES).take(S::LANES).enumerate() {
            for (c, to) in to.iter_mut().enumerate() {
                *to = if r < rows && c < cols { b.at(i + r, j + c) } else { 0.0 };
            }
        }
    }
}

/// Whether the block is transposed.
#[inline(always)]
fn pack_paired_a_kernel<S: Simd>(s: S, a: MatRef<'_>, block: &mut [f32]) -> bool {
    let [m, k] = a.dims();
    let transposed = is_transposed(a);
    if transposed {
        // Line p and line p + LANES of columns.
        for (p, to) in (0..S::pairs(k)).zip(block.chunks_mut(A_STRIDE)) {
            let p = p / S::LANES * 2 * S::LANES + p % S::LANES;
            let [low, high] = [p, p + S::LANES].map(|p| if p < k { &a.data[p * a.col_stride..][..m] } else { &[][..] });
            for i in (0..m).step_by(S::LANES) {
                s.store(to, i, s.pair(s.load(low, i), s.load(high, i)));
            }
        }
    } else {
        let mut gathered = [0.0; DEPTH];
        for (i, to) in (0..m).zip(block.chunks_mut(A_STRIDE)) {
            let row = if a.col_stride == 1 {
                &a.data[i * a.row_stride..][..k]
            } else {
                gathered[..k].iter_mut().enumerate().for_each(|(p, to)| *to = a.at(i, p));
                &gathered[..k]
            };
            for p in (0..k).step_by(2 * S::LANES) {
                s.store(to, p / 2, s.pair(s.load(row, p), s.load(row, p + S::LANES)));
            }
        }
    }
    transposed
}

fn is_transposed(a: MatRef<'_>) -> bool {
    a.col_stride != 1 && a.row_stride == 1
}

/// At most `DEPTH × DEPTH` of A as the numbers that the level multiplies, its rows (or its columns, if those are
/// contiguous) as lines: in place, or else in `block`.
pub(crate) fn pack_a<'b>(level: Level, a: MatRef<'b>, block: &'b mut [f32]) -> ABlock<'b> {
    if level.precision == Precision::Bf16 {
        let transposed = pack_paired_a(level, a, block);
        return ABlock { data: block, stride: A_STRIDE, transposed, precision: Precision::Bf16 };
    }
    let transposed = is_transposed(a);
    let lines = if transposed { a.t() } else { a };
    if lines.col_stride == 1 && lines.row_stride <= NEAR {
        return ABlock { data: a.data, stride: lines.row_stride, transposed, precision: Precision::F32 };
    }
    for (i, to) in (0..lines.rows).zip(block.chunks_mut(A_STRIDE)) {
        let to = &mut to[..lines.cols];
        if lines.col_stride == 1 {
            to.copy_from_slice(&lines.data[i * lines.row_stride..][..lines.cols]);
        } else {
            to.iter_mut().enumerate().for_each(|(p, to)| *to = lines.at(i, p));
        }
    }
    ABlock::of(block, transposed)
}

fn pack(level: Level, b: MatRef<'_>, panels: &mut [f32]) {
    match level.precision {
        Precision::F32 => pack_panels(level, b, panels),
        Precision::Bf16 => pack_paired_panels(level, b, panels),
    }
}

/// First row and column, dimensions, and panels of a part.
type Part<'a> = ([usize; 2], [usize; 2], &'a mut [f32]);

/// A matrix packed into panels, [`DEPTH`] of its rows at a time: a block that is multiplied at a time is contiguous, so
/// its parts do not compete for the same sets of the caches.
#[derive(Clone, Debug)]
pub(crate) struct Packed<T = Scratch> {
    panels: T,
    level: Level,
    depth: usize,
    cols: usize,
}

impl Packed {
    /// Packs `b` into this thread's working memory.
    pub(crate) fn new(level: Level, b: MatRef<'_>) -> Self {
        let mut packed = Self::room(level, b.dims(), Scratch::new);
        packed.parts().for_each(|([p, j], [depth, cols], panels)| pack(level, b.block([p, j], [depth, cols]), panels));
        packed
    }

    /// [`Packed::new`] by all threads.
    pub(crate) fn by_all(level: Level, b: MatRef<'_>, parallel: bool) -> Self {
        if parallel { Self::new_in(level, b, Scratch::new) } else { Self::new(level, b) }
    }
}

impl<T: DerefMut<Target = [f32]>> Packed<T> {
    /// Packs `b` by all threads into memory that `allocate` gives for a length.
    pub(crate) fn new_in(level: Level, b: MatRef<'_>, allocate: impl FnOnce(usize) -> T) -> Self {
        let mut packed = Self::room(level, b.dims(), allocate);
        let parts: Vec<_> = packed.parts().collect();
        parts.into_par_iter().for_each(|([p, j], [depth, cols], panels)| {
            pack(level, b.block([p, j], [depth, cols]), panels);
        });
        packed
    }

    /// Packs a matrix `[k, n]`, of which `read` writes some lines, by all threads into memory that `allocate` gives for a length.
    pub(crate) fn of_lines<E: Send>(
        level: Level,
        [k, n]: [usize; 2],
        major: Major,
        allocate: impl FnOnce(usize) -> T,
        read: impl Fn(Range<usize>, &mut [f32]) -> Result<(), E> + Sync,
    ) -> Result<Self, E> {
        let mut packed = Self::room(level, [k, n], allocate);
        // Parts of the same lines are packed together.
        let mut groups = BTreeMap::<usize, Vec<_>>::new();
        for part @ ([p, j], ..) in packed.parts() {
            groups.entry(if major == Major::Rows { p } else { j }).or_default().push(part);
        }
        let pack_group = |(first, parts): (usize, Vec<Part<'_>>)| {
            let n_lines = match major {
                Major::Rows => DEPTH.min(k - first),
                Major::Columns => MIN_COLS.min(n - first),
            };
            let mut lines = Scratch::new(n_lines * major.line([k, n]));
            read(first..first + n_lines, &mut lines)?;
            for ([p, j], dims, panels) in parts {
                let b = match major {
                    Major::Rows => MatRef::new(&lines, n_lines, n).block([0, j], dims),
                    Major::Columns => MatRef::new(&lines, n_lines, k).t().block([p, 0], dims),
                };
                pack(level, b, panels);
            }
            Ok(())
        };
        let groups: Vec<_> = groups.into_iter().collect();
        let done: Vec<Result<(), E>> = groups.into_par_iter().map(pack_group).collect();
        done.into_iter().collect::<Result<(), E>>()?;
        Ok(packed)
    }

    fn room(level: Level, [depth, n]: [usize; 2], allocate: impl FnOnce(usize) -> T) -> Self {
        let cols = panel_cols(level);
        let len = elements([n.div_ceil(cols), cols, panel_rows(level, depth)]);
        Self { panels: allocate(len), level, depth, cols: n }
    }

    /// The matrix of some columns, in memory that `allocate` gives for a length.
    pub(crate) fn select(&self, columns: &[u32], allocate: impl FnOnce(usize) -> T) -> Self {
        let mut selected = Self::room(self.level, [self.depth, columns.len()], allocate);
        let cols = panel_cols(self.level);
        for p in (0..self.depth).step_by(DEPTH) {
            let len = panel_rows(self.level, DEPTH.min(self.depth - p));
            let to = &mut selected.panels[panel_rows(self.level, p) * columns.len().next_multiple_of(cols)..];
            Panels { cols, len }.select::<_, 1>(columns, self.rows_from(p).data, to);
        }
        selected
    }

    /// The parts that are packed separately.
    fn parts(&mut self) -> impl Iterator<Item = Part<'_>> {
        let Self { level, depth, cols, .. } = *self;
        let (mut rest, width) = (&mut self.panels[..], panel_cols(level));
        let starts = (0..depth).step_by(DEPTH).flat_map(move |p| (0..cols).step_by(MIN_COLS).map(move |j| [p, j]));
        starts.map(move |[p, j]| {
            let dims = [DEPTH.min(depth - p), MIN_COLS.min(cols - j)];
            let len = panel_rows(level, dims[0]) * dims[1].next_multiple_of(width);
            let (panels, others) = std::mem::take(&mut rest).split_at_mut(len);
            rest = others;
            ([p, j], dims, panels)
        })
    }

    /// The panels from row `p` on, a multiple of [`DEPTH`], for as many rows.
    pub(crate) fn rows_from(&self, p: usize) -> BPanels<'_> {
        let (level, cols) = (self.level, panel_cols(self.level));
        BPanels {
            data: &self.panels[panel_rows(level, p) * self.cols.next_multiple_of(cols)..],
            panel_stride: panel_rows(level, DEPTH.min(self.depth - p)) * cols,
        }
    }

    /// Column `j`, which no rounding to bf16 has changed.
    pub(crate) fn column(&self, j: usize) -> impl Iterator<Item = f32> {
        assert!(self.level.precision == Precision::F32 && j < self.cols, "column {j} of {} in f32", self.cols);
        let cols = panel_cols(self.level);
        (0..self.depth).step_by(DEPTH).flat_map(move |p| {
            let BPanels { data, panel_stride } = self.rows_from(p);
            data[j / cols * panel_stride..][..panel_stride].iter().skip(j % cols).step_by(cols).copied()
        })
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
            let a = pack_a(self.level, a.block([0, p], [m, depth]), room);
            let BPanels { data, panel_stride } = self.rows_from(p);
            for i in (0..c.cols).step_by(BLOCK_COLS) {
                let b = BPanels { data: &data[(j + i) / panel_cols(self.level) * panel_stride..], panel_stride };
                let c = c.block([0, i], [m, BLOCK_COLS.min(c.cols - i)]);
                multiply_block(self.level, depth, a, b, c, accumulate || p > 0);
            }
        }
    }
}
