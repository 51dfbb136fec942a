//! Hugging Face's `tokenizer.json`.

use std::collections::BTreeMap;
use std::path::Path;

use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::added::{AddedToken, WithAddedTokens};
use crate::byte_level::{ByteLevelBpe, ByteLevelFile};
use crate::error::{Problem, TokenizerError};
use crate::files;
use crate::framing::Frame;
use crate::hugging_face::HuggingFace;
use crate::open::frame_of;
use crate::specials::{SpecialNames, Specials};
use crate::tokenizer::{TokenId, Tokenizer};
use crate::vocabulary;
use crate::wordpiece::{CONTINUATION, MAX_WORD_LEN, WordPiece, WordPieceFile};

#[derive(Deserialize)]
struct Bytes {
    vocab: FxHashMap<String, TokenId>,
    merges: Vec<Merge>,
}

/// A merge, as files of today and of before 2024 have it.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a merge: two tokens, or a text with a space between them")]
enum Merge {
    Pair(String, String),
    Line(String),
}

/// Reads Hugging Face's `tokenizer.json` of any kind.
///
/// BERT's WordPiece and GPT-2's and RoBERTa's byte-level BPE become a [`WordPiece`] or a [`ByteLevelBpe`], with their
/// added tokens around them if there are any; everything else a [`HuggingFace`].
///
/// # Errors
/// [`Io`](TokenizerError::Io) if it cannot be read, [`Json`](TokenizerError::Json) if it is damaged,
/// [`Library`](TokenizerError::Library) if it describes what version 0.23 of the library does not know,
/// [`Invalid`](TokenizerError::Invalid) if its parts contradict each other.
///
/// ```no_run
/// let tokenizer = attentive_tokenizer::from_tokenizer_json("roberta-base/tokenizer.json".as_ref())?;
/// # Ok::<(), attentive_tokenizer::TokenizerError>(())
/// ```
pub fn from_tokenizer_json(path: &Path) -> Result<Box<dyn Tokenizer>, TokenizerError> {
    let text = files::read_text(path)?;
    let value = serde_json::from_str(&text).map_err(TokenizerError::json(path))?;
    read(path, &value, Some(text), &SpecialNames::new(), false)
}

/// What `value` describes; `text` is its text, if there is one. `names` are those of special tokens that settings give;
/// `of_class` says whether a class of transformers reads it, and not the library alone.
pub(crate) fn read(
    path: &Path,
    value: &Value,
    text: Option<String>,
    names: &SpecialNames,
    of_class: bool,
) -> Result<Box<dyn Tokenizer>, TokenizerError> {
    if let Some(ours) = ours(value, names) {
        return Ok(ours);
    }
    let text = text.unwrap_or_else(|| value.to_string());
    Ok(Box::new(HuggingFace::from_json(path, text, names, of_class)?))
}

/// The `tokenizer.json` of byte-level BPE, with tokens `added` to its vocabulary, and a `frame` around texts.
pub(crate) fn of_byte_level(file: &ByteLevelFile, added: &[AddedToken], frame: &Frame) -> String {
    let ByteLevelFile { specials, vocab, merges } = file;
    let byte_level = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true });
    let parts = Parts {
        normalizer: Value::Null,
        pre_tokenizer: byte_level.clone(),
        unframed: byte_level.clone(),
        decoder: byte_level,
        model: json!({ "type": "BPE", "vocab": by_token(vocab), "merges": merges, "unk_token": null, "byte_fallback": false }),
    };
    // As `ByteLevelBpe::added_tokens` has it.
    let strips = |token: AddedToken| AddedToken { lstrip: Some(token.id) == specials.mask, ..token };
    let own = special_tokens(specials, vocab).map(strips);
    parts.file(own, vocab, added, frame)
}

/// The `tokenizer.json` of WordPiece, as [`of_byte_level`]'s.
pub(crate) fn of_wordpiece(file: &WordPieceFile, added: &[AddedToken], frame: &Frame) -> String {
    let WordPieceFile { lowercase, vocab } = file;
    let ids: FxHashMap<&str, TokenId> = vocab.iter().map(String::as_str).zip(0..).collect();
    let parts = Parts {
        normalizer: json!({
            "type": "BertNormalizer",
            "clean_text": true,
            "handle_chinese_chars": true,
            "strip_accents": null,
            "lowercase": lowercase,
        }),
        pre_tokenizer: json!({ "type": "BertPreTokenizer" }),
        unframed: Value::Null,
        decoder: json!({ "type": "WordPiece", "prefix": CONTINUATION, "cleanup": true }),
        model: json!({
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": CONTINUATION,
            "max_input_chars_per_word": MAX_WORD_LEN,
            "vocab": by_token(vocab),
        }),
    };
    let specials = Specials::named(|name| ids.get(name).copied());
    parts.file(special_tokens(&specials, vocab), vocab, added, frame)
}

