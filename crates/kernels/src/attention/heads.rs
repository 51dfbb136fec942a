//! Views of queries, keys and values where projections left them.

#![allow(unsafe_code, reason = "heads of one buffer are written by several threads")]

use crate::extent::{elements, extent};
use crate::{MatMut, MatRef};
use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// Offset of the features of a position's head: `batch · b + seq · i + head · h`; a head's features are adjacent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadStrides {
    /// From one sequence to the next.
    pub batch: usize,
    /// From one position to the next.
    pub seq: usize,
    /// From one head to the next.
    pub head: usize,
}

impl HeadStrides {
    /// `[batch, heads, seq, d]`, contiguous.
    ///
    /// # Panics
    /// If no memory can hold a sequence.
    pub fn head_major(heads: usize, seq: usize, d: usize) -> Self {
        Self { batch: elements([heads, seq, d]), seq: d, head: seq * d }
    }

    /// `[batch, seq, parts, heads, d]`, contiguous: a projection of `parts` fused, or one of its own with `parts = 1`.
    ///
    /// # Panics
    /// If no memory can hold a sequence.
    pub fn seq_major(seq: usize, parts: usize, heads: usize, d: usize) -> Self {
        Self { batch: elements([seq, parts, heads, d]), seq: parts * heads * d, head: d }
    }

    /// Checks that a view of `[batch, heads, seq, d]` fits `len` elements.
    fn check(&self, what: &str, dims: [usize; 4], len: usize) {
        let extent = extent(dims, [self.batch, self.head, self.seq, 1]);
        assert!(
            extent.is_some_and(|extent| extent <= len),
            "{what} of [batch, heads, seq, d] = {dims:?} with {self:?} do not fit in {len} elements"
        );
    }
}

/// Queries, keys or values, read-only.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a> {
    data: &'a [f32],
    strides: HeadStrides,
}

impl<'a> Heads<'a> {
    /// A view of `data`, its first feature the first element.
    pub fn new(data: &'a [f32], strides: HeadStrides) -> Self {
        Self { data, strides }
    }

    /// The parts of a fused projection `[batch, seq, N, heads, d]`: `N = 3` for queries, keys and values.
    ///
    /// # Panics
    /// If `data` is shorter than one position, or no memory can hold a sequence.
    pub fn split<const N: usize>(data: &'a [f32], [seq, heads, d]: [usize; 3]) -> [Self; N] {
        let strides = HeadStrides::seq_major(seq, N, heads, d);
        std::array::from_fn(|part| Self { data: &data[part * heads * d..], strides })
    }

    pub(crate) fn check(&self, what: &str, dims: [usize; 4]) {
        self.strides.check(what, dims, self.data.len());
    }

    /// One head of one sequence, `[seq, d]`.
    pub(crate) fn head(&self, b: usize, h: usize, [seq, d]: [usize; 2]) -> MatRef<'a> {
        if seq == 0 || d == 0 {
            return MatRef::new(&[], seq, d);
        }
        let data = &self.data[b * self.strides.batch + h * self.strides.head..];
        MatRef::strided(data, [seq, d], [self.strides.seq, 1])
    }
}

/// Outputs or gradients, writable.
#[derive(Debug)]
pub struct HeadsMut<'a> {
    data: *mut f32,
    len: usize,
    /// Features of a position that belong to this view; those beyond may belong to another part.
    width: usize,
    strides: HeadStrides,
    lifetime: PhantomData<&'a mut [f32]>,
}

// SAFETY: a `HeadsMut` is a unique borrow of its features; `head`'s contract keeps threads apart.
unsafe impl Send for HeadsMut<'_> {}
// SAFETY: as above.
unsafe impl Sync for HeadsMut<'_> {}

impl<'a> HeadsMut<'a> {
    /// A view of `data`, its first feature the first element.
    pub fn new(data: &'a mut [f32], strides: HeadStrides) -> Self {
        Self { data: data.as_mut_ptr(), len: data.len(), width: usize::MAX, strides, lifetime: PhantomData }
    }

    /// The parts of a fused gradient `[batch, seq, N, heads, d]`, as [`Heads::split`].
    ///
    /// # Panics
    /// If `data` is shorter than one position, or no memory can hold a sequence.
    pub fn split<const N: usize>(data: &'a mut [f32], [seq, heads, d]: [usize; 3]) -> [Self; N] {
        let strides = HeadStrides::seq_major(seq, N, heads, d);
        let (len, data) = (data.len(), data.as_mut_ptr());
        std::array::from_fn(|part| {
            let start = part * heads * d;
            assert!(start <= len, "{len} elements are less than one position of {N} × {heads} × {d}");
            // SAFETY: inside `data`.
            let data = unsafe { data.add(start) };
            Self { data, len: len - start, width: heads * d, strides, lifetime: PhantomData }
        })
    }

    /// Room for heads `[batch, seq, heads, d]` that nobody has written to yet.
    ///
    /// # Safety
    /// Nothing may read an element before it is written.
    pub(super) unsafe fn in_room(room: &'a mut [MaybeUninit<f32>], [seq, heads, d]: [usize; 3]) -> Self {
        let strides = HeadStrides::seq_major(seq, 1, heads, d);
        Self { data: room.as_mut_ptr().cast(), len: room.len(), width: usize::MAX, strides, lifetime: PhantomData }
    }

    /// Checks that the view fits its memory and that its heads do not overlap.
    pub(crate) fn check(&self, what: &str, dims: [usize; 4]) {
        self.strides.check(what, dims, self.len);
        if dims.contains(&0) {
            return;
        }
        // Nothing below is larger than the view's extent.
        let features = (dims[1] - 1) * self.strides.head + dims[3];
        assert!(features <= self.width, "{what}: {features} features of a position, of {}", self.width);
        // Sorted by stride, every axis must step over the whole of the finer ones.
        let mut axes = [(self.strides.batch, dims[0]), (self.strides.head, dims[1]), (self.strides.seq, dims[2])];
        axes.sort_unstable();
        let mut extent = dims[3];
        for (stride, n) in axes.into_iter().filter(|&(_, n)| n > 1) {
            assert!(stride >= extent, "{what}: strides {:?} make heads of {dims:?} overlap", self.strides);
            extent += stride * (n - 1);
        }
    }

    /// Rows `first..` of one head of one sequence, `[rows, d]`.
    ///
    /// # Safety
    /// The view must have passed `check` with dimensions that hold these rows, and no other thread may hold them.
    pub(super) unsafe fn rows(&self, b: usize, h: usize, first: usize, [rows, d]: [usize; 2]) -> MatMut<'_> {
        if rows == 0 || d == 0 {
            return MatMut::new(&mut [], rows, d);
        }
        let start = b * self.strides.batch + h * self.strides.head + first * self.strides.seq;
        // SAFETY: inside the view, by `check`; the rows are the caller's alone, by its promise.
        unsafe { MatMut::from_raw(self.data.add(start), [rows, d], self.strides.seq) }
    }
}
