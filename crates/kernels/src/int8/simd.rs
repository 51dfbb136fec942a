//! Sums of products of bytes, sixteen columns at a time.

#![allow(unsafe_code, reason = "vector instructions and raw loads")]

use crate::simd::Level;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Columns of a panel.
pub(super) const COLS: usize = 16;
/// Bytes of a column per step.
pub(super) const STEP: usize = 4;

/// The instructions that an 8-bit product uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// 16-bit and 32-bit integers: SSE2 on x86-64, elsewhere the compiler's choice.
    Portable,
    /// AVX2's pairwise byte products.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 VNNI's byte dot products.
    #[cfg(target_arch = "x86_64")]
    Vnni,
}

impl Path {
    /// The best path at a level.
    pub(crate) fn of(level: Level) -> Self {
        match level.kind {
            #[cfg(target_arch = "x86_64")]
            crate::simd::Kind::Avx512 | crate::simd::Kind::Avx512Bf16 if is_x86_feature_detected!("avx512vnni") => {
                Self::Vnni
            }
            #[cfg(target_arch = "x86_64")]
            crate::simd::Kind::Avx512 | crate::simd::Kind::Avx512Bf16 | crate::simd::Kind::Avx2 => Self::Avx2,
            _ => Self::Portable,
        }
    }

    /// Mask that the bytes of rows are xored with: VNNI wants them unsigned, 128 above their value.
    pub(super) fn row_offset(self) -> u8 {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Vnni => 0x80,
            _ => 0,
        }
    }

    /// The largest magnitude of the sum of two neighbours in a row, where the path has a bound: AVX2 adds their products with
    /// unsigned bytes in 16 bits.
    pub(super) fn pair_bound(self) -> Option<i16> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Some(i16::MAX / 255),
            _ => None,
        }
    }
}

/// Sixteen 32-bit sums. All paths give the same integers.
pub(super) trait Dot: Copy {
    /// Sixteen `i32`.
    type Sums: Copy;
    /// Rows of the largest tile.
    const ROWS: usize;
    /// Panels of the largest tile: 1, 2 or 4.
    const PANELS: usize;

    fn zero(self) -> Self::Sums;
    /// `sums[j] += Σ a[i] · b[j][i]` over the four bytes of each, none of them -128; `a` xored with the path's offset, and
    /// its neighbours within the path's bound.
    ///
    /// # Safety
    /// 4 bytes must be readable at `a` and 64 at `b`.
    unsafe fn add(self, sums: Self::Sums, a: *const i8, b: *const i8) -> Self::Sums;
    /// `sums[j] · (scale · scales[j])`, given what some paths need for a correction.
    fn finish(self, sums: Self::Sums, totals: Totals<'_>, scale: f32, scales: &[f32; COLS]) -> [f32; COLS];
}

/// Sums of the bytes of operands.
#[derive(Clone, Copy)]
pub(super) struct Totals<'a> {
    /// `Σ a`.
    pub(super) row: i32,
    /// `Σ b` of each column.
    pub(super) columns: &'a [i32; COLS],
}

#[derive(Clone, Copy)]
pub(super) struct Portable;

/// The even bytes of 16-bit lanes, and the odd ones, each with its sign.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn halves(bytes: __m128i) -> [__m128i; 2] {
    // SAFETY: SSE2 is x86-64's baseline.
    unsafe { [_mm_srai_epi16::<8>(_mm_slli_epi16::<8>(bytes)), _mm_srai_epi16::<8>(bytes)] }
}

// SAFETY of every block: SSE2 is x86-64's baseline; `a` and `b` are the caller's promise.
#[cfg(target_arch = "x86_64")]
#[allow(
    clippy::undocumented_unsafe_blocks,
    reason = "each is one instruction of the level, under the contract of its method"
)]
impl Dot for Portable {
    type Sums = [__m128i; 4];
    const ROWS: usize = 2;
    const PANELS: usize = 1;