/// The text of a file, with a `frame` around texts if it puts nothing there; all else to the last digit.
pub(crate) fn framed(json: &str, frame: &Frame) -> String {
    let with_frame = || {
        let file: Value = serde_json::from_str(json).ok()?;
        frame_of(&file).filter(|own| own.before.is_empty() && own.after.is_empty())?;
        let in_vocabulary = ids(&file["model"]["vocab"]).into_iter().map(|(name, id)| (id, name.to_owned()));
        let added = added_tokens(&file).into_iter().map(|token| (token.id, token.content));
        let names: FxHashMap<TokenId, String> = in_vocabulary.chain(added).collect();
        let post_processor = template(frame, |id| names.get(id))?;
        let mut parts: BTreeMap<String, Box<RawValue>> = serde_json::from_str(json).ok()?;
        parts.insert("post_processor".to_owned(), RawValue::from_string(post_processor.to_string()).ok()?);
        serde_json::to_string(&parts).ok()
    };
    with_frame().unwrap_or_else(|| json.to_owned())
}

/// The special tokens of a vocabulary.
fn special_tokens(specials: &Specials, vocab: &[String]) -> impl Iterator<Item = AddedToken> {
    specials.iter().filter_map(move |id| Some(AddedToken::special(id, vocab.get(id as usize)?)))
}

/// A vocabulary as the ids of its entries.
fn by_token(vocab: &[String]) -> BTreeMap<&str, usize> {
    vocab.iter().map(String::as_str).zip(0..).collect()
}

/// The parts of a `tokenizer.json` that kinds differ in.
struct Parts {
    normalizer: Value,
    pre_tokenizer: Value,
    /// The post-processor where nothing is around texts.
    unframed: Value,
    decoder: Value,
    model: Value,
}

impl Parts {
    /// The file, with the special tokens of the vocabulary and those `added` to it, and a `frame` around texts.
    fn file(
        self,
        own: impl Iterator<Item = AddedToken>,
        vocab: &[String],
        added: &[AddedToken],
        frame: &Frame,
    ) -> String {
        let own = own.filter(|own| added.iter().all(|token| token.id != own.id));
        let mut tokens: Vec<AddedToken> = own.chain(added.iter().cloned()).collect();
        tokens.sort_by_key(|token| token.id);
        tokens.dedup_by_key(|token| token.id);
        let added_tokens: Vec<Value> = tokens
            .iter()
            .map(|AddedToken { id, content, special, lstrip, rstrip, single_word, normalized }| {
                json!({
                    "id": id,
                    "content": content,
                    "special": special,
                    "lstrip": lstrip,
                    "rstrip": rstrip,
                    "single_word": single_word,
                    "normalized": normalized,
                })
            })
            .collect();
        let name = |id: &TokenId| {
            let added = tokens.iter().find(|token| token.id == *id).map(|token| &token.content);
            added.or(vocab.get(*id as usize))
        };
        let Self { normalizer, pre_tokenizer, unframed, decoder, model } = self;
        let file = json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": added_tokens,
            "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer,
            "post_processor": template(frame, name).unwrap_or(unframed),
            "decoder": decoder,
            "model": model,
        });
        file.to_string()
    }
}

