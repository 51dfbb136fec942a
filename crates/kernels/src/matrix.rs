//! Matrices as views of slices.

#![allow(unsafe_code, reason = "a writable matrix borrows its elements, not the gaps between its rows")]

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use crate::extent::extent;

/// A matrix somewhere in a slice, read-only, with any strides.
///
/// ```
/// use attentive_kernels::MatRef;
///
/// let data = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
/// let a = MatRef::new(&data, 2, 3);
/// assert_eq!((a.at(1, 0), a.t().at(2, 1)), (4.0, 6.0));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MatRef<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) row_stride: usize,
    pub(crate) col_stride: usize,
}

impl<'a> MatRef<'a> {
    /// A contiguous row-major matrix.
    ///
    /// # Panics
    /// If `data` is shorter than `rows * cols`.
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::strided(data, [rows, cols], [cols, 1])
    }

    /// A matrix with element `(i, j)` at `i * strides[0] + j * strides[1]`.
    ///
    /// # Panics
    /// If the last element lies beyond `data`.
    pub fn strided(data: &'a [f32], [rows, cols]: [usize; 2], [row_stride, col_stride]: [usize; 2]) -> Self {
        assert!(
            extent([rows, cols], [row_stride, col_stride]).is_some_and(|extent| extent <= data.len()),
            "a {rows} × {cols} matrix with strides {row_stride}, {col_stride} does not fit in {} elements",
            data.len()
        );
        Self { data, rows, cols, row_stride, col_stride }
    }

    /// The transpose, without moving anything.
    pub fn t(self) -> Self {
        Self { rows: self.cols, cols: self.rows, row_stride: self.col_stride, col_stride: self.row_stride, ..self }
    }

    /// Rows and columns.
    pub fn dims(self) -> [usize; 2] {
        [self.rows, self.cols]
    }

    /// Element `(i, j)`.
    ///
    /// # Panics
    /// If it is outside.
    pub fn at(self, i: usize, j: usize) -> f32 {
        assert!(i < self.rows && j < self.cols);
        self.data[i * self.row_stride + j * self.col_stride]
    }

    /// Row `i`, whose columns must be adjacent.
    pub(crate) fn row(self, i: usize) -> &'a [f32] {
        assert!(self.col_stride == 1 && i < self.rows, "row {i} of {}", self.rows);
        &self.data[i * self.row_stride..][..self.cols]
    }

    /// The `rows × cols` block whose first element is `(i, j)`.
    ///
    /// # Panics
    /// If it is not inside.
    pub(crate) fn block(self, [i, j]: [usize; 2], [rows, cols]: [usize; 2]) -> Self {
        check_block([self.rows, self.cols], [i, j], [rows, cols]);
        // An empty block may begin outside the elements.
        let start = if rows == 0 || cols == 0 { self.data.len() } else { i * self.row_stride + j * self.col_stride };
        Self { data: &self.data[start..], rows, cols, ..self }
    }
}

/// A matrix somewhere in a slice, writable, its columns adjacent.
///
/// It borrows its elements only, so different threads can write neighbouring matrices of one buffer.
#[derive(Debug)]
pub struct MatMut<'a> {
    data: *mut f32,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) row_stride: usize,
    lifetime: PhantomData<&'a mut [f32]>,
}

// SAFETY: a unique borrow of its elements, as `&mut [f32]` is.
unsafe impl Send for MatMut<'_> {}
// SAFETY: as above.
unsafe impl Sync for MatMut<'_> {}

impl<'a> MatMut<'a> {
    /// A contiguous row-major matrix.
    ///
    /// # Panics
    /// If `data` is shorter than `rows * cols`.
    pub fn new(data: &'a mut [f32], rows: usize, cols: usize) -> Self {
        Self::strided(data, [rows, cols], cols)
    }

