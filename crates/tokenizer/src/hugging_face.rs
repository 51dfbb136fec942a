//! Tokenizers of Hugging Face's library, behind the cargo feature `hugging-face`.

use std::borrow::Cow;
use std::fs;
use std::ops::Range;
use std::panic;
use std::path::Path;

use rustc_hash::FxHashMap;
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Serialize};
use tokenizers::{Decoder as _, DecoderWrapper, Model as _, ModelWrapper};

use crate::byte_level::byte_char;
use crate::error::{TokenizerError, UnknownId};
use crate::file::Model;
use crate::specials::Specials;
use crate::tokenizer::{TokenId, Tokenizer};

/// A tokenizer of any kind that Hugging Face's library knows: whatever its `tokenizer.json` says.
///
/// Equals `tokenizers::Tokenizer` (0.23) without special tokens, truncation, padding and dropout. Special tokens are
/// those with a usual name: `<s>`, `<pad>`, `</s>`, `<unk>`, `<mask>`, `[PAD]`, `[UNK]`, `[CLS]`, `[SEP]`, `[MASK]`,
/// `<|endoftext|>`; text that looks like one stays text. Needs the cargo feature `hugging-face`, and so does reading
/// what [`save`](crate::save) writes of it.
///
/// ```no_run
/// use attentive_tokenizer::{HuggingFace, Tokenizer, save};
///
/// let tokenizer = HuggingFace::read("gpt2/tokenizer.json".as_ref())?;
/// let ids = tokenizer.encode("too tired");
/// save(&tokenizer, "runs/latest/tokenizer.json".as_ref())?;
/// # Ok::<(), attentive_tokenizer::TokenizerError>(())
/// ```
#[derive(Debug)]
pub struct HuggingFace {
    file: HuggingFaceFile,
    inner: tokenizers::Tokenizer,
    specials: Specials,
    vocab_size: usize,
    /// What the characters of tokens stand for, if these are bytes: the library's own decoder cuts no character.
    byte_of: Option<FxHashMap<char, u8>>,
}

/// What stands in our `tokenizer.json` for [`HuggingFace`]: the text of Hugging Face's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HuggingFaceFile {
    json: String,
}

impl HuggingFace {
    /// Reads the `tokenizer.json` of a Hugging Face model.
    ///
    /// # Errors
    /// [`Io`](TokenizerError::Io) if it cannot be read, [`Json`](TokenizerError::Json) if it is cut short or no such
    /// file, [`Invalid`](TokenizerError::Invalid) if its vocabulary lacks the token that stands for unknown text.
    pub fn read(path: &Path) -> Result<Self, TokenizerError> {
        let json = fs::read_to_string(path).map_err(TokenizerError::io(path))?;
        let inner = parse(&json).map_err(TokenizerError::json(path))?;
        Self::wrap(inner, HuggingFaceFile { json }).map_err(TokenizerError::invalid(path))
    }

    /// Checks and indexes what was read.
    pub(crate) fn new(file: HuggingFaceFile) -> Result<Self, String> {
        let inner = parse(&file.json).map_err(|error| format!("hugging_face.json: {error}"))?;
        Self::wrap(inner, file)
    }

    fn wrap(mut inner: tokenizers::Tokenizer, file: HuggingFaceFile) -> Result<Self, String> {
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| error.to_string())?;
        inner.set_encode_special_tokens(true);
        if let ModelWrapper::BPE(bpe) = inner.get_model()
            && bpe.dropout.is_some()
        {
            let mut bpe = bpe.clone();
            bpe.dropout = None;
            inner.with_model(bpe);
        }
        // A character that no vocabulary has shows whether there is a token for what is unknown.
        inner.get_model().tokenize("\u{10FFFD}").map_err(|error| error.to_string())?;
        let specials = Specials::named(|name| inner.token_to_id(name));
        // Ids may have gaps.
        let vocab_size = inner.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        let is_byte_level = matches!(inner.get_decoder(), Some(DecoderWrapper::ByteLevel(_)));
        let byte_of = is_byte_level.then(|| (0..=255).map(|byte| (byte_char(byte), byte)).collect());
        Ok(Self { file, inner, specials, vocab_size, byte_of })
    }
}

/// What the library makes of `json`. It panics at some damage, such as a cut or an unreadable table of a normaliser:
/// these are errors here.
fn parse(json: &str) -> serde_json::Result<tokenizers::Tokenizer> {
    serde_json::from_str::<IgnoredAny>(json)?;
    panic::catch_unwind(|| serde_json::from_str(json))
        .unwrap_or_else(|_| Err(serde_json::Error::custom("Hugging Face's library cannot read it")))
}

impl Tokenizer for HuggingFace {
    fn encode(&self, text: &str) -> Vec<TokenId> {
        match self.inner.encode_fast(text, false) {
            Ok(encoding) => encoding.get_ids().to_vec(),
            Err(_) => self.specials.unk.into_iter().collect(),
        }
    }

    fn encode_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        let Ok(encoding) = self.inner.encode(text, false) else {
            return self.specials.unk.map(|unk| (unk, 0..text.len())).into_iter().collect();
        };
        let spans = encoding.get_ids().iter().zip(encoding.get_offsets());
        let mut from = 0;
        let spans = spans.map(|(&id, &(start, end))| {
            // Normalisation may have moved what stands for a character before that of an earlier one.
            from = text.floor_char_boundary(start).max(from);
            (id, from..text.ceil_char_boundary(end).max(from))
        });
        spans.collect()
    }

    fn decode_bytes(&self, ids: &[TokenId]) -> Result<Vec<u8>, UnknownId> {
        let added = self.inner.get_added_vocabulary();
        let mut tokens = Vec::with_capacity(ids.len());
        for &id in ids {
            let token = self.inner.id_to_token(id).ok_or(UnknownId { id, vocab_size: self.vocab_size })?;
            if !self.specials.contains(id) && !added.is_special_token(&token) {
                tokens.push(token);
            }
        }
        let bytes = |token: &String| {
            // A token of other characters is one that was added, and is text.
            let byte_of = self.byte_of.as_ref()?;
            token.chars().map(|c| byte_of.get(&c).copied()).collect::<Option<Vec<u8>>>()
        };
        Ok(match self.inner.get_decoder() {
            Some(_) if self.byte_of.is_some() => {
                tokens.iter().flat_map(|token| bytes(token).unwrap_or_else(|| token.as_bytes().to_vec())).collect()
            }
            // No decoder of this version fails.
            Some(decoder) => decoder.decode(tokens).unwrap_or_default().into_bytes(),
            None => tokens.join(" ").into_bytes(),
        })
    }

    fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn specials(&self) -> &Specials {
        &self.specials
    }

    fn token(&self, id: TokenId) -> Option<Cow<'_, str>> {
        self.inner.id_to_token(id).map(Cow::Owned)
    }

    fn to_model(&self) -> Option<Model> {
        Some(Model::HuggingFace(self.file.clone()))
    }
}
