//! Work in chunks of rows. Chunk boundaries depend on the shape alone, never on the number of threads, so that sums
//! over chunks are the same on every machine.

use crate::extent::elements;
use rayon::prelude::*;
use std::ops::Range;

/// Elements of a chunk: enough to pay for handing it out, few enough to stay in the second-level cache.
const CHUNK: usize = 1 << 14;

/// Rows of a matrix in chunks of equal size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunks {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) chunk_rows: usize,
}

impl Chunks {
    /// Chunks of about 16 thousand elements.
    pub(crate) fn rows(rows: usize, cols: usize) -> Self {
        Self { rows, cols, chunk_rows: CHUNK.div_ceil(cols.max(1)) }
    }

    pub(crate) fn count(self) -> usize {
        self.rows.div_ceil(self.chunk_rows)
    }

    /// The rows of a chunk.
    pub(crate) fn range(self, chunk: usize) -> Range<usize> {
        let start = chunk * self.chunk_rows;
        start..self.rows.min(start + self.chunk_rows)
    }
}

/// Calls `f` with each chunk's rows and its part of `y`, in parallel.
pub(crate) fn for_each_chunk(chunks: Chunks, y: &mut [f32], f: impl Fn(Range<usize>, &mut [f32]) + Sync) {
    assert_eq!(y.len(), elements([chunks.rows, chunks.cols]), "the output is {} × {}", chunks.rows, chunks.cols);
    if chunks.count() <= 1 {
        return f(0..chunks.rows, y);
    }
    y.par_chunks_mut(chunks.chunk_rows * chunks.cols).enumerate().for_each(|(i, y)| f(chunks.range(i), y));
}

/// `totals[j] += Σ partials[i][j]` over chunks, in order.
pub(crate) fn add_in_order(partials: &[f32], totals: &mut [f32]) {
    let n = totals.len();
    let add = |start: usize, totals: &mut [f32]| {
        for partial in partials.chunks_exact(n) {
            totals.iter_mut().zip(&partial[start..]).for_each(|(total, partial)| *total += partial);
        }
    };
    if n <= CHUNK {
        add(0, totals);
    } else {
        totals.par_chunks_mut(CHUNK).enumerate().for_each(|(i, totals)| add(i * CHUNK, totals));
    }
}
