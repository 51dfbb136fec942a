use super::{Simd, put};
use crate::dropout::{MIX_0, MIX_1};
use std::arch::x86_64::*;

/// AVX-512 F, BW, DQ and VL: 32 registers of 16 `f32`. With `BF16`, pairs are rounded and multiplied by an instruction.
#[derive(Clone, Copy)]
pub(crate) struct Avx512<const BF16: bool>(());

impl<const BF16: bool> Avx512<BF16> {
    /// # Safety
    /// The CPU must have AVX-512 F, BW, DQ and VL, AVX2 and FMA; with `BF16`, AVX-512 BF16.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Self {
        Self(())
    }
}

/// A mask of the first `n` of 16 lanes.
#[inline(always)]
fn first(n: usize) -> __mmask16 {
    ((1u32 << n) - 1) as __mmask16
}

/// The nearest bf16, ties to even, in the lower half of each lane; a NaN stays one.
#[inline(always)]
unsafe fn rounded(x: __m512) -> __m512i {
    // SAFETY: the caller has AVX-512.
    unsafe {
        let bits = _mm512_castps_si512(x);
        let upper = _mm512_srli_epi32::<16>(bits);
        let odd = _mm512_and_si512(upper, _mm512_set1_epi32(1));
        let nearest = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
        let quiet = _mm512_or_si512(upper, _mm512_set1_epi32(0x40));
        _mm512_mask_mov_epi32(_mm512_srli_epi32::<16>(nearest), _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(x, x), quiet)
    }
}

/// As [`rounded`], by the instruction for it, which treats subnormal numbers as zero.
#[inline(always)]
unsafe fn converted(x: __m512) -> __m512i {
    // SAFETY: the caller has AVX-512 BF16; both types are 16 times 16 bits.
    unsafe { _mm512_cvtepu16_epi32(std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(x))) }
}

