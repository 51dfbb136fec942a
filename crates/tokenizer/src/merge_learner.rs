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
/// pair counts kept up to date instead of counted anew for each merge.
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
        let mut counts = Self { words: Vec::new(), entries: FxHashMap::default() };
        for (index, word) in (0..).zip(&words) {
            counts.add(index, word);
        }
        counts.words = words;
        counts
    }

    /// Replaces `pair` by `merged` in all words; returns the pairs that are more frequent now.
    fn merge(&mut self, pair: Pair, merged: TokenId) -> FxHashSet<Pair> {
        let mut grown = FxHashSet::default();
        let affected = self.entries.get_mut(&pair).map(|entry| std::mem::take(&mut entry.words)).unwrap_or_default();
        for index in affected {
            let mut word = std::mem::replace(&mut self.words[index as usize], Word { symbols: Vec::new(), count: 0 });
            if pairs_of(&word).any(|other| other == pair) {
                self.subtract(&word);
                replace(&mut word.symbols, pair, merged);
                self.add(index, &word);
                grown.extend(pairs_of(&word).filter(|&(left, right)| left == merged || right == merged));
            }
            self.words[index as usize] = word;
        }
        grown
    }

    fn add(&mut self, index: u32, word: &Word) {
        for pair in pairs_of(word) {
            let entry = self.entries.entry(pair).or_default();
            entry.count += word.count;
            if entry.words.last() != Some(&index) {
                entry.words.push(index);
            }
        }
    }

    fn subtract(&mut self, word: &Word) {
        for pair in pairs_of(word) {
            self.entries.entry(pair).and_modify(|entry| entry.count -= word.count);
        }
    }
}

fn pairs_of(word: &Word) -> impl Iterator<Item = Pair> {
    word.symbols.windows(2).map(|pair| (pair[0], pair[1]))
}

/// Replaces each occurrence of `pair`, from the left and without overlap, by `merged`.
fn replace(symbols: &mut Vec<TokenId>, pair: Pair, merged: TokenId) {
    let mut write = 0;
    let mut read = 0;
    while read < symbols.len() {
        let found = symbols[read] == pair.0 && symbols.get(read + 1) == Some(&pair.1);
        symbols[write] = if found { merged } else { symbols[read] };
        read += if found { 2 } else { 1 };
        write += 1;
    }
    symbols.truncate(write);
}