/// The post-processor that puts tokens, whose names are known, around texts; `None` where nothing is around them.
fn template<'a>(frame: &Frame, name: impl Fn(&TokenId) -> Option<&'a String>) -> Option<Value> {
    let Frame { before, after, between } = frame;
    if before.is_empty() && after.is_empty() {
        return None;
    }
    // Where nothing says what is between two texts, each has its own.
    let between = between.clone().unwrap_or_else(|| [&after[..], before].concat());
    let of = |ids: &[TokenId], type_id: u8| -> Vec<Value> {
        let special = |name| json!({ "SpecialToken": { "id": name, "type_id": type_id } });
        ids.iter().filter_map(&name).map(special).collect()
    };
    let text = |id: &str, type_id: u8| vec![json!({ "Sequence": { "id": id, "type_id": type_id } })];
    let specials = [before, after, &between].into_iter().flatten();
    let specials: Map<String, Value> = specials
        .filter_map(|id| Some((id, name(id)?)))
        .map(|(id, name)| (name.clone(), json!({ "id": name, "ids": [id], "tokens": [name] })))
        .collect();
    let single = [of(before, 0), text("A", 0), of(after, 0)].concat();
    let pair = [of(before, 0), text("A", 0), of(&between, 0), text("B", 1), of(after, 1)].concat();
    Some(json!({
        "type": "TemplateProcessing",
        "single": single,
        "pair": pair,
        "special_tokens": specials,
    }))
}

/// Whether `value` is a `tokenizer.json` of Hugging Face's, of whatever kind.
pub(crate) fn is_theirs(value: &Value) -> bool {
    value["model"].is_object() && value.get("format").is_none()
}

/// The ids of a vocabulary, which is a map or a list.
pub(crate) fn ids(vocab: &Value) -> FxHashMap<&str, TokenId> {
    let id = |id: &Value| TokenId::try_from(id.as_u64()?).ok();
    match vocab {
        Value::Object(ids) => ids.iter().filter_map(|(name, value)| Some((name.as_str(), id(value)?))).collect(),
        // The first of equal pieces counts.
        Value::Array(pieces) => {
            let pieces = pieces.iter().enumerate().rev();
            pieces.filter_map(|(id, piece)| Some((piece.get(0).unwrap_or(piece).as_str()?, id as TokenId))).collect()
        }
        _ => FxHashMap::default(),
    }
}

/// The added tokens of the file.
pub(crate) fn added_tokens(value: &Value) -> Vec<AddedToken> {
    #[derive(Deserialize)]
    struct Entry {
        id: TokenId,
        content: String,
        #[serde(default)]
        special: bool,
        #[serde(default)]
        lstrip: bool,
        #[serde(default)]
        rstrip: bool,
        #[serde(default)]
        single_word: bool,
        #[serde(default)]
        normalized: bool,
    }
    let entries = value["added_tokens"].as_array().into_iter().flatten();
    let entries = entries.filter_map(|entry| Entry::deserialize(entry).ok());
    let tokens = entries.map(|Entry { id, content, special, lstrip, rstrip, single_word, normalized }| AddedToken {
        id,
        content,
        special,
        lstrip,
        rstrip,
        single_word,
        normalized,
    });
    tokens.collect()
}

/// The file as a kind of ours that does the same, if there is one.
fn ours(value: &Value, names: &SpecialNames) -> Option<Box<dyn Tokenizer>> {
    let added = added_tokens(value);
    let (inner, searches_normalized): (Box<dyn Tokenizer>, bool) = match value["model"]["type"].as_str() {
        Some("WordPiece") => (Box::new(wordpiece(value, &added)?), true),
        Some("BPE") => {
            let inner = byte_level(value)?;
            // A token with the name of a special one that the file does not list is text there.
            let is_listed = |token: &AddedToken| added.iter().any(|listed| listed.content == token.content);
            if !inner.added_tokens().iter().all(is_listed) {
                return None;
            }
            (Box::new(inner), false)
        }
        _ => return None,
    };
    // What is searched for in normalised text is found by their library alone.
    if searches_normalized && added.iter().any(|token| token.normalized) {
        return None;
    }
    with_added(inner, added, names).ok()
}

