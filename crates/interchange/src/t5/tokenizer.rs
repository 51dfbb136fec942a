//! The files of T5's and ByT5's tokenizers.

use std::path::Path;

use attentive_tokenizer::{Model, Tokenizer};
use serde_json::json;

use crate::{
    InterchangeError, files,
    tokenizers::{OURS, OfEncoder, added_beside, export_json, no_equal, source_frame},
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
    let model = tokenizer.to_model();
    let added = added_beside(tokenizer);
    // The class gives them the ids after the sentinels.
    let n_before = tokenizer.vocab_size() - added.len();
    let stand_last = added.iter().zip(n_before..).all(|(token, id)| token.id as usize == id);
    let names: Vec<_> = added.into_iter().map(|token| token.content).collect();
    let pieces = model.clone().filter(|_| stand_last).and_then(Model::t5_model);
    let config = match (&model, pieces) {
        (Some(Model::Bytes(_)), _) => json!({ "tokenizer_class": BYT5, "extra_ids": 125 }),
        (_, Some((pieces, n_sentinels))) => {
            files::write(&folder.join(PIECES), &pieces)?;
            json!({ "tokenizer_class": "T5Tokenizer", "extra_ids": n_sentinels, "extra_special_tokens": names })
        }
        (model, None) => {
            let json = model.as_ref().and_then(|model| model.to_hugging_face_json(&source_frame(tokenizer)));
            let Some(json) = json else { return Ok(Some(no_equal())) };
            let how = OfEncoder { max_len: None, separators: 1, has_segments: false, note_of_pairs: None };
            return export_json(folder, tokenizer, &json, &how).map(|()| None);
        }
    };
    files::write_json(&folder.join(CONFIG), &config)?;
    Ok(None)
}