    /// A matrix whose row `i` begins at `i * row_stride`.
    ///
    /// # Panics
    /// If rows overlap or the last element lies beyond `data`.
    pub fn strided(data: &'a mut [f32], [rows, cols]: [usize; 2], row_stride: usize) -> Self {
        assert!(rows <= 1 || row_stride >= cols, "rows of {cols} columns overlap at a stride of {row_stride}");
        assert!(
            extent([rows, cols], [row_stride, 1]).is_some_and(|extent| extent <= data.len()),
            "a {rows} × {cols} matrix with stride {row_stride} does not fit in {} elements",
            data.len()
        );
        // SAFETY: all elements lie in `data`, which is borrowed uniquely.
        unsafe { Self::from_raw(data.as_mut_ptr(), [rows, cols], row_stride) }
    }

    /// # Safety
    /// The elements must be writable and nobody else's for the lifetime, and their extent a size. For elements that
    /// have never been written, only [`room`](Self::room), [`fill`](Self::fill) and [`as_mut_ptr`](Self::as_mut_ptr)
    /// may be called.
    pub(crate) unsafe fn from_raw(data: *mut f32, [rows, cols]: [usize; 2], row_stride: usize) -> Self {
        Self { data, rows, cols, row_stride, lifetime: PhantomData }
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut f32 {
        self.data
    }

    /// Row `i`.
    ///
    /// # Panics
    /// If it is outside.
    pub fn row(&mut self, i: usize) -> &mut [f32] {
        let (data, cols) = (self.row_ptr(i), self.cols);
        // SAFETY: the row's elements are borrowed by `self`, and have been written.
        unsafe { std::slice::from_raw_parts_mut(data, cols) }
    }

    /// Row `i`, which need not have been written; only numbers may be written to it.
    ///
    /// # Panics
    /// If it is outside.
    pub(crate) fn room(&mut self, i: usize) -> &mut [MaybeUninit<f32>] {
        let (data, cols) = (self.row_ptr(i), self.cols);
        // SAFETY: the row's elements are borrowed by `self`.
        unsafe { std::slice::from_raw_parts_mut(data.cast(), cols) }
    }

    fn row_ptr(&mut self, i: usize) -> *mut f32 {
        assert!(i < self.rows, "row {i} of {}", self.rows);
        // A row without elements may lie anywhere.
        let start = if self.cols == 0 { 0 } else { i * self.row_stride };
        // SAFETY: inside the matrix.
        unsafe { self.data.add(start) }
    }

    /// The `rows × cols` block whose first element is `(i, j)`.
    ///
    /// # Panics
    /// If it is not inside.
    pub fn block(&mut self, at: [usize; 2], dims: [usize; 2]) -> MatMut<'_> {
        // SAFETY: `self` is borrowed for as long as the block.
        unsafe { self.shared_block(at, dims) }
    }

    /// [`block`](Self::block) for one of several threads.
    ///
    /// # Safety
    /// No two blocks in use may share an element.
    pub(crate) unsafe fn shared_block(&self, [i, j]: [usize; 2], [rows, cols]: [usize; 2]) -> MatMut<'_> {
        check_block([self.rows, self.cols], [i, j], [rows, cols]);
        if rows == 0 || cols == 0 {
            return MatMut::new(&mut [], rows, cols);
        }
        // SAFETY: inside the matrix; its elements are this block's alone, by the caller's promise.
        unsafe { MatMut::from_raw(self.data.add(i * self.row_stride + j), [rows, cols], self.row_stride) }
    }

    pub(crate) fn fill(&mut self, x: f32) {
        if self.cols > 0 {
            (0..self.rows).for_each(|i| self.room(i).fill(MaybeUninit::new(x)));
        }
    }
}

#[track_caller]
fn check_block(dims: [usize; 2], at: [usize; 2], block: [usize; 2]) {
    let inside = |axis: usize| at[axis] <= dims[axis] && block[axis] <= dims[axis] - at[axis];
    assert!(inside(0) && inside(1), "a {block:?} block at {at:?} of a matrix of {dims:?}");
}

/// The order of a matrix's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Major {
    /// Row by row.
    Rows,
    /// Column by column.
    Columns,
}

impl Major {
    /// The values of a line of a matrix `[k, n]`.
    pub(crate) fn line(self, [k, n]: [usize; 2]) -> usize {
        match self {
            Self::Rows => n,
            Self::Columns => k,
        }
    }
}
