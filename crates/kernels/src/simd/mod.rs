//! One vector of `f32` per instruction set, behind one trait; kernels are written once against [`Simd`].

#![allow(unsafe_code, reason = "vector instructions and raw loads")]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod level;
mod portable;
#[cfg(target_arch = "x86_64")]
mod sse2;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
#[cfg(target_arch = "x86_64")]
pub(crate) use level::Kind;
pub(crate) use level::dispatch;
pub use level::{Level, Precision};
#[cfg(not(target_arch = "x86_64"))]
pub(crate) use portable::Arrays as Portable;
#[cfg(target_arch = "x86_64")]
pub(crate) use sse2::Sse2 as Portable;

use std::mem::MaybeUninit;

/// Writes the bytes of a vector's lanes; those past the end of `to` are dropped.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn put<const LANES: usize>(bytes: [i8; LANES], to: &mut [i8]) {
    match to.first_chunk_mut() {
        Some(to) => *to = bytes,
        None => to.copy_from_slice(&bytes[..to.len()]),
    }
}

/// The operations of one instruction set on vectors of [`LANES`](Simd::LANES) `f32`.
///
/// A value of an implementing type is proof that the CPU has the instructions, so the arithmetic is safe to call. All
/// functions must be inlined into one that enables the instructions, which [`dispatch!`] writes; so generic kernels are
/// `#[inline(always)]` and keep vectors out of closures.
pub(crate) trait Simd: Copy {
    /// A vector.
    type F32: Copy;
    /// One truth value a lane.
    type Mask: Copy;
    /// `f32` in a vector.
    const LANES: usize;
    /// Rows of the largest register tile of a matrix product: with two vectors a row, they fill the register file.
    const TILE_ROWS: usize;
    /// Columns of a register tile.
    const TILE_COLS: usize = 2 * Self::LANES;

    /// Number of pairs made of `k` numbers: `p` and `p + LANES` of each `2 · LANES` of them, as whole vectors load
    /// them.
    #[inline(always)]
    fn pairs(k: usize) -> usize {
        k.div_ceil(2 * Self::LANES) * Self::LANES
    }

