//! What is hidden of pictures and of sound.

use attentive_core::Dropout;
use serde::{Deserialize, Serialize};

/// Ratio of the sides of a block of patches at most, one way or the other (Bao et al. 2022, Algorithm 1).
const MAX_ASPECT: f64 = 1.0 / 0.3;

/// How much is hidden of a picture or a recording, and in what pieces.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Hiding {
    /// Part of the positions that is hidden. One at least is, and one at least is not; of a single position, nothing is hidden.
    pub rate: f64,
    /// Positions of a span of sound, and of a block of patches at least.
    pub block: usize,
}

impl Hiding {
    /// Positions that are hidden of `n`: as many of each picture, and of each recording.
    fn n_hidden(&self, n: usize) -> usize {
        ((n as f64 * self.rate).round() as usize).clamp(usize::from(n > 1), n.saturating_sub(1))
    }

    /// Spans of sound: places of `n` positions, ascending (Baevski et al. 2020, "wav2vec 2.0", §3.1). Spans begin anywhere
    /// alike and may overlap; the last one is cut off where enough is hidden.
    pub fn spans(&self, n: usize, random: &Dropout) -> Vec<u32> {
        self.fill(n, |is_hidden, left| {
            let first = below(n, random);
            let span = first..(first + self.block.max(1)).min(n);
            span.filter(|&at| !is_hidden[at]).take(left).collect()
        })
    }

    /// Blocks of patches: places in a grid of rows and columns, row by row, ascending (Bao et al. 2022, "BEiT", Algorithm 1).
    /// Blocks have the least size at least, and their sides a ratio from 0.3 to 1 / 0.3, as far as the grid and what is left
    /// to hide allow; they may overlap, and the last one is cut off where enough is hidden.
    pub fn blocks(&self, [rows, columns]: [usize; 2], random: &Dropout) -> Vec<u32> {
        self.fill(rows * columns, |is_hidden, left| {
            let least = self.block.max(1) as f64;
            let size = least + (left as f64 - least).max(0.0) * unit(random);
            let aspect = MAX_ASPECT.powf(2.0 * unit(random) - 1.0);
            let side = |length: f64, most: usize| (length.round() as usize).clamp(1, most);
            let (height, width) = (side((size * aspect).sqrt(), rows), side((size / aspect).sqrt(), columns));
            let (top, first) = (below(rows - height + 1, random), below(columns - width + 1, random));
            let places = (top..top + height).flat_map(|row| (first..first + width).map(move |at| row * columns + at));
            places.filter(|&at| !is_hidden[at]).take(left).collect()
        })
    }

    /// Hides what `draw` gives, of places that are not hidden and as many as are left to hide at most, until enough is hidden.
    fn fill(&self, n: usize, mut draw: impl FnMut(&[bool], usize) -> Vec<usize>) -> Vec<u32> {
        let mut is_hidden = vec![false; n];
        let mut left = self.n_hidden(n);
        while left > 0 {
            let places = draw(&is_hidden, left);
            left -= places.len();
            places.into_iter().for_each(|at| is_hidden[at] = true);
        }
        (0..n).filter(|&at| is_hidden[at]).map(|at| at as u32).collect()
    }
}

/// A number in [0, 1) of the next key.
fn unit(random: &Dropout) -> f64 {
    (random.next_key() >> 11) as f64 / (1_u64 << 53) as f64
}

/// A number from 0 to `n - 1` of the next key.
fn below(n: usize, random: &Dropout) -> usize {
    (unit(random) * n as f64) as usize
}
