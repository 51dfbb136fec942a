//! IEEE 754's numbers of 16 bits: 5 of the exponent, 10 of the fraction.

/// `2¹¹²`, the quotient of the units of both exponents.
const EXPONENT: f32 = f32::from_bits((127 + 112) << 23);

/// The number, exactly. Without branches, so that loops over it become vectors.
#[inline(always)]
pub(super) fn to_f32(half: u16) -> f32 {
    let half = u32::from(half);
    let bits = (half & 0x7fff) << 13;
    let finite = (f32::from_bits(bits) * EXPONENT).to_bits();
    let magnitude = if half & 0x7c00 == 0x7c00 { bits | 0x7f80_0000 } else { finite };
    f32::from_bits(magnitude | (half & 0x8000) << 16)
}

/// The nearest number, ties to even; those of 65,520 and more become infinite.
pub(super) fn from_f32(x: f32) -> u16 {
    let sign = (x.to_bits() >> 16) as u16 & 0x8000;
    let bits = x.abs().to_bits();
    let magnitude = match x.abs() {
        x if x.is_nan() => 0x7e00,
        65_520.0.. => 0x7c00,
        // Multiples of 2⁻²⁴; the largest sum is the smallest normal number, as it should be.
        x if x < f32::from_bits((127 - 14) << 23) => (x * 16_777_216.0).round_ties_even() as u16,
        _ => ((bits + 0xfff + (bits >> 13 & 1) - (112 << 23)) >> 13) as u16,
    };
    sign | magnitude
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: sign, exponent and fraction.
    fn expected(half: u16) -> f64 {
        let (exponent, fraction) = (i32::from(half >> 10 & 0x1f), f64::from(half & 0x3ff) / 1024.0);
        let magnitude = match exponent {
            0 => fraction * 2_f64.powi(-14),
            0x1f if fraction == 0.0 => f64::INFINITY,
            0x1f => f64::NAN,
            _ => (1.0 + fraction) * 2_f64.powi(exponent - 15),
        };
        if half >> 15 == 1 { -magnitude } else { magnitude }
    }

    #[test]
    fn every_number_is_widened_and_comes_back() {
        for half in 0..=u16::MAX {
            let wide = to_f32(half);
            assert!(f64::from(wide) == expected(half) || wide.is_nan() && expected(half).is_nan(), "{half:#x}");
            assert!(from_f32(wide) == half || wide.is_nan() && to_f32(from_f32(wide)).is_nan(), "{half:#x}");
        }
    }

    #[test]
    fn between_two_numbers_the_nearer_is_taken_and_the_even_one_at_the_middle() {
        for half in 0..0x7c00_u16 {
            let (low, high) = (expected(half), if half == 0x7bff { 65_536.0 } else { expected(half + 1) });
            let middle = (0.5 * (low + high)) as f32;
            assert_eq!(from_f32(middle), half + (half & 1), "{half:#x}");
            assert_eq!([from_f32(middle.next_down()), from_f32(-middle.next_up())], [half, 0x8000 | (half + 1)]);
        }
    }
}
