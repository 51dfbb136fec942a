use super::portable::Arrays;
use super::{Simd, put};
use std::arch::x86_64::*;

/// x86-64's baseline: 16 registers of 4 `f32`. [`Arrays`] gives the same bits, in arrays that the compiler leaves in memory.
#[derive(Clone, Copy)]
pub(crate) struct Sse2;

/// `a` where the mask's bits are set, else `b`.
#[inline(always)]
unsafe fn either(mask: __m128i, a: __m128i, b: __m128i) -> __m128i {
    // SAFETY: SSE2 is x86-64's baseline.
    unsafe { _mm_or_si128(_mm_and_si128(mask, a), _mm_andnot_si128(mask, b)) }
}

/// The nearest bf16, ties to even, in the upper half of each lane; a NaN stays one.
#[inline(always)]
unsafe fn rounded(x: __m128) -> __m128i {
    // SAFETY: SSE2 is x86-64's baseline.
    unsafe {
        let bits = _mm_castps_si128(x);
        let odd = _mm_and_si128(_mm_srli_epi32::<16>(bits), _mm_set1_epi32(1));
        let nearest = _mm_add_epi32(bits, _mm_add_epi32(odd, _mm_set1_epi32(0x7fff)));
        let quiet = _mm_or_si128(bits, _mm_set1_epi32(0x40_0000));
        either(_mm_castps_si128(_mm_cmpunord_ps(x, x)), quiet, nearest)
    }
}

#[inline(always)]
fn array(a: __m128) -> [f32; 4] {
    // SAFETY: four floats, one after another, as both types have them.
    unsafe { std::mem::transmute(a) }
}

#[inline(always)]
fn vector(a: [f32; 4]) -> __m128 {
    // SAFETY: as in `array`.
    unsafe { std::mem::transmute(a) }
}

// SAFETY of every block here: SSE2 is x86-64's baseline; pointers are the caller's promise.
#[allow(
    clippy::undocumented_unsafe_blocks,
    reason = "each is one instruction of the level, under the contract of its method"
)]
impl Simd for Sse2 {
    type F32 = __m128;
    type Mask = __m128;
    const LANES: usize = 4;
    const TILE_ROWS: usize = 6;

