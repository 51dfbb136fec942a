//! Tokens that are searched for in a text before anything else.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use crate::byte_level::{byte_char, gpt2_split::is_word_character};
use crate::error::{Problem, UnknownId};
use crate::file::Model;
use crate::framing::Framing;
use crate::place::{Place, write_all};
use crate::sampling::SampleStrength;
use crate::specials::Specials;
use crate::tokenizer::{Token, TokenId, Tokenizer};
use crate::trie::Trie;
use crate::white_space::is_python_space;
use crate::wordpiece;

/// A token that a text is searched for before it is tokenized.
///
/// Its fields mean what those of `AddedToken` in Hugging Face's library mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddedToken {
    /// The id.
    pub id: TokenId,
    /// What stands for it in a text.
    pub content: String,
    /// Whether it is a special token: text that looks like one stays text in [`encode`](Tokenizer::encode), and becomes
    /// the token in [`encode_with_specials`](Tokenizer::encode_with_specials).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub special: bool,
    /// Whether the white space before it belongs to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lstrip: bool,
    /// Whether the white space after it belongs to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rstrip: bool,
    /// Whether it stands for itself only where no letter, digit or underscore is next to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub single_word: bool,
    /// Whether it is searched for after those that are not, in what these leave.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub normalized: bool,
}

impl AddedToken {
    /// A special token without conditions.
    pub fn special(id: TokenId, content: impl Into<String>) -> Self {
        let content = content.into();
        Self { id, content, special: true, lstrip: false, rstrip: false, single_word: false, normalized: false }
    }
}

/// The longest added token that is read, in bytes: finding them takes time in proportion to it.
const MAX_TOKEN_LEN: usize = 1024;

/// A part of a text: an added token, or what lies between.
type Part<'a> = (Option<TokenId>, &'a str, usize);

/// Finds added tokens in texts.
#[derive(Debug)]
pub(crate) struct Finder {
    tokens: Vec<AddedToken>,
    /// By `normalized`.
    tries: [Option<Trie>; 2],
    is_space: fn(char) -> bool,
}

impl Finder {
    pub(crate) fn new(tokens: Vec<AddedToken>) -> Self {
        let tries = [false, true].map(|normalized| {
            let entries = (0..).zip(&tokens).filter(|(_, token)| token.normalized == normalized);
            let entries: Vec<_> = entries.map(|(index, token)| (token.content.as_bytes(), index)).collect();
            (!entries.is_empty()).then(|| Trie::new(entries))
        });
        Self { tokens, tries, is_space: char::is_whitespace }
    }

    /// As the classes of transformers do that are written in Python.
    pub(crate) fn of_python(self) -> Self {
        Self { is_space: is_python_space, ..self }
    }

    /// The parts of `text` in order, empty ones left out, each with where it begins; `specials` says whether special
    /// tokens are looked for.
    pub(crate) fn split<'a>(&self, text: &'a str, specials: bool) -> Vec<Part<'a>> {
        let mut parts = vec![(None, text, 0)];
        for trie in self.tries.iter().flatten() {
            let split = |(id, part, start): Part<'a>| match id {
                Some(_) => vec![(id, part, start)],
                None => self.split_part(trie, part, start, specials),
            };
            parts = parts.into_iter().flat_map(split).collect();
        }
        parts.retain(|(_, part, _)| !part.is_empty());
        parts
    }

    /// Source: `AddedVocabulary::find_matches` of Hugging Face's library: the leftmost match, and of those the longest.
    fn split_part<'a>(&self, trie: &Trie, text: &'a str, offset: usize, specials: bool) -> Vec<Part<'a>> {
        let mut parts = Vec::new();
        let (mut done, mut at) = (0, 0);
        while at < text.len() {
            let Some((len, index)) = trie.longest_entry(&text.as_bytes()[at..]) else {
                at += text[at..].chars().next().map_or(1, char::len_utf8);
                continue;
            };
            let token = &self.tokens[index as usize];
            let (mut start, mut end) = (at, at + len);
            at = end;
            let is_word = |c: Option<char>| c.is_some_and(is_word_character);
            let inside = is_word(text[..start].chars().next_back()) || is_word(text[end..].chars().next());
            if token.special && !specials || token.single_word && inside {
                continue;
            }
            if token.lstrip {
                start = text[..start].trim_end_matches(self.is_space).len().max(done);
            }
            if token.rstrip {
                end = text.len() - text[end..].trim_start_matches(self.is_space).len();
            }
            parts.push((None, text.get(done..start).unwrap_or_default(), offset + done));
            parts.push((Some(token.id), &text[start..end], offset + start));
            // A token in the white space that belongs to this one is found again, as there.
            done = end;
        }
        parts.push((None, &text[done..], offset + done));
        parts
    }
}

