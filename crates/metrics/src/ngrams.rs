//! Counting n-grams without one allocation per n-gram.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// The buffers that a thread keeps from segment to segment.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) vocabulary: Vocabulary,
    pub(crate) ngrams: Ngrams,
}

/// Numbers distinct tokens, so that tokens compare as integers.
#[derive(Debug, Default)]
pub(crate) struct Vocabulary(HashMap<Box<str>, u32>);

impl Vocabulary {
    pub(crate) fn intern<'a>(&mut self, tokens: impl Iterator<Item = &'a str>) -> Vec<u32> {
        tokens
            .map(|token| {
                self.0.get(token).copied().unwrap_or_else(|| {
                    let id = self.0.len() as u32;
                    self.0.insert(token.into(), id);
                    id
                })
            })
            .collect()
    }
}

/// The n-grams of a segment's references, as a trie, with the number of matches left for each.
///
/// An n-gram is its node: the (n-1)-gram before its last token, extended by that token. This is exact, unlike a
/// rolling hash, and costs one look-up of an integer per n-gram.
#[derive(Debug, Default)]
pub(crate) struct Ngrams {
    /// `(node, token)` in one integer, to the child.
    children: HashMap<u64, u32, BuildHasherDefault<KeyHasher>>,
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Default)]
struct Node {
    /// The largest count of the n-gram in one reference, less the matches so far.
    available: u32,
    /// Its count in the reference numbered `reference`.
    seen: u32,
    reference: usize,
}

const ROOT: u32 = 0;

fn key(node: u32, token: u32) -> u64 {
    u64::from(node) << 32 | u64::from(token)
}

impl Ngrams {
    /// Holds the n-grams of these references and no others.
    pub(crate) fn set_references<'a>(&mut self, references: impl Iterator<Item = &'a [u32]>, max_order: usize) {
        self.children.clear();
        self.nodes.clear();
        self.nodes.push(Node::default());
        for (reference, tokens) in references.enumerate() {
            for start in 0..tokens.len() {
                let mut node = ROOT;
                for &token in tokens[start..].iter().take(max_order) {
                    node = self.child_or_new(node, token);
                    self.nodes[node as usize].count(reference);
                }
            }
        }
    }

    fn child_or_new(&mut self, node: u32, token: u32) -> u32 {
        *self.children.entry(key(node, token)).or_insert_with(|| {
            self.nodes.push(Node::default());
            (self.nodes.len() - 1) as u32
        })
    }

    /// Adds to `matches[n - 1]` the number of n-grams of the hypothesis found in the references, where each reference
    /// n-gram matches once (the clipped counts of Papineni et al. 2002, §2.1.1).
    ///
    /// Matched n-grams are used up: call it once for each [`Self::set_references`].
    pub(crate) fn match_hypothesis(&mut self, tokens: &[u32], matches: &mut [u64]) {
        for start in 0..tokens.len() {
            let mut node = ROOT;
            for (token, matched) in tokens[start..].iter().zip(matches.iter_mut()) {
                let Some(&child) = self.children.get(&key(node, *token)) else { break };
                node = child;
                let available = &mut self.nodes[node as usize].available;
                if *available > 0 {
                    *available -= 1;
                    *matched += 1;
                }
            }
        }
    }
}

impl Node {
    fn count(&mut self, reference: usize) {
        if self.reference != reference {
            self.reference = reference;
            self.seen = 0;
        }
        self.seen += 1;
        self.available = self.available.max(self.seen);
    }
}

/// Number of n-grams of length `order` in a sequence.
pub(crate) fn n_ngrams(len: usize, order: usize) -> usize {
    (len + 1).saturating_sub(order)
}

/// One multiplication: the keys are our own small integers.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write_u64(&mut self, key: u64) {
        let product = u128::from(key ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
        self.0 = product as u64 ^ (product >> 64) as u64;
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(self.0 ^ u64::from(byte));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_clipped_at_the_best_reference() {
        let mut ngrams = Ngrams::default();
        let references: [&[u32]; 2] = [&[1, 2, 1], &[1, 3]];
        ngrams.set_references(references.into_iter(), 2);
        let mut matches = [0, 0];
        ngrams.match_hypothesis(&[1, 1, 1, 3], &mut matches);
        assert_eq!(matches, [3, 1]); // 1, 1, 3 and (1, 3)
    }

    #[test]
    fn a_short_sequence_has_no_long_ngrams() {
        assert_eq!([n_ngrams(3, 1), n_ngrams(3, 3), n_ngrams(3, 4), n_ngrams(0, 4)], [3, 1, 0, 0]);
    }
}
