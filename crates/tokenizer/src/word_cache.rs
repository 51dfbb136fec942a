//! A cache of encoded words.

use std::hash::BuildHasher;
use std::sync::RwLock;

use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::tokenizer::TokenId;

/// Remembers the ids of words; bounded, shared by threads, and never waited for.
#[derive(Debug, Default)]
pub(crate) struct WordCache {
    shards: [RwLock<Shard>; N_SHARDS],
}

type Shard = FxHashMap<Box<[u8]>, Box<[TokenId]>>;

const N_SHARDS: usize = 16;
const MAX_WORDS_PER_SHARD: usize = 4096;
/// Longer words hardly come back.
const MAX_KEY_LEN: usize = 64;

impl WordCache {
    /// Appends to `ids` what `encode` makes of the word `key`, or made of it before.
    pub(crate) fn extend(&self, key: &[u8], ids: &mut Vec<TokenId>, encode: impl FnOnce(&mut Vec<TokenId>)) {
        if key.len() > MAX_KEY_LEN {
            return encode(ids);
        }
        let shard = &self.shards[(FxBuildHasher.hash_one(key) >> 7) as usize % N_SHARDS];
        // A lock held by another thread is a miss: encoding the word takes no longer than waiting would.
        if let Ok(words) = shard.try_read()
            && let Some(known) = words.get(key)
        {
            ids.extend_from_slice(known);
            return;
        }
        let start = ids.len();
        encode(ids);
        if let Ok(mut words) = shard.try_write() {
            if words.len() >= MAX_WORDS_PER_SHARD {
                words.clear();
            }
            words.insert(key.into(), ids[start..].into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_a_word_once_and_forgets_when_full() {
        let cache = WordCache::default();
        let mut ids = vec![9];
        cache.extend(b"tired", &mut ids, |ids| ids.extend([1, 2]));
        cache.extend(b"tired", &mut ids, |_| unreachable!("the word is known"));
        assert_eq!(ids, [9, 1, 2, 1, 2]);
        for n in 0..200_000u32 {
            cache.extend(&n.to_le_bytes(), &mut Vec::new(), |ids| ids.push(n));
        }
        let n_words: usize = cache.shards.iter().map(|shard| shard.read().map_or(0, |words| words.len())).sum();
        assert!(n_words <= N_SHARDS * MAX_WORDS_PER_SHARD);
    }
}
