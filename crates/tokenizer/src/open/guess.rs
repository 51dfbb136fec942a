//! What a vocabulary shows of itself where no setting says it.

/// Whether a WordPiece vocabulary is uncased, and a note if that is a guess that its tokens leave open.
///
/// A cased vocabulary has a capital letter in a large part of its words; an uncased one may have been given a few.
pub(super) fn lowercase(vocab: &[String], setting: Option<bool>) -> (bool, Option<String>) {
    if let Some(lowercase) = setting {
        return (lowercase, None);
    }
    let is_word = |token: &&String| !token.starts_with('[') && !token.starts_with("##");
    let has_case = |token: &&String| token.chars().any(|c| c.is_lowercase() || c.is_uppercase());
    let words: Vec<_> = vocab.iter().filter(is_word).filter(has_case).collect();
    let n_capital = words.iter().filter(|token| token.chars().any(char::is_uppercase)).count();
    let lowercase = n_capital * MIN_SHARE_OF_CAPITALS < words.len().max(1);
    let note = (n_capital > 0).then(|| {
        let (kind, option) = if lowercase { ("uncased", "cased") } else { ("cased", "uncased") };
        let n = words.len();
        format!("nothing says whether it is cased; read as {kind}, since {n_capital} of {n} words have a capital letter; say so if it is {option}")
    });
    (lowercase, note)
}

/// One word in this many has a capital letter in a vocabulary that is taken for cased.
const MIN_SHARE_OF_CAPITALS: usize = 5;

/// Whether merges end words with `</w>`, which byte-level BPE of GPT-2's kind never does.
pub(super) fn has_word_ends(merges: &str) -> bool {
    merges.lines().any(|line| line.split(' ').nth(1).is_some_and(|right| right.ends_with("</w>")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lowercase_of(tokens: &[&str]) -> bool {
        lowercase(&tokens.iter().map(|&token| token.to_owned()).collect::<Vec<_>>(), None).0
    }

    #[test]
    fn a_few_capitals_do_not_make_a_vocabulary_cased() {
        assert!(lowercase_of(&["[UNK]", "the", "cat", "covid", "sat", "mat", "COVID", "##ING"]));
        assert!(!lowercase_of(&["[UNK]", "the", "The", "cat", "Cat", "sat"]));
        assert!(lowercase_of(&["[UNK]", "日", "本"]));
        let (_, note) = lowercase(&["a".to_owned(), "B".to_owned()], None);
        assert!(note.unwrap().contains("1 of 2"));
    }
}