    #[inline(always)]
    fn zero(self) -> [__m128i; 4] {
        unsafe { [_mm_setzero_si128(); 4] }
    }
    #[inline(always)]
    unsafe fn add(self, mut sums: [__m128i; 4], a: *const i8, b: *const i8) -> [__m128i; 4] {
        unsafe {
            // Bytes 0 and 2 of a column are adjacent once 1 and 3 are removed, and the other way round.
            let [a_even, a_odd] = halves(_mm_set1_epi32(a.cast::<i32>().read_unaligned()));
            for quarter in 0..4 {
                let [even, odd] = halves(_mm_loadu_si128(b.add(16 * quarter).cast()));
                let sum = _mm_add_epi32(sums[quarter], _mm_madd_epi16(even, a_even));
                sums[quarter] = _mm_add_epi32(sum, _mm_madd_epi16(odd, a_odd));
            }
        }
        sums
    }
    #[inline(always)]
    fn finish(self, sums: [__m128i; 4], _: Totals<'_>, scale: f32, scales: &[f32; COLS]) -> [f32; COLS] {
        let mut out = [0.0; COLS];
        for quarter in 0..4 {
            unsafe {
                let scales = _mm_mul_ps(_mm_set1_ps(scale), _mm_loadu_ps(scales.as_ptr().add(4 * quarter)));
                let y = _mm_mul_ps(_mm_cvtepi32_ps(sums[quarter]), scales);
                _mm_storeu_ps(out.as_mut_ptr().add(4 * quarter), y);
            }
        }
        out
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Dot for Portable {
    type Sums = [i32; COLS];
    const ROWS: usize = 2;
    const PANELS: usize = 1;

    #[inline(always)]
    fn zero(self) -> [i32; COLS] {
        [0; COLS]
    }
    #[inline(always)]
    unsafe fn add(self, mut sums: [i32; COLS], a: *const i8, b: *const i8) -> [i32; COLS] {
        // SAFETY: the caller's promise.
        let (a, b) = unsafe { (&*a.cast::<[i8; STEP]>(), &*b.cast::<[[i8; STEP]; COLS]>()) };
        for (sum, b) in sums.iter_mut().zip(b) {
            for i in 0..STEP {
                *sum += i32::from(a[i]) * i32::from(b[i]);
            }
        }
        sums
    }
    #[inline(always)]
    fn finish(self, sums: [i32; COLS], _: Totals<'_>, scale: f32, scales: &[f32; COLS]) -> [f32; COLS] {
        std::array::from_fn(|j| sums[j] as f32 * (scale * scales[j]))
    }
}

#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

#[cfg(target_arch = "x86_64")]
impl Avx2 {
    /// # Safety
    /// The CPU must have AVX2.
    #[inline(always)]
    pub(super) unsafe fn new() -> Self {
        Self(())
    }
}

// SAFETY of every block: a value of the type proves the instructions; `b` is the caller's promise.
#[cfg(target_arch = "x86_64")]
#[allow(
    clippy::undocumented_unsafe_blocks,
    reason = "each is one instruction of the level, under the contract of its method"
)]
impl Dot for Avx2 {
    type Sums = [__m256i; 2];
    const ROWS: usize = 4;
    const PANELS: usize = 1;

    #[inline(always)]
    fn zero(self) -> [__m256i; 2] {
        unsafe { [_mm256_setzero_si256(); 2] }
    }
    #[inline(always)]
    unsafe fn add(self, mut sums: [__m256i; 2], a: *const i8, b: *const i8) -> [__m256i; 2] {
        unsafe {
            // a · (b + 128), b as an unsigned byte: two neighbours of a within their bound have products that fit 16 bits.
            let a = _mm256_set1_epi32(a.cast::<i32>().read_unaligned());
            // A loop: a closure would be a separate function without AVX2, in which each instruction would be a call.
            for half in 0..2 {
                let b = _mm256_xor_si256(_mm256_loadu_si256(b.add(32 * half).cast()), _mm256_set1_epi8(i8::MIN));
                let pairs = _mm256_madd_epi16(_mm256_maddubs_epi16(b, a), _mm256_set1_epi16(1));
                sums[half] = _mm256_add_epi32(sums[half], pairs);
            }
            sums
        }
    }
    #[inline(always)]
    fn finish(self, sums: [__m256i; 2], totals: Totals<'_>, scale: f32, scales: &[f32; COLS]) -> [f32; COLS] {
        let mut out = [0.0; COLS];
        for (half, sums) in sums.into_iter().enumerate() {
            unsafe {
                // The bytes of columns are 128 too large.
                let surplus = _mm256_set1_epi32(totals.row.wrapping_mul(128));
                let sums = _mm256_cvtepi32_ps(_mm256_sub_epi32(sums, surplus));
                let scales = _mm256_loadu_ps(scales.as_ptr().add(8 * half));
                let scales = _mm256_mul_ps(_mm256_set1_ps(scale), scales);
                let y = _mm256_mul_ps(sums, scales);
                _mm256_storeu_ps(out.as_mut_ptr().add(8 * half), y);
            }
        }
        out
    }
}

#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Vnni(());

#[cfg(target_arch = "x86_64")]
impl Vnni {
    /// # Safety
    /// The CPU must have AVX-512 F and VNNI.
    #[inline(always)]
    pub(super) unsafe fn new() -> Self {
        Self(())
    }
}

// SAFETY of every block: a value of the type proves the instructions; `b` is the caller's promise.
#[cfg(target_arch = "x86_64")]
#[allow(
    clippy::undocumented_unsafe_blocks,
    reason = "each is one instruction of the level, under the contract of its method"
)]
impl Dot for Vnni {
    type Sums = __m512i;
    const ROWS: usize = 6;
    const PANELS: usize = 4;

    #[inline(always)]
    fn zero(self) -> __m512i {
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn add(self, sums: __m512i, a: *const i8, b: *const i8) -> __m512i {
        unsafe {
            let a = _mm512_set1_epi32(a.cast::<i32>().read_unaligned());
            _mm512_dpbusd_epi32(sums, a, _mm512_loadu_si512(b.cast()))
        }
    }
    #[inline(always)]
    fn finish(self, sums: __m512i, totals: Totals<'_>, scale: f32, scales: &[f32; COLS]) -> [f32; COLS] {
        let mut out = [0.0; COLS];
        unsafe {
            // The bytes of rows are 128 too large.
            let surplus = _mm512_slli_epi32::<7>(_mm512_loadu_si512(totals.columns.as_ptr().cast()));
            let scales = _mm512_mul_ps(_mm512_set1_ps(scale), _mm512_loadu_ps(scales.as_ptr()));
            let sums = _mm512_cvtepi32_ps(_mm512_sub_epi32(sums, surplus));
            _mm512_storeu_ps(out.as_mut_ptr(), _mm512_mul_ps(sums, scales));
        }
        out
    }
}
