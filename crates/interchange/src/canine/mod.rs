//! CANINE as transformers keeps it: `CanineModel` and `CanineForSequenceClassification`.

mod config;
mod slots;

use std::{collections::BTreeMap, path::Path};

use attentive_bundle::Bundle;
use attentive_model::{CanineConfig, ModelSpec};
use attentive_tokenizer::CodePoints;
use attentive_weights::{HostTensor, Tensors};
use serde_json::json;

use self::{config::TheirConfig, slots::slots};
use crate::{InterchangeError, checkpoint, files, imported, source::Source, tokenizers};

/// The value of `model_type`.
pub(crate) const MODEL_TYPE: &str = "canine";

/// What stands before the names of the encoder's parameters where there is a classifier.
const PREFIX: &str = "canine.";
const CLASSIFIER: &str = "classifier.";

/// Writes what `CanineModel.from_pretrained`, or `CanineForSequenceClassification`'s, and `CanineTokenizer` read; tells what
/// could not be expressed.
///
/// # Errors
/// [`InterchangeError::Inexpressible`], or what the system refuses.
pub(crate) fn export(config: &CanineConfig, bundle: &Bundle, folder: &Path) -> Result<Vec<String>, InterchangeError> {
    let theirs = TheirConfig::of_ours(config)?;
    let has_classifier = !config.labels.is_empty();
    let named = |(name, tensor): (String, HostTensor)| match has_classifier && !name.starts_with(CLASSIFIER) {
        true => (format!("{PREFIX}{name}"), tensor),
        false => (name, tensor),
    };
    let tensors: Tensors = slots(config).iter().map(|slot| named(slot.export(&bundle.params))).collect();
    files::make_folder(folder)?;
    files::write_json(&folder.join("config.json"), &theirs)?;
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    attentive_weights::write(&folder.join("model.safetensors"), &tensors, &metadata)?;
    attentive_tokenizer::save(&*bundle.tokenizer, &folder.join(tokenizers::OURS))?;
    let tokenizer = json!({ "tokenizer_class": "CanineTokenizer", "model_max_length": config.max_len });
    files::write_json(&folder.join("tokenizer_config.json"), &tokenizer)?;
    let heads = [(config.masked_lm, "guesses hidden characters"), (config.next_sentence, "tells what follows")];
    let left_out = heads.iter().filter(|(there, _)| *there);
    Ok(left_out.map(|(_, does)| format!("transformers has no CANINE that {does}: this head is left out")).collect())
}

/// Reads what transformers wrote.
///
/// # Errors
/// [`InterchangeError`] lists all settings or tensors that do not fit.
pub(crate) fn import(folder: &Path) -> Result<Bundle, InterchangeError> {
    let path = folder.join("config.json");
    let theirs: TheirConfig = files::read_json(&path)?;
    let named = |(name, tensor): (String, HostTensor)| (name.strip_prefix(PREFIX).unwrap_or(&name).to_owned(), tensor);
    let mut source = Source::new(checkpoint::read(folder)?.into_iter().map(named).collect());
    // A buffer, which older files hold.
    source.tensors.remove("char_embeddings.position_ids");
    let n_labels = source.tensors.get("classifier.bias").map_or(0, |bias| bias.values.len());
    let pooler = n_labels > 0 || source.tensors.keys().any(|name| name.starts_with("pooler."));
    let config = theirs.to_ours(&path, pooler, n_labels)?;
    config.validate()?;
    let mut params = Tensors::new();
    for slot in slots(&config) {
        if let Some(tensor) = source.take(&slot.theirs, &slot.their_shape()) {
            slot.import(tensor, &mut params);
        }
    }
    source.finish(folder)?;
    Ok(imported(folder, config, Box::new(CodePoints::default()), params))
}
