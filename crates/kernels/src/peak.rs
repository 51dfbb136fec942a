//! Arithmetic in registers alone: the speed that no product can exceed.

#![allow(unsafe_code, reason = "instructions on bytes")]

use std::hint::black_box;

use crate::Level;
use crate::simd::{Simd, dispatch};

/// Number of independent results: with two factors, they fill 16 registers.
const CHAINS: usize = 14;

/// Multiplies and adds `f32` in registers, `rounds` times a few vectors, at the current level; returns the number of
/// products added up.
///
/// Benchmarks time it as the peak to compare matrix products with.
pub fn multiply_floats(rounds: usize) -> u64 {
    let lanes = chains(Level::current(), rounds);
    rounds as u64 * (CHAINS * lanes) as u64
}

dispatch! { fn chains(rounds: usize) -> usize = chains_kernel }

#[inline(always)]
fn chains_kernel<S: Simd>(s: S, rounds: usize) -> usize {
    let (x, y) = (s.splat(black_box(0.5)), s.splat(black_box(1.0)));
    let mut sums = [s.zero(); CHAINS];
    for _ in 0..rounds {
        for c in 0..CHAINS {
            sums[c] = s.mul_add(sums[c], x, y);
        }
    }
    for c in 0..CHAINS {
        black_box(s.sum(sums[c]));
    }
    S::LANES
}

/// [`multiply_floats`] for bytes with 32-bit sums, by the instructions of 8-bit products; `None` if those are the
/// compiler's choice.
pub fn multiply_bytes(rounds: usize) -> Option<u64> {
    #[cfg(target_arch = "x86_64")]
    return Some(bytes::multiply(Level::current(), rounds));
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = rounds;
        None
    }
}

#[cfg(target_arch = "x86_64")]
mod bytes {
    use super::{CHAINS, black_box};
    use crate::Level;
    use crate::int8::Path;
    use std::arch::x86_64::*;

    /// Chains through a product, and a sum that all are added to.
    const PRODUCTS: usize = 10;

    pub(super) fn multiply(level: Level, rounds: usize) -> u64 {
        let products = match Path::of(level) {
            // SAFETY: SSE2 is x86-64's baseline.
            Path::Portable => unsafe { sse2(rounds) },
            // SAFETY: the path was chosen by the instructions of this CPU.
            Path::Avx2 => unsafe { avx2(rounds) },
            // SAFETY: as above.
            Path::Vnni => unsafe { vnni(rounds) },
        };
        rounds as u64 * products as u64
    }

    #[target_feature(enable = "sse2")]
    fn sse2(rounds: usize) -> usize {
        let y = _mm_set1_epi16(black_box(3));
        let (mut x, mut sums) = ([y; PRODUCTS], [y; 2]);
        for _ in 0..rounds {
            for c in 0..PRODUCTS {
                x[c] = _mm_madd_epi16(x[c], y);
                sums[c % 2] = _mm_add_epi32(sums[c % 2], x[c]);
            }
        }
        black_box(sums);
        PRODUCTS * 8
    }

    #[target_feature(enable = "avx2")]
    fn avx2(rounds: usize) -> usize {
        let (y, ones) = (_mm256_set1_epi8(black_box(3)), _mm256_set1_epi16(black_box(1)));
        let (mut x, mut sums) = ([y; PRODUCTS], [y; 2]);
        for _ in 0..rounds {
            for c in 0..PRODUCTS {
                x[c] = _mm256_maddubs_epi16(x[c], y);
                sums[c % 2] = _mm256_add_epi32(sums[c % 2], _mm256_madd_epi16(x[c], ones));
            }
        }
        black_box(sums);
        PRODUCTS * 32
    }

    #[target_feature(enable = "avx512f,avx512vnni")]
    fn vnni(rounds: usize) -> usize {
        let y = _mm512_set1_epi32(black_box(0x0302_0304));
        let mut sums = [y; CHAINS];
        for _ in 0..rounds {
            for c in 0..CHAINS {
                sums[c] = _mm512_dpbusd_epi32(sums[c], y, y);
            }
        }
        black_box(sums);
        CHAINS * 64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_counted_by_the_level() {
        for level in Level::available() {
            level.during(|| {
                let lanes = multiply_floats(1) / CHAINS as u64;
                assert!([4, 8, 16].contains(&lanes), "{lanes} lanes on {}", level.name());
                assert_eq!(multiply_floats(7), 7 * multiply_floats(1));
                assert!(multiply_bytes(5).is_none_or(|n| n >= 5 * multiply_floats(1)));
            });
        }
    }
}
