//! Products with weights in the blocks of GGUF's files: 4 to 8 bits a value, a scale for every 16 or 32 of them.

#![allow(unsafe_code, reason = "bytes seen as vectors; jobs write disjoint blocks of one matrix")]

mod dot;
mod format;
mod half;
mod inputs;
mod layout;
mod panel;
mod tile;

pub use format::BlockFormat;

use std::ops::Range;

use crate::extent::{elements, work};
use crate::matmul::{Epilogue, for_each_job, job};
use crate::panels::Panels;
use crate::scratch::Aligned;
use crate::top_k::{self, TopK};
use crate::{Level, MatMut, MatRef};
use format::by_format;
use inputs::QuantisedInputs;
use layout::{COLS, Layout, STEP};
use panel::Panel;
use rayon::prelude::*;

/// Products with fewer multiply-adds are not worth another thread.
const MIN_PARALLEL: usize = 1 << 19;

/// A weight in the blocks of a GGUF file, packed for products; it takes as much memory as in the file.
///
/// `y[i, j] = Σ_g r[i, g] (s[g, j] Σ_p q_x[i, p] q_w[p, j] - m[g, j] Σ_p q_x[i, p])` over groups `g` of 16 or 32 inputs,
/// with the scales `s` and minima `m` of the format, and the inner sums in 32-bit integers. Every 32 values of an input's
/// row have their own scale `r`, `max |x| / 127`. So a row's result depends on no other row, and every instruction set
/// gives the same bits.
///
/// ```
/// use attentive_kernels::{BlockFormat, BlockMatrix, Epilogue, MatMut, MatRef};
///
/// let weight = vec![0.5; 2 * 32];
/// let matrix = BlockMatrix::quantise(BlockFormat::Q8_0, MatRef::new(&weight, 32, 2)).unwrap();
/// let mut y = [0.0; 2];
/// matrix.multiply(MatRef::new(&[1.0; 32], 1, 32), MatMut::new(&mut y, 1, 2), &Epilogue::default());
/// assert!((y[0] - 16.0).abs() < 0.01 && y[0] == y[1]);
/// ```
#[derive(Clone, Debug)]
pub struct BlockMatrix {
    format: BlockFormat,
    /// The values of panels of 16 columns: `[k / block, bytes / 4, 16, 4]` each.
    words: Aligned,
    /// The scales of panels, byte by byte: `[k / block, bytes, 16]` each.
    heads: Vec<u8>,
    k: usize,
    n: usize,
}

impl BlockMatrix {
    /// Packs the rows `[d_out]` of `d_in` values that a file holds; `None` if a row is not a whole number of blocks, or
    /// `bytes` are not that many rows.
    pub fn new(format: BlockFormat, bytes: &[u8], [d_in, d_out]: [usize; 2]) -> Option<Self> {
        let row_bytes = format.row_bytes(d_in)?;
        if row_bytes.checked_mul(d_out)? != bytes.len() {
            return None;
        }
        let (mut words, mut heads) = by_format!(format, B => {
            let (n_panels, n_blocks) = (d_out.div_ceil(COLS), d_in / B::BLOCK);
            let sizes = [B::BODY, B::HEAD].map(|size| elements([n_panels, n_blocks, COLS, size]));
            (Aligned::zeroed_in_large_pages(sizes[0] / size_of::<f32>()), vec![0; sizes[1]])
        });
        by_format!(format, B => {
            let n_blocks = d_in / B::BLOCK;
            let words = words.bytes_mut().par_chunks_mut((n_blocks * COLS * B::BODY).max(1));
            let heads = heads.par_chunks_mut((n_blocks * COLS * B::HEAD).max(1));
            let rows = bytes.par_chunks((row_bytes * COLS).max(1));
            words.zip(heads).zip(rows).for_each(|((words, heads), rows)| panel::pack::<B>(rows, row_bytes, words, heads));
        });
        Some(Self { format, words, heads, k: d_in, n: d_out })
    }

    /// Rounds a weight `[d_in, d_out]` as GGUF's reference does; `None` if `d_in` is not a whole number of blocks, or the
    /// format is one of those that are only read: all but [`Q4_0`](BlockFormat::Q4_0) and [`Q8_0`](BlockFormat::Q8_0).
    pub fn quantise(format: BlockFormat, b: MatRef<'_>) -> Option<Self> {
        let [k, n] = b.dims();
        let column = |j: usize| {
            let (column, mut bytes): (Vec<f32>, Vec<u8>) = ((0..k).map(|p| b.at(p, j)).collect(), Vec::new());
            format.quantise_row(&column, &mut bytes).map(|()| bytes)
        };
        let columns: Vec<Vec<u8>> = (0..n).into_par_iter().map(column).collect::<Option<_>>()?;
        Self::new(format, &columns.concat(), [k, n])
    }

