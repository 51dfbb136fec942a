//! Tokenizers of Hugging Face's library.

use std::borrow::Cow;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::OnceLock;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use tokenizers::models::unigram::Unigram;
use tokenizers::{Decoder as _, DecoderWrapper, Model as _, ModelWrapper};

use crate::added::AddedToken;
use crate::byte_level::byte_char;
use crate::bytes::parse_byte_token;
use crate::error::{Problem, TokenizerError, UnknownId};
use crate::file::Model;
use crate::files;
use crate::patterns;
use crate::place::Place;
use crate::sentencepiece::SentencePieceFile;
use crate::specials::{SpecialNames, Specials};
use crate::tokenizer::{Token, TokenId, Tokenizer};
use crate::unigram_json;
use crate::white_space::trim_python;

/// A tokenizer of any kind that Hugging Face's library knows: whatever its `tokenizer.json` says.
///
/// Equals `tokenizers::Tokenizer` (0.23) without truncation, padding and dropout; what a template puts around a text is
/// left to the caller. Special tokens are those that a folder's settings name, else those with a usual name: `<s>`,
/// `<pad>`, `</s>`, `<unk>`, `<mask>`, `[PAD]`, `[UNK]`, `[CLS]`, `[SEP]`, `[MASK]`, `<|endoftext|>`. Made by
/// [`read`](Self::read), [`open`](crate::open) or [`load`](crate::load).
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
    /// The same, which finds special tokens in a text; made when it is first needed.
    with_specials: OnceLock<tokenizers::Tokenizer>,
    specials: Specials,
    vocab_size: usize,
    /// What the characters of tokens stand for, if these are bytes: the library's own decoder cuts no character.
    byte_of: Option<FxHashMap<char, u8>>,
    /// What ends the last token of a word and is written as a space, as in CLIP.
    word_end: Option<String>,
    sentinels: Vec<TokenId>,
    /// How tokens are decoded one by one, if they can be.
    steps: Option<Steps>,
}

/// How a decoder of the library decodes tokens one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Steps {
    /// Whether the first token may be decoded otherwise than others.
    knows_start: bool,
    /// Whether tokens as `<0xE4>` are bytes.
    has_bytes: bool,
}

impl Steps {
    /// Of a decoder as it is in JSON; `None` where what a token is decoded to depends on others.
    fn of(decoder: &serde_json::Value) -> Option<Self> {
        let kind = decoder["type"].as_str()?;
        let parts =
            if kind == "Sequence" { &decoder["decoders"].as_array()?[..] } else { std::slice::from_ref(decoder) };
        let mut steps = Self { knows_start: false, has_bytes: false };
        let mut is_fused = false;
        for part in parts {
            match part["type"].as_str()? {
                "ByteLevel" if parts.len() == 1 => {}
                "Fuse" => is_fused = true,
                "Strip" if part["start"].as_u64()? <= 1 && part["stop"] == 0 => steps.knows_start = true,
                "Replace" if !is_fused && part["pattern"]["String"].is_string() => {}
                "ByteFallback" if !is_fused => steps.has_bytes = true,
                "Metaspace" if !is_fused => steps.knows_start = true,
                _ => return None,
            }
        }
        Some(steps)
    }
}

/// What stands in our `tokenizer.json` for [`HuggingFace`]: the text of Hugging Face's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HuggingFaceFile {
    json: String,
    /// Those that the settings beside it name; without them, those with a usual name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    specials: Option<Specials>,
    /// Whether scores are those of the file to the last bit, as for the classes of transformers; the library itself reads
    /// some one bit off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    exact_scores: bool,
}

impl HuggingFaceFile {
    pub(crate) fn json(&self) -> &str {
        &self.json
    }

    /// What BERT's normaliser does with case, if it is that.
    pub(crate) fn lowercase(&self) -> Option<bool> {
        let file: serde_json::Value = serde_json::from_str(&self.json).ok()?;
        let normalizer = &file["normalizer"];
        normalizer["lowercase"].as_bool().filter(|_| normalizer["type"] == "BertNormalizer")
    }

    /// Whether its model is BPE, which alone has merges.
    pub(crate) fn is_bpe(&self) -> bool {
        serde_json::from_str(&self.json).is_ok_and(|file: serde_json::Value| file["model"]["merges"].is_array())
    }

