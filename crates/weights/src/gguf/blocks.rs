//! The values of GGUF's blocks.
//!
//! Source: the layouts of ggml's `block_q4_0` … `block_iq4_xs` (`ggml-common.h`), and of the Python package gguf, against which
//! `tests/gguf.rs` holds them.

use burn::tensor::f16;

use super::GgufKind;

/// Values of a large block.
const LARGE: usize = 256;
/// Values that the indices of `IQ4_NL` and `IQ4_XS` stand for.
const NON_LINEAR: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// The values of whole blocks of a kind; `None` if the kind has no blocks.
pub(crate) fn dequantise(kind: GgufKind, bytes: &[u8]) -> Option<Vec<f32>> {
    let block: fn(&[u8], &mut Vec<f32>) = match kind {
        GgufKind::F32 | GgufKind::F16 | GgufKind::BF16 => return None,
        GgufKind::Q4_0 => |bytes, values| of_halves(&bytes[2..], 0, values, |q| half(bytes, 0) * (f32::from(q) - 8.0)),
        GgufKind::Q4_1 => {
            |bytes, values| of_halves(&bytes[4..], 0, values, |q| half(bytes, 0) * f32::from(q) + half(bytes, 2))
        }
        GgufKind::Q5_0 => |bytes, values| {
            of_halves(&bytes[6..], word(bytes, 2), values, |q| half(bytes, 0) * (f32::from(q) - 16.0));
        },
        GgufKind::Q5_1 => |bytes, values| {
            of_halves(&bytes[8..], word(bytes, 4), values, |q| half(bytes, 0) * f32::from(q) + half(bytes, 2));
        },
        GgufKind::Q8_0 => {
            |bytes, values| values.extend(bytes[2..].iter().map(|&q| half(bytes, 0) * f32::from(q.cast_signed())))
        }
        GgufKind::IQ4NL => {
            |bytes, values| of_halves(&bytes[2..], 0, values, |q| half(bytes, 0) * f32::from(NON_LINEAR[q as usize]))
        }
        GgufKind::Q2K => q2_k,
        GgufKind::Q3K => q3_k,
        GgufKind::Q4K => |bytes, values| q4_or_5_k(bytes, None, &bytes[16..], values),
        GgufKind::Q5K => |bytes, values| q4_or_5_k(bytes, Some(&bytes[16..48]), &bytes[48..], values),
        GgufKind::Q6K => q6_k,
        GgufKind::IQ4XS => iq4_xs,
    };
    let n_blocks = bytes.len() / kind.block_bytes();
    let mut values = Vec::with_capacity(n_blocks * kind.block_len());
    bytes.chunks_exact(kind.block_bytes()).for_each(|bytes| block(bytes, &mut values));
    Some(values)
}

/// The number of 16 bits at a byte.
fn half(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

/// The word of 32 bits at a byte.
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// 32 values: the lower halves of 16 bytes, then the upper ones, with a fifth bit each from `high`.
fn of_halves(bytes: &[u8], high: u32, values: &mut Vec<f32>, value: impl Fn(u8) -> f32) {
    let quants = bytes.iter().map(|byte| byte & 15).chain(bytes.iter().map(|byte| byte >> 4));
    values.extend(quants.enumerate().map(|(at, q)| value(q | ((high >> at & 1) << 4) as u8)));
}

fn q2_k(bytes: &[u8], values: &mut Vec<f32>) {
    let (scales, quants, d, least) = (&bytes[..16], &bytes[16..80], half(bytes, 80), half(bytes, 82));
    values.extend((0..LARGE).map(|at| {
        let (group, byte) = (at / 16, at / 128 * 32 + at % 32);
        let q = quants[byte] >> (2 * (at % 128 / 32)) & 3;
        d * f32::from(scales[group] & 15) * f32::from(q) - least * f32::from(scales[group] >> 4)
    }));
}

fn q3_k(bytes: &[u8], values: &mut Vec<f32>) {
    let (high, quants, scales, d) = (&bytes[..32], &bytes[32..96], &bytes[96..108], half(bytes, 108));
    let scale = |group: usize| {
        let low = scales[group % 8] >> (4 * (group / 8)) & 15;
        f32::from(low | (scales[8 + group % 4] >> (2 * (group / 4)) & 3) << 4) - 32.0
    };
    values.extend((0..LARGE).map(|at| {
        let q = quants[at / 128 * 32 + at % 32] >> (2 * (at % 128 / 32)) & 3;
        let has_high = high[at % 32] >> (at / 32) & 1 == 1;
        d * scale(at / 16) * (f32::from(q) - if has_high { 0.0 } else { 4.0 })
    }));
}

/// `Q4_K`, or with a fifth bit of each value `Q5_K`.
fn q4_or_5_k(bytes: &[u8], high: Option<&[u8]>, quants: &[u8], values: &mut Vec<f32>) {
    let (d, least, scales) = (half(bytes, 0), half(bytes, 2), &bytes[4..16]);
    // Scale and minimum of each 32 values, of 6 bits.
    let scale = |group: usize| match group {
        0..4 => [scales[group] & 63, scales[group + 4] & 63],
        _ => [scales[group + 4] & 15 | scales[group - 4] >> 6 << 4, scales[group + 4] >> 4 | scales[group] >> 6 << 4],
    };
    values.extend((0..LARGE).map(|at| {
        let (group, byte) = (at / 32, at / 64 * 32 + at % 32);
        let low = quants[byte] >> (4 * (group % 2)) & 15;
        let q = low | high.map_or(0, |high| (high[at % 32] >> group & 1) << 4);
        let [scale, minimum] = scale(group).map(f32::from);
        d * scale * f32::from(q) - least * minimum
    }));
}

fn q6_k(bytes: &[u8], values: &mut Vec<f32>) {
    let (low, high, scales, d) = (&bytes[..128], &bytes[128..192], &bytes[192..208], half(bytes, 208));
    values.extend((0..LARGE).map(|at| {
        let (part, quarter, l) = (at / 128, at % 128 / 32, at % 32);
        let of_low = low[part * 64 + quarter % 2 * 32 + l] >> (4 * (quarter / 2)) & 15;
        let of_high = high[part * 32 + l] >> (2 * quarter) & 3;
        d * f32::from(scales[at / 16].cast_signed()) * (f32::from(of_low | of_high << 4) - 32.0)
    }));
}

fn iq4_xs(bytes: &[u8], values: &mut Vec<f32>) {
    let (d, high) = (half(bytes, 0), u16::from_le_bytes([bytes[2], bytes[3]]));
    for (group, quants) in bytes[8..].chunks_exact(16).enumerate() {
        let low = bytes[4 + group / 2] >> (4 * (group % 2)) & 15;
        let scale = f32::from(low | ((high >> (2 * group) & 3) << 4) as u8) - 32.0;
        of_halves(quants, 0, values, |q| d * scale * f32::from(NON_LINEAR[q as usize]));
    }
}