// SAFETY of every block here: a value of the type proves the instructions; pointers are the caller's promise.
#[allow(
    clippy::undocumented_unsafe_blocks,
    reason = "each is one instruction of the level, under the contract of its method"
)]
impl<const BF16: bool> Simd for Avx512<BF16> {
    type F32 = __m512;
    type Mask = __mmask16;
    const LANES: usize = 16;
    const TILE_ROWS: usize = 12;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    fn sqrt(self, a: __m512) -> __m512 {
        unsafe { _mm512_sqrt_ps(a) }
    }
    #[inline(always)]
    fn abs(self, a: __m512) -> __m512 {
        unsafe { _mm512_abs_ps(a) }
    }
    #[inline(always)]
    fn round(self, a: __m512) -> __m512 {
        unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }
    #[inline(always)]
    fn exp2_int(self, n: __m512) -> __m512 {
        unsafe { _mm512_scalef_ps(_mm512_set1_ps(1.0), n) }
    }
    #[inline(always)]
    fn lt(self, a: __m512, b: __m512) -> __mmask16 {
        unsafe { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b) }
    }
    #[inline(always)]
    fn bits(self, mask: __mmask16) -> u32 {
        u32::from(mask)
    }
    #[inline(always)]
    fn select(self, mask: __mmask16, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mask_blend_ps(mask, b, a) }
    }
    #[inline(always)]
    fn keep(self, bits: u32, a: __m512) -> __m512 {
        unsafe { _mm512_maskz_mov_ps(bits as __mmask16, a) }
    }
    #[inline(always)]
    fn keep_word(self, counter: u32, key_0: u32, key_1: u32, threshold: u16) -> u64 {
        unsafe {
            let ramp = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            let (m_0, m_1) = (_mm512_set1_epi32(MIX_0 as i32), _mm512_set1_epi32(MIX_1 as i32));
            let mut word = 0;
            for half in 0..2 {
                let start = counter.wrapping_add(key_0).wrapping_add(16 * half);
                let x = _mm512_add_epi32(_mm512_set1_epi32(start as i32), ramp);
                let x = _mm512_mullo_epi32(_mm512_xor_si512(x, _mm512_srli_epi32::<16>(x)), m_0);
                let x =
                    _mm512_xor_si512(_mm512_xor_si512(x, _mm512_srli_epi32::<15>(x)), _mm512_set1_epi32(key_1 as i32));
                let x = _mm512_mullo_epi32(x, m_1);
                let x = _mm512_xor_si512(x, _mm512_srli_epi32::<16>(x));
                let kept = _mm512_cmpge_epu16_mask(x, _mm512_set1_epi16(threshold as i16));
                word |= u64::from(kept) << (32 * half);
            }
            word
        }
    }
    #[inline(always)]
    fn pair(self, low: __m512, high: __m512) -> __m512 {
        unsafe {
            let (low, high) = if BF16 { (converted(low), converted(high)) } else { (rounded(low), rounded(high)) };
            _mm512_castsi512_ps(_mm512_or_si512(low, _mm512_slli_epi32::<16>(high)))
        }
    }
    #[inline(always)]
    fn low(self, pairs: __m512) -> __m512 {
        unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_castps_si512(pairs))) }
    }
    #[inline(always)]
    fn high(self, pairs: __m512) -> __m512 {
        let upper = unsafe { _mm512_set1_epi32(0xffff_0000_u32 as i32) };
        unsafe { _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(pairs), upper)) }
    }
    #[inline(always)]
    fn mul_add_pairs(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        if BF16 {
            // The same bits, seen as pairs.
            unsafe {
                _mm512_dpbf16_ps(
                    c,
                    std::mem::transmute::<__m512, __m512bh>(a),
                    std::mem::transmute::<__m512, __m512bh>(b),
                )
            }
        } else {
            self.mul_add(self.high(a), self.high(b), self.mul_add(self.low(a), self.low(b), c))
        }
    }
    #[inline(always)]
    fn sum(self, a: __m512) -> f32 {
        unsafe { _mm512_reduce_add_ps(a) }
    }
    #[inline(always)]
    fn max_lane(self, a: __m512) -> f32 {
        unsafe { _mm512_reduce_max_ps(a) }
    }
    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }
    #[inline(always)]
    unsafe fn load_ptr(self, p: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn load_ptr_part(self, p: *const f32, n: usize) -> __m512 {
        unsafe { _mm512_maskz_loadu_ps(first(n), p) }
    }
    #[inline(always)]
    unsafe fn store_ptr(self, p: *mut f32, a: __m512) {
        unsafe { _mm512_storeu_ps(p, a) }
    }
    #[inline(always)]
    unsafe fn store_ptr_part(self, p: *mut f32, a: __m512, n: usize) {
        unsafe { _mm512_mask_storeu_ps(p, first(n), a) }
    }
    #[inline(always)]
    fn store_bytes(self, to: &mut [i8], a: __m512) {
        let mut bytes = [0; 16];
        unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(a))) }
        put(bytes, to);
    }
    #[inline(always)]
    unsafe fn transpose(self, src: *const f32, src_stride: usize, dst: *mut f32, dst_stride: usize) {
        unsafe {
            // Four rows at a time, the 4 × 4 blocks inside the 128-bit lanes; then the lanes themselves.
            let mut s = [[_mm512_setzero_ps(); 4]; 4];
            for (g, s) in s.iter_mut().enumerate() {
                let [r0, r1, r2, r3] = [0, 1, 2, 3].map(|r| src.add((4 * g + r) * src_stride));
                let [r0, r1, r2, r3] =
                    [_mm512_loadu_ps(r0), _mm512_loadu_ps(r1), _mm512_loadu_ps(r2), _mm512_loadu_ps(r3)];
                let (a, b) = (_mm512_unpacklo_ps(r0, r1), _mm512_unpackhi_ps(r0, r1));
                let (c, d) = (_mm512_unpacklo_ps(r2, r3), _mm512_unpackhi_ps(r2, r3));
                let [a, b, c, d] = [_mm512_castps_pd(a), _mm512_castps_pd(b), _mm512_castps_pd(c), _mm512_castps_pd(d)];
                *s = [
                    _mm512_castpd_ps(_mm512_unpacklo_pd(a, c)),
                    _mm512_castpd_ps(_mm512_unpackhi_pd(a, c)),
                    _mm512_castpd_ps(_mm512_unpacklo_pd(b, d)),
                    _mm512_castpd_ps(_mm512_unpackhi_pd(b, d)),
                ];
            }
            for c in 0..4 {
                let low = _mm512_shuffle_f32x4::<0x44>(s[0][c], s[1][c]);
                let high = _mm512_shuffle_f32x4::<0xEE>(s[0][c], s[1][c]);
                let low_2 = _mm512_shuffle_f32x4::<0x44>(s[2][c], s[3][c]);
                let high_2 = _mm512_shuffle_f32x4::<0xEE>(s[2][c], s[3][c]);
                _mm512_storeu_ps(dst.add(c * dst_stride), _mm512_shuffle_f32x4::<0x88>(low, low_2));
                _mm512_storeu_ps(dst.add((4 + c) * dst_stride), _mm512_shuffle_f32x4::<0xDD>(low, low_2));
                _mm512_storeu_ps(dst.add((8 + c) * dst_stride), _mm512_shuffle_f32x4::<0x88>(high, high_2));
                _mm512_storeu_ps(dst.add((12 + c) * dst_stride), _mm512_shuffle_f32x4::<0xDD>(high, high_2));
            }
        }
    }
}
