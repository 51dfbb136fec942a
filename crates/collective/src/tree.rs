//! The tree that all sums are made in.

use std::{fmt, ops::Range};

/// The contiguous part of `n` things that falls to process `rank` of `size`, none of them empty if `n` is at least `size`.
///
/// Things and processes are halved together, so that the parts of 2, 4 or 8 processes are nodes of the tree of
/// [`BalancedSum`].
///
/// ```
/// use attentive_collective::share;
///
/// assert_eq!([0, 1, 2, 3].map(|rank| share(6, rank, 4)), [0..1, 1..3, 3..4, 4..6]);
/// assert_eq!([0, 1, 2].map(|rank| share(12, rank, 3)), [0..4, 4..8, 8..12]);
/// ```
///
/// # Panics
/// If `rank` is not below `size`.
pub fn share(n: usize, rank: usize, size: usize) -> Range<usize> {
    assert!(rank < size, "process {rank} of {size}");
    let (mut part, mut ranks) = (0..n, 0..size);
    while ranks.len() > 1 {
        let n_left = ranks.len() / 2;
        let middle = part.start + part.len() * n_left / ranks.len();
        match rank < ranks.start + n_left {
            true => (part.end, ranks.end) = (middle, ranks.start + n_left),
            false => (part.start, ranks.start) = (middle, ranks.start + n_left),
        }
    }
    part
}

/// Adds parts that come one after another in a balanced binary tree: `n` parts are halved, the smaller half first, and each
/// half again.
///
/// At most log₂ n + 1 partial sums are kept. Where fewer than `n` parts come, the tree lacks the others.
pub struct BalancedSum<T> {
    n: u64,
    n_added: u64,
    /// Sums of nodes that are whole, from the left to the right.
    nodes: Vec<T>,
    plus: fn(T, T) -> T,
}

impl<T> BalancedSum<T> {
    /// An empty sum of `n` parts, by `plus(left, right)`.
    pub fn new(n: u64, plus: fn(T, T) -> T) -> Self {
        Self { n, n_added: 0, nodes: Vec::new(), plus }
    }

    /// An empty sum of a number of parts that is not known: its tree is that of the next power of two.
    pub fn of_any(plus: fn(T, T) -> T) -> Self {
        Self::new(1 << 63, plus)
    }

    /// Adds the next part.
    ///
    /// # Panics
    /// If `n` parts were added before.
    pub fn add(&mut self, part: T) {
        assert!(self.n_added < self.n, "{} parts were announced", self.n);
        let mut sum = part;
        for _ in 0..n_closed(self.n, self.n_added) {
            let left = self.nodes.pop().expect("a right half comes after its left half");
            sum = (self.plus)(left, sum);
        }
        self.nodes.push(sum);
        self.n_added += 1;
    }

    /// The sum of all parts; `None` of none.
    pub fn finish(mut self) -> Option<T> {
        let last = self.nodes.pop()?;
        Some(self.nodes.into_iter().rev().fold(last, |sum, left| (self.plus)(left, sum)))
    }
}

impl<T> fmt::Debug for BalancedSum<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BalancedSum").field("n", &self.n).field("n_added", &self.n_added).finish_non_exhaustive()
    }
}

/// Number of nodes of the tree over `n` leaves of which leaf `idx` is the last one: right turns at the end of its path.
fn n_closed(n: u64, idx: u64) -> u32 {
    let (mut node, mut n_right) = (0..n, 0);
    while node.end - node.start > 1 {
        let middle = node.start + (node.end - node.start) / 2;
        match idx < middle {
            true => (node.end, n_right) = (middle, 0),
            false => (node.start, n_right) = (middle, n_right + 1),
        }
    }
    n_right
}
