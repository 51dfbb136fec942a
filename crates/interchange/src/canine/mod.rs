//! CANINE as transformers keeps it: `CanineModel` and `CanineForSequenceClassification`.

mod config;
mod slots;

use std::{collections::BTreeMap, path::Path};

use attentive_bundle::Bundle;
use attentive_model::{CanineConfig, ModelSpec};
use attentive_tokenizer::CodePoints;
use serde_json::json;

use self::{config::TheirConfig, slots::slots};
use crate::{
    ExportConfig, InterchangeError, config_for,
    family::Family,
    files,
    layout::{self, Order},
    reader::Reader,
    score, tokenizers,
};

pub(crate) const FAMILY: Family =
    Family { name: MODEL_TYPE, class_prefix: "Canine", import: Some(import), export, places: None };

/// The value of `model_type`.
const MODEL_TYPE: &str = "canine";

/// The prefix of the encoder's parameters in files with a classifier.
const PREFIX: &str = "canine.";
const CLASSIFIER: &str = "classifier.";

/// Writes what `CanineModel.from_pretrained`, or `CanineForSequenceClassification`'s, and `CanineTokenizer` read; tells
/// what could not be expressed.
///
/// # Errors
/// [`InterchangeError::Inexpressible`], or what the system refuses.
fn export(bundle: &Bundle, _: &ExportConfig, folder: &Path) -> Result<Vec<String>, InterchangeError> {
    let config = &config_for::<CanineConfig>(bundle, MODEL_TYPE)?;
    let theirs = TheirConfig::of_ours(config)?;
    let mut slots = slots(config);
    if !config.labels.is_empty() {
        for slot in slots.iter_mut().filter(|slot| !slot.theirs.starts_with(CLASSIFIER)) {
            slot.theirs.insert_str(0, PREFIX);
        }
    }
    let tensors = layout::export(bundle, &slots, &Order::SAME)?;
    files::make_folder(folder)?;
    score::write_config(folder, &theirs, bundle.reading.score, config.labels.len())?;
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    attentive_weights::write(&folder.join("model.safetensors"), &tensors, &metadata)?;
    attentive_tokenizer::save(&**bundle.tokenizer()?, &folder.join(tokenizers::OURS))?;
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
fn import(reader: &mut Reader<'_>) -> Result<Bundle, InterchangeError> {
    let theirs: TheirConfig = reader.config()?;
    let mut source = reader.source(|name| name.strip_prefix(PREFIX).unwrap_or(name).to_owned())?;
    // A buffer, which older files hold.
    source.drop("char_embeddings.position_ids");
    let n_labels = source.shape("classifier.bias").map_or(0, |shape| shape.iter().product());
    let pooler = n_labels > 0 || source.has_any("pooler.");
    let config = theirs.to_ours(reader, pooler, n_labels)?;
    config.validate()?;
    source.check_layers("num_hidden_layers", config.n_layers, "encoder.layer.")?;
    source.check_layers("num_hash_functions", config.n_hashes, "char_embeddings.HashBucketCodepointEmbedder_")?;
    let params = source.take(slots(&config), &Order::SAME)?;
    reader.finish(source)?;
    let mut bundle = reader.bundle(config, Box::new(CodePoints::default()), params)?;
    bundle.reading.score = score::activation(reader, n_labels)?;
    Ok(bundle)
}
