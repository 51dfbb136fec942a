//! Hugging Face's `tokenizer.json`, where it describes a kind that is here.

use std::fs;
use std::path::Path;

use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::byte_level::{ByteLevelBpe, ByteLevelFile};
use crate::error::TokenizerError;
use crate::tokenizer::{TokenId, Tokenizer};
use crate::vocabulary;
use crate::wordpiece::{WordPiece, WordPieceFile};

/// The parts of the file that make a vocabulary.
#[derive(Deserialize)]
struct Parts<M> {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    model: M,
}

#[derive(Deserialize)]
struct AddedToken {
    id: TokenId,
    content: String,
    #[serde(default)]
    special: bool,
}

#[cfg(not(feature = "hugging-face"))]
#[derive(Deserialize)]
struct Kind {
    r#type: String,
}

#[derive(Deserialize)]
struct Words {
    vocab: FxHashMap<String, TokenId>,
}

#[derive(Deserialize)]
struct Bytes {
    vocab: FxHashMap<String, TokenId>,
    merges: Vec<Merge>,
}

/// A merge, as files of today and of before 2024 have it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Pair(String, String),
    Line(String),
}

/// Reads Hugging Face's `tokenizer.json` of BERT's WordPiece or of GPT-2's and RoBERTa's byte-level BPE, without their
/// library: what comes of it is a [`WordPiece`] or a [`ByteLevelBpe`].
///
/// # Errors
/// [`Io`](TokenizerError::Io) if it cannot be read, [`Json`](TokenizerError::Json) if it is damaged,
/// [`Unsupported`](TokenizerError::Unsupported) if it describes anything else,
/// [`Invalid`](TokenizerError::Invalid) if its parts contradict each other.
///
/// ```no_run
/// let tokenizer = attentive_tokenizer::from_tokenizer_json("roberta-base/tokenizer.json".as_ref())?;
/// # Ok::<(), attentive_tokenizer::TokenizerError>(())
/// ```
pub fn from_tokenizer_json(path: &Path) -> Result<Box<dyn Tokenizer>, TokenizerError> {
    let text = fs::read_to_string(path).map_err(TokenizerError::io(path))?;
    let (json, invalid) = (TokenizerError::json, TokenizerError::invalid);
    let settings: Value = serde_json::from_str(&text).map_err(json(path))?;
    let kind = settings["model"]["type"].as_str().unwrap_or_default();
    let mut problems = match kind {
        "WordPiece" => wordpiece_problems(&settings),
        "BPE" => byte_level_problems(&settings),
        _ => vec![format!("model.type is {kind:?}, and not \"WordPiece\" or \"BPE\"")],
    };
    let added = serde_json::from_str::<Parts<Value>>(&text).map_err(json(path))?.added_tokens;
    problems.extend(
        added.iter().filter(|token| !token.special).map(|token| {
            format!("added_tokens has {:?}, which text is searched for before anything else", token.content)
        }),
    );
    if !problems.is_empty() {
        return Err(TokenizerError::Unsupported { path: path.to_owned(), problems });
    }
    let added = added.into_iter().map(|token| (token.content, token.id));
    if kind == "WordPiece" {
        let mut vocab = serde_json::from_str::<Parts<Words>>(&text).map_err(json(path))?.model.vocab;
        vocab.extend(added);
        let vocab = vocabulary::in_order(vocab).map_err(invalid(path))?;
        let lowercase = settings["normalizer"]["lowercase"].as_bool().unwrap_or(true);
        return Ok(Box::new(WordPiece::new(WordPieceFile { lowercase, vocab }).map_err(invalid(path))?));
    }
    let Bytes { mut vocab, merges } = serde_json::from_str::<Parts<Bytes>>(&text).map_err(json(path))?.model;
    vocab.extend(added);
    let merges = merges.into_iter().map(Merge::into_pair).collect::<Result<_, _>>().map_err(invalid(path))?;
    let file = ByteLevelFile::of(vocab, merges).map_err(invalid(path))?;
    Ok(Box::new(ByteLevelBpe::new(file).map_err(invalid(path))?))
}

/// Whether `text` is a `tokenizer.json` of Hugging Face's, of whatever kind.
#[cfg(not(feature = "hugging-face"))]
pub(crate) fn is_theirs(text: &str) -> bool {
    serde_json::from_str::<Parts<Kind>>(text).is_ok_and(|parts| !parts.model.r#type.is_empty())
}

impl Merge {
    fn into_pair(self) -> Result<(String, String), String> {
        match self {
            Self::Pair(left, right) => Ok((left, right)),
            Self::Line(line) => match line.split_once(' ') {
                Some((left, right)) => Ok((left.to_owned(), right.to_owned())),
                None => Err(format!("model.merges has {line:?}, expected two tokens with a space between")),
            },
        }
    }
}

fn wordpiece_problems(settings: &Value) -> Vec<String> {
    let lowercase = settings["normalizer"]["lowercase"].as_bool().unwrap_or(true);
    let is = |value: Value| vec![value];
    differing(
        settings,
        &[
            ("/normalizer/type", is(json!("BertNormalizer"))),
            ("/normalizer/clean_text", is(json!(true))),
            ("/normalizer/handle_chinese_chars", is(json!(true))),
            ("/normalizer/strip_accents", vec![Value::Null, json!(lowercase)]),
            ("/pre_tokenizer/type", is(json!("BertPreTokenizer"))),
            ("/model/unk_token", is(json!("[UNK]"))),
            ("/model/continuing_subword_prefix", is(json!("##"))),
            ("/model/max_input_chars_per_word", is(json!(100))),
        ],
    )
}

fn byte_level_problems(settings: &Value) -> Vec<String> {
    let none = || vec![Value::Null, json!("")];
    let off = || vec![Value::Null, json!(false)];
    differing(
        settings,
        &[
            ("/normalizer", vec![Value::Null]),
            ("/pre_tokenizer/type", vec![json!("ByteLevel")]),
            ("/pre_tokenizer/add_prefix_space", off()),
            ("/pre_tokenizer/use_regex", vec![Value::Null, json!(true)]),
            ("/model/dropout", vec![Value::Null]),
            ("/model/continuing_subword_prefix", none()),
            ("/model/end_of_word_suffix", none()),
            ("/model/byte_fallback", off()),
            ("/model/ignore_merges", off()),
        ],
    )
}

/// The settings that have none of the values that are wanted of them.
fn differing(settings: &Value, wanted: &[(&str, Vec<Value>)]) -> Vec<String> {
    let found = |pointer: &str| settings.pointer(pointer).unwrap_or(&Value::Null);
    let differs = wanted.iter().filter(|(pointer, values)| !values.contains(found(pointer)));
    let key = |pointer: &str| pointer.trim_start_matches('/').replace('/', ".");
    differs.map(|(pointer, values)| format!("{} is {}, and not {}", key(pointer), found(pointer), values[0])).collect()
}
