//! What is in a part of a corpus.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use attentive_tokenizer::Tokenizer;

use super::share;
use crate::commands::train::thousands;

/// How many times longer than the other one a side must be to be odd, in tokens.
const ODD_RATIO: usize = 3;

/// Tokens that the longer side of an odd pair has at least.
const ODD_LEN: usize = 12;

/// Lines that are named.
const N_NAMED: usize = 5;

/// Hashes of the training text, to hold other parts against.
#[derive(Default)]
pub(super) struct TrainingText {
    pairs: HashSet<u64>,
    sources: HashSet<u64>,
}

impl TrainingText {
    pub(super) fn add(&mut self, source: &str, target: &str) {
        self.pairs.insert(hash(&(source, target)));
        self.sources.insert(hash(&source));
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// What is in a part of a corpus.
#[derive(Default)]
pub(super) struct Examination {
    /// Lengths in tokens, by side.
    lengths: [Vec<u32>; 2],
    n_unknown: [u64; 2],
    seen: HashSet<u64>,
    n_duplicates: u64,
    n_copies: u64,
    n_odd: u64,
    odd_lines: Vec<u64>,
    /// Pairs, and sources of other pairs, that the training text has too.
    n_overlapping: [u64; 2],
}

impl Examination {
    pub(super) fn add(&mut self, line: u64, pair: [&str; 2], tokenizer: &dyn Tokenizer) {
        let unknown = tokenizer.specials().unk;
        let mut lengths = [0; 2];
        for (side, text) in pair.into_iter().enumerate() {
            let ids = tokenizer.encode(text);
            lengths[side] = ids.len();
            self.lengths[side].push(ids.len() as u32);
            self.n_unknown[side] += ids.iter().filter(|&&id| Some(id) == unknown).count() as u64;
        }
        self.n_duplicates += u64::from(!self.seen.insert(hash(&pair)));
        self.n_copies += u64::from(pair[0] == pair[1]);
        let (shorter, longer) = (lengths[0].min(lengths[1]), lengths[0].max(lengths[1]));
        if longer >= ODD_LEN && longer > ODD_RATIO * shorter {
            self.n_odd += 1;
            if self.odd_lines.len() < N_NAMED {
                self.odd_lines.push(line);
            }
        }
    }

    /// Holds a pair against the training text.
    pub(super) fn compare(&mut self, training: &TrainingText, source: &str, target: &str) {
        if training.pairs.contains(&hash(&(source, target))) {
            self.n_overlapping[0] += 1;
        } else if training.sources.contains(&hash(&source)) {
            self.n_overlapping[1] += 1;
        }
    }

    fn n_pairs(&self) -> u64 {
        self.lengths[0].len() as u64
    }

    pub(super) fn show(&mut self, name: &str) {
        println!("{name:<9} {} pairs", thousands(self.n_pairs()));
        for (side, lengths) in ["source", "target"].into_iter().zip(&mut self.lengths) {
            lengths.sort_unstable();
            let quantile =
                |q: f64| lengths.get(((lengths.len() as f64 - 1.0) * q).round() as usize).copied().unwrap_or(0);
            println!(
                "  {side}  {} to {} tokens, half of them up to {}, 99 % up to {}",
                quantile(0.0),
                quantile(1.0),
                quantile(0.5),
                quantile(0.99)
            );
        }
    }

    /// What is odd about the part.
    pub(super) fn warnings(&self, name: &str) -> Vec<String> {
        let n_pairs = self.n_pairs();
        let mut warnings = Vec::new();
        let mut warn = |is_odd: bool, what: String| {
            if is_odd {
                warnings.push(format!("{name}: {what}"));
            }
        };
        warn(
            self.n_duplicates * 100 > n_pairs,
            format!("{} pairs are there before", share(self.n_duplicates, n_pairs)),
        );
        warn(self.n_copies * 100 > n_pairs, format!("{} targets are their sources", share(self.n_copies, n_pairs)));
        let lines: Vec<String> = self.odd_lines.iter().map(u64::to_string).collect();
        warn(
            self.n_odd > 0,
            format!(
                "{} pairs have one side more than {ODD_RATIO} times as long as the other: lines {}{}",
                share(self.n_odd, n_pairs),
                lines.join(", "),
                if self.n_odd > lines.len() as u64 { ", …" } else { "" }
            ),
        );
        for (side, (n_unknown, lengths)) in
            ["source", "target"].into_iter().zip(self.n_unknown.iter().zip(&self.lengths))
        {
            let n_tokens = lengths.iter().map(|&n| u64::from(n)).sum();
            warn(n_unknown * 1000 > n_tokens, format!("{} {side} tokens are unknown", share(*n_unknown, n_tokens)));
        }
        let [pairs, sources] = self.n_overlapping;
        warn(pairs > 0, format!("{} pairs are in the training text", share(pairs, n_pairs)));
        warn(sources > 0, format!("{} sources are in the training text, with other targets", share(sources, n_pairs)));
        warnings
    }
}

#[cfg(test)]
mod tests {
    use attentive_tokenizer::Characters;

    use super::*;

    #[test]
    fn oddities_are_counted() {
        let tokenizer = Characters::train(["ab", "a b"]);
        let mut training = TrainingText::default();
        let mut found = Examination::default();
        let long = "ab ".repeat(20);
        let pairs = [("ab", "b"), ("ab", "b"), ("a", "a"), (long.as_str(), "b"), ("a?", "b")];
        for (line, (source, target)) in (1..).zip(pairs) {
            found.add(line, [source, target], &tokenizer);
            training.add(source, target);
        }
        let warnings = found.warnings("train").join("\n");
        for part in [
            "1 of 5 (20.0 %) pairs are there before",
            "1 of 5 (20.0 %) targets are their sources",
            "1 of 5 (20.0 %) pairs have one side more than 3 times as long as the other: lines 4",
            "source tokens are unknown",
        ] {
            assert!(warnings.contains(part), "{part:?} is missing:\n{warnings}");
        }
        let mut test = Examination::default();
        for (source, target) in [("ab", "b"), ("ab", "a"), ("b", "a")] {
            test.add(1, [source, target], &tokenizer);
            test.compare(&training, source, target);
        }
        assert_eq!(test.n_overlapping, [1, 1]);
    }
}
