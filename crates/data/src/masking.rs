//! Hiding tokens for a masked language model.

use attentive_core::{FrameIds, TokenId, mix64};
use rand_chacha::rand_core::Rng;
use serde::{Deserialize, Serialize};

use crate::seeded_rng;

/// Which tokens are hidden, and how (Devlin et al. 2019, §3.1 and A.1).
///
/// Of the tokens that may be, `rate` is chosen, at least one; of those, 80 % become the mask, 10 % a random token, and 10 %
/// stay, so that a model must be ready to guess any token.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MaskingConfig {
    /// Part of the tokens that has to be guessed.
    pub rate: f64,
    /// How many times a text is masked before the same masks come again; 0 for new masks in every epoch (dynamic masking,
    /// Liu et al. 2019, §4.1), 10 in BERT.
    pub copies: u64,
}

impl Default for MaskingConfig {
    /// BERT's.
    fn default() -> Self {
        Self { rate: 0.15, copies: 10 }
    }
}

/// Hides tokens, as a function of a seed, the epoch and the example.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Masking {
    /// How many, how often anew.
    pub config: MaskingConfig,
    /// The mask.
    pub mask: TokenId,
    /// Random tokens are below it.
    pub vocab_size: u32,
    /// Seed of the run.
    pub seed: u64,
}

impl Masking {
    /// Masks of a vocabulary.
    pub fn new(config: MaskingConfig, ids: FrameIds, vocab_size: usize, seed: u64) -> Self {
        Self { config, mask: ids.mask, vocab_size: vocab_size as u32, seed }
    }

    /// Hides some of `row`'s tokens at the places `maskable`; returns where, in order, and what stood there.
    ///
    /// `max(1, round(rate · n))` of `n` places are chosen, none of none.
    ///
    /// # Panics
    /// If a place is beyond the row.
    pub fn hide(&self, row: &mut [TokenId], maskable: &[usize], epoch: u64, example: u64) -> Vec<(usize, TokenId)> {
        let epoch = if self.config.copies == 0 { epoch } else { epoch % self.config.copies };
        let mut rng = seeded_rng(self.seed, "masks", mix64(epoch).wrapping_add(example));
        let n = ((maskable.len() as f64 * self.config.rate).round() as usize).max(1).min(maskable.len());
        let mut places = maskable.to_vec();
        for idx in 0..n {
            let other = idx + below((places.len() - idx) as u32, &mut rng) as usize;
            places.swap(idx, other);
        }
        places.truncate(n);
        places.sort_unstable();
        let mut hide = |place: usize| {
            let hidden = row[place];
            match below(10, &mut rng) {
                0 => {}
                1 => row[place] = below(self.vocab_size, &mut rng),
                _ => row[place] = self.mask,
            }
            (place, hidden)
        };
        places.into_iter().map(&mut hide).collect()
    }
}

/// A number below `n`, uniform to within `n / 2³²`.
pub(crate) fn below(n: u32, rng: &mut impl Rng) -> u32 {
    ((u64::from(rng.next_u32()) * u64::from(n)) >> 32) as u32
}