/// The ids of `text`, where tokens stand for themselves and `encode` makes those of what lies between.
pub(crate) fn encode_around(finder: &Finder, text: &str, encode: impl Fn(&str) -> Vec<TokenId>) -> Vec<TokenId> {
    let parts = finder.split(text, true).into_iter();
    parts.flat_map(|(id, part, _)| id.map_or_else(|| encode(part), |id| vec![id])).collect()
}

/// The special tokens of a vocabulary as tokens to search for.
pub(crate) fn of_specials<T: Tokenizer + ?Sized>(tokenizer: &T) -> Vec<AddedToken> {
    let mut ids: Vec<_> = tokenizer.specials().iter().collect();
    ids.sort_unstable();
    ids.dedup();
    let named = ids.into_iter().filter_map(|id| Some(AddedToken::special(id, tokenizer.token(id)?)));
    named.filter(|token| !token.content.is_empty()).collect()
}

/// A tokenizer and the tokens that were added to its vocabulary, or that carry conditions.
///
/// Source: `AddedVocabulary` of Hugging Face's library, which this equals for tokenizers that do not normalise.
pub struct WithAddedTokens {
    inner: Box<dyn Tokenizer>,
    finder: Finder,
    by_id: FxHashMap<TokenId, usize>,
    specials: Specials,
    vocab_size: usize,
    /// The ids of `<extra_id_0>` …, where they are added.
    sentinels: Vec<TokenId>,
    /// Whether added tokens are words among the inner tokenizer's, as they are for WordPiece; otherwise what is after one is
    /// decoded as a text of its own.
    are_words: bool,
    /// Those that the inner tokenizer writes too, whose characters stand for bytes: `é` is its byte 0xE9 in other texts.
    of_bytes: FxHashSet<TokenId>,
}

/// The parameters of [`WithAddedTokens`] as they stand in `tokenizer.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WithAddedTokensFile {
    pub(crate) specials: Specials,
    pub(crate) added_tokens: Vec<AddedToken>,
    pub(crate) tokenizer: Box<Model>,
}

impl fmt::Debug for WithAddedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithAddedTokens").field("vocab_size", &self.vocab_size).finish_non_exhaustive()
    }
}

impl WithAddedTokens {
    /// Checks and indexes what was read.
    pub(crate) fn new(
        inner: Box<dyn Tokenizer>,
        added_tokens: Vec<AddedToken>,
        specials: Specials,
    ) -> Result<Self, Problem> {
        let n_inner = inner.vocab_size();
        let mut by_id = FxHashMap::default();
        for (index, token) in added_tokens.iter().enumerate() {
            if token.content.is_empty() {
                return Err(format!("added_tokens[{index}] is empty").into());
            }
            if token.content.len() > MAX_TOKEN_LEN {
                let len = token.content.len();
                let problem = format!("added_tokens[{index}] has {len} bytes, and at most {MAX_TOKEN_LEN} are read");
                return Err(Problem::Unsupported(problem));
            }
            if by_id.insert(token.id, index).is_some() {
                return Err(format!("added_tokens has the id {} twice", token.id).into());
            }
        }
        // Those that the inner vocabulary lacks stand after it, without a gap.
        let mut new: Vec<_> = added_tokens.iter().map(|token| token.id).filter(|&id| id as usize >= n_inner).collect();
        new.sort_unstable();
        if let Some((expected, id)) = (n_inner..).zip(&new).find(|&(expected, &id)| expected != id as usize) {
            return Err(format!("added_tokens has the id {id} where {expected} should come: an id is missing").into());
        }
        let vocab_size = n_inner + new.len();
        specials.check(vocab_size)?;
        let finder = Finder::new(added_tokens);
        let kind = inner.to_model();
        let is_of_python = matches!(kind, Some(Model::Bytes(_) | Model::Marian(_) | Model::M2m100(_)));
        let are_words = matches!(kind, Some(Model::WordPiece(_)));
        let is_byte = |c: char| (0..=255).any(|byte| byte_char(byte) == c);
        let is_inner = |token: &&AddedToken| (token.id as usize) < n_inner && token.content.chars().all(is_byte);
        let of_bytes = finder.tokens.iter().filter(is_inner).map(|token| token.id);
        let of_bytes = of_bytes.filter(|_| matches!(kind, Some(Model::ByteLevelBpe(_)))).collect();
        let finder = if is_of_python { finder.of_python() } else { finder };
        let ids: FxHashMap<&str, TokenId> =
            finder.tokens.iter().map(|token| (token.content.as_str(), token.id)).collect();
        let sentinels = (0..).map_while(|index| ids.get(format!("<extra_id_{index}>").as_str()).copied()).collect();
        Ok(Self { inner, finder, by_id, specials, vocab_size, sentinels, are_words, of_bytes })
    }

