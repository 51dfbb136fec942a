use super::{Simd, put};
use crate::dropout::{MIX_0, MIX_1};
use std::arch::x86_64::*;

/// AVX2 with fused multiply-add: 16 registers of 8 `f32`.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// # Safety
    /// The CPU must have AVX2 and FMA.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Self {
        Self(())
    }
}

/// All bits set in the first `n` of 8 lanes.
#[inline(always)]
unsafe fn first(n: usize) -> __m256i {
    const ONES_THEN_ZEROS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: n <= 8, so eight integers lie from 8 - n on; the caller has AVX.
    unsafe { _mm256_loadu_si256(ONES_THEN_ZEROS.as_ptr().add(8 - n).cast()) }
}

/// The nearest bf16, ties to even, in the upper half of each lane; a NaN stays one.
#[inline(always)]
unsafe fn rounded(x: __m256) -> __m256i {
    // SAFETY: the caller has AVX2.
    unsafe {
        let bits = _mm256_castps_si256(x);
        let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
        let nearest = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
        let quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x40_0000));
        let is_nan = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(x, x));
        _mm256_blendv_epi8(nearest, quiet, is_nan)
    }
}

// SAFETY of every block here: a value of the type proves the instructions; pointers are the caller's promise.
#[allow(
    clippy::undocumented_unsafe_blocks,
    reason = "each is one instruction of the level, under the contract of its method"
)]
impl Simd for Avx2 {
    type F32 = __m256;
    type Mask = __m256;
    const LANES: usize = 8;
    const TILE_ROWS: usize = 6;

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_min_ps(a, b) }
    }
    #[inline(always)]
    fn sqrt(self, a: __m256) -> __m256 {
        unsafe { _mm256_sqrt_ps(a) }
    }
    #[inline(always)]
    fn abs(self, a: __m256) -> __m256 {
        unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), a) }
    }
    #[inline(always)]
    fn round(self, a: __m256) -> __m256 {
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }
    #[inline(always)]
    fn exp2_int(self, n: __m256) -> __m256 {
        unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
        }
    }
    #[inline(always)]
    fn lt(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_cmp_ps::<_CMP_LT_OQ>(a, b) }
    }
    #[inline(always)]
    fn bits(self, mask: __m256) -> u32 {
        unsafe { _mm256_movemask_ps(mask) as u32 }
    }
    #[inline(always)]
    fn select(self, mask: __m256, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_blendv_ps(b, a, mask) }
    }
    #[inline(always)]
    fn keep(self, bits: u32, a: __m256) -> __m256 {
        unsafe {
            let lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let set = _mm256_and_si256(_mm256_set1_epi32(bits as i32), lane);
            _mm256_and_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(set, lane)), a)
        }
    }
    #[inline(always)]
    fn keep_word(self, counter: u32, key_0: u32, key_1: u32, threshold: u16) -> u64 {
        unsafe {
            let ramp = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let (m_0, m_1) = (_mm256_set1_epi32(MIX_0 as i32), _mm256_set1_epi32(MIX_1 as i32));
            let threshold = _mm256_set1_epi16(threshold as i16);
            let mut kept = [_mm256_setzero_si256(); 4];
            for (quarter, kept) in kept.iter_mut().enumerate() {
                let start = counter.wrapping_add(key_0).wrapping_add(8 * quarter as u32);
                let x = _mm256_add_epi32(_mm256_set1_epi32(start as i32), ramp);
                let x = _mm256_mullo_epi32(_mm256_xor_si256(x, _mm256_srli_epi32::<16>(x)), m_0);
                let x =
                    _mm256_xor_si256(_mm256_xor_si256(x, _mm256_srli_epi32::<15>(x)), _mm256_set1_epi32(key_1 as i32));
                let x = _mm256_mullo_epi32(x, m_1);
                let x = _mm256_xor_si256(x, _mm256_srli_epi32::<16>(x));
                *kept = _mm256_cmpeq_epi16(_mm256_max_epu16(x, threshold), x);
            }
            let mut word = 0;
            for half in 0..2 {
                // Sixteen truth values a vector become bytes, then bits; packing works inside 128-bit lanes.
                let bytes = _mm256_packs_epi16(kept[2 * half], kept[2 * half + 1]);
                let bytes = _mm256_permute4x64_epi64::<0b11_01_10_00>(bytes);
                word |= u64::from(_mm256_movemask_epi8(bytes) as u32) << (32 * half);
            }
            word
        }
    }
    #[inline(always)]
    fn pair(self, low: __m256, high: __m256) -> __m256 {
        unsafe {
            let (low, high) = (_mm256_srli_epi32::<16>(rounded(low)), rounded(high));
            _mm256_castsi256_ps(_mm256_blend_epi16::<0b1010_1010>(low, high))
        }
    }
    #[inline(always)]
    fn low(self, pairs: __m256) -> __m256 {
        unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_castps_si256(pairs))) }
    }
    #[inline(always)]
    fn high(self, pairs: __m256) -> __m256 {
        unsafe { _mm256_and_ps(pairs, _mm256_castsi256_ps(_mm256_set1_epi32(0xffff_0000_u32 as i32))) }
    }
    #[inline(always)]
    fn sum(self, a: __m256) -> f32 {
        unsafe {
            let x = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
        }
    }
    #[inline(always)]
    fn max_lane(self, a: __m256) -> f32 {
        unsafe {
            let x = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let x = _mm_max_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)))
        }
    }
    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }
    #[inline(always)]
    unsafe fn load_ptr(self, p: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn load_ptr_part(self, p: *const f32, n: usize) -> __m256 {
        unsafe { _mm256_maskload_ps(p, first(n)) }
    }
    #[inline(always)]
    unsafe fn store_ptr(self, p: *mut f32, a: __m256) {
        unsafe { _mm256_storeu_ps(p, a) }
    }
    #[inline(always)]
    unsafe fn store_ptr_part(self, p: *mut f32, a: __m256, n: usize) {
        unsafe { _mm256_maskstore_ps(p, first(n), a) }
    }
    #[inline(always)]
    fn store_bytes(self, to: &mut [i8], a: __m256) {
        let mut bytes = [0; 8];
        unsafe {
            let numbers = _mm256_cvtps_epi32(a);
            let words = _mm_packs_epi32(_mm256_castsi256_si128(numbers), _mm256_extracti128_si256::<1>(numbers));
            _mm_storel_epi64(bytes.as_mut_ptr().cast(), _mm_packs_epi16(words, words));
        }
        put(bytes, to);
    }
    #[inline(always)]
    unsafe fn transpose(self, src: *const f32, src_stride: usize, dst: *mut f32, dst_stride: usize) {
        unsafe {
            // Four rows at a time, the 4 × 4 blocks inside the 128-bit lanes; then the lanes themselves.
            let mut s = [[_mm256_setzero_ps(); 4]; 2];
            for (g, s) in s.iter_mut().enumerate() {
                let [r0, r1, r2, r3] = [0, 1, 2, 3].map(|r| src.add((4 * g + r) * src_stride));
                let [r0, r1, r2, r3] =
                    [_mm256_loadu_ps(r0), _mm256_loadu_ps(r1), _mm256_loadu_ps(r2), _mm256_loadu_ps(r3)];
                let (a, b) = (_mm256_unpacklo_ps(r0, r1), _mm256_unpackhi_ps(r0, r1));
                let (c, d) = (_mm256_unpacklo_ps(r2, r3), _mm256_unpackhi_ps(r2, r3));
                let [a, b, c, d] = [_mm256_castps_pd(a), _mm256_castps_pd(b), _mm256_castps_pd(c), _mm256_castps_pd(d)];
                *s = [
                    _mm256_castpd_ps(_mm256_unpacklo_pd(a, c)),
                    _mm256_castpd_ps(_mm256_unpackhi_pd(a, c)),
                    _mm256_castpd_ps(_mm256_unpacklo_pd(b, d)),
                    _mm256_castpd_ps(_mm256_unpackhi_pd(b, d)),
                ];
            }
            for c in 0..4 {
                _mm256_storeu_ps(dst.add(c * dst_stride), _mm256_permute2f128_ps::<0x20>(s[0][c], s[1][c]));
                _mm256_storeu_ps(dst.add((4 + c) * dst_stride), _mm256_permute2f128_ps::<0x31>(s[0][c], s[1][c]));
            }
        }
    }
}
