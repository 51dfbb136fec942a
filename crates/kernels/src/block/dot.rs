//! Sums of products of the bytes of a group, sixteen columns at a time.

#![allow(unsafe_code, reason = "vector instructions and raw loads")]

use super::layout::{COLS, Layout, SLAB, STEP};
use crate::simd::Simd;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// The sums of a group, integers as `f32`. All implementations give the same.
pub(super) trait Dot: Copy {
    /// Vectors of `f32` at this level.
    type Floats: Simd;
    /// Rows of the largest tile.
    const ROWS: usize;

    fn floats(self) -> Self::Floats;

    /// `Σ_p a[r][p] · w[p][j]` over a group, for each row and column, where `w` is a byte's meaning; `sums[r]` is
    /// `Σ_p a[r][p]`.
    ///
    /// # Safety
    /// The bytes of a group must be readable at `b`, `[group / 4, 16, 4]`, and `group` values at `256 · r` from `a` on
    /// for each `r < M`.
    unsafe fn group<B: Layout, const M: usize>(self, a: *const i8, b: *const i8, sums: [i32; M]) -> [[f32; COLS]; M];
}

/// Four values of a row.
///
/// # Safety
/// They must be readable.
#[inline(always)]
unsafe fn four(a: *const i8, row: usize, step: usize) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { a.add(row * SLAB + step * STEP).cast::<i32>().read_unaligned() }
}

#[derive(Clone, Copy)]
pub(super) struct Portable;

// SAFETY of every block: SSE2 is x86-64's baseline; `a` and `b` are the caller's promise.
#[cfg(target_arch = "x86_64")]
#[allow(
    clippy::undocumented_unsafe_blocks,
    reason = "each is one instruction of the level, under the contract of its method"
)]
impl Dot for Portable {
    type Floats = crate::simd::Portable;
    const ROWS: usize = 2;

    #[inline(always)]
    fn floats(self) -> Self::Floats {
        crate::simd::Portable
    }

    #[inline(always)]
    unsafe fn group<B: Layout, const M: usize>(self, a: *const i8, b: *const i8, sums: [i32; M]) -> [[f32; COLS]; M] {
        let mut products = [[0.0; COLS]; M];
        unsafe {
            for quarter in 0..4 {
                let mut totals = [_mm_setzero_si128(); M];
                for step in 0..B::GROUP / STEP {
                    let w = _mm_loadu_si128(b.add(step * COLS * STEP + 16 * quarter).cast());
                    let (even, odd) = if B::BITS == 8 {
                        (_mm_srai_epi16::<8>(_mm_slli_epi16::<8>(w)), _mm_srai_epi16::<8>(w))
                    } else {
                        (_mm_and_si128(w, _mm_set1_epi16(0xff)), _mm_srli_epi16::<8>(w))
                    };
                    for r in 0..M {
                        let x = _mm_set1_epi32(four(a, r, step));
                        let (x_even, x_odd) = (_mm_srai_epi16::<8>(_mm_slli_epi16::<8>(x)), _mm_srai_epi16::<8>(x));
                        let pair = _mm_add_epi32(_mm_madd_epi16(even, x_even), _mm_madd_epi16(odd, x_odd));
                        totals[r] = _mm_add_epi32(totals[r], pair);
                    }
                }
                for r in 0..M {
                    let surplus = _mm_set1_epi32(if B::BITS == 8 { 0 } else { B::ZERO * sums[r] });
                    let to = products[r].as_mut_ptr().add(4 * quarter);
                    _mm_storeu_ps(to, _mm_cvtepi32_ps(_mm_sub_epi32(totals[r], surplus)));
                }
            }
        }
        products
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Dot for Portable {
    type Floats = crate::simd::Portable;
    const ROWS: usize = 2;

    #[inline(always)]
    fn floats(self) -> Self::Floats {
        crate::simd::Portable
    }

    #[inline(always)]
    unsafe fn group<B: Layout, const M: usize>(self, a: *const i8, b: *const i8, sums: [i32; M]) -> [[f32; COLS]; M] {
        let mut products = [[0.0; COLS]; M];
        for r in 0..M {
            let mut totals = [if B::BITS == 8 { 0 } else { -B::ZERO * sums[r] }; COLS];
            for step in 0..B::GROUP / STEP {
                // SAFETY: the caller's promise.
                let (a, b) = unsafe { (four(a, r, step), &*b.add(step * COLS * STEP).cast::<[[i8; STEP]; COLS]>()) };
                let a = a.to_ne_bytes().map(u8::cast_signed);
                for j in 0..COLS {
                    for i in 0..STEP {
                        totals[j] += i32::from(a[i]) * i32::from(b[j][i]);
                    }
                }
            }
            products[r] = totals.map(|total| total as f32);
        }
        products
    }
}

#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Avx2(crate::simd::Avx2);

#[cfg(target_arch = "x86_64")]
impl Avx2 {
    /// # Safety
    /// The CPU must have AVX2 and FMA.
    #[inline(always)]
    pub(super) unsafe fn new() -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { crate::simd::Avx2::new() })
    }