    fn added(&self, id: TokenId) -> Option<&AddedToken> {
        self.by_id.get(&id).map(|&index| &self.finder.tokens[index])
    }

    /// Whether the inner tokenizer says what a text has for it: U+FFFD, for example, or nothing.
    fn is_unknown(&self, id: TokenId) -> bool {
        self.specials.unk == Some(id) && self.inner.specials().unk == Some(id)
    }

    /// The added token that is written for an id, if one is.
    fn written_itself(&self, id: TokenId) -> Option<&AddedToken> {
        self.added(id).filter(|_| !self.is_unknown(id) && !self.of_bytes.contains(&id))
    }

    /// Whether a text has nothing for an id.
    fn is_left_out(&self, id: TokenId) -> bool {
        let is_special = self.specials.contains(id) || self.added(id).is_some_and(|token| token.special);
        is_special && !self.is_unknown(id)
    }

    /// What added tokens and the runs of ids between them stand for, special tokens left out.
    fn decode_parts<T>(
        &self,
        ids: &[TokenId],
        of_run: impl Fn(&[TokenId]) -> Result<T, UnknownId>,
        of_added: impl Fn(&str) -> T,
    ) -> Result<Vec<T>, UnknownId> {
        let ids: Vec<_> = ids.iter().copied().filter(|&id| !self.is_left_out(id)).collect();
        let runs = ids.chunk_by(|a, b| self.written_itself(*a).is_none() && self.written_itself(*b).is_none());
        let of = |run: &[TokenId]| match self.written_itself(run[0]) {
            Some(token) => Ok(of_added(&token.content)),
            None => of_run(run).map_err(|error| UnknownId { vocab_size: self.vocab_size, ..error }),
        };
        runs.map(of).collect()
    }
}

impl Tokenizer for WithAddedTokens {
    fn encode(&self, text: &str) -> Vec<TokenId> {
        let parts = self.finder.split(text, false).into_iter();
        parts.flat_map(|(id, part, _)| id.map_or_else(|| self.inner.encode(part), |id| vec![id])).collect()
    }

    fn encode_with_specials(&self, text: &str) -> Vec<TokenId> {
        let parts = self.finder.split(text, true).into_iter();
        parts.flat_map(|(id, part, _)| id.map_or_else(|| self.inner.encode(part), |id| vec![id])).collect()
    }

    fn encode_target(&self, text: &str) -> Vec<TokenId> {
        let parts = self.finder.split(text, false).into_iter();
        parts.flat_map(|(id, part, _)| id.map_or_else(|| self.inner.encode_target(part), |id| vec![id])).collect()
    }

