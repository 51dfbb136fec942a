//! The layouts of blocks, sixteen columns at a time.
//!
//! A block is a head, its scales, and a body, its values. Values of four adjacent bytes stay together, and those of
//! sixteen columns are adjacent: loops over them are loops over adjacent bytes, which the compiler turns into vectors.

use super::half;

/// Columns of a panel.
pub(super) const COLS: usize = 16;
/// Inputs of a column per step of a product.
pub(super) const STEP: usize = 4;
/// Inputs that are read at a time: with sixteen columns, their bytes fit in the first-level cache.
pub(super) const SLAB: usize = 256;

/// A format of blocks as constants and loops.
pub(super) trait Layout {
    /// Values of a block.
    const BLOCK: usize;
    /// Bytes of its head.
    const HEAD: usize;
    /// Position of its head.
    const HEAD_AT: usize;
    /// Bytes of its body.
    const BODY: usize;
    /// Values that have a scale of their own.
    const GROUP: usize;
    /// Bits of a value: those of 8 are signed.
    const BITS: u32;
    /// What a value is stored above its meaning; for 8 bits, if its byte is read with the upper bit inverted.
    const ZERO: i32;
    /// Whether groups have minima.
    const MINIMA: bool = false;

    /// A byte for each value, `[values / 4, 16, 4]`, of a part of a panel's words.
    fn bytes<'a>(words: &'a [i8], room: &'a mut [i8]) -> &'a [i8];

    /// The scales of each group, and the minima, of a part of a panel's heads.
    fn scales(heads: &[u8], scales: &mut [[f32; COLS]], minima: &mut [[f32; COLS]]);
}

/// The 16-bit numbers of sixteen columns, from their bytes `[2, 16]`.
#[inline(always)]
fn halves(bytes: &[u8]) -> [f32; COLS] {
    let (low, high) = bytes[..2 * COLS].split_at(COLS);
    let mut wide = [0.0; COLS];
    for j in 0..COLS {
        wide[j] = half::to_f32(u16::from_le_bytes([low[j], high[j]]));
    }
    wide
}

/// A scale of 16 bits for each group.
#[inline(always)]
fn plain_scales(heads: &[u8], scales: &mut [[f32; COLS]]) {
    for (scales, head) in scales.iter_mut().zip(heads.chunks_exact(2 * COLS)) {
        *scales = halves(head);
    }
}

/// The lower and upper halves of bytes.
#[inline(always)]
fn nibbles(bytes: &[i8], low: &mut [i8], high: &mut [i8]) {
    for ((&byte, low), high) in bytes.iter().zip(low).zip(high) {
        (*low, *high) = (byte & 15, byte >> 4 & 15);
    }
}

pub(super) struct Q4_0;

impl Layout for Q4_0 {
    const BLOCK: usize = 32;
    const HEAD: usize = 2;
    const HEAD_AT: usize = 0;
    const BODY: usize = 16;
    const GROUP: usize = 32;
    const BITS: u32 = 4;
    const ZERO: i32 = 8;

    #[inline(always)]
    fn bytes<'a>(words: &'a [i8], room: &'a mut [i8]) -> &'a [i8] {
        for (bytes, values) in words.chunks_exact(16 * COLS).zip(room.chunks_exact_mut(32 * COLS)) {
            let (low, high) = values.split_at_mut(16 * COLS);
            nibbles(bytes, low, high);
        }
        room
    }

    #[inline(always)]
    fn scales(heads: &[u8], scales: &mut [[f32; COLS]], _: &mut [[f32; COLS]]) {
        plain_scales(heads, scales);
    }
}

/// As [`Q4_0`], but that values begin at a minimum, whose negative is in the head after the scale.
pub(super) struct Q4_1;

impl Layout for Q4_1 {
    const BLOCK: usize = 32;
    const HEAD: usize = 4;
    const HEAD_AT: usize = 0;
    const BODY: usize = 16;
    const GROUP: usize = 32;
    const BITS: u32 = 4;
    const ZERO: i32 = 0;
    const MINIMA: bool = true;

