//! The text that tokens write, and the words in it.

use std::borrow::Cow;

use attentive_core::TokenId;

/// The text that the tokens of a vocabulary write.
///
/// A search sees tokens alone. Where a constraint is one of words, this says where they begin and end: two characters are of one
/// word if both are letters or digits, of a script that has spaces between words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spelling {
    /// `[places][vocab]`.
    places: Vec<Vec<Writes>>,
    /// The place of texts that have a space before their next word.
    after_word: Option<usize>,
    /// Whether texts are what their tokens write, to the byte: otherwise beside marks there is white space or not.
    is_exact: bool,
}

/// What a token writes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Writes {
    text: Vec<u8>,
    /// The place that it leads to.
    next: usize,
    /// Whether a word may reach into it from the left, and beyond it.
    edges: (bool, bool),
}

impl Writes {
    fn new(text: Vec<u8>, next: usize) -> Self {
        let edge = |c: Option<char>| c.is_none_or(is_letter);
        let lossy = String::from_utf8_lossy(&text);
        Self { edges: (edge(lossy.chars().next()), edge(lossy.chars().next_back())), text, next }
    }
}

/// Where a text has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    place: usize,
    /// Whether its last character is of a word that may go on.
    is_in_word: bool,
}

impl Spelling {
    /// Of the bytes that each token writes within a sentence, with the white space before or after it; none for a special
    /// token. Bytes that are not UTF-8 are parts of letters. Texts may have less white space than this beside marks.
    ///
    /// ```
    /// # use attentive_decode::Spelling;
    /// let spelling = Spelling::new([" how", "ever", "!"].map(Vec::from));
    /// assert_eq!([(0, 1), (1, 0), (1, 2)].map(|(a, b)| spelling.parts(&[a], b)), [false, true, true]);
    /// ```
    pub fn new(texts: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let place = texts.into_iter().map(|text| Writes::new(text, 0)).collect();
        Self { places: vec![place], after_word: None, is_exact: false }
    }

    /// Of the bytes that each token writes at each place, and the place that it leads to, `[places][vocab]`, as
    /// [`Vocabulary::new`](crate::Vocabulary::new) has them; texts begin at the first place, and are these bytes. A word after the
    /// place `after_word` has a space before it.
    ///
    /// # Panics
    /// If there is no place, or a token leads to one that there is not.
    pub fn of_places(places: Vec<Vec<(Vec<u8>, usize)>>, after_word: Option<usize>) -> Self {
        let n_places = places.len();
        assert!(n_places > 0 && places.iter().flatten().all(|&(_, next)| next < n_places), "no such place");
        let writes = |place: Vec<(Vec<u8>, usize)>| place.into_iter().map(|(text, next)| Writes::new(text, next));
        Self { places: places.into_iter().map(|place| writes(place).collect()).collect(), after_word, is_exact: true }
    }

    /// Whether no word reaches from the end of a text of `before` into the token `after`, which follows it.
    ///
    /// # Panics
    /// If there is no such token.
    pub fn parts(&self, before: &[TokenId], after: TokenId) -> bool {
        self.parts_at(self.end(before), after)
    }

    /// [`parts`](Self::parts) of a text that ends so.
    pub(crate) fn parts_at(&self, end: End, after: TokenId) -> bool {
        !end.is_in_word || !self.writes(end.place, after).edges.0
    }

    /// Where a text of tokens ends.
    pub(crate) fn end(&self, tokens: &[TokenId]) -> End {
        tokens.iter().fold(End { place: 0, is_in_word: false }, |end, &token| self.after(end, token))
    }

    /// Where a text that ends so has come to by one more token.
    pub(crate) fn after(&self, end: End, token: TokenId) -> End {
        let Writes { text, next, edges } = self.writes(end.place, token);
        End { place: *next, is_in_word: if text.is_empty() { end.is_in_word } else { edges.1 } }
    }

    /// Whether `token` writes a space first, at the beginning of a text.
    ///
    /// # Panics
    /// If there is no such token.
    pub fn begins_with_space(&self, token: TokenId) -> bool {
        self.writes(0, token).text.starts_with(b" ")
    }

    /// Whether tokens can write `text`, or a text that begins with it, as far as their bytes decide, white space left out.
    pub fn can_write(&self, text: &str) -> bool {
        let text: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let mut reached = vec![false; text.len()];
        for at in 0..text.len() {
            if at > 0 && !reached[at] {
                continue;
            }
            for Writes { text: written, .. } in self.places.iter().flatten() {
                let written = written.trim_ascii();
                let n = written.len().min(text.len() - at);
                if n == 0 || written[..n] != text[at..at + n] {
                    continue;
                }
                match reached.get_mut(at + n) {
                    Some(reached) => *reached = true,
                    None => return true,
                }
            }
        }
        text.is_empty()
    }

    /// Whether `token` writes nothing at any place.
    pub(crate) fn is_silent(&self, token: TokenId) -> bool {
        let mut writes = self.places.iter().filter_map(|place| place.get(token as usize));
        writes.all(|writes| writes.text.is_empty())
    }

    pub(crate) fn vocab_size(&self) -> usize {
        self.places[0].len()
    }

    fn writes(&self, place: usize, token: TokenId) -> &Writes {
        &self.places[place][token as usize]
    }

    fn text(&self, tokens: &[TokenId]) -> Vec<u8> {
        let mut place = 0;
        let write = |&token: &TokenId| {
            let writes = self.writes(place, token);
            place = writes.next;
            &writes.text
        };
        tokens.iter().flat_map(write).copied().collect()
    }