    fn encode_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        self.encode_with_words(text).into_iter().map(Token::into_span).collect()
    }

    fn encode_target_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        let of_part = |(id, part, start): (Option<TokenId>, &str, usize)| match id {
            Some(id) => vec![(id, start..start + part.len())],
            None => {
                let inner = self.inner.encode_target_with_offsets(part).into_iter();
                inner.map(|(id, range)| (id, range.start + start..range.end + start)).collect()
            }
        };
        self.finder.split(text, false).into_iter().flat_map(of_part).collect()
    }

    /// An added token is a word by itself.
    fn encode_with_words(&self, text: &str) -> Vec<Token> {
        let mut tokens: Vec<Token> = Vec::new();
        for (id, part, start) in self.finder.split(text, false) {
            let n_words = tokens.last().map_or(0, |token| token.word + 1);
            if let Some(id) = id {
                tokens.push(Token { id, range: start..start + part.len(), word: n_words });
                continue;
            }
            let inner = self.inner.encode_with_words(part).into_iter();
            tokens.extend(inner.map(|Token { id, range, word }| {
                let range = range.start + start..range.end + start;
                Token { id, range, word: n_words + word }
            }));
        }
        tokens
    }

    fn continuation(&self) -> Option<&str> {
        self.inner.continuation()
    }

    fn sample(&self, text: &str, strength: f64, seed: u64) -> Vec<TokenId> {
        let parts = self.finder.split(text, false).into_iter();
        let ids = parts.zip(0u64..).flat_map(|((id, part, _), index)| match id {
            Some(id) => vec![id],
            None => self.inner.sample(part, strength, seed.wrapping_add(index)),
        });
        ids.collect()
    }

    fn sample_target(&self, text: &str, strength: f64, seed: u64) -> Vec<TokenId> {
        let parts = self.finder.split(text, false).into_iter();
        let ids = parts.zip(0u64..).flat_map(|((id, part, _), index)| match id {
            Some(id) => vec![id],
            None => self.inner.sample_target(part, strength, seed.wrapping_add(index)),
        });
        ids.collect()
    }

    fn sample_strength(&self) -> Option<SampleStrength> {
        self.inner.sample_strength()
    }

    /// Added tokens as they are written, and the ids between them as the inner tokenizer decodes them; special tokens
    /// are nothing.
    fn decode_bytes(&self, ids: &[TokenId]) -> Result<Vec<u8>, UnknownId> {
        if self.are_words {
            return write_all(self, ids);
        }
        let parts = self.decode_parts(ids, |run| self.inner.decode_bytes(run), |content| content.as_bytes().to_vec());
        Ok(parts?.concat())
    }

    /// As [`decode_bytes`](Tokenizer::decode_bytes): which bytes are not UTF-8, the inner tokenizer says.
    fn decode(&self, ids: &[TokenId]) -> Result<String, UnknownId> {
        if self.are_words {
            return Ok(String::from_utf8_lossy(&self.decode_bytes(ids)?).into_owned());
        }
        Ok(self.decode_parts(ids, |run| self.inner.decode(run), str::to_owned)?.concat())
    }

    fn written(&self, place: Place, id: TokenId) -> Option<(Vec<u8>, Place)> {
        if self.is_left_out(id) {
            return Some((Vec::new(), place));
        }
        match self.written_itself(id) {
            Some(token) if self.are_words => Some(wordpiece::write(&token.content, place)),
            Some(token) => Some((token.content.as_bytes().to_vec(), Place::Start)),
            None => self.inner.written(place, id),
        }
    }

    fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn source_vocab_size(&self) -> usize {
        let n = self.inner.source_vocab_size();
        if self.vocab_size > self.inner.vocab_size() { n.max(self.vocab_size) } else { n }
    }

    fn specials(&self) -> &Specials {
        &self.specials
    }

    fn framing(&self) -> Option<&Framing> {
        self.inner.framing()
    }

    /// That of the inner vocabulary, else an added token, as CodeT5's byte-level BPE has them.
    fn sentinel(&self, index: usize) -> Option<TokenId> {
        match self.inner.sentinel(0) {
            Some(_) => self.inner.sentinel(index),
            None => self.sentinels.get(index).copied(),
        }
    }

    fn token(&self, id: TokenId) -> Option<Cow<'_, str>> {
        match self.added(id) {
            Some(token) => Some(Cow::Borrowed(&token.content)),
            None => self.inner.token(id),
        }
    }

    fn source_token(&self, id: TokenId) -> Option<Cow<'_, str>> {
        match self.added(id) {
            Some(token) => Some(Cow::Borrowed(&token.content)),
            None => self.inner.source_token(id),
        }
    }

    fn added_tokens(&self) -> Vec<AddedToken> {
        self.finder.tokens.clone()
    }

    fn to_model(&self) -> Option<Model> {
        Some(Model::WithAddedTokens(WithAddedTokensFile {
            specials: self.specials.clone(),
            added_tokens: self.finder.tokens.clone(),
            tokenizer: Box::new(self.inner.to_model()?),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(id: TokenId, content: &str) -> AddedToken {
        AddedToken { special: false, ..AddedToken::special(id, content) }
    }

    fn split(tokens: Vec<AddedToken>, text: &str) -> Vec<(Option<TokenId>, &str)> {
        Finder::new(tokens).split(text, true).into_iter().map(|(id, part, _)| (id, part)).collect()
    }

    #[test]
    fn white_space_belongs_to_a_token_as_it_says() {
        let mask = AddedToken { lstrip: true, ..AddedToken::special(4, "<mask>") };
        assert_eq!(split(vec![mask.clone()], "a  <mask> b"), [(None, "a"), (Some(4), "  <mask>"), (None, " b")]);
        let both = AddedToken { rstrip: true, ..mask };
        let expected = [(Some(4), "<mask> "), (Some(4), "<mask>\n"), (None, "b")];
        assert_eq!(split(vec![both], "<mask> <mask>\nb"), expected);
    }

    #[test]
    fn the_longest_token_counts_and_single_words_stand_alone() {
        let tokens = vec![token(1, "ab"), token(2, "abc"), AddedToken { single_word: true, ..token(3, "x") }];
        assert_eq!(split(tokens.clone(), "abcab"), [(Some(2), "abc"), (Some(1), "ab")]);
        assert_eq!(split(tokens, "x xy x_ é x"), [(Some(3), "x"), (None, " xy x_ é "), (Some(3), "x")]);
    }

    #[test]
    fn a_token_is_as_long_as_a_piece_may_be() {
        let read = |len: usize| {
            let inner = crate::Bytes::default();
            let id = inner.vocab_size() as TokenId;
            WithAddedTokens::new(Box::new(inner), vec![token(id, &"a".repeat(len))], Specials::default())
        };
        assert_eq!(read(1024).unwrap().encode("a"), crate::Bytes::default().encode("a"));
        let Err(Problem::Unsupported(problem)) = read(1025) else { panic!("it is not read") };
        assert_eq!(problem, "added_tokens[0] has 1025 bytes, and at most 1024 are read");
    }

    #[test]
    fn broken_characters_are_written_as_without_added_tokens() {
        let inner = crate::UnigramTrainer::with_vocab_size(270).train(["a b"]).unwrap();
        let ids = inner.encode("☃");
        let (start, expected) = (&ids[..ids.len() - 1], inner.decode(&ids[..ids.len() - 1]).unwrap());
        assert_eq!(expected.matches('\u{fffd}').count(), 2);
        let extended = crate::with_tokens(&inner, &["x"], false).unwrap();
        assert_eq!(extended.decode(start).unwrap(), expected);
    }

    #[test]
    fn sentinels_may_be_added_tokens() {
        let inner = crate::ByteLevelBpeTrainer::with_vocab_size(261).train(["a"]).unwrap();
        let tokens = [(261, "<extra_id_1>"), (262, "<extra_id_0>")].map(|(id, name)| AddedToken::special(id, name));
        let specials = inner.specials().clone();
        let tokenizer = WithAddedTokens::new(Box::new(inner), tokens.to_vec(), specials).unwrap();
        assert_eq!([0, 1, 2].map(|index| tokenizer.sentinel(index)), [Some(262), Some(261), None]);
        // Where the inner vocabulary has its own, they stay.
        let inner = crate::Bytes::default();
        let (tokens, own) = (inner.added_tokens(), inner.sentinel(0));
        let tokenizer = WithAddedTokens::new(Box::new(inner), tokens, Specials::default()).unwrap();
        assert_eq!((tokenizer.sentinel(0), tokenizer.sentinel(100)), (own, None));
    }

    #[test]
    fn normalized_tokens_are_searched_for_in_what_the_others_leave() {
        let tokens = vec![AddedToken { normalized: true, ..token(1, "a<s") }, token(2, "<s>")];
        assert_eq!(split(tokens, "a<s>"), [(None, "a"), (Some(2), "<s>")]);
    }
}
