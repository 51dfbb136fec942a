//! The text of tokens that come one after another.

use std::fmt;

use attentive_tokenizer::{TokenId, Tokenizer};

/// Tokens before a new one that its text may depend on: a space, a word that it continues, bytes of its character.
const CONTEXT: usize = 16;

/// Decodes tokens as they come, each with a few before it, so that the cost of a token does not grow with the text.
pub struct TextStream<'a> {
    tokenizer: &'a dyn Tokenizer,
    /// The last tokens.
    tokens: Vec<TokenId>,
    /// Whether the text ends in a whole character before each of `tokens`.
    is_start: Vec<bool>,
    /// Whether it does at the end.
    is_whole: bool,
    /// Bytes of the text of `tokens` that are out.
    n_out: usize,
}

impl<'a> TextStream<'a> {
    /// The stream of the text after `prompt`, the tokens of a text.
    ///
    /// # Panics
    /// If a token is not in the vocabulary.
    pub fn new(tokenizer: &'a dyn Tokenizer, prompt: &[TokenId]) -> Self {
        let is_start = vec![false; prompt.len()]; // not known, and not needed
        let mut stream = Self { tokenizer, tokens: prompt.to_vec(), is_start, is_whole: true, n_out: 0 };
        let text = stream.text();
        stream.is_whole = !text.ends_with(char::REPLACEMENT_CHARACTER);
        stream.n_out = text.len();
        stream
    }

    /// The text that `token` adds. Bytes at the end that are not yet a character wait for those that complete it.
    ///
    /// # Panics
    /// If the token is not in the vocabulary.
    #[must_use]
    pub fn push(&mut self, token: TokenId) -> String {
        self.is_start.push(self.is_whole);
        self.tokens.push(token);
        let text = self.text();
        let whole = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
        let new = whole.get(self.n_out..).unwrap_or_default().to_owned();
        self.n_out = self.n_out.max(whole.len());
        self.is_whole = whole.len() == text.len();
        if self.is_whole && self.n_out == text.len() {
            self.forget();
        }
        new
    }

    /// The rest of the text: bytes that were never completed, as U+FFFD.
    #[must_use]
    pub fn finish(self) -> String {
        self.text().get(self.n_out..).unwrap_or_default().to_owned()
    }

    fn text(&self) -> String {
        self.tokenizer.decode(&self.tokens).expect("the vocabulary is the tokenizer's")
    }

    /// Drops tokens of which nothing is to come any more, but for a context; all of the text is out.
    fn forget(&mut self) {
        if self.tokens.len() < 2 * CONTEXT {
            return;
        }
        let last = self.tokens.len() - CONTEXT;
        if let Some(start) = (1..=last).rev().find(|&start| self.is_start[start]) {
            self.tokens.drain(..start);
            self.is_start.drain(..start);
            self.n_out = self.text().len();
        }
    }
}

impl fmt::Debug for TextStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextStream").field("tokens", &self.tokens).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use attentive_core::mix64;
    use attentive_tokenizer::{BpeTrainer, ByteLevelBpeTrainer, Bytes, Characters, UnigramTrainer, WordPieceTrainer};

    use super::*;

    const TEXTS: [&str; 2] =
        ["Ein Käse, der naïve Ōsaka 東京 kennt.", "the cat's hat, that is \u{1f431} red; the end."];

    fn tokenizers() -> Vec<(&'static str, Box<dyn Tokenizer>)> {
        vec![
            ("bytes", Box::new(Bytes::default())),
            ("characters", Box::new(Characters::train(TEXTS))),
            ("bpe", Box::new(BpeTrainer::with_merges(30).train(TEXTS).unwrap())),
            ("byte-level bpe", Box::new(ByteLevelBpeTrainer::with_vocab_size(290).train(TEXTS).unwrap())),
            ("wordpiece", Box::new(WordPieceTrainer::with_vocab_size(90).train(TEXTS).unwrap())),
            ("unigram", Box::new(UnigramTrainer::with_vocab_size(300).train(TEXTS).unwrap())),
        ]
    }

    /// Tokens of the texts, in parts of a text, and drawn at random.
    fn tokens(tokenizer: &dyn Tokenizer, seed: u64, n: usize) -> Vec<TokenId> {
        let text: Vec<TokenId> = tokenizer.encode(&TEXTS.concat().repeat(3));
        let token = |at: u64| match mix64(mix64(seed) ^ at) {
            bits if seed.is_multiple_of(2) => text[(at + bits % 2) as usize % text.len()],
            bits => (bits % tokenizer.vocab_size() as u64) as TokenId,
        };
        (0..n as u64).map(token).collect()
    }

    #[test]
    fn the_pieces_are_the_text_of_all_tokens() {
        for (name, tokenizer) in tokenizers() {
            for seed in 0..40 {
                let tokens = tokens(&*tokenizer, seed, 150);
                // A prompt is a text: it ends in a whole character.
                let is_whole = |n: &usize| !tokenizer.decode(&tokens[..*n]).unwrap().ends_with('\u{fffd}');
                let (prompt, rest) = tokens.split_at((0..=seed as usize).rev().find(is_whole).unwrap());
                let mut stream = TextStream::new(&*tokenizer, prompt);
                let mut text = tokenizer.decode(prompt).unwrap();
                rest.iter().for_each(|&token| text += &stream.push(token));
                text += &stream.finish();
                assert_eq!(text, tokenizer.decode(&tokens).unwrap(), "{name}, seed {seed}");
            }
        }
    }

    #[test]
    fn few_tokens_are_decoded_again() {
        for (name, tokenizer) in tokenizers() {
            let tokens = tokens(&*tokenizer, 0, 1000);
            let mut stream = TextStream::new(&*tokenizer, &[]);
            for token in tokens {
                let _ = stream.push(token);
                assert!(stream.tokens.len() <= 2 * CONTEXT + 4, "{name}: {}", stream.tokens.len());
            }
        }
    }
}
