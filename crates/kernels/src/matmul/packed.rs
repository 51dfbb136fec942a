#![allow(unsafe_code, reason = "jobs write disjoint blocks of one matrix")]

use super::{A_BLOCK, Epilogue, MIN_PARALLEL, Packed, for_each_job, job};
use crate::extent::work;
use crate::scratch::{Aligned, Scratch};
use crate::top_k::{self, TopK};
use crate::{Level, Major, MatMut, MatRef};
use std::ops::Range;

/// Weights above this size go to all threads, however few the rows: threads wait for memory.
const MIN_PARALLEL_WEIGHTS: usize = 1 << 18;

/// A weight packed once, for products with few rows: decoding.
///
/// ```
/// use attentive_kernels::{Epilogue, MatMut, MatRef, PackedMatrix};
///
/// let weight = PackedMatrix::new(MatRef::new(&[1.0, 2.0, 3.0, 4.0], 2, 2));
/// let mut y = [0.0; 2];
/// let epilogue = Epilogue { bias: Some(&[0.5, 0.5]), ..Epilogue::default() };
/// weight.multiply(MatRef::new(&[1.0, 2.0], 1, 2), MatMut::new(&mut y, 1, 2), &epilogue);
/// assert_eq!(y, [7.5, 10.5]);
/// ```
#[derive(Clone, Debug)]
pub struct PackedMatrix {
    packed: Packed<Aligned>,
    level: Level,
    k: usize,
    n: usize,
}

impl PackedMatrix {
    /// Packs `b` `[k, n]`: `MatRef::new(w, d_in, d_out)` of a linear layer, or `.t()` of an embedding `[vocab, d_model]`.
    ///
    /// It is packed for the current level and always used at that level.
    ///
    /// # Panics
    /// If no memory can hold it.
    pub fn new(b: MatRef<'_>) -> Self {
        let ([k, n], level) = (b.dims(), Level::current());
        Self { packed: Packed::new_in(level, b, Aligned::zeroed_in_large_pages), level, k, n }
    }

    /// As [`new`](Self::new), of a matrix `[k, n]` whose values `read` writes for some lines, rows or columns as `major` says.
    /// Apart from what is packed, each thread holds up to 256 lines.
    ///
    /// # Errors
    /// That of `read` for the first lines that it fails for.
    ///
    /// # Panics
    /// If no memory can hold the matrix.
    pub fn of_lines<E: Send>(
        [k, n]: [usize; 2],
        major: Major,
        read: impl Fn(Range<usize>, &mut [f32]) -> Result<(), E> + Sync,
    ) -> Result<Self, E> {
        let level = Level::current();
        let packed = Packed::of_lines(level, [k, n], major, Aligned::zeroed_in_large_pages, read)?;
        Ok(Self { packed, level, k, n })
    }

    /// Rows and columns.
    pub fn dims(&self) -> [usize; 2] {
        [self.k, self.n]
    }

    /// Writes column `j` of `b` to `to`, of `k` elements: a row of the embedding whose transpose was packed.
    ///
    /// # Panics
    /// If the matrix was packed in bf16, there is no such column, or `to` has another length.
    pub fn column(&self, j: usize, to: &mut [f32]) {
        assert_eq!(to.len(), self.k, "a column's length");
        to.iter_mut().zip(self.packed.column(j)).for_each(|(to, value)| *to = value);
    }

    /// The matrix of some columns, in this order; its products have the bits that they have here.
    ///
    /// # Panics
    /// If there is no such column.
    pub fn select(&self, columns: &[u32]) -> Self {
        assert!(columns.iter().all(|&j| (j as usize) < self.n), "some of {} columns", self.n);
        let packed = self.packed.select(columns, Aligned::zeroed_in_large_pages);
        Self { packed, level: self.level, k: self.k, n: columns.len() }
    }

    /// `c = a · b` and its epilogue, for `a` `[m, k]` and `c` `[m, n]`: bit for bit
    /// [`matmul_with`](crate::matmul_with).
    ///
    /// # Panics
    /// If the dimensions do not match.
    pub fn multiply(&self, a: MatRef<'_>, c: MatMut<'_>, epilogue: &Epilogue<'_>) {
        let [m, k] = a.dims();
        assert_eq!(k, self.k, "inner dimensions differ");
        assert_eq!([m, self.n], [c.rows, c.cols], "the product is {m} × {}", self.n);
        epilogue.check(self.n);
        for_each_job([m, self.n], job([m, k, self.n]), self.parallel(m), |[i, j], [rows, cols]| {
            // SAFETY: every job has its own rows and columns.
            let mut c = unsafe { c.shared_block([i, j], [rows, cols]) };
            let a = a.block([i, 0], [rows, k]);
            self.packed.multiply(a, j, &mut Scratch::new(A_BLOCK), c.block([0, 0], [rows, cols]), epilogue.accumulate);
            epilogue.finish(self.level, j, c);
        });
    }

    /// The largest elements of each row of `a · b + bias`, and the log-sum-exp of all, without keeping the product.
    ///
    /// # Panics
    /// If the dimensions do not match.
    pub fn top_k(&self, a: MatRef<'_>, bias: Option<&[f32]>, best: TopK<'_>) {
        let [m, k] = a.dims();
        assert_eq!(k, self.k, "inner dimensions differ");
        top_k::of_product(self.level, [m, self.n], bias, self.parallel(m), best, |[i, j], c| {
            let a = a.block([i, 0], [c.rows, k]);
            self.packed.multiply(a, j, &mut Scratch::new(A_BLOCK), c, false);
        });
    }

    fn parallel(&self, m: usize) -> bool {
        work([m, self.k, self.n]) >= MIN_PARALLEL || work([self.k, self.n]) >= MIN_PARALLEL_WEIGHTS
    }
}
