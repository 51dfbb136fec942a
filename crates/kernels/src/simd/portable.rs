use super::Simd;
use crate::dropout::mix;
use std::array::from_fn;

const LANES: usize = 4;

/// Arrays of four `f32`, which the compiler maps to the baseline's registers (NEON on AArch64).
#[derive(Clone, Copy)]
pub(crate) struct Arrays;

#[inline(always)]
fn zip(a: [f32; LANES], b: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
    from_fn(|i| f(a[i], b[i]))
}

/// The bits of the nearest bf16, ties to even; a NaN stays one.
#[inline(always)]
fn bf16(x: f32) -> u32 {
    let bits = x.to_bits();
    if x.is_nan() { bits >> 16 | 0x40 } else { (bits + 0x7fff + (bits >> 16 & 1)) >> 16 }
}

// SAFETY of every block here: pointers are the caller's promise.
#[allow(
    clippy::undocumented_unsafe_blocks,
    reason = "each is one instruction of the level, under the contract of its method"
)]
impl Simd for Arrays {
    type F32 = [f32; LANES];
    type Mask = [bool; LANES];
    const LANES: usize = LANES;
    const TILE_ROWS: usize = 6;

    #[inline(always)]
    fn splat(self, x: f32) -> [f32; LANES] {
        [x; LANES]
    }
    #[inline(always)]
    fn add(self, a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn mul_add(self, a: [f32; LANES], b: [f32; LANES], c: [f32; LANES]) -> [f32; LANES] {
        // Without the instruction a fused multiply-add is a call into the maths library.
        if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
            from_fn(|i| a[i].mul_add(b[i], c[i]))
        } else {
            from_fn(|i| a[i] * b[i] + c[i])
        }
    }
    #[inline(always)]
    fn max(self, a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn sqrt(self, a: [f32; LANES]) -> [f32; LANES] {
        a.map(f32::sqrt)
    }
    #[inline(always)]
    fn abs(self, a: [f32; LANES]) -> [f32; LANES] {
        a.map(f32::abs)
    }
    #[inline(always)]
    fn round(self, a: [f32; LANES]) -> [f32; LANES] {
        // Adding 1.5 · 2²³ leaves no bit for a fraction, so the sum is rounded to an integer, ties to even.
        const SHIFT: f32 = 12_582_912.0;
        a.map(|a| (a + SHIFT) - SHIFT)
    }
    #[inline(always)]
    fn exp2_int(self, n: [f32; LANES]) -> [f32; LANES] {
        n.map(|n| f32::from_bits(((n as i32).wrapping_add(127) as u32) << 23))
    }
    #[inline(always)]
    fn lt(self, a: [f32; LANES], b: [f32; LANES]) -> [bool; LANES] {
        from_fn(|i| a[i] < b[i])
    }
    #[inline(always)]
    fn bits(self, mask: [bool; LANES]) -> u32 {
        (0..LANES).fold(0, |bits, i| bits | u32::from(mask[i]) << i)
    }
    #[inline(always)]
    fn select(self, mask: [bool; LANES], a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        from_fn(|i| if mask[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn keep(self, bits: u32, a: [f32; LANES]) -> [f32; LANES] {
        from_fn(|i| if bits >> i & 1 == 1 { a[i] } else { 0.0 })
    }
    #[inline(always)]
    fn keep_word(self, counter: u32, key_0: u32, key_1: u32, threshold: u16) -> u64 {
        (0..32).fold(0, |word, i| {
            let hash = mix(counter.wrapping_add(i), key_0, key_1);
            let [even, odd] = [hash as u16 >= threshold, (hash >> 16) as u16 >= threshold].map(u64::from);
            word | even << (2 * i) | odd << (2 * i + 1)
        })
    }
    #[inline(always)]
    fn pair(self, low: [f32; LANES], high: [f32; LANES]) -> [f32; LANES] {
        zip(low, high, |low, high| f32::from_bits(bf16(low) | bf16(high) << 16))
    }
    #[inline(always)]
    fn low(self, pairs: [f32; LANES]) -> [f32; LANES] {
        pairs.map(|pair| f32::from_bits(pair.to_bits() << 16))
    }
    #[inline(always)]
    fn high(self, pairs: [f32; LANES]) -> [f32; LANES] {
        pairs.map(|pair| f32::from_bits(pair.to_bits() & 0xffff_0000))
    }
    #[inline(always)]
    fn sum(self, a: [f32; LANES]) -> f32 {
        (a[0] + a[2]) + (a[1] + a[3])
    }
    #[inline(always)]
    fn max_lane(self, a: [f32; LANES]) -> f32 {
        a[0].max(a[1]).max(a[2].max(a[3]))
    }
    #[inline(always)]
    unsafe fn load_ptr(self, p: *const f32) -> [f32; LANES] {
        unsafe { p.cast::<[f32; LANES]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_ptr_part(self, p: *const f32, n: usize) -> [f32; LANES] {
        from_fn(|i| if i < n { unsafe { *p.add(i) } } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn store_ptr(self, p: *mut f32, a: [f32; LANES]) {
        unsafe { p.cast::<[f32; LANES]>().write_unaligned(a) }
    }
    #[inline(always)]
    unsafe fn store_ptr_part(self, p: *mut f32, a: [f32; LANES], n: usize) {
        for (i, a) in a.into_iter().take(n).enumerate() {
            unsafe { *p.add(i) = a }
        }
    }
    #[inline(always)]
    fn store_bytes(self, to: &mut [i8], a: [f32; LANES]) {
        to.iter_mut().zip(a).for_each(|(to, a)| *to = a as i8);
    }
    #[inline(always)]
    unsafe fn transpose(self, src: *const f32, src_stride: usize, dst: *mut f32, dst_stride: usize) {
        for r in 0..LANES {
            for c in 0..LANES {
                unsafe { *dst.add(c * dst_stride + r) = *src.add(r * src_stride + c) }
            }
        }
    }
}