    #[inline(always)]
    fn bytes<'a>(words: &'a [i8], room: &'a mut [i8]) -> &'a [i8] {
        Q4_0::bytes(words, room)
    }

    #[inline(always)]
    fn scales(heads: &[u8], scales: &mut [[f32; COLS]], minima: &mut [[f32; COLS]]) {
        for ((scales, minima), head) in scales.iter_mut().zip(minima).zip(heads.chunks_exact(4 * COLS)) {
            (*scales, *minima) = (halves(head), halves(&head[2 * COLS..]).map(|minimum| -minimum));
        }
    }
}

pub(super) struct Q8_0;

impl Layout for Q8_0 {
    const BLOCK: usize = 32;
    const HEAD: usize = 2;
    const HEAD_AT: usize = 0;
    const BODY: usize = 32;
    const GROUP: usize = 32;
    const BITS: u32 = 8;
    const ZERO: i32 = 128;

    #[inline(always)]
    fn bytes<'a>(words: &'a [i8], _: &'a mut [i8]) -> &'a [i8] {
        words
    }

    #[inline(always)]
    fn scales(heads: &[u8], scales: &mut [[f32; COLS]], _: &mut [[f32; COLS]]) {
        plain_scales(heads, scales);
    }
}

/// Four runs of 64 values, the first 32 of each in the lower nibbles. The head is that of [`six_bit_scales`].
pub(super) struct Q4K;

impl Layout for Q4K {
    const BLOCK: usize = 256;
    const HEAD: usize = 16;
    const HEAD_AT: usize = 0;
    const BODY: usize = 128;
    const GROUP: usize = 32;
    const BITS: u32 = 4;
    const ZERO: i32 = 0;
    const MINIMA: bool = true;

    #[inline(always)]
    fn bytes<'a>(words: &'a [i8], room: &'a mut [i8]) -> &'a [i8] {
        for (bytes, values) in words.chunks_exact(32 * COLS).zip(room.chunks_exact_mut(64 * COLS)) {
            let (low, high) = values.split_at_mut(32 * COLS);
            nibbles(bytes, low, high);
        }
        room
    }

    #[inline(always)]
    fn scales(heads: &[u8], scales: &mut [[f32; COLS]], minima: &mut [[f32; COLS]]) {
        six_bit_scales(heads, scales, minima);
    }
}

/// Eight scales and eight minima of six bits in twelve bytes, which a scale and a minimum of 16 bits before them multiply.
#[inline(always)]
fn six_bit_scales(heads: &[u8], scales: &mut [[f32; COLS]], minima: &mut [[f32; COLS]]) {
    let (scale, minimum) = (halves(heads), halves(&heads[2 * COLS..]));
    let byte = |i: usize| &heads[(4 + i) * COLS..][..COLS];
    for g in 0..4 {
        // Bytes 0 to 3 have scales in their lower six bits, 4 to 7 minima; the upper two bits of each, and a nibble of
        // 8 to 11, make four more of either.
        let (first, second, rest) = (byte(g), byte(4 + g), byte(8 + g));
        for j in 0..COLS {
            scales[g][j] = scale[j] * f32::from(first[j] & 63);
            minima[g][j] = minimum[j] * f32::from(second[j] & 63);
            scales[4 + g][j] = scale[j] * f32::from(rest[j] & 15 | first[j] >> 6 << 4);
            minima[4 + g][j] = minimum[j] * f32::from(rest[j] >> 4 | second[j] >> 6 << 4);
        }
    }
}

/// The lower or upper nibbles of 32 bytes, each with a fifth bit: bit `BIT` of the byte in its place of `high`.
#[inline(always)]
fn five_bits<const BIT: usize>(low: &[i8; RUN], high: &[i8; RUN], values: &mut [i8; RUN]) {
    for l in 0..RUN {
        values[l] = low[l] >> (BIT % 2 * 4) & 15 | (high[l] >> BIT & 1) << 4;
    }
}