    #[inline(always)]
    fn splat(self, x: f32) -> __m128 {
        unsafe { _mm_set1_ps(x) }
    }
    #[inline(always)]
    fn add(self, a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_div_ps(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: __m128, b: __m128, c: __m128) -> __m128 {
        if cfg!(target_feature = "fma") {
            vector(Arrays.mul_add(array(a), array(b), array(c)))
        } else {
            unsafe { _mm_add_ps(_mm_mul_ps(a, b), c) }
        }
    }
    #[inline(always)]
    fn max(self, a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_max_ps(a, b) }
    }
    #[inline(always)]
    fn min(self, a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_min_ps(a, b) }
    }
    #[inline(always)]
    fn sqrt(self, a: __m128) -> __m128 {
        unsafe { _mm_sqrt_ps(a) }
    }
    #[inline(always)]
    fn abs(self, a: __m128) -> __m128 {
        unsafe { _mm_andnot_ps(_mm_set1_ps(-0.0), a) }
    }
    #[inline(always)]
    fn round(self, a: __m128) -> __m128 {
        // Adding 1.5 · 2²³ leaves no bit for a fraction, so the sum is rounded to an integer, ties to even.
        let shift = self.splat(12_582_912.0);
        self.sub(self.add(a, shift), shift)
    }
    #[inline(always)]
    fn exp2_int(self, n: __m128) -> __m128 {
        unsafe {
            let exponent = _mm_add_epi32(_mm_cvtps_epi32(n), _mm_set1_epi32(127));
            _mm_castsi128_ps(_mm_slli_epi32::<23>(exponent))
        }
    }
    #[inline(always)]
    fn lt(self, a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_cmplt_ps(a, b) }
    }
    #[inline(always)]
    fn bits(self, mask: __m128) -> u32 {
        unsafe { _mm_movemask_ps(mask) as u32 }
    }
    #[inline(always)]
    fn select(self, mask: __m128, a: __m128, b: __m128) -> __m128 {
        unsafe { _mm_castsi128_ps(either(_mm_castps_si128(mask), _mm_castps_si128(a), _mm_castps_si128(b))) }
    }
    #[inline(always)]
    fn keep(self, bits: u32, a: __m128) -> __m128 {
        unsafe {
            let lane = _mm_setr_epi32(1, 2, 4, 8);
            let set = _mm_and_si128(_mm_set1_epi32(bits as i32), lane);
            _mm_and_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(set, lane)), a)
        }
    }
    #[inline(always)]
    fn keep_word(self, counter: u32, key_0: u32, key_1: u32, threshold: u16) -> u64 {
        Arrays.keep_word(counter, key_0, key_1, threshold)
    }
    #[inline(always)]
    fn pair(self, low: __m128, high: __m128) -> __m128 {
        unsafe {
            let (low, upper) = (_mm_srli_epi32::<16>(rounded(low)), _mm_set1_epi32(0xffff_0000_u32 as i32));
            _mm_castsi128_ps(_mm_or_si128(low, _mm_and_si128(rounded(high), upper)))
        }
    }
    #[inline(always)]
    fn low(self, pairs: __m128) -> __m128 {
        unsafe { _mm_castsi128_ps(_mm_slli_epi32::<16>(_mm_castps_si128(pairs))) }
    }
    #[inline(always)]
    fn high(self, pairs: __m128) -> __m128 {
        unsafe { _mm_and_ps(pairs, _mm_castsi128_ps(_mm_set1_epi32(0xffff_0000_u32 as i32))) }
    }
    #[inline(always)]
    fn sum(self, a: __m128) -> f32 {
        Arrays.sum(array(a))
    }
    #[inline(always)]
    fn max_lane(self, a: __m128) -> f32 {
        Arrays.max_lane(array(a))
    }
    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }
    #[inline(always)]
    unsafe fn load_ptr(self, p: *const f32) -> __m128 {
        unsafe { _mm_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn load_ptr_part(self, p: *const f32, n: usize) -> __m128 {
        vector(unsafe { Arrays.load_ptr_part(p, n) })
    }
    #[inline(always)]
    unsafe fn store_ptr(self, p: *mut f32, a: __m128) {
        unsafe { _mm_storeu_ps(p, a) }
    }
    #[inline(always)]
    unsafe fn store_ptr_part(self, p: *mut f32, a: __m128, n: usize) {
        unsafe { Arrays.store_ptr_part(p, array(a), n) }
    }
    #[inline(always)]
    fn store_bytes(self, to: &mut [i8], a: __m128) {
        let bytes = unsafe {
            let numbers = _mm_cvtps_epi32(a);
            let words = _mm_packs_epi32(numbers, numbers);
            _mm_cvtsi128_si32(_mm_packs_epi16(words, words)).to_le_bytes().map(|byte| byte as i8)
        };
        put(bytes, to);
    }
    #[inline(always)]
    unsafe fn transpose(self, src: *const f32, src_stride: usize, dst: *mut f32, dst_stride: usize) {
        unsafe {
            let [mut a, mut b, mut c, mut d] = [self.zero(); 4];
            for (r, row) in [&mut a, &mut b, &mut c, &mut d].into_iter().enumerate() {
                *row = _mm_loadu_ps(src.add(r * src_stride));
            }
            _MM_TRANSPOSE4_PS(&mut a, &mut b, &mut c, &mut d);
            for (r, row) in [a, b, c, d].into_iter().enumerate() {
                _mm_storeu_ps(dst.add(r * dst_stride), row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of every kind, four at a time.
    fn samples() -> impl Iterator<Item = [f32; 4]> {
        let edges =
            [0.0, -0.0, 1.0, -1.5, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MIN_POSITIVE, 1e-42, f32::MAX];
        (0..400_u32).map(move |i| {
            std::array::from_fn(|lane| match i as usize + 3 * lane {
                edge if edge < edges.len() => edges[edge],
                _ => f32::from_bits((4 * i + lane as u32).wrapping_mul(0x9E37_79B9)),
            })
        })
    }

    fn same(a: __m128, b: [f32; 4]) -> bool {
        array(a).into_iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan())
    }

    #[test]
    fn registers_and_arrays_give_the_same_bits() {
        let (s, t) = (Sse2, Arrays);
        for (a, b) in samples().zip(samples().skip(7)) {
            let (x, y) = (vector(a), vector(b));
            assert!(same(s.add(x, y), t.add(a, b)) && same(s.sub(x, y), t.sub(a, b)), "{a:?} {b:?}");
            assert!(same(s.mul(x, y), t.mul(a, b)) && same(s.div(x, y), t.div(a, b)), "{a:?} {b:?}");
            assert!(same(s.mul_add(x, y, x), t.mul_add(a, b, a)), "{a:?} {b:?}");
            assert!(same(s.max(x, y), t.max(a, b)) && same(s.min(x, y), t.min(a, b)), "{a:?} {b:?}");
            assert!(same(s.sqrt(x), t.sqrt(a)) && same(s.abs(x), t.abs(a)) && same(s.round(x), t.round(a)), "{a:?}");
            assert!(same(s.pair(x, y), t.pair(a, b)), "{a:?} {b:?}");
            assert!(same(s.low(x), t.low(a)) && same(s.high(x), t.high(a)), "{a:?}");
            let (mask, truth) = (s.lt(x, y), t.lt(a, b));
            assert_eq!(s.bits(mask), t.bits(truth));
            assert!(same(s.select(mask, x, y), t.select(truth, a, b)) && same(s.keep(0b1010, x), t.keep(0b1010, a)));
            let [sums, largest] = [[s.sum(x), t.sum(a)], [s.max_lane(x), t.max_lane(a)]];
            assert!([sums, largest].iter().all(|[a, b]| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()));
        }
        for n in [-126, -1, 0, 7, 127] {
            assert!(same(s.exp2_int(s.splat(n as f32)), t.exp2_int(t.splat(n as f32))));
        }
    }

    #[test]
    fn blocks_are_transposed() {
        let from: Vec<f32> = (0..5 * 4).map(|i| i as f32).collect();
        let (mut by_registers, mut by_arrays) = (vec![0.0; 4 * 6], vec![0.0; 4 * 6]);
        // SAFETY: four rows of four at these strides lie in both.
        unsafe {
            Sse2.transpose(from.as_ptr(), 5, by_registers.as_mut_ptr(), 6);
            Arrays.transpose(from.as_ptr(), 5, by_arrays.as_mut_ptr(), 6);
        }
        assert_eq!(by_registers, by_arrays);
        assert_eq!(by_registers[..4], [0.0, 5.0, 10.0, 15.0]);
    }
}
