//! Learning merges: the most frequent pair of neighbours becomes one symbol, again and again.

use std::collections::BinaryHeap;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::tokenizer::TokenId;
use crate::vocabulary::Spellings;

type Pair = (TokenId, TokenId);

/// What tells one kind of byte-pair encoding from another when merges are learned.
pub(crate) trait MergeRules {
    /// Orders pairs of equal frequency: the greatest is merged first.
    type Priority: Ord;

    /// The priority of `pair` among equally frequent ones.
    fn priority(&self, pair: Pair, symbols: &Spellings) -> Self::Priority;

    /// The spelling of `pair` as one symbol; `None` if there must be no such symbol.
    fn merge(&self, pair: Pair, symbols: &Spellings) -> Option<String>;
}

/// A word of the training text as symbols, and how often it occurs.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub(crate) symbols: Vec<TokenId>,
    pub(crate) count: u64,
}

/// When to stop merging.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The number of merges.
    pub(crate) merges: usize,
    /// The number of symbols, those from before the first merge included.
    pub(crate) symbols: usize,
    /// The least frequency of a pair that is merged.
    pub(crate) min_frequency: u64,
}

/// Learns merges from `words`, as the spellings of left and right, and adds what they make to `symbols`.
///
/// Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units", algorithm 1, with
/// pair counts kept up to date instead of counted again for each merge.
pub(crate) fn learn<R: MergeRules>(
    words: Vec<Word>,
    symbols: &mut Spellings,
    rules: &R,
    limits: Limits,
) -> Vec<(String, String)> {
    let mut pairs = PairCounts::new(words);
    let mut queue: BinaryHeap<_> =
        pairs.entries.iter().map(|(&pair, entry)| (entry.count, rules.priority(pair, symbols), pair)).collect();
    let mut merges = Vec::new();
    while merges.len() < limits.merges && symbols.len() < limits.symbols {
        let Some((count, priority, pair)) = queue.pop() else {
            break;
        };
        let current = pairs.entries[&pair].count;
        if count != current {
            // A count that rose was queued again when it did; one that fell is queued again here.
            if current < count && current > 0 {
                queue.push((current, priority, pair));
            }
            continue;
        }
        if count < limits.min_frequency {
            break;
        }
        let Some(spelling) = rules.merge(pair, symbols) else {
            continue;
        };
        let merged = symbols.add(&spelling);
        merges.push((symbols[pair.0].to_owned(), symbols[pair.1].to_owned()));
        for grown in pairs.merge(pair, merged) {
            queue.push((pairs.entries[&grown].count, rules.priority(grown, symbols), grown));
        }
    }
    merges
}

/// How often each pair of neighbouring symbols occurs, and in which words.
struct PairCounts {
    words: Vec<Word>,
    entries: FxHashMap<Pair, Entry>,
}

#[derive(Default)]
struct Entry {
    count: u64,
    /// Indices of the words that have the pair, and of some that had it.
    words: Vec<u32>,
}

impl PairCounts {
    fn new(words: Vec<Word>) -> Self {
        let mut entries = FxHashMap::default();
        for (index, word) in (0..).zip(&words) {
            pairs_of(&word.symbols).for_each(|pair| add(&mut entries, index, pair, word.count));
        }
        Self { words, entries }
    }

    /// Replaces `pair` by `merged` in all words; returns the pairs that are more frequent now.
    ///
    /// Pairs that stay as they are keep their counts and are not listed again: a long word would be, at each of its merges, for
    /// each of its pairs.
    fn merge(&mut self, pair: Pair, merged: TokenId) -> FxHashSet<Pair> {
        let mut grown = FxHashSet::default();
        let affected = self.entries.get_mut(&pair).map(|entry| std::mem::take(&mut entry.words)).unwrap_or_default();
        for index in affected {
            let word = &mut self.words[index as usize];
            let (gone, new) = replace(&mut word.symbols, pair, merged);
            for pair in gone {
                self.entries.entry(pair).and_modify(|entry| entry.count -= word.count);
            }
            for pair in new {
                add(&mut self.entries, index, pair, word.count);
                grown.insert(pair);
            }
        }
        grown
    }
}

/// Counts a pair of the word at `index`, which occurs `count` times.
fn add(entries: &mut FxHashMap<Pair, Entry>, index: u32, pair: Pair, count: u64) {
    let entry = entries.entry(pair).or_default();
    entry.count += count;
    if entry.words.last() != Some(&index) {
        entry.words.push(index);
    }
}

fn pairs_of(symbols: &[TokenId]) -> impl Iterator<Item = Pair> {
    symbols.windows(2).map(|pair| (pair[0], pair[1]))
}

/// Replaces each occurrence of `pair`, from the left and without overlap, by `merged`; returns the pairs that are gone, and those
/// that are new.
fn replace(symbols: &mut Vec<TokenId>, pair: Pair, merged: TokenId) -> (Vec<Pair>, Vec<Pair>) {
    let (mut gone, mut new) = (Vec::new(), Vec::new());
    let (mut write, mut read) = (0, 0);
    // The symbol before `read`, as it was, and whether it has been merged.
    let mut before: Option<(TokenId, bool)> = None;
    while read < symbols.len() {
        let is_found = symbols[read] == pair.0 && symbols.get(read + 1) == Some(&pair.1);
        let symbol = if is_found { merged } else { symbols[read] };
        if let Some((left, was_merged)) = before
            && (is_found || was_merged)
        {
            gone.push((left, symbols[read]));
            new.push((symbols[write - 1], symbol));
        }
        if is_found {
            gone.push(pair);
        }
        read += if is_found { 2 } else { 1 };
        before = Some((symbols[read - 1], is_found));
        symbols[write] = symbol;
        write += 1;
    }
    symbols.truncate(write);
    (gone, new)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words over three letters, by a small generator.
    fn words(n: u64, len: usize) -> Vec<Word> {
        let mut state = 7_u64;
        let mut letter = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as TokenId % 3
        };
        (1..=n).map(|count| Word { symbols: (0..len).map(|_| letter()).collect(), count }).collect()
    }

    /// Merges the most frequent pair `n` times; the last merges give a symbol that there is already.
    fn merge(counts: &mut PairCounts, n: TokenId) {
        for id in 0..n {
            let most = counts.entries.iter().max_by_key(|(pair, entry)| (entry.count, **pair));
            let pair = *most.unwrap().0;
            counts.merge(pair, 3 + id.min(n - 2));
        }
    }

    #[test]
    fn counts_are_those_of_counting_anew() {
        let mut counts = PairCounts::new(words(20, 30));
        for _ in 0..12 {
            merge(&mut counts, 3);
            let again = PairCounts::new(counts.words.clone());
            for (pair, entry) in &counts.entries {
                let expected = again.entries.get(pair);
                assert_eq!(entry.count, expected.map_or(0, |entry| entry.count), "{pair:?}");
                assert!(expected.is_none_or(|again| again.words.iter().all(|word| entry.words.contains(word))));
            }
            assert!(again.entries.keys().all(|pair| counts.entries.contains_key(pair)));
        }
    }

    #[test]
    fn words_are_listed_for_their_new_pairs_alone() {
        let mut counts = PairCounts::new(words(50, 200));
        merge(&mut counts, 60);
        let n_listed: usize = counts.entries.values().map(|entry| entry.words.len()).sum();
        // A merge takes a symbol away and gives two pairs at most.
        assert!(n_listed <= 50 * 200 * 3, "{n_listed}");
    }
}
