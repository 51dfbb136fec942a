//! Attention and the loss over the vocabulary a block of rows at a time, with gradients written by hand over burn's operations.
//!
//! What runs on every backend, where no kernel of ours does. Neither the scores of all queries nor the logits of all tokens are
//! ever whole: the forward pass keeps a number for each row, or the gradients themselves, and the backward pass makes a block's
//! scores again (Dao et al. 2022, "FlashAttention", §3.1). So memory grows with the length of a text, not with its square.

mod attention;
mod cross_entropy;

pub(super) use attention::attention;
pub(super) use cross_entropy::{Targets, cross_entropy};

use std::{iter, ops::Range};

use burn::tensor::{Tensor, kind::Basic};

/// Most scores or logits of a block, 64 MiB: enough to fill a GPU, and little beside what a pass keeps.
const SIZE: usize = 1 << 24;

/// A part of an axis; no operation where it is all of it.
pub(crate) fn part_of<const D: usize, K: Basic>(x: Tensor<D, K>, axis: usize, part: &Range<usize>) -> Tensor<D, K> {
    if *part == (0..x.dims()[axis]) { x } else { x.narrow(axis, part.start, part.len()) }
}

/// Blocks of as many rows of `width` numbers as `size` takes; at least one row each.
fn blocks(n_rows: usize, width: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    let at_once = (size / width.max(1)).max(1);
    let starts = iter::successors(Some(0), move |start| Some(start + at_once));
    starts.take_while(move |&start| start < n_rows).map(move |start| start..n_rows.min(start + at_once))
}
