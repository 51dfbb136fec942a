//! What all trainers share: limits on lines and words, and which characters are learned.

use std::fmt;
use std::hash::Hash;

use rustc_hash::FxHashMap;

/// The longest line that is learned from by default, in bytes.
pub(crate) const MAX_LINE_LEN: usize = 16 << 20;

/// What a trainer read and what it left out.
///
/// Lines longer than a trainer's `max_line_len` are left out whole; so are words of more than 4,192 bytes (the limit of
/// the SentencePiece library on sentences), which are data and not language, and would take most of the time. Displayed,
/// it is a notice about what was left out, and nothing if that is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrainingReport {
    /// Lines or texts that were read.
    pub n_lines: u64,
    /// Lines that were left out.
    pub n_long_lines: u64,
    /// The length of the longest line in bytes.
    pub longest_line: usize,
    /// Occurrences of words that were left out.
    pub n_long_words: u64,
    /// Characters that are not in the vocabulary because of the character coverage.
    pub n_uncovered_characters: usize,
}

impl TrainingReport {
    /// Counts the lines that pass, and leaves out those of more than `max_len` bytes.
    pub(crate) fn lines<L: AsRef<str>>(
        &mut self,
        lines: impl IntoIterator<Item = L>,
        max_len: usize,
    ) -> impl Iterator<Item = L> {
        lines.into_iter().filter(move |line| {
            let len = line.as_ref().len();
            self.n_lines += 1;
            self.longest_line = self.longest_line.max(len);
            self.n_long_lines += u64::from(len > max_len);
            len <= max_len
        })
    }
}

impl fmt::Display for TrainingReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.n_long_lines > 0 {
            let (long, all, longest) = (self.n_long_lines, self.n_lines, self.longest_line);
            parts.push(format!("{long} of {all} lines are too long to learn from; the longest has {longest} bytes"));
        }
        if self.n_long_words > 0 {
            let n = self.n_long_words;
            parts.push(format!("words of more than {MAX_WORD_LEN} bytes are too long to learn from: {n} left out"));
        }
        if self.n_uncovered_characters > 0 {
            let n = self.n_uncovered_characters;
            parts.push(format!("characters left out of the vocabulary by the character coverage: {n}"));
        }
        f.write_str(&parts.join("; "))
    }
}

/// The longest word that is learned from, in bytes.
pub(crate) const MAX_WORD_LEN: usize = 4192;

/// The characters that make up `coverage` of a text together: the most frequent ones, and of equally frequent ones the
/// first in code point order, until their share reaches it.
///
/// Source: `TrainerInterface::LoadSentences` of the SentencePiece library, `character_coverage`.
pub(crate) fn covered<C: Copy + Ord + Hash>(counts: &FxHashMap<C, u64>, coverage: f64) -> Vec<C> {
    let mut by_count: Vec<_> = counts.iter().map(|(&c, &count)| (c, count)).collect();
    by_count.sort_unstable_by(|(a, n_a), (b, n_b)| n_b.cmp(n_a).then(a.cmp(b)));
    let total: u64 = counts.values().sum();
    let mut so_far = 0;
    let kept = by_count.into_iter().take_while(|&(_, count)| {
        // In single precision, as the library has it.
        let is_needed = coverage >= 1.0 || ((1.0 * so_far as f64 / total as f64) as f32) < coverage as f32;
        so_far += count;
        is_needed
    });
    kept.map(|(c, _)| c).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_characters_cover_a_text() {
        let counts: FxHashMap<char, u64> = [('a', 6), ('b', 2), ('c', 1), ('d', 1)].into_iter().collect();
        assert_eq!(covered(&counts, 0.6), ['a']);
        assert_eq!(covered(&counts, 0.61), ['a', 'b']);
        assert_eq!(covered(&counts, 0.85), ['a', 'b', 'c']);
        assert_eq!(covered(&counts, 1.0), ['a', 'b', 'c', 'd']);
    }

    #[test]
    fn a_report_says_what_was_left_out_and_nothing_else() {
        let mut report = TrainingReport::default();
        assert_eq!(report.lines(["ab", "abc", "a"], 2).collect::<Vec<_>>(), ["ab", "a"]);
        assert_eq!((report.n_lines, report.n_long_lines, report.longest_line), (3, 1, 3));
        assert!(report.to_string().starts_with("1 of 3 lines"), "{report}");
        assert_eq!(TrainingReport { n_lines: 7, ..TrainingReport::default() }.to_string(), "");
    }
}
