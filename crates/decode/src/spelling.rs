//! The text that tokens write, and the words in it.

use attentive_core::TokenId;

/// The text that each token of a vocabulary writes within a sentence, with the white space before or after it: `[vocab]`.
///
/// A search sees tokens alone. Where a constraints is one of words, this says where they begin and end: two characters are of one
/// word if both are letters or digits, of a script that has spaces between words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spelling {
    texts: Vec<Vec<u8>>,
    /// Whether a word can't reach into each token from the left, and from the right.
    edges: Vec<(bool, bool)>,
}

impl Spelling {
    /// Of the bytes that each token writes; none for a special token. Bytes that are not UTF-8 are parts of letters.
    ///
    /// ```
    /// # use attentive_decode::Spelling;
    /// let spelling = Spelling::new([" how", "ever", "!"].map(Vec::from));
    /// assert_eq!([(0, 1), (1, 0), (1, 2)].map(|(a, b)| spelling.parts(a, b)), [false, true, true]);
    /// ```
    pub fn new(texts: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let texts: Vec<Vec<u8>> = texts.into_iter().collect();
        let edge = |c: Option<char>| c.is_some_and(|c| !is_letter(c));
        let edges = |text: &Vec<u8>| {
            let text = String::from_utf8_lossy(text);
            (edge(text.chars().next()), edge(text.chars().next_back()))
        };
        Self { edges: texts.iter().map(edges).collect(), texts }
    }

    /// Whether no word reaches from the token `before` into `after`, which follows it.
    ///
    /// # Panics
    /// If there is no such token.
    pub fn parts(&self, before: TokenId, after: TokenId) -> bool {
        self.edges[before as usize].1 || self.edges[after as usize].0
    }

    /// Whether a word may begin after `token`, whatever follows.
    pub(crate) fn ends_word(&self, token: TokenId) -> bool {
        self.edges[token as usize].1
    }

    /// Whether `token` writes a space first.
    ///
    /// # Panics
    /// If there is no such token.
    pub fn begins_with_space(&self, token: TokenId) -> bool {
        self.texts[token as usize].starts_with(b" ")
    }

    pub(crate) fn vocab_size(&self) -> usize {
        self.texts.len()
    }

    fn text(&self, tokens: &[TokenId]) -> Vec<u8> {
        tokens.iter().flat_map(|&token| &self.texts[token as usize]).copied().collect()
    }
}

/// Whether `text` has the words of `phrase`, one after another and whole.
///
/// ```
/// use attentive_decode::has_words;
/// assert!(has_words("Das Haus, das ich sah.", "Haus"));
/// assert!(!has_words("Das Haustier", "Haus"));
/// ```
pub fn has_words(text: &str, phrase: &str) -> bool {
    ends_of(text, phrase).next().is_some()
}

/// Where `phrase` ends in `text`, as whole words, in bytes.
fn ends_of<'a>(text: &'a str, phrase: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_word = |a: Option<char>, b: Option<char>| a.zip(b).is_some_and(|(a, b)| is_letter(a) && is_letter(b));
    let (first, last) = (phrase.chars().next(), phrase.chars().next_back());
    let starts = text.char_indices().map(|(at, _)| at).filter(move |&at| text[at..].starts_with(phrase));
    let whole = starts.filter(move |&at| {
        let (before, after) = (&text[..at], &text[at + phrase.len()..]);
        !is_word(before.chars().next_back(), first) && !is_word(last, after.chars().next())
    });
    whole.map(|at| at + phrase.len())
}

/// Whether a word may reach beyond `c`; a character that is not whole may be a letter.
fn is_letter(c: char) -> bool {
    // Thai to Khmer, kana, Han, and what is beyond: words are not told apart.
    let has_no_spaces = matches!(c, '\u{E00}'..='\u{EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}')
        || matches!(c, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}')
        || matches!(c, '\u{20000}'..='\u{3FFFF}');
    c == char::REPLACEMENT_CHARACTER || c.is_alphanumeric() && !has_no_spaces
}

/// A text without its first white space, and without that beside a mark, which tokenizers put there or not. At the end it
/// stays: a mark may follow or not.
fn squeeze(text: &[u8]) -> Vec<u8> {
    let mut kept: Vec<u8> = Vec::with_capacity(text.len());
    for &byte in text {
        let clings = kept.last().is_none_or(|last| last.is_ascii_punctuation() || last.is_ascii_whitespace());
        if byte.is_ascii_whitespace() && clings {
            continue;
        }
        if byte.is_ascii_punctuation() {
            kept.pop_if(|last| last.is_ascii_whitespace());
        }
        kept.push(byte);
    }
    kept
}