    fn splat(self, x: f32) -> Self::F32;
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32;
    fn sub(self, a: Self::F32, b: Self::F32) -> Self::F32;
    fn mul(self, a: Self::F32, b: Self::F32) -> Self::F32;
    fn div(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a * b + c`, rounded once where the CPU can.
    fn mul_add(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;
    /// The larger; `b` where either is NaN.
    fn max(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// The smaller; `b` where either is NaN.
    fn min(self, a: Self::F32, b: Self::F32) -> Self::F32;
    fn sqrt(self, a: Self::F32) -> Self::F32;
    fn abs(self, a: Self::F32) -> Self::F32;
    /// The nearest integer, ties to even, for `|a| < 2²²`.
    fn round(self, a: Self::F32) -> Self::F32;
    /// `2ⁿ` for whole `n` in -126 to 127.
    fn exp2_int(self, n: Self::F32) -> Self::F32;
    fn lt(self, a: Self::F32, b: Self::F32) -> Self::Mask;
    /// Bit `i` set where the mask holds in lane `i`.
    fn bits(self, mask: Self::Mask) -> u32;
    /// `a` where the mask holds, else `b`.
    fn select(self, mask: Self::Mask, a: Self::F32, b: Self::F32) -> Self::F32;
    /// Lane `i` where bit `i` is set, else zero.
    fn keep(self, bits: u32, a: Self::F32) -> Self::F32;
    /// A dropout mask of 64 elements: bit set where 16 bits of [`mix`](crate::dropout::mix) reach `threshold`, two
    /// elements to each of the 32 counters from `counter` on.
    fn keep_word(self, counter: u32, key_0: u32, key_1: u32, threshold: u16) -> u64;
    /// Two numbers rounded to bf16 in each lane: `low`'s in the lower half of its bits, `high`'s in the upper.
    fn pair(self, low: Self::F32, high: Self::F32) -> Self::F32;
    /// The lower number of each pair.
    fn low(self, pairs: Self::F32) -> Self::F32;
    /// The upper number of each pair.
    fn high(self, pairs: Self::F32) -> Self::F32;
    /// `a · b + c` where `a` and `b` hold pairs: both products of a lane are added to it.
    #[inline(always)]
    fn mul_add_pairs(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32 {
        self.mul_add(self.high(a), self.high(b), self.mul_add(self.low(a), self.low(b), c))
    }
    /// The sum of the lanes, pairwise.
    fn sum(self, a: Self::F32) -> f32;
    /// The largest lane.
    fn max_lane(self, a: Self::F32) -> f32;

    /// Prefetches the cache line at `p`, which need not be valid memory.
    #[inline(always)]
    fn prefetch(self, _p: *const f32) {}

    /// # Safety
    /// `LANES` floats must be readable at `p`.
    unsafe fn load_ptr(self, p: *const f32) -> Self::F32;
    /// The first `n` lanes from memory, the others zero.
    ///
    /// # Safety
    /// `n <= LANES` floats must be readable at `p`.
    unsafe fn load_ptr_part(self, p: *const f32, n: usize) -> Self::F32;
    /// # Safety
    /// `LANES` floats must be writable at `p`.
    unsafe fn store_ptr(self, p: *mut f32, a: Self::F32);
    /// Stores the first `n` lanes.
    ///
    /// # Safety
    /// `n <= LANES` floats must be writable at `p`.
    unsafe fn store_ptr_part(self, p: *mut f32, a: Self::F32, n: usize);

    /// Stores whole numbers of -128 to 127 as bytes; lanes past the end of `to` are dropped.
    fn store_bytes(self, to: &mut [i8], a: Self::F32);

    /// Transposes a square block: `dst[c · dst_stride + r] = src[r · src_stride + c]` for `r, c < LANES`.
    ///
    /// # Safety
    /// Both blocks must lie in memory that may be read, or written, respectively.
    unsafe fn transpose(self, src: *const f32, src_stride: usize, dst: *mut f32, dst_stride: usize);

    #[inline(always)]
    fn zero(self) -> Self::F32 {
        self.splat(0.0)
    }

    /// The vector at `x[i..]`; lanes past the end are zero.
    #[inline(always)]
    fn load(self, x: &[f32], i: usize) -> Self::F32 {
        // SAFETY: both branches read inside `x`.
        unsafe {
            if i + Self::LANES <= x.len() {
                self.load_ptr(x.as_ptr().add(i))
            } else {
                let n = x.len().saturating_sub(i);
                self.load_ptr_part(x.as_ptr().add(x.len() - n), n)
            }
        }
    }

    /// The vector at `x[i..]`; lanes past the end hold `fill`.
    #[inline(always)]
    fn load_or(self, x: &[f32], i: usize, fill: Self::F32) -> Self::F32 {
        if i + Self::LANES <= x.len() {
            self.load(x, i)
        } else {
            let n = x.len().saturating_sub(i);
            let v = self.load(x, i);
            self.select(self.first(n), v, fill)
        }
    }

    /// Stores to `x[i..]`; lanes past the end are dropped.
    #[inline(always)]
    fn store(self, x: &mut [f32], i: usize, v: Self::F32) {
        // SAFETY: as many floats as the slice has.
        unsafe { self.store_within(x.as_mut_ptr(), x.len(), i, v) }
    }

    /// [`store`](Self::store) to memory that need not have been written.
    #[inline(always)]
    fn store_new(self, x: &mut [MaybeUninit<f32>], i: usize, v: Self::F32) {
        // SAFETY: as many floats as the slice has.
        unsafe { self.store_within(x.as_mut_ptr().cast(), x.len(), i, v) }
    }

    /// [`store`](Self::store) to `len` floats from `x` on.
    ///
    /// # Safety
    /// They must be writable.
    #[inline(always)]
    unsafe fn store_within(self, x: *mut f32, len: usize, i: usize, v: Self::F32) {
        // SAFETY: both branches write inside.
        unsafe {
            if i + Self::LANES <= len {
                self.store_ptr(x.add(i), v);
            } else {
                let n = len.saturating_sub(i);
                self.store_ptr_part(x.add(len - n), v, n);
            }
        }
    }

    /// A mask of the first `n` lanes.
    #[inline(always)]
    fn first(self, n: usize) -> Self::Mask {
        const RAMP: [f32; 16] = [0., 1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12., 13., 14., 15.];
        self.lt(self.load(&RAMP, 0), self.splat(n as f32))
    }
}
