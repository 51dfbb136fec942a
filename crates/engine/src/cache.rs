//! Slots of the keys and values of the target so far.

/// The slot of each position of each row, for all layers: hypotheses share the slots of their common beginning.
#[derive(Debug, Clone)]
pub(crate) struct Slots {
    /// `[rows, len]`.
    slots: Vec<u32>,
    rows: usize,
    len: usize,
    /// Number of slots, including those of rows that have left.
    n_slots: u32,
}

impl Slots {
    pub(crate) fn new(rows: usize) -> Self {
        Self { slots: Vec::new(), rows, len: 0, n_slots: 0 }
    }

    /// Positions of each row.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// `[rows, len]`.
    pub(crate) fn as_slice(&self) -> &[u32] {
        &self.slots
    }

    /// Gives each row its own slots for `new` more positions, numbered row by row.
    pub(crate) fn append(&mut self, new: usize) {
        let old = std::mem::take(&mut self.slots);
        self.slots.reserve(self.rows * (self.len + new));
        for row in 0..self.rows {
            self.slots.extend_from_slice(&old[row * self.len..][..self.len]);
            let first = self.n_slots + (row * new) as u32;
            self.slots.extend(first..first + new as u32);
        }
        self.len += new;
        self.n_slots += (self.rows * new) as u32;
    }

    /// Makes row `i` continue the old row `parents[i]`.
    pub(crate) fn reorder(&mut self, parents: &[usize]) {
        self.slots = parents.iter().flat_map(|&parent| &self.slots[parent * self.len..][..self.len]).copied().collect();
        self.rows = parents.len();
    }

    /// Takes back all but the first `len` positions of each row; returns the number of slots that are left, from the first on.
    ///
    /// # Panics
    /// If rows have fewer positions.
    pub(crate) fn truncate(&mut self, len: usize) -> usize {
        assert!(len <= self.len, "{len} positions are kept of {}", self.len);
        self.slots = (0..self.rows).flat_map(|row| &self.slots[row * self.len..][..len]).copied().collect();
        self.len = len;
        self.n_slots = self.slots.iter().max().map_or(0, |last| last + 1);
        self.n_slots as usize
    }

    /// If most slots are of rows that have left: the slots that are left, in order, which are numbered again.
    pub(crate) fn renumber(&mut self) -> Option<Vec<u32>> {
        if self.n_slots as usize <= 2 * self.slots.len() {
            return None;
        }
        let mut left = self.slots.clone();
        left.sort_unstable();
        left.dedup();
        let new_number = |slot: &u32| left.partition_point(|left| left < slot) as u32;
        self.slots = self.slots.iter().map(new_number).collect();
        self.n_slots = left.len() as u32;
        Some(left)
    }
}

/// Keeps `slots` of `cache`, `[slots, width]`, which are in order.
pub(crate) fn keep(cache: &mut Vec<f32>, slots: &[u32], width: usize) {
    for (new, &slot) in slots.iter().enumerate() {
        let first = slot as usize * width;
        cache.copy_within(first..first + width, new * width);
    }
    cache.truncate(slots.len() * width);
    cache.shrink_to(2 * cache.len());
}

/// Appends to `cache`, `[slots, width]`, the last `width` features of each row of `x`, `[new slots, row]`.
pub(crate) fn append(cache: &mut Vec<f32>, x: &[f32], row: usize, width: usize) {
    cache.reserve(x.len() / row * width);
    x.chunks_exact(row).for_each(|x| cache.extend_from_slice(&x[row - width..]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_leave_repeat_and_change_places() {
        let mut slots = Slots::new(3);
        slots.append(2);
        assert_eq!(slots.as_slice(), [0, 1, 2, 3, 4, 5]);
        slots.reorder(&[2, 0, 0]);
        slots.append(1);
        assert_eq!(slots.as_slice(), [4, 5, 6, 0, 1, 7, 0, 1, 8]);
        slots.reorder(&[1]);
        slots.append(1);
        assert_eq!((slots.as_slice(), slots.len()), (&[0, 1, 7, 9][..], 4));
        slots.reorder(&[]);
        slots.append(1);
        assert_eq!((slots.as_slice(), slots.len()), (&[][..], 5));
    }

    #[test]
    fn rows_that_left_leave_no_slots() {
        let mut slots = Slots::new(4);
        slots.append(2);
        slots.reorder(&[2, 0]);
        assert_eq!(slots.renumber(), None);
        slots.reorder(&[1, 1]);
        slots.reorder(&[0]);
        slots.append(1);
        assert_eq!(slots.as_slice(), [0, 1, 8]);
        assert_eq!(slots.renumber(), Some(vec![0, 1, 8]));
        assert_eq!(slots.as_slice(), [0, 1, 2]);
        slots.append(1);
        assert_eq!(slots.as_slice(), [0, 1, 2, 3]);
        let mut cache: Vec<f32> = (0..18).map(|value| value as f32).collect();
        keep(&mut cache, &[0, 1, 8], 2);
        assert_eq!(cache, [0.0, 1.0, 2.0, 3.0, 16.0, 17.0]);
    }

    #[test]
    fn positions_are_taken_back() {
        let mut slots = Slots::new(2);
        slots.append(2);
        slots.append(3);
        assert_eq!(slots.truncate(3), 8);
        assert_eq!((slots.as_slice(), slots.len()), (&[0, 1, 4, 2, 3, 7][..], 3));
        slots.append(1);
        assert_eq!(slots.as_slice(), [0, 1, 4, 8, 2, 3, 7, 9]);
        slots.reorder(&[0]);
        assert_eq!((slots.truncate(3), slots.truncate(0), slots.len()), (5, 0, 0));
    }

    #[test]
    fn queries_in_front_are_left_out() {
        let mut cache = vec![9.0];
        append(&mut cache, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3, 2);
        assert_eq!(cache, [9.0, 2.0, 3.0, 5.0, 6.0]);
    }
}
