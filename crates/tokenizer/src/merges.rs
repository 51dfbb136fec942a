//! The merge table of byte-pair encoding, and applying it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use crate::tokenizer::TokenId;

/// What the pairs of neighbouring tokens merge into, and which goes first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Merges {
    by_pair: FxHashMap<(TokenId, TokenId), Merge>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Merge {
    rank: u32,
    merged: TokenId,
}

const NONE: usize = usize::MAX;

impl Merges {
    /// The merges `(left, right, merged)`, first learned first. Of equal pairs the first counts, as in subword-nmt.
    pub(crate) fn new(merges: impl IntoIterator<Item = (TokenId, TokenId, TokenId)>) -> Self {
        let mut by_pair = FxHashMap::default();
        for (rank, (left, right, merged)) in (0..).zip(merges) {
            by_pair.entry((left, right)).or_insert(Merge { rank, merged });
        }
        Self { by_pair }
    }

    /// Merges `tokens` until no merge applies: the earliest learned first, and of equal ones the leftmost.
    pub(crate) fn apply(&self, tokens: &mut Vec<TokenId>) {
        self.apply_unless(tokens, || false);
    }

    /// [`apply`](Self::apply), where each merge that is due is passed over, in each step again, when `dropped` says so.
    ///
    /// Takes O(n log n) time for n tokens.
    ///
    /// Source: Provilkov et al. 2020, "BPE-Dropout", algorithm 1.
    pub(crate) fn apply_unless(&self, tokens: &mut Vec<TokenId>, mut dropped: impl FnMut() -> bool) {
        let n = tokens.len();
        if n < 2 {
            return;
        }
        // A doubly linked list over the positions of `tokens`: a merge keeps its left position and unlinks its right.
        let mut next: Vec<usize> = (1..n).chain([NONE]).collect();
        let mut previous: Vec<usize> = std::iter::once(NONE).chain(0..n - 1).collect();
        let mut alive = vec![true; n];
        let mut due: BinaryHeap<Reverse<(Merge, usize)>> =
            (1..n).filter_map(|right| self.candidate(tokens, right - 1, right)).collect();
        let mut passed_over = Vec::new();

        while let Some(Reverse((merge, left))) = due.pop() {
            let right = next[left];
            if !alive[left] || right == NONE || self.by_pair.get(&(tokens[left], tokens[right])) != Some(&merge) {
                continue; // one of the two has been merged since
            }
            if dropped() {
                passed_over.push(Reverse((merge, left)));
                continue;
            }
            tokens[left] = merge.merged;
            alive[right] = false;
            next[left] = next[right];
            if next[left] != NONE {
                previous[next[left]] = left;
                due.extend(self.candidate(tokens, left, next[left]));
            }
            if previous[left] != NONE {
                due.extend(self.candidate(tokens, previous[left], left));
            }
            due.extend(passed_over.drain(..));
        }
        let mut position = 0;
        tokens.retain(|_| {
            position += 1;
            alive[position - 1]
        });
    }

    fn candidate(&self, tokens: &[TokenId], left: usize, right: usize) -> Option<Reverse<(Merge, usize)>> {
        self.by_pair.get(&(tokens[left], tokens[right])).map(|&merge| Reverse((merge, left)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Merges one occurrence after the other by searching the whole list each time: slow and plain.
    fn oracle(merges: &[(TokenId, TokenId, TokenId)], tokens: &mut Vec<TokenId>) {
        while let Some((at, merged)) = merges.iter().find_map(|&(left, right, merged)| {
            let at = tokens.windows(2).position(|pair| pair == [left, right])?;
            Some((at, merged))
        }) {
            tokens.splice(at..at + 2, [merged]);
        }
    }

    #[test]
    fn equals_searching_for_the_earliest_merge_each_time() {
        let merges = [(0, 0, 2), (2, 1, 3), (0, 1, 4), (1, 0, 5), (2, 2, 6), (3, 4, 7), (6, 0, 8)];
        let table = Merges::new(merges);
        for word in 0..1u32 << 12 {
            let mut tokens: Vec<_> = (0..12).map(|bit| word >> bit & 1).collect();
            let mut expected = tokens.clone();
            table.apply(&mut tokens);
            oracle(&merges, &mut expected);
            assert_eq!(tokens, expected, "{word:b}");
        }
    }

    #[test]
    fn dropping_every_merge_leaves_the_tokens_alone() {
        let mut tokens = vec![0, 0, 1];
        Merges::new([(0, 0, 2)]).apply_unless(&mut tokens, || true);
        assert_eq!(tokens, [0, 0, 1]);
    }
}