    /// The format of the blocks.
    pub fn format(&self) -> BlockFormat {
        self.format
    }

    /// Inputs and outputs, `[d_in, d_out]`.
    pub fn dims(&self) -> [usize; 2] {
        [self.k, self.n]
    }

    /// The values as `f32`, `[d_out, d_in]`, the same bits as those of GGUF's reference.
    pub fn dequantise(&self) -> Vec<f32> {
        let mut out = vec![0.0; elements([self.k, self.n])];
        out.par_chunks_mut((COLS * self.k).max(1)).enumerate().for_each(|(panel, out)| {
            self.dequantise_columns(panel, 0..out.len() / self.k, out);
        });
        out
    }

    /// One row of [`dequantise`](Self::dequantise): the `d_in` values of an output, or of a word of an embedding.
    ///
    /// # Panics
    /// If there is no such row, or `out` does not have `d_in` elements.
    pub fn dequantise_row(&self, row: usize, out: &mut [f32]) {
        assert!(row < self.n, "row {row} of {}", self.n);
        assert_eq!(out.len(), self.k, "a row has {} values", self.k);
        self.dequantise_columns(row / COLS, row % COLS..row % COLS + 1, out);
    }

    /// The matrix of some outputs, in this order; its products have the bits that they have here.
    ///
    /// # Panics
    /// If there is no such output.
    pub fn select(&self, outputs: &[u32]) -> Self {
        assert!(outputs.iter().all(|&j| (j as usize) < self.n), "some of {} outputs", self.n);
        let [body, head] = by_format!(self.format, B => [B::BODY, B::HEAD].map(|size| self.k / B::BLOCK * size));
        let n_padded = outputs.len().next_multiple_of(COLS);
        let mut words = Aligned::zeroed_in_large_pages(elements([n_padded, body]) / size_of::<f32>());
        let mut heads = vec![0; elements([n_padded, head])];
        Panels { cols: COLS, len: body }.select::<_, STEP>(outputs, self.words.bytes(), words.bytes_mut());
        Panels { cols: COLS, len: head }.select::<_, 1>(outputs, &self.heads, &mut heads);
        Self { format: self.format, words, heads, k: self.k, n: outputs.len() }
    }

    fn dequantise_columns(&self, panel: usize, columns: Range<usize>, out: &mut [f32]) {
        by_format!(self.format, B => self.panel::<B>(panel).dequantise(columns, out));
    }

    /// `c = a · b` and its epilogue, for `a` `[m, d_in]` and `c` `[m, d_out]`.
    ///
    /// # Panics
    /// If the dimensions do not match.
    pub fn multiply(&self, a: MatRef<'_>, c: MatMut<'_>, epilogue: &Epilogue<'_>) {
        let [m, k] = a.dims();
        assert_eq!(k, self.k, "inner dimensions differ");
        assert_eq!([m, self.n], [c.rows, c.cols], "the product is {m} × {}", self.n);
        epilogue.check(self.n);
        let level = Level::current();
        let inputs = self.inputs(level, a);
        for_each_job([m, self.n], job([m, k, self.n]), self.parallel(m), |[i, j], dims| {
            // SAFETY: every job has its own rows and columns.
            let mut c = unsafe { c.shared_block([i, j], dims) };
            tile::multiply(level, self, &inputs, [i, j], c.block([0, 0], dims), epilogue.accumulate);
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
        let inputs = self.inputs(level, a);
        top_k::of_product(level, [m, self.n], bias, self.parallel(m), best, |at, c| {
            tile::multiply(level, self, &inputs, at, c, false);
        });
    }

    fn inputs(&self, level: Level, a: MatRef<'_>) -> QuantisedInputs {
        QuantisedInputs::new(level, a, by_format!(self.format, B => B::GROUP))
    }

    fn parallel(&self, m: usize) -> bool {
        work([m.max(1), self.k, self.n]) >= MIN_PARALLEL
    }

    /// The panel of 16 columns at `16 · panel`.
    #[inline(always)]
    fn panel<B: Layout>(&self, panel: usize) -> Panel<'_, B> {
        let n_values = self.k / B::BLOCK * COLS;
        let words = &self.words.bytes()[panel * n_values * B::BODY..][..n_values * B::BODY];
        Panel::new(words, &self.heads[panel * n_values * B::HEAD..][..n_values * B::HEAD])
    }
}
