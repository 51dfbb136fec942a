//! Columns of packed weights, copied from panel to panel.

use rayon::prelude::*;

/// Panels of columns, each of `len` elements: `[len / unit, cols, unit]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panels {
    pub(crate) cols: usize,
    pub(crate) len: usize,
}

impl Panels {
    /// Copies columns from the panels `from` into the panels `to`, in this order. `UNIT` elements of a column are adjacent.
    pub(crate) fn select<T: Copy + Send + Sync, const UNIT: usize>(self, columns: &[u32], from: &[T], to: &mut [T]) {
        let Self { cols, len } = self;
        if len == 0 {
            return;
        }
        let panels = to.par_chunks_mut(cols * len).zip(columns.par_chunks(cols));
        panels.for_each(|(to, columns)| {
            for (lane, &column) in columns.iter().enumerate() {
                let column = column as usize;
                let from = &from[column / cols * cols * len..][..cols * len];
                let rows = from.chunks_exact(cols * UNIT).zip(to.chunks_exact_mut(cols * UNIT));
                for (from, to) in rows {
                    to[lane * UNIT..][..UNIT].copy_from_slice(&from[column % cols * UNIT..][..UNIT]);
                }
            }
        });
    }
}
