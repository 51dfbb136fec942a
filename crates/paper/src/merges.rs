//! How byte-pair encoding learns.

use std::collections::BTreeMap;

use attentive_task::Result;
use attentive_tokenizer::{BpeTrainer, PreTokenization};

use crate::{Exhibit, Part, Table};

/// The end of a word.
const END: &str = "</w>";

/// The merges that byte-pair encoding learns from a text, one after another (Sennrich et al. 2016).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merges {
    /// The text.
    pub text: String,
    /// How many are learnt at most.
    pub n_merges: usize,
}

/// Four words that share parts.
impl Default for Merges {
    fn default() -> Self {
        let words = [("low", 5), ("lower", 2), ("newest", 6), ("widest", 3)];
        let text: Vec<&str> = words.iter().flat_map(|&(word, n)| std::iter::repeat_n(word, n)).collect();
        Self { text: text.join(" "), n_merges: 10 }
    }
}

impl Merges {
    /// Each merge: its pair, how often it stands in the text, and what the words are cut into after it.
    ///
    /// # Errors
    /// Nothing can be learnt from the text.
    pub fn make(&self) -> Result<Exhibit> {
        let trainer = BpeTrainer::with_merges(self.n_merges).pre_tokenization(PreTokenization::Spaces);
        let learnt = trainer.train([&self.text])?;
        let mut words: BTreeMap<Vec<String>, usize> = BTreeMap::new();
        for word in self.text.split_whitespace() {
            let mut symbols: Vec<String> = word.chars().map(String::from).collect();
            symbols.last_mut().into_iter().for_each(|last| last.push_str(END));
            *words.entry(symbols).or_default() += 1;
        }
        let said = |words: &BTreeMap<Vec<String>, usize>| {
            words.keys().map(|symbols| symbols.join(" ")).collect::<Vec<_>>().join(", ")
        };
        let mut table = Table::new(["merge", "pair", "times", "words after it"])
            .under(format!("Byte-pair encoding of {}", quoted(&words)));
        for (idx, (left, right)) in learnt.merges().enumerate() {
            let is_pair = |pair: &[String]| pair[0] == left && pair[1] == right;
            let n: usize =
                words.iter().map(|(symbols, n)| n * symbols.windows(2).filter(|pair| is_pair(pair)).count()).sum();
            words = words.into_iter().map(|(symbols, n)| (merged(symbols, left, right), n)).collect();
            table.row([(idx + 1).to_string(), format!("{left} {right}"), n.to_string(), said(&words)]);
        }
        let note = format!(
            "{END} ends a word. The pair that stands most often becomes one symbol; then all are counted again."
        );
        Ok(Exhibit::from([table.into(), Part::Text(note)]))
    }
}

/// `low ×5, lower ×2`.
fn quoted(words: &BTreeMap<Vec<String>, usize>) -> String {
    let of_word = |(symbols, n): (&Vec<String>, &usize)| format!("{} ×{n}", symbols.concat().trim_end_matches(END));
    words.iter().map(of_word).collect::<Vec<_>>().join(", ")
}

/// A word whose pairs `left right` are one symbol.
fn merged(symbols: Vec<String>, left: &str, right: &str) -> Vec<String> {
    let mut merged: Vec<String> = Vec::with_capacity(symbols.len());
    let mut can_join = false;
    for symbol in symbols {
        match merged.last_mut() {
            Some(last) if can_join && last == left && symbol == right => {
                last.push_str(&symbol);
                can_join = false;
            }
            _ => {
                merged.push(symbol);
                can_join = true;
            }
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Sennrich et al. 2016, section 3.2: the first merges follow from the counts by hand.
    #[test]
    fn pairs_are_merged_by_their_counts() {
        let exhibit = Merges::default().make().unwrap();
        let rows = exhibit.tables().next().unwrap().rows();
        // Of equals the last goes first, as in subword-nmt.
        assert_eq!(rows[0][1..3], ["s t</w>", "9"]);
        assert_eq!(rows[1][1..3], ["e st</w>", "9"]);
        assert_eq!(rows[2][1..3], ["l o", "7"]);
        assert_eq!(rows.len(), 10);
        // Counts never rise.
        let counts: Vec<usize> = rows.iter().map(|row| row[2].parse().unwrap()).collect();
        assert!(counts.is_sorted_by(|a, b| a >= b), "{counts:?}");
        assert!(rows[9][3].contains("newest</w>"), "{}", rows[9][3]);
    }

    #[test]
    fn a_pair_is_merged_from_the_left() {
        let word = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
        assert_eq!(merged(word("aaaba"), "a", "a"), ["aa", "a", "b", "a"]);
    }
}
