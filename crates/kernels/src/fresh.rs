//! Vectors for results. Clearing large ones on one thread, as `vec![0.0; n]` does, would make all others wait.

#![allow(unsafe_code, reason = "lengths are set once everything is written")]

use std::mem::MaybeUninit;

use rayon::prelude::*;

use crate::extent::elements;
use crate::{Epilogue, MatMut, MatRef, matmul_with};

/// Floats that are cleared by one thread at a time.
const CHUNK: usize = 1 << 15;

/// `vec![0.0; len]`, large ones by all threads.
pub fn zeros(len: usize) -> Vec<f32> {
    if len <= CHUNK {
        return vec![0.0; len];
    }
    let mut values = Vec::with_capacity(len);
    let room = &mut values.spare_capacity_mut()[..len];
    room.par_chunks_mut(CHUNK).for_each(|chunk| chunk.fill(MaybeUninit::new(0.0)));
    // SAFETY: the first `len` elements were written.
    unsafe { values.set_len(len) };
    values
}

/// [`matmul_with`] into a new matrix, which is not cleared first.
///
/// # Panics
/// If the dimensions do not match, the epilogue adds to the matrix, or no memory can hold the product.
pub fn product(a: MatRef<'_>, b: MatRef<'_>, epilogue: &Epilogue<'_>) -> Vec<f32> {
    assert!(!epilogue.accumulate, "a new matrix holds nothing to add to");
    let ([m, _], [_, n]) = (a.dims(), b.dims());
    let len = elements([m, n]);
    let mut c = Vec::with_capacity(len);
    // SAFETY: the room for the matrix is its own; a product that does not accumulate writes each element before it
    // reads it.
    unsafe {
        matmul_with(a, b, MatMut::from_raw(c.as_mut_ptr(), [m, n], n), epilogue);
        c.set_len(len);
    }
    c
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_cleared() {
        for len in [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK - 1] {
            assert_eq!(zeros(len), vec![0.0; len]);
        }
    }

    #[test]
    fn a_product_of_its_own_is_the_product() {
        let (a, b): (Vec<f32>, Vec<f32>) = (0..70).map(|i| (i as f32, 1.0 / (1.0 + i as f32))).unzip();
        let (a, b) = (MatRef::new(&a, 7, 10), MatRef::new(&b, 10, 7));
        let mut expected = vec![0.0; 49];
        let epilogue = Epilogue { bias: Some(&[1.0; 7]), ..Epilogue::default() };
        matmul_with(a, b, MatMut::new(&mut expected, 7, 7), &epilogue);
        assert_eq!(product(a, b, &epilogue), expected);
        let nothing = MatRef::new(&[], 7, 0);
        assert_eq!(product(nothing, nothing.t(), &Epilogue::default()), vec![0.0; 49]);
    }
}
