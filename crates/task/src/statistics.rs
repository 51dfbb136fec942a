//! How well a vocabulary fits a text.

use std::fmt;

use attentive_tokenizer::{TokenId, Tokenizer};

use crate::thousands;

/// Counts of text and of its tokens: how well a vocabulary fits it.
#[derive(Debug, Clone, Default)]
pub struct TokenStatistics {
    n_lines: u64,
    n_words: u64,
    n_characters: u64,
    n_bytes: u64,
    n_tokens: u64,
    n_unknown: u64,
    n_byte_tokens: u64,
}

/// What the ids of a vocabulary are counted as.
#[derive(Debug)]
pub struct TokenCounter {
    unk: Option<TokenId>,
    is_byte: Vec<bool>,
}

impl TokenCounter {
    /// A counter of the tokens of `tokenizer`.
    pub fn new(tokenizer: &dyn Tokenizer) -> Self {
        let is_byte = |id| tokenizer.token(id).is_some_and(|token| is_byte_token(&token));
        let is_byte = (0..tokenizer.vocab_size() as TokenId).map(is_byte).collect();
        Self { unk: tokenizer.specials().unk, is_byte }
    }

    /// Whether `id` stands for what the vocabulary lacks.
    pub fn is_unknown(&self, id: TokenId) -> bool {
        self.unk == Some(id)
    }

    /// The counts of one line, whose tokens are `ids`.
    pub fn count(&self, text: &str, ids: &[TokenId]) -> TokenStatistics {
        let is_byte = |id: &&TokenId| self.is_byte.get(**id as usize).is_some_and(|&is_byte| is_byte);
        TokenStatistics {
            n_lines: 1,
            n_words: text.split_whitespace().count() as u64,
            n_characters: text.chars().count() as u64,
            n_bytes: text.len() as u64,
            n_tokens: ids.len() as u64,
            n_unknown: ids.iter().filter(|&&id| self.is_unknown(id)).count() as u64,
            n_byte_tokens: ids.iter().filter(is_byte).count() as u64,
        }
    }
}

/// `<0x41>` and its like.
fn is_byte_token(spelling: &str) -> bool {
    spelling
        .strip_prefix("<0x")
        .and_then(|rest| rest.strip_suffix('>'))
        .is_some_and(|hex| hex.len() == 2 && u8::from_str_radix(hex, 16).is_ok())
}

impl TokenStatistics {
    /// Adds the counts of another text.
    pub fn add(&mut self, other: &Self) {
        self.n_lines += other.n_lines;
        self.n_words += other.n_words;
        self.n_characters += other.n_characters;
        self.n_bytes += other.n_bytes;
        self.n_tokens += other.n_tokens;
        self.n_unknown += other.n_unknown;
        self.n_byte_tokens += other.n_byte_tokens;
    }
}

impl fmt::Display for TokenStatistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = |n: u64, of: u64| if of == 0 { 0.0 } else { n as f64 / of as f64 };
        let tokens = self.n_tokens;
        writeln!(
            f,
            "text      {} lines, {} words, {} characters, {} bytes",
            thousands(self.n_lines),
            thousands(self.n_words),
            thousands(self.n_characters),
            thousands(self.n_bytes)
        )?;
        writeln!(
            f,
            "tokens    {}: {:.3} characters and {:.3} bytes per token, {:.3} tokens per word",
            thousands(tokens),
            per(self.n_characters, tokens),
            per(self.n_bytes, tokens),
            per(tokens, self.n_words)
        )?;
        write!(
            f,
            "unknown   {:.3} % of the tokens; {:.3} % are single bytes",
            100.0 * per(self.n_unknown, tokens),
            100.0 * per(self.n_byte_tokens, tokens)
        )
    }
}