    /// Whether its decoder is WordPiece's and leaves out spaces before marks and contractions.
    pub(crate) fn cleans_up(&self) -> bool {
        serde_json::from_str(&self.json).is_ok_and(|file: serde_json::Value| file["decoder"]["cleanup"] == true)
    }

    /// The SentencePiece model that it has the pieces of.
    pub(crate) fn sentencepiece(&self) -> Option<SentencePieceFile> {
        let specials = HuggingFace::new(self.clone()).ok()?.specials;
        unigram_json::sentencepiece(&self.json, &specials)
    }
}

impl HuggingFace {
    /// Reads the `tokenizer.json` of a Hugging Face model.
    ///
    /// # Errors
    /// [`Io`](TokenizerError::Io) if it cannot be read, [`Json`](TokenizerError::Json) if it is cut short or is not
    /// JSON, [`Library`](TokenizerError::Library) if the library cannot read it,
    /// [`Invalid`](TokenizerError::Invalid) if its vocabulary lacks the token that stands for unknown text.
    pub fn read(path: &Path) -> Result<Self, TokenizerError> {
        Self::from_json(path, files::read_text(path)?, &SpecialNames::new(), false)
    }

    /// Of the text of a file; `names` are those of special tokens that settings give.
    pub(crate) fn from_json(
        path: &Path,
        json: String,
        names: &SpecialNames,
        exact_scores: bool,
    ) -> Result<Self, TokenizerError> {
        serde_json::from_str::<serde::de::IgnoredAny>(&json).map_err(TokenizerError::json(path))?;
        let read =
            patterns::as_in_python(&json).map_err(Problem::Unsupported).map_err(TokenizerError::invalid(path))?;
        let inner = parse(&read).map_err(|reason| TokenizerError::Library { path: path.to_owned(), reason })?;
        let id_of = |name: &str| inner.token_to_id(name);
        // Where some are named, the others are those that the file lists; what is unknown need not be a token of text.
        let listed = |name: &str| id_of(name).filter(|_| inner.get_added_vocabulary().is_special_token(name));
        let usual = || Specials { unk: Specials::named(id_of).unk, ..Specials::named(listed) };
        let specials = (!names.is_empty()).then(|| usual().renamed(names, id_of));
        Self::wrap(inner, HuggingFaceFile { json, specials, exact_scores }).map_err(TokenizerError::invalid(path))
    }

    /// Checks and indexes what was read.
    pub(crate) fn new(file: HuggingFaceFile) -> Result<Self, String> {
        let read = patterns::as_in_python(&file.json);
        let inner = read.and_then(|json| parse(&json)).map_err(|error| format!("hugging_face.json: {error}"))?;
        Self::wrap(inner, file)
    }

