//! The sentences of a text, and all that is between them.

use std::iter;

/// A part of a text; all parts side by side are the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// What is translated by itself.
    Sentence(&'a str),
    /// White space, which stays.
    Space(&'a str),
}

/// The parts of a text in the language of this code, English if it is not said. A line's end ends a sentence. One that
/// does not `fit` is cut at the white space nearest its middle, and again until its parts do.
pub(crate) fn parts<'a>(text: &'a str, language: Option<&str>, fits: &dyn Fn(&str) -> bool) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    for line in text.split_inclusive('\n') {
        let mut at = 0;
        for sentence in sentencex::segment(language.unwrap_or("en"), line) {
            // Slices of the line; whatever it should leave out is kept.
            let start = (sentence.as_ptr() as usize).wrapping_sub(line.as_ptr() as usize);
            let end = start.wrapping_add(sentence.len());
            if start < at || line.get(start..end) != Some(sentence) {
                continue;
            }
            push(&line[at..start], fits, &mut parts);
            push(sentence, fits, &mut parts);
            at = end;
        }
        push(&line[at..], fits, &mut parts);
    }
    parts
}

/// Adds a sentence and the white space around it.
fn push<'a>(text: &'a str, fits: &dyn Fn(&str) -> bool, parts: &mut Vec<Part<'a>>) {
    let sentence = text.trim();
    let before = text.len() - text.trim_start().len();
    let space = |space: &'a str| (!space.is_empty()).then_some(Part::Space(space));
    parts.extend(space(&text[..before]));
    if sentence.is_empty() {
        return;
    }
    let cut = if fits(sentence) { None } else { middle(sentence) };
    match cut {
        None => parts.push(Part::Sentence(sentence)),
        Some(cut) => [&sentence[..cut], &sentence[cut..]].into_iter().for_each(|half| push(half, fits, parts)),
    }
    parts.extend(space(&text[before + sentence.len()..]));
}

/// Where a sentence is cut in two: at the white space nearest its middle, or else at the character there.
fn middle(sentence: &str) -> Option<usize> {
    let half = sentence.len() / 2;
    let spaces = sentence.char_indices().filter(|(at, c)| *at > 0 && c.is_whitespace()).map(|(at, _)| at);
    let nearest = spaces.min_by_key(|at| at.abs_diff(half));
    nearest.or_else(|| Some(sentence.ceil_char_boundary(half))).filter(|&at| 0 < at && at < sentence.len())
}

/// The text of parts, with `translation` in the place of each sentence, in their order.
pub(crate) fn joined<'t>(parts: &[Part<'_>], translations: impl IntoIterator<Item = &'t str>) -> String {
    let mut translations = translations.into_iter().chain(iter::repeat(""));
    let part = |part: &Part<'_>| match part {
        Part::Space(space) => (*space).to_owned(),
        Part::Sentence(_) => translations.next().unwrap_or_default().to_owned(),
    };
    parts.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sentences(text: &str, language: &str) -> Vec<String> {
        let sentence = |part| match part {
            Part::Sentence(sentence) => Some(sentence.to_owned()),
            Part::Space(_) => None,
        };
        parts(text, Some(language), &|_| true).into_iter().filter_map(sentence).collect()
    }

    #[test]
    fn sentences_end_where_readers_say_so() {
        assert_eq!(
            sentences("Dr. Smith slept. He was tired!  Why?", "en"),
            ["Dr. Smith slept.", "He was tired!", "Why?"]
        );
        assert_eq!(
            sentences("Dr. Müller hat einen Hund.\n\nEr schläft.", "de"),
            ["Dr. Müller hat einen Hund.", "Er schläft."]
        );
        assert_eq!(sentences("one\ntwo", "xx"), ["one", "two"]);
        assert_eq!(sentences(" \n\t", "en"), [""; 0]);
    }

    #[test]
    fn long_sentences_are_cut_at_white_space_until_they_fit() {
        let text = "one two three four five six";
        let parts = parts(text, None, &|part| part.len() <= 9);
        let texts: Vec<&str> = parts.iter().map(|(Part::Sentence(text) | Part::Space(text))| *text).collect();
        assert_eq!(texts, ["one two", " ", "three", " ", "four", " ", "five six"]);
    }

    proptest! {
        #[test]
        fn parts_are_the_text(text in "([a-zA-ZäßЖ中。.!?\"()\n\r\t 0-9]|Dr\\. |\u{2028}){0,60}", at_most in 1_usize..40) {
            let parts = parts(&text, Some("en"), &|part| part.len() <= at_most);
            let again: String = parts.iter().map(|(Part::Sentence(text) | Part::Space(text))| *text).collect();
            prop_assert_eq!(&again, &text);
            let same = parts.iter().filter_map(|part| match part {
                Part::Sentence(text) => Some(*text),
                Part::Space(_) => None,
            });
            prop_assert_eq!(joined(&parts, same), text);
        }
    }
}