    /// A text as words are looked for in it.
    fn compared<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        if self.is_exact { Cow::Borrowed(text) } else { Cow::Owned(squeeze(text)) }
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
        let compared = |text: &String| String::from_utf8_lossy(&spelling.compared(text.as_bytes())).into_owned();
        let (typed, n_before) = typed.map_or((None, 0), |(text, n_before)| (Some(text), n_before));
        Self { spelling, forbidden: forbidden.iter().map(compared).collect(), typed, n_before, eos }
    }

    /// The tokens that may follow `written`, the last ones if `is_last`.
    pub(crate) fn after(&self, written: &[TokenId], is_last: bool) -> Follows<'_> {
        let text = self.spelling.text(written);
        let end = self.spelling.end(written);
        let n_forbidden = self.n_forbidden(text.clone(), end, false);
        Follows { words: self, open: self.open(written, &text), text, end, n_forbidden, is_last }
    }

    /// The typed word, if `text`, which `written` writes, does not yet have it.
    fn open(&self, written: &[TokenId], text: &[u8]) -> Option<Open<'_>> {
        let (before, word) = written.split_at_checked(self.n_before)?;
        let (typed, before) = (self.typed?, self.spelling.text(before));
        let space = match before.last() {
            Some(last) if !last.is_ascii_whitespace() => Space::One,
            Some(_) => Space::OneOrNone,
            None if typed.starts_with(' ') => Space::One,
            None => Space::None,
        };
        let can_rest = word.last().is_none_or(|&last| !self.spelling.is_silent(last));
        let open = Open { typed: typed.trim_start().as_bytes(), space, word: text[before.len()..].to_vec(), can_rest };
        (!open.is_written(self.spelling)).then_some(open)
    }

    /// How many times a text that ends so has forbidden words, those left out that may yet be parts of longer ones.
    fn n_forbidden(&self, mut text: Vec<u8>, end: End, is_over: bool) -> usize {
        if self.forbidden.is_empty() {
            return 0;
        }
        if !is_over && self.spelling.after_word == Some(end.place) {
            text.push(b' ');
        }
        let compared = self.spelling.compared(&text);
        let text = String::from_utf8_lossy(&compared);
        let of_phrase = |phrase: &String| ends_of(&text, phrase).filter(|&end| is_over || end < text.len()).count();
        self.forbidden.iter().map(of_phrase).sum()
    }
}

/// White space before a typed word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Space {
    None,
    One,
    OneOrNone,
}

/// A typed word that is not yet written.
struct Open<'a> {
    typed: &'a [u8],
    space: Space,
    /// What is written of it, with the space before it.
    word: Vec<u8>,
    /// Whether the next token may write nothing, as marks beside words do: two would lead round in circles.
    can_rest: bool,
}

impl Open<'_> {
    /// The word without its space, if that is as it must be or comes to be so.
    fn own<'t>(&self, word: &'t [u8]) -> Option<&'t [u8]> {
        let own = word.strip_prefix(b" ").unwrap_or(word);
        let has_space = own.len() < word.len();
        let is_apart = match self.space {
            Space::None => !has_space,
            Space::One => has_space || word.is_empty(),
            Space::OneOrNone => true,
        };
        (is_apart && !own.first().is_some_and(u8::is_ascii_whitespace)).then_some(own)
    }

    fn is_written(&self, spelling: &Spelling) -> bool {
        self.own(&self.word).is_some_and(|own| spelling.compared(own).starts_with(self.typed))
    }

    /// Whether a token that writes `added` leads to it.
    fn admits(&self, spelling: &Spelling, added: &[u8]) -> bool {
        let is_begun = !self.word.trim_ascii().is_empty();
        if !spelling.is_exact && is_begun && added.trim_ascii().is_empty() {
            return false;
        }
        let longer = [&self.word, added].concat();
        self.own(&longer).is_some_and(|own| agrees(&spelling.compared(own), self.typed, spelling.is_exact))
    }
}

/// The tokens that may follow one text, as far as words decide.
pub(crate) struct Follows<'a> {
    words: &'a Words<'a>,
    text: Vec<u8>,
    end: End,
    n_forbidden: usize,
    /// Whether the text has no room for more.
    is_last: bool,
    open: Option<Open<'a>>,
}

impl Follows<'_> {
    pub(crate) fn admits(&self, token: TokenId) -> bool {
        let Words { spelling, forbidden, eos, .. } = self.words;
        let (added, after) = (&spelling.writes(self.end.place, token).text, spelling.after(self.end, token));
        let is_over = self.is_last || token == *eos;
        let goes_on = |open: &Open<'_>| match &added[..] {
            [] => open.can_rest && after.place != self.end.place,
            added => open.admits(spelling, added),
        };
        let is_free = || self.words.n_forbidden([&self.text, &added[..]].concat(), after, is_over) <= self.n_forbidden;
        self.open.as_ref().is_none_or(goes_on) && (forbidden.is_empty() || is_free())
    }
}

/// Whether one of two texts begins with the other; a text that is not exact may have white space before a mark.
fn agrees(text: &[u8], typed: &[u8], is_exact: bool) -> bool {
    let before_mark = || {
        let begun = text.trim_ascii_end();
        begun.len() < text.len() && typed.starts_with(begun) && typed[begun.len()].is_ascii_punctuation()
    };
    text.starts_with(typed) || typed.starts_with(text) || !is_exact && before_mark()
}