    fn wrap(mut inner: tokenizers::Tokenizer, file: HuggingFaceFile) -> Result<Self, String> {
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| error.to_string())?;
        inner.set_encode_special_tokens(true);
        let mut word_end = None;
        if let ModelWrapper::BPE(bpe) = inner.get_model() {
            word_end = bpe.end_of_word_suffix.clone().filter(|suffix| !suffix.is_empty());
            if bpe.dropout.is_some() {
                let mut bpe = bpe.clone();
                bpe.dropout = None;
                inner.with_model(bpe);
            }
        }
        if let (true, ModelWrapper::Unigram(unigram)) = (file.exact_scores, inner.get_model())
            && let Some(scores) = unigram_json::exact_scores(&file.json)
            && !unigram.iter().map(|&(_, score)| score).eq(scores.iter().copied())
        {
            let vocab = unigram.iter().zip(scores).map(|((piece, _), score)| (piece.clone(), score)).collect();
            let unk = unigram_json::unk_id(&file.json);
            let exact = Unigram::from(vocab, unk, unigram.byte_fallback()).map_err(|error| error.to_string())?;
            inner.with_model(exact);
        }
        // A character that no vocabulary has shows whether there is a token for what is unknown, unless texts are cut into bytes.
        let words = inner.get_pre_tokenizer().and_then(|words| serde_json::to_string(words).ok());
        if words.is_none_or(|words| !words.contains("\"ByteLevel\"")) {
            inner.get_model().tokenize("\u{10FFFD}").map_err(|error| error.to_string())?;
        }
        // Ids may have gaps.
        let vocab_size = inner.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        let usual = || Specials::named(|name| inner.token_to_id(name));
        let specials = file.specials.clone().unwrap_or_else(usual);
        specials.check(vocab_size)?;
        let sentinels = (0..).map_while(|index| inner.token_to_id(&format!("<extra_id_{index}>"))).collect();
        let is_byte_level = matches!(inner.get_decoder(), Some(DecoderWrapper::ByteLevel(_)));
        let byte_of = is_byte_level.then(|| (0..=255).map(|byte| (byte_char(byte), byte)).collect());
        let decoder = inner.get_decoder().and_then(|decoder| serde_json::to_value(decoder).ok());
        let steps = decoder.filter(|_| word_end.is_none()).and_then(|decoder| Steps::of(&decoder));
        let with_specials = OnceLock::new();
        Ok(Self { file, inner, with_specials, specials, vocab_size, byte_of, word_end, sentinels, steps })
    }

    fn parsing_specials(&self) -> &tokenizers::Tokenizer {
        self.with_specials.get_or_init(|| {
            let mut other = self.inner.clone();
            other.set_encode_special_tokens(false);
            other
        })
    }

    /// What `by` makes of `text`; unknown text if it fails, or panics at a file's damage that only shows now.
    fn ids(&self, by: &tokenizers::Tokenizer, text: &str) -> Vec<TokenId> {
        match panic::catch_unwind(AssertUnwindSafe(|| by.encode_fast(text, false))) {
            Ok(Ok(encoding)) => encoding.get_ids().to_vec(),
            _ => self.specials.unk.into_iter().collect(),
        }
    }

    /// The bytes of a token, if its characters stand for bytes; of others, which were added, the text.
    fn bytes_of(&self, byte_of: &FxHashMap<char, u8>, token: &str) -> Vec<u8> {
        let (text, ends_word) = match self.word_end.as_deref().and_then(|end| token.strip_suffix(end)) {
            Some(text) => (text, true),
            None => (token, false),
        };
        let bytes: Option<Vec<u8>> = text.chars().map(|c| byte_of.get(&c).copied()).collect();
        let mut bytes = bytes.unwrap_or_else(|| text.as_bytes().to_vec());
        if ends_word {
            bytes.push(b' ');
        }
        bytes
    }
}

/// What the library makes of `json`. It panics at some damage, such as an unreadable table of a normaliser: these are
/// errors here.
fn parse(json: &str) -> Result<tokenizers::Tokenizer, String> {
    match panic::catch_unwind(|| json.parse::<tokenizers::Tokenizer>()) {
        Ok(parsed) => parsed.map_err(|error| without_types(&error.to_string())),
        Err(_) => Err("it panics at it".to_owned()),
    }
}

/// A message of the library that names the part of a file, and not the type that the library has for it.
fn without_types(message: &str) -> String {
    const UNKNOWN: &str = "data did not match any variant of untagged enum ";
    let Some((before, after)) = message.split_once(UNKNOWN) else { return message.to_owned() };
    let (name, rest) = after.split_at(after.find(|c: char| !c.is_alphanumeric()).unwrap_or(after.len()));
    let part = match name.trim_end_matches("Untagged").trim_end_matches("Wrapper") {
        "Normalizer" => "normalizer",
        "PreTokenizer" => "pre_tokenizer",
        "Model" => "model",
        "PostProcessor" => "post_processor",
        "Decoder" => "decoder",
        _ => "part",
    };
    format!("{before}it has a {part} of an unknown kind{rest}")
}

impl Tokenizer for HuggingFace {
    fn encode(&self, text: &str) -> Vec<TokenId> {
        self.ids(&self.inner, text)
    }

    fn encode_with_specials(&self, text: &str) -> Vec<TokenId> {
        self.ids(self.parsing_specials(), text)
    }

