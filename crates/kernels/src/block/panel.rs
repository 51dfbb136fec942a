use std::marker::PhantomData;
use std::ops::Range;

use super::layout::{COLS, Layout, SLAB, STEP};

/// Sixteen columns of a matrix.
pub(super) struct Panel<'a, B> {
    words: &'a [i8],
    heads: &'a [u8],
    layout: PhantomData<B>,
}

/// Room for a slab's values and scales.
#[repr(align(64))]
pub(super) struct Room {
    bytes: [i8; SLAB * COLS],
    scales: [[f32; COLS]; SLAB / 16],
    minima: [[f32; COLS]; SLAB / 32],
}

/// Up to 256 inputs of sixteen columns.
#[derive(Clone, Copy)]
pub(super) struct Slab<'a> {
    /// `[inputs / 4, 16, 4]`.
    pub(super) bytes: &'a [i8],
    /// `[groups, 16]`.
    pub(super) scales: &'a [[f32; COLS]],
    /// `[groups, 16]`, where the format has minima.
    pub(super) minima: &'a [[f32; COLS]],
}

impl Room {
    pub(super) fn new() -> Self {
        Self { bytes: [0; SLAB * COLS], scales: [[0.0; COLS]; SLAB / 16], minima: [[0.0; COLS]; SLAB / 32] }
    }
}

impl<'a, B: Layout> Panel<'a, B> {
    #[inline(always)]
    pub(super) fn new(words: &'a [i8], heads: &'a [u8]) -> Self {
        Self { words, heads, layout: PhantomData }
    }

    /// The inputs from `256 · slab` on.
    #[inline(always)]
    pub(super) fn slab<'b>(&self, slab: usize, room: &'b mut Room) -> Slab<'b>
    where
        'a: 'b,
    {
        let at = slab * (SLAB / B::BLOCK) * COLS;
        let n_blocks = (SLAB / B::BLOCK).min(self.heads.len() / (B::HEAD * COLS) - slab * (SLAB / B::BLOCK));
        let words = &self.words[at * B::BODY..][..n_blocks * COLS * B::BODY];
        let heads = &self.heads[at * B::HEAD..][..n_blocks * COLS * B::HEAD];
        let n_values = n_blocks * B::BLOCK;
        let scales = &mut room.scales[..n_values / B::GROUP];
        B::scales(heads, scales, &mut room.minima);
        Slab { bytes: B::bytes(words, &mut room.bytes[..n_values * COLS]), scales, minima: &room.minima }
    }

    /// The values of some of the columns, one after another.
    pub(super) fn dequantise(&self, columns: Range<usize>, out: &mut [f32]) {
        let k = out.len() / columns.len().max(1);
        let mut room = Room::new();
        for first in (0..k).step_by(SLAB) {
            let slab = self.slab(first / SLAB, &mut room);
            for (j, column) in columns.clone().zip(out.chunks_exact_mut(k)) {
                for (p, to) in column[first..].iter_mut().take(SLAB).enumerate() {
                    let byte = slab.bytes[p / STEP * COLS * STEP + j * STEP + p % STEP];
                    let value = i32::from(byte) - if B::BITS == 8 { 0 } else { B::ZERO };
                    *to = slab.scales[p / B::GROUP][j] * value as f32;
                    if B::MINIMA {
                        *to -= slab.minima[p / B::GROUP][j];
                    }
                }
            }
        }
    }
}

/// Packs up to sixteen rows of a file as the columns of a panel.
pub(super) fn pack<B: Layout>(rows: &[u8], row_bytes: usize, words: &mut [i8], heads: &mut [u8]) {
    for (j, row) in rows.chunks_exact(row_bytes).enumerate() {
        for (block, bytes) in row.chunks_exact(B::HEAD + B::BODY).enumerate() {
            let (before, rest) = bytes.split_at(B::HEAD_AT);
            let (head, after) = rest.split_at(B::HEAD);
            for (i, &byte) in head.iter().enumerate() {
                heads[(block * B::HEAD + i) * COLS + j] = byte;
            }
            let body = if B::HEAD_AT == 0 { after } else { before };
            for (w, word) in body.chunks_exact(STEP).enumerate() {
                let to = &mut words[((block * B::BODY / STEP + w) * COLS + j) * STEP..][..STEP];
                to.iter_mut().zip(word).for_each(|(to, byte)| *to = byte.cast_signed());
            }
        }
    }
}
