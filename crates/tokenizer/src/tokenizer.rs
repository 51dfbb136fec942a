//! The trait that every tokenizer implements.

use std::borrow::Cow;
use std::ops::Range;

use crate::added::{self, AddedToken, Finder};
use crate::error::UnknownId;
use crate::file::Model;
use crate::framing::{self, FrameError, Framing, PairFrame};
use crate::place::Place;
use crate::sampling::SampleStrength;
use crate::specials::Specials;

/// An index into a vocabulary.
pub type TokenId = u32;

/// A token of a text, and what it stands for there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The id.
    pub id: TokenId,
    /// The bytes of the text that it stands for, as [`Tokenizer::encode_with_offsets`] has them.
    pub range: Range<usize>,
    /// The number of the word that it is a part of, from 0; it never falls from one token to the next.
    pub word: usize,
}

impl Token {
    pub(crate) fn into_span(self) -> (TokenId, Range<usize>) {
        (self.id, self.range)
    }
}

/// Text to token ids and back.
///
/// Encoding cannot fail: what a vocabulary lacks becomes bytes or `<unk>`. Decoding is the inverse of encoding, byte
/// for byte, for every kind that does not normalise its input; it fails only for an id that is not in the vocabulary.
///
/// ```
/// use attentive_tokenizer::{BpeTrainer, Tokenizer};
///
/// let tokenizer: Box<dyn Tokenizer> = Box::new(BpeTrainer::with_merges(10).train(["too tired", "too wide"])?);
/// let ids = tokenizer.encode("too wide");
/// assert_eq!(tokenizer.token(ids[0]).as_deref(), Some("too</w>"));
/// assert_eq!(tokenizer.decode(&ids)?, "too wide");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Tokenizer: Send + Sync {
    /// The ids of `text`, without special tokens.
    fn encode(&self, text: &str) -> Vec<TokenId>;

    /// The ids of `text`, in which the names of special tokens are those tokens: `[MASK]`, `<|endoftext|>`.
    ///
    /// Everywhere else, text that looks like a special token stays text; what is added to the vocabulary and not special
    /// is found in either case. White space around a token belongs to it where [`added_tokens`](Self::added_tokens) say so.
    /// As in Hugging Face's library, with `split_special_tokens` false here and true in [`encode`](Self::encode).
    ///
    /// ```
    /// use attentive_tokenizer::{ByteLevelBpeTrainer, Tokenizer};
    ///
    /// let tokenizer = ByteLevelBpeTrainer::with_vocab_size(261).train(["a"])?;
    /// assert_eq!(tokenizer.encode_with_specials("<mask>"), [4]);
    /// assert_eq!(tokenizer.encode("<mask>").len(), 6);
    /// # Ok::<(), attentive_tokenizer::TokenizerError>(())
    /// ```
    fn encode_with_specials(&self, text: &str) -> Vec<TokenId> {
        added::encode_around(&Finder::new(self.added_tokens()), text, |part| self.encode(part))
    }

    /// The ids of a text to be written, without special tokens: those of [`encode`](Self::encode), unless sources and
    /// targets have vocabularies of their own.
    fn encode_target(&self, text: &str) -> Vec<TokenId> {
        self.encode(text)
    }

    /// The ids of `text`, each with the byte range of `text` that it stands for.
    ///
    /// Ranges begin and end at character boundaries and never run backwards. Tokens that stand for a part of a
    /// character share the range of that character; a token without text of its own has an empty range.
    fn encode_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)>;

    /// The ids of [`encode_target`](Self::encode_target), each with the byte range of `text` that it stands for, as
    /// [`encode_with_offsets`](Self::encode_with_offsets) has them.
    fn encode_target_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        self.encode_with_offsets(text)
    }

    /// The tokens of `text`, those of [`encode_with_offsets`](Self::encode_with_offsets), with their words.
    ///
    /// A word is what the vocabulary never merges beyond: WordPiece's words and marks, byte-level BPE's pieces. Kinds that
    /// do not split a text first have the words between white space.
    ///
    /// ```
    /// use attentive_tokenizer::{Tokenizer, WordPieceTrainer};
    ///
    /// let tokenizer = WordPieceTrainer::with_vocab_size(60).train(["too wide", "too tired"])?;
    /// let tokens = tokenizer.encode_with_words("too wide!");
    /// assert_eq!(tokens.last().map(|token| (token.range.clone(), token.word)), Some((8..9, 2)));
    /// # Ok::<(), attentive_tokenizer::TokenizerError>(())
    /// ```
    fn encode_with_words(&self, text: &str) -> Vec<Token> {
        between_spaces(text, self.encode_with_offsets(text))
    }

    /// What the entries of tokens that continue a word begin with, `##` in WordPiece, if the vocabulary marks them.
    fn continuation(&self) -> Option<&str> {
        None
    }

    /// The ids of one of the many segmentations of `text`, drawn at random: subword regularisation for training.
    ///
    /// A `strength` of 0 gives [`encode`](Self::encode)'s segmentation, and the same seed gives the same one. For
    /// byte-pair encoding `strength` is the probability p of BPE-dropout (Provilkov et al. 2020; there 0.1), for
    /// Unigram models the temperature 1/α (Kudo 2018; there α = 0.1 to 0.5, so 10 to 2). Kinds with one segmentation
    /// only give that.
    fn sample(&self, text: &str, strength: f64, seed: u64) -> Vec<TokenId> {
        let _ = (strength, seed);
        self.encode(text)
    }

    /// As [`sample`](Self::sample), of a text to be written: a segmentation into the ids of
    /// [`encode_target`](Self::encode_target).
    fn sample_target(&self, text: &str, strength: f64, seed: u64) -> Vec<TokenId> {
        self.sample(text, strength, seed)
    }

    /// What the strength of [`sample`](Self::sample) is; `None` for kinds with one segmentation of a text.
    fn sample_strength(&self) -> Option<SampleStrength> {
        None
    }

    /// The bytes that `ids` stand for; special tokens stand for none.
    ///
    /// # Errors
    /// [`UnknownId`] if an id is not in the vocabulary.
    fn decode_bytes(&self, ids: &[TokenId]) -> Result<Vec<u8>, UnknownId>;

    /// The text that `ids` stand for; bytes that are not UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// [`UnknownId`] if an id is not in the vocabulary.
    fn decode(&self, ids: &[TokenId]) -> Result<String, UnknownId> {
        let bytes = self.decode_bytes(ids)?;
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// The bytes that the token `id` writes where a text has come to `place`, and where the text is then; an id that is not in
    /// the vocabulary writes nothing.
    ///
    /// From [`Place::Start`] on, the bytes of a text's tokens one after another are those of
    /// [`decode_bytes`](Self::decode_bytes), if they are UTF-8, the space left out that may be due at the end. `None` where what
    /// a token writes depends on more than the place: the kinds of translators, decoders of Hugging Face's library that join
    /// tokens otherwise.
    ///
    /// ```
    /// use attentive_tokenizer::{BpeTrainer, Place, Tokenizer};
    ///
    /// let tokenizer = BpeTrainer::with_merges(10).train(["too tired", "too wide"])?;
    /// let too = tokenizer.encode("too")[0]; // too</w>
    /// assert_eq!(tokenizer.written(Place::Start, too), Some((b"too".to_vec(), Place::AfterWord)));
    /// assert_eq!(tokenizer.written(Place::AfterWord, too), Some((b" too".to_vec(), Place::AfterWord)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn written(&self, place: Place, id: TokenId) -> Option<(Vec<u8>, Place)> {
        let _ = (place, id);
        None
    }

    /// The number of ids: every id is below it.
    fn vocab_size(&self) -> usize;

    /// The number of ids of the vocabulary that sources have: [`vocab_size`](Self::vocab_size), unless sources and targets
    /// have vocabularies of their own. Every id that [`encode`](Self::encode) gives is below it.
    fn source_vocab_size(&self) -> usize {
        self.vocab_size()
    }

    /// The ids with a meaning of their own: padding, begin and end of a sequence, and so on.
    fn specials(&self) -> &Specials;

    /// How the encoder–decoder of this tokenizer has its texts framed, where it is not by the end after a source and the
    /// beginning before a target.
    fn framing(&self) -> Option<&Framing> {
        None
    }

    /// What stands around a source and before a target; `source` and `target` are names of languages, for models that are
    /// told them, in place of the usual ones.
    ///
    /// # Errors
    /// [`FrameError`]: a special token or a language is missing, a language is unknown, or the model is not told any.
    fn pair_frame(&self, source: Option<&str>, target: Option<&str>) -> Result<PairFrame, FrameError> {
        match self.framing() {
            Some(framing) => framing.between(source, target),
            None => {
                framing::refuse_languages(source.or(target))?;
                framing::plain(self.specials())
            }
        }
    }

    /// The id that stands for the hidden span of this index in span corruption, if the vocabulary has sentinels: T5's
    /// `<extra_id_0>` … (Raffel et al. 2020, §3.1.4).
    fn sentinel(&self, index: usize) -> Option<TokenId> {
        let _ = index;
        None
    }

    /// The vocabulary entry of `id`, as it is written in vocabulary files and shown to people.
    fn token(&self, id: TokenId) -> Option<Cow<'_, str>>;

    /// The entry of `id` in the vocabulary that sources have: [`token`](Self::token), unless sources and targets have
    /// vocabularies of their own.
    fn source_token(&self, id: TokenId) -> Option<Cow<'_, str>> {
        self.token(id)
    }

    /// The tokens that a text is searched for before it is tokenized: the special ones, which
    /// [`encode`](Self::encode) leaves alone, and those that were added to the vocabulary.
    fn added_tokens(&self) -> Vec<AddedToken> {
        added::of_specials(self)
    }

    /// The content of this tokenizer's file, which [`save`](crate::save) writes; `None` if there is no file for it.
    fn to_model(&self) -> Option<Model> {
        None
    }
}

/// Appends tokens that stand for `text` from `start` on, each of a length in bytes; returns where the last one ends.
pub(crate) fn push_spans(
    text: &str,
    mut start: usize,
    tokens: impl IntoIterator<Item = (TokenId, usize)>,
    spans: &mut Vec<(TokenId, Range<usize>)>,
) -> usize {
    for (id, len) in tokens {
        let end = start + len;
        // Parts of one character share its range.
        spans.push((id, text.floor_char_boundary(start)..text.ceil_char_boundary(end)));
        start = end;
    }
    start
}

/// Tokens with their words, which are what stands between white space.
fn between_spaces(text: &str, spans: Vec<(TokenId, Range<usize>)>) -> Vec<Token> {
    let starts = text.split_whitespace().map(|word| word.as_ptr() as usize - text.as_ptr() as usize);
    let mut starts = starts.skip(1).peekable();
    let mut word = 0;
    let spans = spans.into_iter().map(|(id, range)| {
        // The space before a word may belong to its token.
        let own = text[range.clone()].trim_start();
        let start = range.end - own.len();
        while starts.next_if(|&next| next <= start).is_some() {
            word += 1;
        }
        Token { id, range, word }
    });
    spans.collect()
}
