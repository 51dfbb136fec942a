//! BERT's normalisation and pre-tokenisation.

use std::collections::VecDeque;
use std::ops::Range;
use std::str::CharIndices;

use unicode_categories::UnicodeCategories;
use unicode_normalization::char::decompose_canonical;

/// A word as BERT's vocabulary spells it, and where its characters come from.
#[derive(Clone, Debug, Default)]
pub(crate) struct BertWord {
    /// The normalised characters.
    pub(crate) text: String,
    /// For each character where it begins in `text`, and the range of the source that it comes from.
    pub(crate) sources: Vec<(usize, Range<usize>)>,
}

/// The words of `text`, whose first byte is at `start` of the source, one at a time: without control characters and
/// white space, each punctuation mark and each Chinese character by itself; with `lowercase` in lower case and without
/// accents.
///
/// A word that is longer than `max_len` characters keeps one more than that, whose source reaches to the word's end, so
/// that a text without white space takes no more memory than itself.
///
/// Source: Devlin et al. 2019, the released `tokenization.py` (`BasicTokenizer`), as Hugging Face's tokenizers have
/// it, with the character tables that they use.
pub(crate) fn bert_words(text: &str, start: usize, lowercase: bool, max_len: usize) -> BertWords<'_> {
    BertWords { chars: text.char_indices(), start, lowercase, max_len, pending: VecDeque::new() }
}

/// See [`bert_words`].
pub(crate) struct BertWords<'a> {
    chars: CharIndices<'a>,
    start: usize,
    lowercase: bool,
    max_len: usize,
    /// What one character of the source became: few characters.
    pending: VecDeque<Normalized>,
}

/// A normalised character, where it comes from, and whether it is a word by itself.
type Normalized = (char, Range<usize>, bool);

impl BertWords<'_> {
    fn next_character(&mut self) -> Option<Normalized> {
        while self.pending.is_empty() {
            let (at, c) = self.chars.next()?;
            if !is_dropped(c) {
                let at = self.start + at;
                self.normalize(c, &(at..at + c.len_utf8()));
            }
        }
        self.pending.pop_front()
    }

    fn normalize(&mut self, c: char, source: &Range<usize>) {
        let chinese = is_chinese(c);
        let mut push = |c: char| self.pending.push_back((c, source.clone(), chinese || is_punctuation(c)));
        if self.lowercase {
            decompose_canonical(c, |c| {
                if !c.is_mark_nonspacing() {
                    c.to_lowercase().for_each(&mut push);
                }
            });
        } else {
            push(c);
        }
    }
}

impl Iterator for BertWords<'_> {
    type Item = BertWord;

    fn next(&mut self) -> Option<BertWord> {
        let mut word = BertWord::default();
        let mut n_chars = 0;
        while let Some((c, source, alone)) = self.next_character() {
            if alone && !word.text.is_empty() {
                self.pending.push_front((c, source, alone));
                break;
            }
            match word.sources.last_mut() {
                Some((_, last)) if n_chars > self.max_len => last.end = source.end,
                _ => {
                    n_chars += 1;
                    word.sources.push((word.text.len(), source));
                    word.text.push(c);
                }
            }
            if alone {
                break;
            }
        }
        (!word.text.is_empty()).then_some(word)
    }
}

/// Whether `c` separates words and belongs to none. Control characters do not: they vanish without a trace.
pub(crate) fn is_separator(c: char) -> bool {
    c.is_whitespace() && !is_dropped(c)
}

fn is_dropped(c: char) -> bool {
    matches!(c, '\0' | '\u{fffd}') || c.is_other() && !matches!(c, '\t' | '\n' | '\r')
}

fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation() || c.is_punctuation()
}

/// The blocks that `tokenization.py` lists, but for U+2B820 to U+2B91F, which Hugging Face's list leaves out.
fn is_chinese(c: char) -> bool {
    matches!(c, '\u{4E00}'..='\u{9FFF}' | '\u{3400}'..='\u{4DBF}' | '\u{20000}'..='\u{2A6DF}'
        | '\u{2A700}'..='\u{2B81F}' | '\u{2B920}'..='\u{2CEAF}' | '\u{F900}'..='\u{FAFF}' | '\u{2F800}'..='\u{2FA1F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_lower_case_without_accents_and_know_their_source() {
        let words = bert_words("Cafe\u{301}ÉTÉ!日", 0, true, 100).collect::<Vec<_>>();
        assert_eq!(words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>(), ["cafeete", "!", "日"]);
        assert_eq!(words[0].sources[3], (3, 3..4));
        assert_eq!(words[1].sources, [(0, 11..12)]);
    }

    #[test]
    fn control_characters_vanish_and_case_is_kept_on_demand() {
        let words = bert_words("a\u{0}b\u{200d}É", 0, false, 100).collect::<Vec<_>>();
        assert_eq!(words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>(), ["abÉ"]);
    }

    #[test]
    fn a_text_without_white_space_is_never_held_whole() {
        // One word at a time, each of one mark.
        let text = "!".repeat(100_000);
        assert!(bert_words(&text, 0, true, 100).all(|word| word.sources.len() == 1));
        // Of one long word no more than the limit and one.
        let text = "a".repeat(100_000);
        let words: Vec<_> = bert_words(&text, 7, true, 100).collect();
        assert_eq!(words.len(), 1);
        assert_eq!((words[0].sources.len(), words[0].text.len()), (101, 101));
        assert_eq!(words[0].sources[100].1, 107..100_007);
    }
}
