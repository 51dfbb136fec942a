//! BERT's normalisation and pre-tokenisation.

use std::ops::Range;

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

/// The words of `text`, whose first byte is at `start` of the source: without control characters and white space,
/// each punctuation mark and each Chinese character by itself; with `lowercase` in lower case and without accents.
///
/// Source: Devlin et al. 2019, the released `tokenization.py` (`BasicTokenizer`), as Hugging Face's tokenizers have
/// it, with the character tables that they use.
pub(crate) fn bert_words(text: &str, start: usize, lowercase: bool) -> Vec<BertWord> {
    let mut words = vec![BertWord::default()];
    let mut push = |c: char, source: &Range<usize>, alone: bool| {
        if alone {
            words.push(BertWord::default());
        }
        if let Some(word) = words.last_mut() {
            word.sources.push((word.text.len(), source.clone()));
            word.text.push(c);
        }
        if alone {
            words.push(BertWord::default());
        }
    };
    for (at, c) in text.char_indices() {
        let source = start + at..start + at + c.len_utf8();
        if is_dropped(c) {
            continue;
        }
        let chinese = is_chinese(c);
        let mut push_normalized = |c: char| push(c, &source, chinese || is_punctuation(c));
        if lowercase {
            decompose_canonical(c, |c| {
                if !c.is_mark_nonspacing() {
                    c.to_lowercase().for_each(&mut push_normalized);
                }
            });
        } else {
            push_normalized(c);
        }
    }
    words.retain(|word| !word.text.is_empty());
    words
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
        let words = bert_words("Cafe\u{301}ÉTÉ!日", 0, true);
        assert_eq!(words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>(), ["cafeete", "!", "日"]);
        assert_eq!(words[0].sources[3], (3, 3..4));
        assert_eq!(words[1].sources, [(0, 11..12)]);
    }

    #[test]
    fn control_characters_vanish_and_case_is_kept_on_demand() {
        let words = bert_words("a\u{0}b\u{200d}É", 0, false);
        assert_eq!(words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>(), ["abÉ"]);
    }
}