/// As [`Q4K`], with a fifth bit for each value: before the nibbles, 32 bytes have bit `n` of the `n`-th 32 values.
pub(super) struct Q5K;

impl Layout for Q5K {
    const BLOCK: usize = 256;
    const HEAD: usize = 16;
    const HEAD_AT: usize = 0;
    const BODY: usize = 160;
    const GROUP: usize = 32;
    const BITS: u32 = 5;
    const ZERO: i32 = 0;
    const MINIMA: bool = true;

    #[inline(always)]
    fn bytes<'a>(words: &'a [i8], room: &'a mut [i8]) -> &'a [i8] {
        for (words, values) in words.chunks_exact(5 * RUN).zip(room.chunks_exact_mut(8 * RUN)) {
            let ([high, low @ ..], [v_0, v_1, v_2, v_3, v_4, v_5, v_6, v_7, ..]) =
                (words.as_chunks::<RUN>().0, values.as_chunks_mut::<RUN>().0)
            else {
                continue;
            };
            five_bits::<0>(&low[0], high, v_0);
            five_bits::<1>(&low[0], high, v_1);
            five_bits::<2>(&low[1], high, v_2);
            five_bits::<3>(&low[1], high, v_3);
            five_bits::<4>(&low[2], high, v_4);
            five_bits::<5>(&low[2], high, v_5);
            five_bits::<6>(&low[3], high, v_6);
            five_bits::<7>(&low[3], high, v_7);
        }
        room
    }

    #[inline(always)]
    fn scales(heads: &[u8], scales: &mut [[f32; COLS]], minima: &mut [[f32; COLS]]) {
        six_bit_scales(heads, scales, minima);
    }
}

/// Bytes of 32 values.
const RUN: usize = 32 * COLS;

/// Quarter `Q` of the values of half a block of [`Q6K`]. One output a loop: with more, the compiler makes no vectors.
#[inline(always)]
fn six_bits<const Q: usize>(low: &[i8; RUN], high: &[i8; RUN], values: &mut [i8; RUN]) {
    for l in 0..RUN {
        values[l] = low[l] >> (Q / 2 * 4) & 15 | (high[l] >> (2 * Q) & 3) << 4;
    }
}

/// Two halves of 128 values: the lower four bits in 64 bytes of nibbles, the upper two in 32 bytes. The head, after the
/// body, has sixteen scales of a signed byte, and a number of 16 bits that multiplies them.
pub(super) struct Q6K;

impl Layout for Q6K {
    const BLOCK: usize = 256;
    const HEAD: usize = 18;
    const HEAD_AT: usize = 192;
    const BODY: usize = 192;
    const GROUP: usize = 16;
    const BITS: u32 = 6;
    const ZERO: i32 = 32;

    #[inline(always)]
    fn bytes<'a>(words: &'a [i8], room: &'a mut [i8]) -> &'a [i8] {
        let (low, high) = words.split_at(4 * RUN);
        let values = room.as_chunks_mut::<RUN>().0.as_chunks_mut::<4>().0;
        let halves = low.as_chunks::<RUN>().0.as_chunks::<2>().0.iter().zip(high.as_chunks::<RUN>().0);
        for (([first, second], high), [v_0, v_1, v_2, v_3]) in halves.zip(values) {
            six_bits::<0>(first, high, v_0);
            six_bits::<1>(second, high, v_1);
            six_bits::<2>(first, high, v_2);
            six_bits::<3>(second, high, v_3);
        }
        room
    }

    #[inline(always)]
    fn scales(heads: &[u8], scales: &mut [[f32; COLS]], _: &mut [[f32; COLS]]) {
        let scale = halves(&heads[16 * COLS..]);
        for (scales, bytes) in scales.iter_mut().zip(heads.as_chunks::<COLS>().0) {
            let wide = bytes.map(|byte| f32::from(byte.cast_signed()));
            for j in 0..COLS {
                scales[j] = scale[j] * wide[j];
            }
        }
    }
}
