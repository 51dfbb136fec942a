//! Subwords of code points, which are hidden and guessed as wholes.

use std::collections::HashMap;

use attentive_core::TokenId;
use rand_chacha::rand_core::Rng;

use crate::shuffle::below;

/// A list of subwords, found by their characters.
///
/// ```
/// use attentive_data::Subwords;
///
/// let subwords = Subwords::new(["s", "the", "a", "cat"]);
/// let text: Vec<u32> = "the cats xa".chars().map(u32::from).collect();
/// assert_eq!(subwords.of_text(&text).collect::<Vec<_>>(), [1, 3, 0, 2]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subwords {
    characters: Vec<Vec<TokenId>>,
    numbers: HashMap<Vec<TokenId>, u32>,
    /// The subwords of each number of characters.
    of_length: Vec<Vec<u32>>,
}

impl Subwords {
    /// The subwords of a list, by their places in it; empty ones are never found.
    pub fn new<S: AsRef<str>>(list: impl IntoIterator<Item = S>) -> Self {
        let characters = list.into_iter().map(|subword| subword.as_ref().chars().map(u32::from).collect());
        let characters: Vec<Vec<TokenId>> = characters.collect();
        let longest = characters.iter().map(Vec::len).max().unwrap_or(0);
        let mut of_length = vec![Vec::new(); longest + 1];
        let mut numbers = HashMap::new();
        for (number, subword) in (0..).zip(&characters) {
            of_length[subword.len()].push(number);
            numbers.insert(subword.clone(), number);
        }
        Self { characters, numbers, of_length }
    }

    /// The subwords of a text of code points, in order.
    pub fn of_text(&self, text: &[TokenId]) -> impl Iterator<Item = u32> {
        let places: Vec<usize> = (0..text.len()).collect();
        let cut = |word: &[usize]| self.cut(text, word).into_iter().map(|(_, number)| number).collect::<Vec<_>>();
        words(text, &places).flat_map(cut).collect::<Vec<_>>().into_iter()
    }

    /// A word at the places `word` of `row`, cut greedily from the left into the longest subwords, as WordPiece cuts it;
    /// characters that begin no subword are left out.
    pub(crate) fn cut<'a>(&self, row: &[TokenId], mut word: &'a [usize]) -> Vec<(&'a [usize], u32)> {
        let mut found = Vec::new();
        while !word.is_empty() {
            let characters: Vec<TokenId> = word.iter().take(self.of_length.len()).map(|&place| row[place]).collect();
            let longest = (1..=characters.len()).rev().find_map(|n| Some((n, *self.numbers.get(&characters[..n])?)));
            let (n, number) = longest.unzip();
            let (places, rest) = word.split_at(n.unwrap_or(1));
            found.extend(number.map(|number| (places, number)));
            word = rest;
        }
        found
    }

    /// The characters of a subword of so many, drawn at random.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn draw(&self, n_characters: usize, rng: &mut impl Rng) -> &[TokenId] {
        let of_length = &self.of_length[n_characters];
        &self.characters[of_length[below(of_length.len() as u32, rng) as usize] as usize]
    }
}

/// The words of code points at the ascending places `places` of `row`, up to white space.
pub(crate) fn words<'a>(row: &[TokenId], places: &'a [usize]) -> impl Iterator<Item = &'a [usize]> {
    let is_space = |place: &usize| char::from_u32(row[*place]).is_some_and(char::is_whitespace);
    let runs = places.chunk_by(move |a, b| a + 1 == *b && !is_space(a) && !is_space(b));
    runs.filter(move |run| !is_space(&run[0]))
}
