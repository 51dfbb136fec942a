//! The format of the numbers that are sent to be added.

use serde::{Deserialize, Serialize};

use crate::{Collective, CollectiveError};

/// Format in which terms of a sum travel; sums are made in `f32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Exchange {
    /// As they are: a power of two of processes has the bits of one.
    #[default]
    F32,
    /// Rounded to the nearest of 8 significant bits, ties to even: half of the bytes, and sums of their own, the same in every
    /// process and again and again. Over n processes, a power of two, a term is rounded log₂ n times at most; over others, once.
    Bf16,
}

/// Numbers on their way, in buffers that are used again.
#[derive(Debug, Default)]
pub(crate) struct Parcel {
    sent: Vec<u16>,
    received: Vec<u16>,
}

impl Parcel {
    /// Sends numbers to one process while it receives others from one, as [`Collective::exchange`] does bytes.
    pub(crate) fn exchange(
        &mut self,
        peers: &dyn Collective,
        format: Exchange,
        (to, send): (usize, &[f32]),
        (from, receive): (usize, &mut [f32]),
    ) -> Result<(), CollectiveError> {
        if format == Exchange::F32 {
            return peers.exchange(to, bytemuck::cast_slice(send), from, bytemuck::cast_slice_mut(receive));
        }
        self.sent.clear();
        self.sent.extend(send.iter().map(|&value| rounded(value)));
        self.received.resize(receive.len(), 0);
        peers.exchange(to, bytemuck::cast_slice(&self.sent), from, bytemuck::cast_slice_mut(&mut self.received))?;
        receive.iter_mut().zip(&self.received).for_each(|(value, &bits)| *value = widened(bits));
        Ok(())
    }
}

/// The nearest bf16, which is the upper half of an `f32`; of two, the even one.
fn rounded(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40; // It stays one if all of its set bits are in the lower half.
    }
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

fn widened(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn edges_round_as_ieee_754_says() {
        let of = |value: f32| widened(rounded(value));
        for exact in [0.0, -0.0, 1.0, -2.5, f32::INFINITY, f32::NEG_INFINITY, f32::MIN_POSITIVE] {
            assert_eq!(of(exact).to_bits(), exact.to_bits());
        }
        // Between 1 and 1 + 2⁻⁷, and between that and 1 + 2⁻⁶.
        let step = 2_f32.powi(-7);
        assert_eq!([of(1.0 + step / 2.0), of(1.0 + step * 1.5)], [1.0, 1.0 + 2.0 * step]);
        assert_eq!(of(1.0 + step * 0.500_1), 1.0 + step);
        assert_eq!(of(f32::MAX), f32::INFINITY);
        assert!(of(f32::from_bits(0x7f80_0001)).is_nan() && of(f32::from_bits(0xff80_0001)).is_nan());
    }

    proptest! {
        /// No other number of bf16 is nearer.
        #[test]
        fn the_nearest_is_taken(value in -1e30_f32..1e30) {
            let distance = |bits: u16| (f64::from(widened(bits)) - f64::from(value)).abs();
            let bits = rounded(value);
            for other in [bits.wrapping_sub(1), bits.wrapping_add(1)].into_iter().filter(|&bits| widened(bits).is_finite()) {
                prop_assert!(distance(bits) <= distance(other));
                prop_assert!(distance(bits) < distance(other) || bits.is_multiple_of(2));
            }
        }
    }
}
