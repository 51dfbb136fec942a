//! Lines that were seen before.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use crate::DataError;

/// Bits that a Bloom filter sets for a line.
const BITS_A_LINE: u64 = 7;

/// The hash of texts, and of what is to be compared of them: half a SHA-256, so that two lines share one by no accident.
pub(super) fn hash(what: u8, texts: &[&str]) -> u128 {
    let mut sha = Sha256::new_with_prefix([what]);
    for text in texts {
        sha.update((text.len() as u64).to_le_bytes());
        sha.update(text);
    }
    let digest: [u8; 32] = sha.finalize().into();
    digest.iter().take(16).fold(0, |hash, byte| (hash << 8) | u128::from(*byte))
}

/// Remembers hashes.
#[derive(Debug)]
pub(super) enum Seen {
    /// All of them.
    Exact(HashSet<u128>),
    /// Some bits of each (Bloom 1970): one that is new may seem to be known.
    Bloom(Bloom),
}

impl Seen {
    /// Remembers in a Bloom filter of so many MiB, or without them in a set.
    pub(super) fn new(bloom_mib: usize) -> Result<Self, DataError> {
        if bloom_mib == 0 {
            return Ok(Self::Exact(HashSet::new()));
        }
        Bloom::of_words(bloom_mib << 17).map(Self::Bloom).ok_or(DataError::Setting {
            key: "bloom_mib",
            value: bloom_mib,
            expected: "what there is memory for",
        })
    }

    pub(super) fn has(&self, hash: u128) -> bool {
        match self {
            Self::Exact(set) => set.contains(&hash),
            Self::Bloom(bloom) => bloom.places(hash).all(|place| (bloom.words[place / 64] >> (place % 64)) & 1 == 1),
        }
    }

    pub(super) fn remember(&mut self, hash: u128) {
        match self {
            Self::Exact(set) => drop(set.insert(hash)),
            Self::Bloom(bloom) => {
                for place in bloom.places(hash) {
                    bloom.words[place / 64] |= 1 << (place % 64);
                }
            }
        }
    }

    /// The probability that a new line is taken for a known one.
    pub(super) fn error(&self) -> f64 {
        match self {
            Self::Exact(_) => 0.0,
            Self::Bloom(Bloom { words }) => {
                let n_set: u64 = words.iter().map(|word| u64::from(word.count_ones())).sum();
                (n_set as f64 / (64 * words.len()) as f64).powi(BITS_A_LINE as i32)
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct Bloom {
    words: Vec<u64>,
}

impl Bloom {
    /// An empty one, or `None` if there is no memory for it.
    fn of_words(n: usize) -> Option<Self> {
        let mut words = Vec::new();
        words.try_reserve_exact(n).ok()?;
        words.resize(n, 0);
        Some(Self { words })
    }

    /// The bits of a hash: two halves of it make all (Kirsch and Mitzenmacher 2006).
    fn places(&self, hash: u128) -> impl Iterator<Item = usize> + use<> {
        let n = 64 * self.words.len() as u64;
        let (first, step) = (hash as u64, (hash >> 64) as u64 | 1);
        (0..BITS_A_LINE).map(move |i| (first.wrapping_add(step.wrapping_mul(i)) % n) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bloom_filter_forgets_nothing_and_errs_as_it_says() {
        let mut bloom = Seen::Bloom(Bloom::of_words(1000).unwrap());
        let key = |n: u32| hash(0, &[&n.to_string()]);
        (0..6000).for_each(|n| bloom.remember(key(n)));
        assert!((0..6000).all(|n| bloom.has(key(n))));
        let n_wrong = (6000..26_000).filter(|&n| bloom.has(key(n))).count();
        let told = bloom.error() * 20_000.0;
        // Standard deviation: √told.
        assert!((n_wrong as f64 - told).abs() < 5.0 * told.sqrt(), "{n_wrong} wrong, {told} told");
    }

    #[test]
    fn hashes_tell_sides_and_their_bounds_apart() {
        let hashes = [hash(0, &["ab", "c"]), hash(0, &["a", "bc"]), hash(0, &["abc"]), hash(1, &["abc"])];
        assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), 4);
    }
}