/// `inner` with the added tokens around it that say more than its special tokens do, and the special tokens of `names`.
pub(crate) fn with_added(
    inner: Box<dyn Tokenizer>,
    added: Vec<AddedToken>,
    names: &SpecialNames,
) -> Result<Box<dyn Tokenizer>, Problem> {
    let id_of = |name: &str| {
        let of_added = added.iter().find(|token| token.content == name).map(|token| token.id);
        of_added.or_else(|| inner.added_tokens().iter().find(|token| token.content == name).map(|token| token.id))
    };
    let usual = Specials::named(id_of);
    let either = |of_inner: Option<TokenId>, of_added: Option<TokenId>| of_inner.or(of_added);
    let of_inner = inner.specials();
    let specials = Specials {
        pad: either(of_inner.pad, usual.pad),
        bos: either(of_inner.bos, usual.bos),
        eos: either(of_inner.eos, usual.eos),
        unk: either(of_inner.unk, usual.unk),
        mask: either(of_inner.mask, usual.mask),
        cls: either(of_inner.cls, usual.cls),
        sep: either(of_inner.sep, usual.sep),
    };
    let specials = specials.renamed(names, id_of);
    let known = inner.added_tokens();
    let says_more = |token: &AddedToken| !known.contains(&AddedToken { normalized: false, ..token.clone() });
    if specials == *inner.specials() && !added.iter().any(says_more) {
        return Ok(inner);
    }
    // Special tokens that the list leaves out are found all the same.
    let missing: Vec<_> = known.into_iter().filter(|token| added.iter().all(|added| added.id != token.id)).collect();
    Ok(Box::new(WithAddedTokens::new(inner, [added, missing].concat(), specials)?))
}

fn wordpiece(value: &Value, added: &[AddedToken]) -> Option<WordPiece> {
    let lowercase = value["normalizer"]["lowercase"].as_bool().unwrap_or(true);
    let is = |value: Value| vec![value];
    let same = holds(
        value,
        &[
            ("/normalizer/type", is(json!("BertNormalizer"))),
            ("/normalizer/clean_text", is(json!(true))),
            ("/normalizer/handle_chinese_chars", is(json!(true))),
            ("/normalizer/strip_accents", vec![Value::Null, json!(lowercase)]),
            ("/pre_tokenizer/type", is(json!("BertPreTokenizer"))),
            ("/decoder/type", is(json!("WordPiece"))),
            ("/decoder/prefix", is(json!(CONTINUATION))),
            ("/decoder/cleanup", is(json!(true))),
            ("/model/unk_token", is(json!("[UNK]"))),
            ("/model/continuing_subword_prefix", is(json!("##"))),
            ("/model/max_input_chars_per_word", is(json!(100))),
        ],
    );
    let vocab: FxHashMap<String, TokenId> =
        same.then(|| Deserialize::deserialize(&value["model"]["vocab"]).ok()).flatten()?;
    WordPiece::new(WordPieceFile { lowercase, vocab: joined(vocab, added)? }).ok()
}

fn byte_level(value: &Value) -> Option<ByteLevelBpe> {
    let none = || vec![Value::Null, json!("")];
    let off = || vec![Value::Null, json!(false)];
    let same = holds(
        value,
        &[
            ("/normalizer", vec![Value::Null]),
            ("/pre_tokenizer/type", vec![json!("ByteLevel")]),
            ("/pre_tokenizer/add_prefix_space", off()),
            ("/pre_tokenizer/use_regex", vec![Value::Null, json!(true)]),
            ("/decoder/type", vec![json!("ByteLevel")]),
            ("/model/dropout", vec![Value::Null]),
            ("/model/continuing_subword_prefix", none()),
            ("/model/end_of_word_suffix", none()),
            ("/model/byte_fallback", off()),
            ("/model/ignore_merges", off()),
        ],
    );
    let Bytes { vocab, merges } = same.then(|| Deserialize::deserialize(&value["model"]).ok()).flatten()?;
    let merges = merges.into_iter().map(Merge::into_pair).collect::<Option<Vec<_>>>()?;
    ByteLevelBpe::new(ByteLevelFile::of(vocab, merges).ok()?).ok()
}

/// The vocabulary in order, with those usual special tokens that stand right after it.
fn joined(mut vocab: FxHashMap<String, TokenId>, added: &[AddedToken]) -> Option<Vec<String>> {
    let is_usual = |token: &&AddedToken| token.special && token.content.starts_with('[');
    vocab.extend(added.iter().filter(is_usual).map(|token| (token.content.clone(), token.id)));
    vocabulary::in_order(vocab).ok()
}

impl Merge {
    fn into_pair(self) -> Option<(String, String)> {
        match self {
            Self::Pair(left, right) => Some((left, right)),
            Self::Line(line) => line.split_once(' ').map(|(left, right)| (left.to_owned(), right.to_owned())),
        }
    }
}

/// Whether each setting has one of the values that are wanted of it.
fn holds(settings: &Value, wanted: &[(&str, Vec<Value>)]) -> bool {
    wanted.iter().all(|(pointer, values)| values.contains(settings.pointer(pointer).unwrap_or(&Value::Null)))
}
