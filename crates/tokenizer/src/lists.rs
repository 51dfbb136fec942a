//! Vocabularies as lists of tokens, scores and merges, as GGUF files have them.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::error::TokenizerError;
use crate::hugging_face::HuggingFace;
use crate::sentencepiece::{Algorithm, SentencePiece, SentencePieceFile, kind_of};
use crate::specials::{SpecialNames, Specials};
use crate::tokenizer::{TokenId, Tokenizer};

/// How byte-level BPE cuts a text into words, by the names that llama.cpp gives to the rules of known tokenizers.
///
/// Source: `llama-vocab.cpp` of llama.cpp for which name has which expression; the expressions are those of the tokenizers'
/// own `tokenizer.json`.
const PRE_TOKENIZERS: [(&str, Words); 14] = [
    ("gpt-2", Words::Gpt2),
    ("olmo", Words::Gpt2),
    ("phi-2", Words::Gpt2),
    ("mpt", Words::Gpt2),
    ("smollm", Words::Gpt2WithDigits),
    ("starcoder", Words::Gpt2WithDigits),
    ("codeshell", Words::Gpt2WithDigits),
    ("exaone", Words::Gpt2WithDigits),
    ("llama-bpe", Words::Numbers { longest: 3 }),
    ("llama3", Words::Numbers { longest: 3 }),
    ("llama-v3", Words::Numbers { longest: 3 }),
    ("dbrx", Words::Numbers { longest: 3 }),
    ("qwen2", Words::Numbers { longest: 1 }),
    ("deepseek-r1-qwen", Words::Numbers { longest: 1 }),
];

#[derive(Clone, Copy)]
enum Words {
    /// GPT-2's.
    Gpt2,
    /// Each digit alone, then GPT-2's.
    Gpt2WithDigits,
    /// Words with what stands before them, numbers of so many digits, as tiktoken's cl100k and Llama 3's.
    Numbers { longest: u8 },
}

/// A vocabulary as lists: text, score and kind of each token by id.
///
/// Kinds have the numbers that SentencePiece's files have: 1 for text, 2 for what is unknown, 3 for control, 4 for what a user
/// added, 5 for unused, 6 for a byte.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    /// Text of each token; of byte-level BPE in the characters that stand for bytes, but for those that were added.
    pub tokens: Vec<String>,
    /// Score of each token, in nats; needed for SentencePiece alone.
    pub scores: Vec<f32>,
    /// Kind of each token; without kinds, all are text.
    pub kinds: Vec<u64>,
    /// Merges of byte-level BPE in the order in which they were learned, two tokens with a space between.
    pub merges: Vec<String>,
    /// Special tokens by role.
    pub specials: Specials,
}