    fn encode_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        self.encode_with_words(text).into_iter().map(Token::into_span).collect()
    }

    fn encode_with_words(&self, text: &str) -> Vec<Token> {
        let Ok(Ok(encoding)) = panic::catch_unwind(AssertUnwindSafe(|| self.inner.encode(text, false))) else {
            return self.specials.unk.map(|id| Token { id, range: 0..text.len(), word: 0 }).into_iter().collect();
        };
        let tokens = encoding.get_ids().iter().zip(encoding.get_offsets()).zip(encoding.get_word_ids());
        let (mut from, mut word) = (0, 0);
        let tokens = tokens.map(|((&id, &(start, end)), in_word)| {
            // Normalisation may have moved what stands for a character before that of an earlier one.
            from = text.floor_char_boundary(start).max(from);
            word = in_word.map_or(word, |in_word| word.max(in_word as usize));
            Token { id, range: from..text.ceil_char_boundary(end).max(from), word }
        });
        tokens.collect()
    }

    fn continuation(&self) -> Option<&str> {
        let prefix = match self.inner.get_model() {
            ModelWrapper::WordPiece(model) => Some(&model.continuing_subword_prefix),
            ModelWrapper::BPE(model) => model.continuing_subword_prefix.as_ref(),
            _ => None,
        };
        prefix.map(String::as_str).filter(|prefix| !prefix.is_empty())
    }

    fn decode_bytes(&self, ids: &[TokenId]) -> Result<Vec<u8>, UnknownId> {
        let added = self.inner.get_added_vocabulary();
        let mut tokens = Vec::with_capacity(ids.len());
        for &id in ids {
            let token = self.inner.id_to_token(id).ok_or(UnknownId { id, vocab_size: self.vocab_size })?;
            // Unknown text that is not a special token is written by its name, as in transformers.
            let is_left_out = self.specials.contains(id) && self.specials.unk != Some(id);
            if !is_left_out && !added.is_special_token(&token) {
                tokens.push(token);
            }
        }
        Ok(match (self.inner.get_decoder(), &self.byte_of) {
            (_, Some(byte_of)) => {
                let bytes: Vec<u8> = tokens.iter().flat_map(|token| self.bytes_of(byte_of, token)).collect();
                if self.word_end.is_some() { trim_python(bytes) } else { bytes }
            }
            (Some(decoder), None) => panic::catch_unwind(AssertUnwindSafe(|| decoder.decode(tokens)))
                .ok()
                .and_then(Result::ok)
                .unwrap_or_default()
                .into_bytes(),
            (None, None) => tokens.join(" ").into_bytes(),
        })
    }

    fn written(&self, place: Place, id: TokenId) -> Option<(Vec<u8>, Place)> {
        let steps = self.steps?;
        let Some(token) = self.inner.id_to_token(id) else { return Some((Vec::new(), place)) };
        let is_left_out = self.specials.contains(id) && self.specials.unk != Some(id);
        if is_left_out || self.inner.get_added_vocabulary().is_special_token(&token) {
            return Some((Vec::new(), place));
        }
        if let Some(byte_of) = &self.byte_of {
            return Some((self.bytes_of(byte_of, &token), place));
        }
        let next = if steps.knows_start { Place::Inside } else { Place::Start };
        // The library knows no part of a character.
        if let Some(byte) = parse_byte_token(&token).filter(|byte| steps.has_bytes && !byte.is_ascii()) {
            return Some((vec![byte], next));
        }
        let decode = |tokens: Vec<String>| self.inner.get_decoder()?.decode(tokens).ok();
        let text = match place {
            Place::Start => decode(vec![token])?,
            _ => decode(vec!["a".to_owned(), token])?.strip_prefix('a')?.to_owned(),
        };
        Some((text.into_bytes(), next))
    }

    fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn specials(&self) -> &Specials {
        &self.specials
    }

    fn sentinel(&self, index: usize) -> Option<TokenId> {
        self.sentinels.get(index).copied()
    }

    fn added_tokens(&self) -> Vec<AddedToken> {
        let added = self.inner.get_added_tokens_decoder();
        let mut tokens: Vec<_> = added
            .iter()
            .map(|(&id, token)| AddedToken {
                id,
                content: token.content.clone(),
                special: token.special,
                lstrip: token.lstrip,
                rstrip: token.rstrip,
                single_word: token.single_word,
                normalized: token.normalized,
            })
            .collect();
        tokens.sort_by_key(|token| token.id);
        tokens
    }

    fn token(&self, id: TokenId) -> Option<Cow<'_, str>> {
        self.inner.id_to_token(id).map(Cow::Owned)
    }

    fn to_model(&self) -> Option<Model> {
        Some(Model::HuggingFace(self.file.clone()))
    }
}
