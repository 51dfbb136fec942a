//! Hiding tokens for a masked language model.

use std::sync::Arc;

use attentive_core::{FrameIds, TokenId, mix64};
use rand_chacha::rand_core::Rng;
use serde::{Deserialize, Serialize};

use crate::{Subwords, seeded_rng, shuffle::below, subwords::words};

/// Which tokens are hidden (Devlin et al. 2019, §3.1 and A.1).
///
/// Of the tokens that may be, `rate` is chosen, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

/// The unit that is hidden as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MaskingUnit {
    /// Tokens, as in BERT: of those chosen, 80 % become the mask, 10 % a random token below `vocab_size`, and 10 % stay, so
    /// that a model must be ready to guess any token.
    Tokens {
        /// Entries of the vocabulary.
        vocab_size: u32,
    },
    /// Words of code points, up to white space, as in CANINE: every character becomes the mask, and white space is never
    /// hidden (Clark et al. 2022, "Pre-training").
    Words,
    /// Subwords of code points, each guessed at its first place, as CANINE-S is pre-trained: of those chosen, 80 % become as
    /// many masks as they have characters, 10 % another subword of as many, and 10 % stay (Clark et al. 2022, "Subword
    /// Loss").
    Subwords(Arc<Subwords>),
}

/// The longest run of characters that is hidden as one word: writing without spaces would lose whole sentences.
const MAX_WORD: usize = 16;

/// Hides tokens, as a function of a seed, the epoch and the example.
#[derive(Debug, Clone, PartialEq)]
pub struct Masking {
    /// How many tokens, and how often the masks change.
    pub config: MaskingConfig,
    /// The unit that is hidden as a whole.
    pub unit: MaskingUnit,
    /// The mask.
    pub mask: TokenId,
    /// Whether hidden tokens are given in a drawn order, in which a model guesses them one after another; by place
    /// otherwise. What is hidden is the same.
    pub shuffled: bool,
    /// Seed of the run.
    pub seed: u64,
}

impl Masking {
    /// Masks of a vocabulary.
    pub fn new(config: MaskingConfig, ids: FrameIds, vocab_size: usize, seed: u64) -> Self {
        Self {
            config,
            unit: MaskingUnit::Tokens { vocab_size: vocab_size as u32 },
            mask: ids.mask,
            shuffled: false,
            seed,
        }
    }

    /// Masks of words of code points.
    pub fn words(config: MaskingConfig, ids: FrameIds, seed: u64) -> Self {
        Self { config, unit: MaskingUnit::Words, mask: ids.mask, shuffled: false, seed }
    }

    /// Masks of subwords of code points.
    pub fn subwords(config: MaskingConfig, ids: FrameIds, subwords: Subwords, seed: u64) -> Self {
        Self { unit: MaskingUnit::Subwords(Arc::new(subwords)), ..Self::words(config, ids, seed) }
    }

    /// Hides some of `row`'s tokens at the places `maskable`, which ascend; returns where and what stood there, by place or
    /// in a drawn order.
    ///
    /// `max(1, round(rate · n))` of `n` places are chosen, none of none; words and subwords are chosen until they have as
    /// many characters. A subword is one token, its number, at its first place.
    ///
    /// # Panics
    /// If a place is beyond the row.
    pub fn hide(&self, row: &mut [TokenId], maskable: &[usize], epoch: u64, example: u64) -> Vec<(usize, TokenId)> {
        let epoch = if self.config.copies == 0 { epoch } else { epoch % self.config.copies };
        let mut rng = seeded_rng(self.seed, "masks", mix64(epoch).wrapping_add(example));
        let mut hidden = match &self.unit {
            &MaskingUnit::Tokens { vocab_size } => self.hide_tokens(vocab_size, row, maskable, &mut rng),
            MaskingUnit::Words => self.hide_words(row, maskable, &mut rng),
            MaskingUnit::Subwords(subwords) => self.hide_subwords(subwords, row, maskable, &mut rng),
        };
        if self.shuffled {
            (0..hidden.len()).for_each(|idx| draw(idx, &mut hidden, &mut rng));
        }
        hidden
    }

    fn hide_tokens(
        &self,
        vocab_size: u32,
        row: &mut [TokenId],
        maskable: &[usize],
        rng: &mut impl Rng,
    ) -> Vec<(usize, TokenId)> {
        let n = self.n_hidden(maskable.len());
        let mut places = maskable.to_vec();
        for idx in 0..n {
            draw(idx, &mut places, rng);
        }
        places.truncate(n);
        places.sort_unstable();
        let mut hide = |place: usize| {
            let hidden = row[place];
            match below(10, rng) {
                0 => {}
                1 => row[place] = below(vocab_size, rng),
                _ => row[place] = self.mask,
            }
            (place, hidden)
        };
        places.into_iter().map(&mut hide).collect()
    }

    fn hide_words(&self, row: &mut [TokenId], maskable: &[usize], rng: &mut impl Rng) -> Vec<(usize, TokenId)> {
        let mut words: Vec<&[usize]> = words(row, maskable).flat_map(|word| word.chunks(MAX_WORD)).collect();
        let n = self.n_hidden(words.iter().map(|word| word.len()).sum());
        let mut places = Vec::new();
        for idx in 0..words.len() {
            if places.len() >= n {
                break;
            }
            draw(idx, &mut words, rng);
            places.extend_from_slice(words[idx]);
        }
        places.sort_unstable();
        places.into_iter().map(|place| (place, std::mem::replace(&mut row[place], self.mask))).collect()
    }

    fn hide_subwords(
        &self,
        subwords: &Subwords,
        row: &mut [TokenId],
        maskable: &[usize],
        rng: &mut impl Rng,
    ) -> Vec<(usize, TokenId)> {
        let mut pieces: Vec<(&[usize], u32)> = words(row, maskable).flat_map(|word| subwords.cut(row, word)).collect();
        let n = self.n_hidden(pieces.iter().map(|(places, _)| places.len()).sum());
        let (mut n_hidden, mut hidden) = (0, Vec::new());
        for idx in 0..pieces.len() {
            if n_hidden >= n {
                break;
            }
            draw(idx, &mut pieces, rng);
            let (places, subword) = pieces[idx];
            n_hidden += places.len();
            hidden.push((places[0], subword));
            match below(10, rng) {
                0 => {}
                1 => places.iter().zip(subwords.draw(places.len(), rng)).for_each(|(&place, &id)| row[place] = id),
                _ => places.iter().for_each(|&place| row[place] = self.mask),
            }
        }
        hidden.sort_unstable();
        hidden
    }

    /// How many of `n` tokens are hidden, at least.
    fn n_hidden(&self, n: usize) -> usize {
        ((n as f64 * self.config.rate).round() as usize).max(1).min(n)
    }
}

/// Moves one of `items[idx..]`, drawn at random, to `idx`.
fn draw<T>(idx: usize, items: &mut [T], rng: &mut impl Rng) {
    let other = idx + below((items.len() - idx) as u32, rng) as usize;
    items.swap(idx, other);
}
