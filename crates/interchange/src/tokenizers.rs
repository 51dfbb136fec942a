//! Tokenizer files beside a model.

use std::{collections::BTreeMap, path::Path};

use attentive_tokenizer::{ByteLevelBpe, Bytes, Marian, Model, SentencePiece, TokenId, Tokenizer, with_sentinels};
use serde::Deserialize;
use serde_json::json;

use crate::{InterchangeError, files};

/// Our own file, which holds any tokenizer.
pub(crate) const OURS: &str = "attentive_tokenizer.json";
const SOURCE: &str = "source.spm";
const TARGET: &str = "target.spm";
const VOCABULARY: &str = "vocab.json";
const MERGES: &str = "merges.txt";
const PIECES: &str = "spiece.model";
const CONFIG: &str = "tokenizer_config.json";
const BYT5: &str = "ByT5Tokenizer";

/// Sentinels of T5, unless its tokenizer's configuration gives another number.
const N_SENTINELS: usize = 100;

/// The ids that translation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpecialIds {
    pub(crate) pad: TokenId,
    pub(crate) bos: TokenId,
    pub(crate) eos: TokenId,
}

impl SpecialIds {
    /// Those of a tokenizer.
    ///
    /// # Errors
    /// [`InterchangeError::Inexpressible`] where one is missing.
    pub(crate) fn of(tokenizer: &dyn Tokenizer, format: &'static str) -> Result<Self, InterchangeError> {
        let specials = tokenizer.specials();
        match (specials.pad, specials.bos, specials.eos) {
            (Some(pad), Some(bos), Some(eos)) => Ok(Self { pad, bos, eos }),
            _ => {
                let problem = "its tokenizer has no id for padding, begin or end of a sentence".to_owned();
                Err(InterchangeError::Inexpressible { format, problems: vec![problem] })
            }
        }
    }
}

/// The entries of a vocabulary by id.
pub(crate) fn entries(tokenizer: &dyn Tokenizer) -> Vec<String> {
    let name = |id| tokenizer.token(id).map_or_else(|| format!("<{id}>"), std::borrow::Cow::into_owned);
    (0..tokenizer.vocab_size() as TokenId).map(name).collect()
}

/// Writes a tokenizer as `MarianTokenizer` reads it, where that is possible, and in our own file.
///
/// What was left out is told.
///
/// # Errors
/// [`InterchangeError::Io`], [`InterchangeError::Tokenizer`].
pub(crate) fn export_marian(folder: &Path, tokenizer: &dyn Tokenizer) -> Result<Option<String>, InterchangeError> {
    attentive_tokenizer::save(tokenizer, &folder.join(OURS))?;
    let ids: BTreeMap<String, usize> = entries(tokenizer).into_iter().zip(0..).collect();
    files::write_json(&folder.join(VOCABULARY), &ids)?;
    let Some([source, target]) = tokenizer.to_model().and_then(|model| model.sentencepiece_models()) else {
        return Ok(Some(no_equal()));
    };
    files::write(&folder.join(SOURCE), &source)?;
    files::write(&folder.join(TARGET), &target)?;
    let name = |id: Option<TokenId>| id.and_then(|id| tokenizer.token(id));
    let specials = tokenizer.specials();
    let config = json!({
        "tokenizer_class": "MarianTokenizer",
        "separate_vocabs": false,
        "pad_token": name(specials.pad),
        "eos_token": name(specials.eos),
        "unk_token": name(specials.unk),
    });
    files::write_json(&folder.join("tokenizer_config.json"), &config)?;
    Ok(None)
}

/// Reads the tokenizer of a Marian folder; `bos` is the id that translations begin with.
///
/// # Errors
/// [`InterchangeError::Missing`], [`InterchangeError::Tokenizer`].
pub(crate) fn import_marian(folder: &Path, bos: TokenId) -> Result<Box<dyn Tokenizer>, InterchangeError> {
    let ours = folder.join(OURS);
    if ours.is_file() {
        return Ok(attentive_tokenizer::load(&ours)?);
    }
    let [source, target, vocabulary] = [SOURCE, TARGET, VOCABULARY].map(|name| folder.join(name));
    if ![&source, &target, &vocabulary].iter().all(|path| path.is_file()) {
        let wanted = "source.spm, target.spm and vocab.json, the tokenizer's files";
        return Err(InterchangeError::Missing { path: folder.to_owned(), wanted });
    }
    Ok(Box::new(Marian::from_files(&source, &target, &vocabulary, bos)?))
}