impl Lists {
    /// Byte-level BPE whose words are cut as the rules of the name `pre` say.
    ///
    /// # Errors
    /// [`Unsupported`](TokenizerError::Unsupported) for a name that is not known; [`Library`](TokenizerError::Library) or
    /// [`Invalid`](TokenizerError::Invalid) if the lists contradict each other. `path` is where they come from.
    pub fn byte_level(&self, pre: &str, path: &Path) -> Result<Box<dyn Tokenizer>, TokenizerError> {
        self.check().map_err(TokenizerError::invalid(path))?;
        let Some((_, words)) = PRE_TOKENIZERS.into_iter().find(|(name, _)| *name == pre) else {
            let known = PRE_TOKENIZERS.map(|(name, _)| name).join(", ");
            let problem = format!("its words are cut by the rules called {pre:?}; there are {known}");
            return Err(TokenizerError::Unsupported { path: path.to_owned(), problems: vec![problem] });
        };
        let byte_level = |use_regex: bool| json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex });
        let sequence = |first: Value, second: Value| json!({ "type": "Sequence", "pretokenizers": [first, second] });
        let pre_tokenizer = match words {
            Words::Gpt2 => byte_level(true),
            Words::Gpt2WithDigits => sequence(json!({ "type": "Digits", "individual_digits": true }), byte_level(true)),
            Words::Numbers { longest } => {
                let numbers = if longest == 1 { r"\p{N}".to_owned() } else { format!(r"\p{{N}}{{1,{longest}}}") };
                let pattern = format!(
                    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{numbers}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
                );
                let split = json!({ "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false });
                sequence(split, byte_level(false))
            }
        };
        let added = (0..).zip(&self.tokens).filter_map(|(id, token)| match self.kinds.get(id as usize) {
            Some(kind @ (3 | 4)) => Some(json!({
                "id": id,
                "content": token,
                "special": *kind == 3,
                "single_word": false,
                "lstrip": false,
                "rstrip": false,
                "normalized": false,
            })),
            _ => None,
        });
        let added: Vec<Value> = added.collect();
        let ids: BTreeMap<&str, TokenId> = self.tokens.iter().map(String::as_str).zip(0..).collect();
        // Llama 3's takes a word that is a token as it is, before any merge.
        let ignore_merges = matches!(words, Words::Numbers { longest: 3 });
        let file = json!({
            "version": "1.0",
            "added_tokens": added,
            "pre_tokenizer": pre_tokenizer,
            "decoder": byte_level(true),
            "model": { "type": "BPE", "vocab": ids, "merges": self.merges, "ignore_merges": ignore_merges },
        });
        Ok(Box::new(HuggingFace::from_json(path, file.to_string(), &self.names(), false)?))
    }

    /// SentencePiece's BPE; `dummy_prefix` says whether a space is put before each text.
    ///
    /// # Errors
    /// [`Invalid`](TokenizerError::Invalid) if the lists contradict each other. `path` is where they come from.
    pub fn sentencepiece(&self, dummy_prefix: bool, path: &Path) -> Result<Box<dyn Tokenizer>, TokenizerError> {
        self.check().map_err(TokenizerError::invalid(path))?;
        let piece = |(id, token): (usize, &String)| {
            let number = self.kinds.get(id).copied().unwrap_or(1);
            let kind = kind_of(number).ok_or_else(|| format!("token {id} is of the unknown kind {number}"))?;
            Ok((token.clone(), self.scores.get(id).copied().unwrap_or(0.0), kind))
        };
        let pieces = self.tokens.iter().enumerate().map(piece).collect::<Result<Vec<_>, String>>();
        let made = pieces.map_err(Into::into).and_then(|pieces| {
            let mut file = SentencePieceFile::of_pieces(Algorithm::Bpe, pieces, self.specials.clone());
            file.byte_fallback = self.kinds.contains(&6);
            file.normalizer.add_dummy_prefix = dummy_prefix;
            file.normalizer.remove_extra_whitespaces = false;
            SentencePiece::new(file)
        });
        made.map(|tokenizer| Box::new(tokenizer) as Box<dyn Tokenizer>).map_err(TokenizerError::invalid(path))
    }

    /// Checks that scores and kinds, if there are any, are those of all tokens.
    fn check(&self) -> Result<(), String> {
        let n = self.tokens.len();
        for (what, len) in [("scores", self.scores.len()), ("kinds", self.kinds.len())] {
            if ![0, n].contains(&len) {
                return Err(format!("{n} tokens have {len} {what}"));
            }
        }
        Ok(())
    }

    /// The texts of special tokens by role.
    fn names(&self) -> SpecialNames {
        let Specials { pad, bos, eos, unk, .. } = self.specials;
        let roles = [("pad_token", pad), ("bos_token", bos), ("eos_token", eos), ("unk_token", unk)];
        let name = |id: TokenId| self.tokens.get(id as usize).cloned();
        roles.into_iter().filter_map(|(role, id)| Some((role.to_owned(), name(id?)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_are_cut_short_are_refused() {
        let whole = Lists {
            tokens: ["<unk>", "a"].map(str::to_owned).to_vec(),
            scores: vec![0.0, -1.0],
            kinds: vec![2, 1],
            ..Lists::default()
        };
        let path = Path::new("a.gguf");
        assert!(whole.sentencepiece(true, path).is_ok());
        let scores = Lists { scores: vec![0.0], ..whole.clone() };
        let kinds = Lists { kinds: vec![2, 1, 1], ..whole };
        for (lists, named) in [(scores, "2 tokens have 1 scores"), (kinds, "2 tokens have 3 kinds")] {
            for read in [lists.sentencepiece(true, path), lists.byte_level("gpt-2", path)] {
                let error = read.err().expect("it is refused").to_string();
                assert!(error.contains(named), "{error}");
            }
        }
    }
}
