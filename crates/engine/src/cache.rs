//! Keys and values of the target so far.

use rayon::prelude::*;

/// Positions that a cache has room for at first.
const FIRST_CAPACITY: usize = 16;
/// Floats below which copying is not worth another thread.
const MIN_PARALLEL: usize = 1 << 16;

/// Keys and values of one layer, `[rows, capacity, width]`, of which the first positions are in use.
#[derive(Debug)]
pub(crate) struct Cache {
    values: Vec<f32>,
    /// What `values` is reordered into.
    spare: Vec<f32>,
    rows: usize,
    capacity: usize,
    width: usize,
}

impl Cache {
    pub(crate) fn new(rows: usize, width: usize) -> Self {
        let capacity = FIRST_CAPACITY;
        Self { values: vec![0.0; rows * capacity * width], spare: Vec::new(), rows, capacity, width }
    }

    /// `[rows, capacity, width]`.
    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }

    /// Floats from one row to the next.
    pub(crate) fn row_stride(&self) -> usize {
        self.capacity * self.width
    }

    /// Appends `new` positions to the `n_past` of each row: the last `width` features of each position of `x`, which is
    /// `[rows, new, position]`.
    pub(crate) fn append(&mut self, n_past: usize, new: usize, x: &[f32], position: usize) {
        if n_past + new > self.capacity {
            self.grow(n_past, n_past + new);
        }
        let (width, stride) = (self.width, self.row_stride());
        for (row, x) in self.values.chunks_exact_mut(stride).zip(x.chunks_exact(new * position)) {
            for (to, x) in row[n_past * width..].chunks_exact_mut(width).zip(x.chunks_exact(position)) {
                to.copy_from_slice(&x[position - width..]);
            }
        }
    }

    /// Makes row `i` a copy of the old row `parents[i]`; `n_past` positions are in use.
    pub(crate) fn reorder(&mut self, n_past: usize, parents: &[usize]) {
        let (used, stride) = (n_past * self.width, self.row_stride());
        // Rows that only leave: each moves towards the beginning, so none is overwritten before it has moved.
        let only_leave = parents.is_sorted_by(|a, b| a < b);
        if only_leave {
            for (row, &parent) in parents.iter().enumerate() {
                if row != parent {
                    self.values.copy_within(parent * stride..parent * stride + used, row * stride);
                }
            }
            self.values.truncate(parents.len() * stride);
        } else {
            self.spare.resize(parents.len() * stride, 0.0);
            let old = &self.values;
            let copy =
                |(row, &parent): (&mut [f32], &usize)| row[..used].copy_from_slice(&old[parent * stride..][..used]);
            if parents.len() * used >= MIN_PARALLEL {
                self.spare.par_chunks_exact_mut(stride).zip(parents).for_each(copy);
            } else {
                self.spare.chunks_exact_mut(stride).zip(parents).for_each(copy);
            }
            std::mem::swap(&mut self.values, &mut self.spare);
        }
        self.rows = parents.len();
    }

    /// Makes room for `needed` positions and as many more.
    fn grow(&mut self, n_past: usize, needed: usize) {
        let (old, used) = (self.row_stride(), n_past * self.width);
        self.capacity = 2 * needed;
        let mut values = vec![0.0; self.rows * self.row_stride()];
        for (to, from) in values.chunks_exact_mut(self.row_stride()).zip(self.values.chunks_exact(old)) {
            to[..used].copy_from_slice(&from[..used]);
        }
        self.values = values;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cache of rows `[10 r + 0, 10 r + 1, …]`, `n` positions of one feature.
    fn cache(rows: usize, n: usize) -> Cache {
        let mut cache = Cache::new(rows, 1);
        for pos in 0..n {
            // Queries, in front, are left out.
            let x: Vec<f32> = (0..rows).flat_map(|row| [-1.0, (10 * row + pos) as f32]).collect();
            cache.append(pos, 1, &x, 2);
        }
        cache
    }

    fn rows(cache: &Cache, n: usize) -> Vec<Vec<f32>> {
        cache.values().chunks(cache.row_stride()).map(|row| row[..n].to_vec()).collect()
    }

    #[test]
    fn rows_leave_repeat_and_change_places() {
        let n = FIRST_CAPACITY + 3; // grows once
        let expected = |parents: &[usize]| -> Vec<Vec<f32>> {
            parents.iter().map(|row| (0..n).map(|pos| (10 * row + pos) as f32).collect()).collect()
        };
        for parents in [&[0, 1, 2, 3][..], &[1, 3], &[3, 1, 1, 0], &[2, 2, 2, 2, 0], &[]] {
            let mut cache = cache(4, n);
            cache.reorder(n, parents);
            assert_eq!(rows(&cache, n), expected(parents), "{parents:?}");
        }
    }
}