    /// Steps whose sums of pairs fit 16 bits: a pair reaches 2 · 127 · 15 with four bits, 2 · 127 · 63 with six.
    const fn fold<B: Layout>() -> usize {
        if B::BITS == 4 { 8 } else { 2 }
    }
}

// SAFETY of every block: a value of the type proves the instructions; `a` and `b` are the caller's promise.
#[cfg(target_arch = "x86_64")]
#[allow(
    clippy::undocumented_unsafe_blocks,
    reason = "each is one instruction of the level, under the contract of its method"
)]
impl Dot for Avx2 {
    type Floats = crate::simd::Avx2;
    const ROWS: usize = 4;

    #[inline(always)]
    fn floats(self) -> Self::Floats {
        self.0
    }

    #[inline(always)]
    unsafe fn group<B: Layout, const M: usize>(self, a: *const i8, b: *const i8, sums: [i32; M]) -> [[f32; COLS]; M] {
        let mut products = [[0.0; COLS]; M];
        unsafe {
            let ones = _mm256_set1_epi16(1);
            let mut totals = [[_mm256_setzero_si256(); 2]; M];
            if B::BITS == 8 {
                for step in 0..B::GROUP / STEP {
                    for half in 0..2 {
                        // |w| · (a with the sign of w): no value of a is -128, so a pair reaches 2 · 127 · 128 and fits.
                        let w = _mm256_loadu_si256(b.add(step * COLS * STEP + 32 * half).cast());
                        let magnitude = _mm256_abs_epi8(w);
                        for r in 0..M {
                            let x = _mm256_sign_epi8(_mm256_set1_epi32(four(a, r, step)), w);
                            let pairs = _mm256_madd_epi16(_mm256_maddubs_epi16(magnitude, x), ones);
                            totals[r][half] = _mm256_add_epi32(totals[r][half], pairs);
                        }
                    }
                }
            } else {
                for r in 0..M {
                    totals[r] = [_mm256_set1_epi32(-B::ZERO * sums[r]); 2];
                }
                for first in (0..B::GROUP / STEP).step_by(Self::fold::<B>()) {
                    let mut pairs = [[_mm256_setzero_si256(); 2]; M];
                    for step in first..first + Self::fold::<B>() {
                        for half in 0..2 {
                            let w = _mm256_loadu_si256(b.add(step * COLS * STEP + 32 * half).cast());
                            for r in 0..M {
                                let x = _mm256_set1_epi32(four(a, r, step));
                                pairs[r][half] = _mm256_add_epi16(pairs[r][half], _mm256_maddubs_epi16(w, x));
                            }
                        }
                    }
                    for r in 0..M {
                        for half in 0..2 {
                            let pairs = _mm256_madd_epi16(pairs[r][half], ones);
                            totals[r][half] = _mm256_add_epi32(totals[r][half], pairs);
                        }
                    }
                }
            }
            for r in 0..M {
                for half in 0..2 {
                    let to = products[r].as_mut_ptr().add(8 * half);
                    _mm256_storeu_ps(to, _mm256_cvtepi32_ps(totals[r][half]));
                }
            }
        }
        products
    }
}

#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Vnni(crate::simd::Avx512<false>);

#[cfg(target_arch = "x86_64")]
impl Vnni {
    /// # Safety
    /// The CPU must have AVX-512 F, BW, DQ, VL and VNNI, AVX2 and FMA.
    #[inline(always)]
    pub(super) unsafe fn new() -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { crate::simd::Avx512::new() })
    }
}

// SAFETY of every block: a value of the type proves the instructions; `a` and `b` are the caller's promise.
#[cfg(target_arch = "x86_64")]
#[allow(
    clippy::undocumented_unsafe_blocks,
    reason = "each is one instruction of the level, under the contract of its method"
)]
impl Dot for Vnni {
    type Floats = crate::simd::Avx512<false>;
    const ROWS: usize = 8;

    #[inline(always)]
    fn floats(self) -> Self::Floats {
        self.0
    }

    #[inline(always)]
    unsafe fn group<B: Layout, const M: usize>(self, a: *const i8, b: *const i8, sums: [i32; M]) -> [[f32; COLS]; M] {
        let mut products = [[0.0; COLS]; M];
        unsafe {
            let mut totals = [_mm512_setzero_si512(); M];
            for r in 0..M {
                totals[r] = _mm512_set1_epi32(-B::ZERO * sums[r]);
            }
            for step in 0..B::GROUP / STEP {
                let mut w = _mm512_loadu_si512(b.add(step * COLS * STEP).cast());
                if B::BITS == 8 {
                    // Unsigned: 128 above its meaning.
                    w = _mm512_xor_si512(w, _mm512_set1_epi8(i8::MIN));
                }
                for r in 0..M {
                    totals[r] = _mm512_dpbusd_epi32(totals[r], w, _mm512_set1_epi32(four(a, r, step)));
                }
            }
            for r in 0..M {
                _mm512_storeu_ps(products[r].as_mut_ptr(), _mm512_cvtepi32_ps(totals[r]));
            }
        }
        products
    }
}