fn no_equal() -> String {
    format!(
        "no tokenizer of transformers equals this one: {VOCABULARY} lists its entries; encode and decode with \
         `attentive tokenize`, or import the folder again, which reads {OURS}"
    )
}

/// Writes a tokenizer as `GPT2Tokenizer` reads it, where that is possible, and in our own file.
///
/// What was left out is told.
///
/// # Errors
/// [`InterchangeError::Io`], [`InterchangeError::Tokenizer`].
pub(crate) fn export_gpt2(folder: &Path, tokenizer: &dyn Tokenizer) -> Result<Option<String>, InterchangeError> {
    attentive_tokenizer::save(tokenizer, &folder.join(OURS))?;
    let ids: BTreeMap<String, usize> = entries(tokenizer).into_iter().zip(0..).collect();
    files::write_json(&folder.join(VOCABULARY), &ids)?;
    let Some(merges) = tokenizer.to_model().and_then(|model| model.byte_level_merges()) else {
        return Ok(Some(no_equal()));
    };
    files::write(&folder.join(MERGES), merges.as_bytes())?;
    files::write_json(&folder.join("tokenizer_config.json"), &json!({ "tokenizer_class": "GPT2Tokenizer" }))?;
    Ok(None)
}

/// Reads the tokenizer of a GPT-2 folder.
///
/// # Errors
/// [`InterchangeError::Missing`], [`InterchangeError::Tokenizer`].
pub(crate) fn import_gpt2(folder: &Path) -> Result<Box<dyn Tokenizer>, InterchangeError> {
    let ours = folder.join(OURS);
    if ours.is_file() {
        return Ok(attentive_tokenizer::load(&ours)?);
    }
    let [vocabulary, merges] = [VOCABULARY, MERGES].map(|name| folder.join(name));
    if !(vocabulary.is_file() && merges.is_file()) {
        let wanted = "vocab.json and merges.txt, the tokenizer's files";
        return Err(InterchangeError::Missing { path: folder.to_owned(), wanted });
    }
    Ok(Box::new(ByteLevelBpe::from_files(&vocabulary, &merges)?))
}

/// Writes a tokenizer as `ByT5Tokenizer` or `T5Tokenizer` reads it, where that is possible, and in our own file.
///
/// What was left out is told.
///
/// # Errors
/// [`InterchangeError::Io`], [`InterchangeError::Tokenizer`].
pub(crate) fn export_t5(folder: &Path, tokenizer: &dyn Tokenizer) -> Result<Option<String>, InterchangeError> {
    attentive_tokenizer::save(tokenizer, &folder.join(OURS))?;
    let config = match tokenizer.to_model() {
        Some(Model::Bytes(_)) => json!({ "tokenizer_class": BYT5, "extra_ids": 125 }),
        Some(model) => match model.t5_model() {
            Some((pieces, n_sentinels)) => {
                files::write(&folder.join(PIECES), &pieces)?;
                json!({ "tokenizer_class": "T5Tokenizer", "extra_ids": n_sentinels })
            }
            None => return Ok(Some(no_equal())),
        },
        None => return Ok(Some(no_equal())),
    };
    files::write_json(&folder.join(CONFIG), &config)?;
    Ok(None)
}

/// Reads the tokenizer of a T5 or ByT5 folder, whose model has `vocab_size` entries: some more than the tokenizer has tokens.
///
/// # Errors
/// [`InterchangeError::Missing`], [`InterchangeError::Tokenizer`].
pub(crate) fn import_t5(folder: &Path, vocab_size: usize) -> Result<Box<dyn Tokenizer>, InterchangeError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Config {
        tokenizer_class: Option<String>,
        extra_ids: Option<usize>,
    }
    let [ours, pieces, config] = [OURS, PIECES, CONFIG].map(|name| folder.join(name));
    if ours.is_file() {
        return Ok(attentive_tokenizer::load(&ours)?);
    }
    let Config { tokenizer_class, extra_ids } =
        if config.is_file() { files::read_json(&config)? } else { Config::default() };
    if pieces.is_file() {
        let tokenizer = SentencePiece::from_model(&pieces)?;
        let room = vocab_size.saturating_sub(tokenizer.vocab_size());
        let n_sentinels = extra_ids.unwrap_or(N_SENTINELS).min(room);
        return Ok(with_sentinels(Box::new(tokenizer), n_sentinels, vocab_size)?);
    }
    if tokenizer_class.as_deref() == Some(BYT5) {
        return Ok(Box::new(Bytes::default()));
    }
    let wanted = "spiece.model, T5's tokenizer, and its tokenizer_config.json does not name ByT5Tokenizer";
    Err(InterchangeError::Missing { path: folder.to_owned(), wanted })
}
