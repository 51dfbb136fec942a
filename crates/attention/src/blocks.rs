//! Local attention: sequences cut into blocks, each of which attends to itself alone.

use attentive_backend::Mask;
use burn::tensor::{Device, Tensor};

/// Rows cut into blocks of `width` positions, each of which becomes a row.
///
/// Self-attention over the blocks gives the same as over the rows with a mask that hides every key outside the query's
/// block, at a cost of `seq · width` instead of `seq²`. Unlike a window, a block does not move with the query (Liu et
/// al. 2018, "Generating Wikipedia by Summarizing Long Sequences"; Clark et al. 2022, "CANINE").
///
/// ```
/// use attentive_attention::Blocks;
///
/// let blocks = Blocks::new([2, 5], 3); // two rows of two blocks each
/// assert_eq!(blocks.lengths(&[5, 2]), [3, 2, 2, 0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks {
    rows: usize,
    seq: usize,
    width: usize,
}

impl Blocks {
    /// Blocks of rows of `seq` positions; a row of at most `width` positions is one block.
    ///
    /// # Panics
    /// If `width` is 0.
    pub fn new([rows, seq]: [usize; 2], width: usize) -> Self {
        assert!(width > 0, "blocks of no positions");
        Self { rows, seq, width: width.min(seq.max(1)) }
    }

    /// `[rows, seq, d]` to `[rows · blocks, width, d]`; the last block of a row is filled up with zeros.
    pub fn fold(&self, x: Tensor<3>) -> Tensor<3> {
        let [rows, seq, d] = x.dims();
        let n_blocks = self.n_blocks();
        let missing = n_blocks * self.width - seq;
        let x = match missing {
            0 => x,
            _ => {
                let zeros = Tensor::zeros([rows, missing, d], &x.device());
                Tensor::cat(vec![x, zeros], 1)
            }
        };
        x.reshape([rows * n_blocks, self.width, d])
    }

    /// The inverse: `[rows · blocks, width, d]` to `[rows, seq, d]`.
    pub fn unfold(&self, blocks: Tensor<3>) -> Tensor<3> {
        let [_, _, d] = blocks.dims();
        blocks.reshape([self.rows, self.n_blocks() * self.width, d]).narrow(1, 0, self.seq)
    }

    /// Number of positions of each block within its row's length.
    pub fn lengths(&self, lengths: &[usize]) -> Vec<usize> {
        let of_row = |&length: &usize| {
            (0..self.n_blocks()).map(move |block| length.saturating_sub(block * self.width).min(self.width))
        };
        lengths.iter().flat_map(of_row).collect()
    }

    /// Hides the positions beyond each row's length in its blocks.
    pub fn padding(&self, lengths: &[usize], device: &Device) -> Mask {
        Mask::padding(&self.lengths(lengths), self.width, device)
    }

    fn n_blocks(&self) -> usize {
        self.seq.div_ceil(self.width)
    }
}
