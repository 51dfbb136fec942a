//! The files of T5's and ByT5's tokenizers.

use std::path::Path;

use attentive_tokenizer::{Model, Tokenizer};
use serde_json::json;

use crate::{
    InterchangeError, files,
    tokenizers::{OURS, no_equal},
};

const PIECES: &str = "spiece.model";
const CONFIG: &str = "tokenizer_config.json";
const BYT5: &str = "ByT5Tokenizer";

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