/// The word that a reader has begun: the text goes on with it, and may go on within it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typed {
    /// Number of tokens of the prefix, all of them whole words, that the word comes after.
    pub n_before: usize,
    /// Its letters so far. At the beginning of a text with a space before them, if tokens write one there.
    pub text: String,
}

/// Constraints of words for one sentence.
#[derive(Debug, Clone)]
pub(crate) struct Words<'a> {
    spelling: &'a Spelling,
    /// Words that the text does not come to have.
    forbidden: Vec<String>,
    typed: Option<&'a str>,
    /// Whether a space is before the word, if the text begins with it.
    is_spaced: bool,
    /// Number of tokens that the typed word comes after.
    n_before: usize,
    eos: TokenId,
}

impl<'a> Words<'a> {
    pub(crate) fn new(
        spelling: &'a Spelling,
        forbidden: &[String],
        typed: Option<(&'a str, usize)>,
        eos: TokenId,
    ) -> Self {
        let forbidden = forbidden.iter().map(|text| String::from_utf8_lossy(&squeeze(text.as_bytes())).into_owned());
        let (typed, n_before) = typed.map_or((None, 0), |(text, n_before)| (Some(text), n_before));
        let is_spaced = typed.is_some_and(|text| text.starts_with(' '));
        Self { spelling, forbidden: forbidden.collect(), typed: typed.map(str::trim_start), is_spaced, n_before, eos }
    }

    /// The tokens that may follow `written`, the last ones if `is_last`.
    pub(crate) fn after(&self, written: &[TokenId], is_last: bool) -> Follows<'_> {
        let text = self.spelling.text(written);
        let n_forbidden = self.n_forbidden(&text, false);
        let of_word = written.get(self.n_before..).map(|word| self.spelling.text(word));
        let open = self.typed.zip(of_word).filter(|(typed, word)| !squeeze(word).starts_with(typed.as_bytes()));
        let before = self.spelling.text(&written[..self.n_before.min(written.len())]);
        let needs_space = before.last().map_or(self.is_spaced, |last| !last.is_ascii_whitespace());
        let is_fixed = before.is_empty();
        Follows { words: self, text, n_forbidden, is_last, open, needs_space, is_fixed }
    }

    /// How many times a text has forbidden words, those left out that may yet be parts of longer ones.
    fn n_forbidden(&self, text: &[u8], is_over: bool) -> usize {
        if self.forbidden.is_empty() {
            return 0;
        }
        let squeezed = squeeze(text);
        let text = String::from_utf8_lossy(&squeezed);
        let of_phrase = |phrase: &String| ends_of(&text, phrase).filter(|&end| is_over || end < text.len()).count();
        self.forbidden.iter().map(of_phrase).sum()
    }
}

/// The tokens that may follow one text, as far as words decide.
pub(crate) struct Follows<'a> {
    words: &'a Words<'a>,
    text: Vec<u8>,
    n_forbidden: usize,
    /// Whether the text has no room for more.
    is_last: bool,
    /// The typed word that is not yet written, and what is of it.
    open: Option<(&'a str, Vec<u8>)>,
    /// Whether a space is before the typed word, as there is none at the end of what is before it.
    needs_space: bool,
    /// Whether there is none otherwise.
    is_fixed: bool,
}

impl Follows<'_> {
    pub(crate) fn admits(&self, token: TokenId) -> bool {
        let Words { spelling, eos, .. } = self.words;
        let added = &spelling.texts[token as usize];
        let extends = self.open.as_ref().is_none_or(|(typed, word)| {
            let longer = [word, &added[..]].concat();
            // One space may be before the word, which tokenizers write as a part of it.
            let own = longer.strip_prefix(b" ").unwrap_or(&longer);
            let has_space = own.len() < longer.len();
            let is_apart = if self.is_fixed { has_space == self.needs_space } else { has_space || !self.needs_space };
            let begins = !own.first().is_some_and(u8::is_ascii_whitespace);
            !added.is_empty() && is_apart && begins && agrees(&squeeze(own), typed.as_bytes())
        });
        let is_over = self.is_last || token == *eos;
        extends && {
            let is_free = self.words.forbidden.is_empty();
            is_free || self.words.n_forbidden(&[&self.text, &added[..]].concat(), is_over) <= self.n_forbidden
        }
    }
}

/// Whether one of two texts, the first squeezed, begins with the other.
fn agrees(text: &[u8], typed: &[u8]) -> bool {
    let before_mark = || {
        let begun = text.trim_ascii_end();
        begun.len() < text.len() && typed.starts_with(begun) && typed[begun.len()].is_ascii_punctuation()
    };
    text.starts_with(typed) || typed.starts_with(text) || before_mark()
}
