//! The files of T5's and ByT5's tokenizers.

use std::path::Path;

use attentive_tokenizer::{Bytes, Model, SentencePiece, Tokenizer, with_sentinels};
use serde::Deserialize;
use serde_json::json;

use crate::{
    InterchangeError, files,
    tokenizers::{OURS, no_equal},
};

const PIECES: &str = "spiece.model";
const CONFIG: &str = "tokenizer_config.json";
const BYT5: &str = "ByT5Tokenizer";

/// Sentinels of T5, unless its tokenizer's configuration gives another number.
const N_SENTINELS: usize = 100;

/// Writes a tokenizer as `ByT5Tokenizer` or `T5Tokenizer` reads it, where that is possible, and in our own file.
///
/// The note, if there is one, names what was left out.
///
/// # Errors
/// [`InterchangeError::Io`], [`InterchangeError::Tokenizer`].
pub(super) fn export(folder: &Path, tokenizer: &dyn Tokenizer) -> Result<Option<String>, InterchangeError> {
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

/// Reads the tokenizer of a T5 or ByT5 folder, whose model has `vocab_size` rows: some more than the tokenizer has tokens.
///
/// # Errors
/// [`InterchangeError::Missing`], [`InterchangeError::Tokenizer`].
pub(super) fn import(folder: &Path, vocab_size: usize) -> Result<Box<dyn Tokenizer>, InterchangeError> {
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
        return Ok(with_sentinels(Box::new(tokenizer), n_sentinels, 0)?);
    }
    if tokenizer_class.as_deref() == Some(BYT5) {
        return Ok(Box::new(Bytes::default()));
    }
    let wanted = "spiece.model, T5's tokenizer, and its tokenizer_config.json does not name ByT5Tokenizer";
    Err(InterchangeError::Missing { path: folder.to_owned(), wanted })
}
