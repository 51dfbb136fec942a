//! Embeddings with positions and dropout.

use crate::dropout::WORD;
use crate::extent::elements;
use crate::parallel::{Chunks, for_each_chunk};
use crate::scratch::Scratch;
use crate::simd::{Simd, dispatch};
use crate::{Dropout, Level, MatMut};
use rayon::prelude::*;

/// `dropout(scale · table[id] + positions[i])` for every token of `[batch, seq]`.
///
/// Source: Vaswani et al. 2017, section 3.4 (scale `√d_model`), 3.5 (positions) and 5.4 (dropout on the sum).
///
/// ```
/// use attentive_kernels::{Dropout, Embedding};
///
/// let embedding = Embedding { d_model: 2, scale: 10.0, dropout: Dropout::NONE };
/// let mut y = [0.0; 4];
/// embedding.forward(&[1.0, 2.0, 3.0, 4.0], &[1, 0], Some((&[0.5, 0.5, 0.25, 0.25], 2)), &mut y);
/// assert_eq!(y, [30.5, 40.5, 10.25, 20.25]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Embedding {
    /// Features of a token.
    pub d_model: usize,
    /// Factor of the table's rows.
    pub scale: f32,
    /// Dropout on the sum.
    pub dropout: Dropout,
}

#[allow(unsafe_code, reason = "each word's gradient is one thread's")]
impl Embedding {
    /// Looks up every id.
    ///
    /// # Shapes
    /// - `table`: `[vocab, d_model]`, `ids`: `[batch · seq]`, `y`: `[batch · seq, d_model]`
    /// - `positions`: `[seq, d_model]` (already offset, when decoding continues at a later position) and `seq`
    ///
    /// # Panics
    /// If lengths do not match or an id has no row.
    pub fn forward(&self, table: &[f32], ids: &[u32], positions: Option<(&[f32], usize)>, y: &mut [f32]) {
        let (level, d_model) = (Level::current(), self.d_model);
        self.check(table.len(), ids);
        if let Some((positions, seq)) = positions {
            assert!(seq > 0 && ids.len().is_multiple_of(seq), "{} ids in sequences of {seq}", ids.len());
            assert_eq!(positions.len(), elements([seq, d_model]), "positions are {seq} × {d_model}");
        }
        for_each_chunk(Chunks::rows(ids.len(), d_model), y, |rows, y| {
            look_up(level, self, rows.start, table, &ids[rows], positions, y);
        });
    }

    /// The gradients for the gradient `dy` of the output.
    ///
    /// They are added to `d_table` `[vocab, d_model]`, to which a tied projection may have contributed, and overwrite
    /// `d_positions` `[seq, d_model]` if positions are learned. Tokens of a word are added in order of appearance.
    ///
    /// # Panics
    /// If lengths do not match or an id has no row.
    pub fn backward(&self, ids: &[u32], dy: &[f32], d_table: &mut [f32], d_positions: Option<&mut [f32]>) {
        let (level, d_model) = (Level::current(), self.d_model);
        let vocab_size = self.check(d_table.len(), ids);
        assert_eq!(dy.len(), elements([ids.len(), d_model]), "the output gradient is {} × {d_model}", ids.len());
        assert!(u32::try_from(ids.len()).is_ok(), "{} tokens at once", ids.len());
        let mut d_out = Scratch::new(if self.dropout.is_active() { dy.len() } else { 0 });
        let dy = if self.dropout.is_active() {
            self.dropout.apply(dy, d_model, &mut d_out);
            &*d_out
        } else {
            dy
        };
        // Tokens in order of id, and of appearance within an id: one run for each word.
        let mut order: Vec<u32> = (0..ids.len() as u32).collect();
        order.sort_by_key(|&token| ids[token as usize]);
        let runs: Vec<&[u32]> = order.chunk_by(|&a, &b| ids[a as usize] == ids[b as usize]).collect();
        let d_table = MatMut::new(d_table, vocab_size, d_model);
        runs.par_iter().with_min_len(16).for_each(|run| {
            // SAFETY: a word has one run.
            let mut row = unsafe { d_table.shared_block([ids[run[0] as usize] as usize, 0], [1, d_model]) };
            for &token in *run {
                add_scaled(level, self.scale, &dy[token as usize * d_model..][..d_model], row.row(0));
            }
        });
        if let Some(d_positions) = d_positions {
            let period = d_positions.len();
            let whole = period > 0 && period.is_multiple_of(d_model) && dy.len().is_multiple_of(period);
            assert!(whole, "positions are seq × {d_model}");
            d_positions.par_chunks_mut(d_model).enumerate().for_each(|(position, row)| {
                row.fill(0.0);
                for sequence in dy.chunks_exact(period) {
                    add_scaled(level, 1.0, &sequence[position * d_model..][..d_model], row);
                }
            });
        }
    }

    fn check(&self, table_len: usize, ids: &[u32]) -> usize {
        assert!(
            self.d_model > 0 && table_len.is_multiple_of(self.d_model),
            "{table_len} elements in rows of {}",
            self.d_model
        );
        let vocab_size = table_len / self.d_model;
        if let Some(id) = ids.iter().find(|&&id| id as usize >= vocab_size) {
            panic!("id {id} in a table of {vocab_size}");
        }
        vocab_size
    }
}

dispatch! {
    fn look_up(
        embedding: &Embedding, first: usize, table: &[f32], ids: &[u32], positions: Option<(&[f32], usize)>, y: &mut [f32],
    ) = look_up_kernel
}

#[inline(always)]
fn look_up_kernel<S: Simd>(
    s: S,
    embedding: &Embedding,
    first: usize,
    table: &[f32],
    ids: &[u32],
    positions: Option<(&[f32], usize)>,
    y: &mut [f32],
) {
    let Embedding { d_model, scale, dropout } = *embedding;
    let (scale, kept) = (s.splat(scale), s.splat(dropout.scale()));
    for (r, (&id, y)) in ids.iter().zip(y.chunks_exact_mut(d_model)).enumerate() {
        let row = &table[id as usize * d_model..][..d_model];
        let position = positions.map(|(positions, seq)| &positions[(first + r) % seq * d_model..][..d_model]);
        let mask = dropout.row(first + r, d_model);
        for word_col in (0..d_model).step_by(WORD) {
            let word = mask.word(s, word_col);
            for i in (word_col..d_model.min(word_col + WORD)).step_by(S::LANES) {
                let position = match position {
                    Some(position) => s.load(position, i),
                    None => s.zero(),
                };
                let sum = s.mul_add(s.load(row, i), scale, position);
                s.store(y, i, s.keep((word >> (i - word_col)) as u32, s.mul(sum, kept)));
            }
        }
    }
}

dispatch! {
    /// `y += factor · x`.
    fn add_scaled(factor: f32, x: &[f32], y: &mut [f32]) = add_scaled_kernel
}

#[inline(always)]
fn add_scaled_kernel<S: Simd>(s: S, factor: f32, x: &[f32], y: &mut [f32]) {
    let factor = s.splat(factor);
    for i in (0..x.len()).step_by(S::LANES) {
        s.store(y, i, s.mul_add(s.load(x, i), factor, s.load(y, i)));
    }
}
