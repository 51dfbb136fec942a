//! BERT and RoBERTa as transformers keeps them: post-norm encoders with learned positions, and their heads.
//!
//! The heads of a file are those that it has tensors of, and those that its class cannot do without: released files hold
//! more than their `architectures` says.

mod classes;
mod config;
mod names;

use std::{collections::BTreeMap, path::Path};

use attentive_bundle::Bundle;
use attentive_model::{BertConfig, ModelSpec};

use self::{
    classes::{Heads, Variant},
    config::EncoderConfig,
    names::{EMBEDDING, is_encoder, slots},
};
use crate::{
    InterchangeError, config_for,
    family::Family,
    files,
    layout::{self, Order},
    reader::Reader,
    source::Source,
    tokenizers,
};

pub(crate) const BERT: Family = Family {
    name: "bert",
    class_prefix: "Bert",
    import: Some(|reader| import(Variant::Bert, reader)),
    export: |bundle, _, folder| export(Variant::Bert, bundle, folder),
};

pub(crate) const ROBERTA: Family = Family {
    name: "roberta",
    class_prefix: "Roberta",
    import: Some(|reader| import(Variant::Roberta, reader)),
    export: |bundle, _, folder| export(Variant::Roberta, bundle, folder),
};

/// Writes what `from_pretrained` of the variant's classes and its tokenizer read; tells what could not be expressed.
///
/// # Errors
/// [`InterchangeError::Inexpressible`], or what the system refuses.
fn export(variant: Variant, bundle: &Bundle, folder: &Path) -> Result<Vec<String>, InterchangeError> {
    let config = &config_for::<BertConfig>(bundle, variant.model_type())?;
    let theirs = EncoderConfig::of_ours(config, variant, bundle.tokenizer()?.specials())?;
    let class = variant.class(config);
    let mut slots = slots(variant, config, theirs.first_position(variant));
    if class.heads != Heads::default() {
        for slot in slots.iter_mut().filter(|slot| is_encoder(&slot.theirs)) {
            slot.theirs.insert_str(0, variant.prefix());
        }
    }
    let mut tensors = layout::export(bundle, &slots, &Order::SAME)?;
    let head = variant.masked_lm_head();
    if let Some(bias) = tensors.get(&format!("{head}.bias")).filter(|_| !config.tie_projection).cloned() {
        // A head of its own has a bias of its own there.
        tensors.insert(format!("{head}.decoder.bias"), bias);
    }
    files::make_folder(folder)?;
    files::write_json(&folder.join("config.json"), &theirs)?;
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    attentive_weights::write(&folder.join("model.safetensors"), &tensors, &metadata)?;
    let note = tokenizers::export_encoder(folder, &**bundle.tokenizer()?, config.max_len())?;
    Ok(class.notes(Heads::of_ours(config)).into_iter().chain(note).collect())
}

/// Reads what transformers wrote, of any version, or what was converted from the released models.
///
/// # Errors
/// [`InterchangeError`] lists all settings or tensors that do not fit.
fn import(variant: Variant, reader: &mut Reader<'_>) -> Result<Bundle, InterchangeError> {
    let theirs: EncoderConfig = reader.config()?;
    let mut source = reader.source(|name| current_name(variant, name))?;
    for buffer in ["embeddings.position_ids", "embeddings.token_type_ids"] {
        source.drop(buffer);
    }
    let heads = theirs.heads(variant, reader, &mut source)?;
    let n_labels = source.shape(variant.classifier_bias()).map(|shape| shape.iter().product());
    let mut config = theirs.to_ours(variant, reader, heads, n_labels)?;
    config.tie_projection = settle_head(&mut source, variant, theirs.tie_word_embeddings, reader)?;
    config.validate()?;
    source.check_layers("num_hidden_layers", config.n_layers, "encoder.layer.")?;
    if variant == Variant::Roberta && !config.labels.is_empty() {
        // Files of before 2020 have one, which the class does not use.
        source.drop_all(|name| name.starts_with("pooler."));
    }
    let params = source.take(slots(variant, &config, config.first_position), &Order::SAME)?;
    reader.finish(source)?;
    let tokenizer = tokenizers::import_encoder(reader)?;
    theirs.check_padding(variant, reader, tokenizer.specials().pad)?;
    reader.bundle(config, tokenizer, params)
}

/// A name as it is today, without the class's prefix: converted files have TensorFlow's `gamma` and `beta`.
fn current_name(variant: Variant, name: &str) -> String {
    let name = name.strip_prefix(variant.prefix()).unwrap_or(name);
    match name.rsplit_once("LayerNorm.") {
        Some((before, "gamma")) => format!("{before}LayerNorm.weight"),
        Some((before, "beta")) => format!("{before}LayerNorm.bias"),
        _ => name.to_owned(),
    }
}

/// Whether hidden tokens are guessed with the embeddings, by the file; leaves out the head's copies.
fn settle_head(
    source: &mut Source,
    variant: Variant,
    wants_tied: bool,
    reader: &mut Reader<'_>,
) -> Result<bool, InterchangeError> {
    let head = variant.masked_lm_head();
    let [bias, own_bias, own] = ["bias", "decoder.bias", "decoder.weight"].map(|part| format!("{head}.{part}"));
    if source.has(&own_bias) {
        if source.has(&bias) && !source.are_equal(&bias, &own_bias)? {
            source.drop(&bias);
            reader.notes.push(format!("{own_bias} differs from {bias}: it is used, as in transformers"));
        }
        source.alias(&own_bias, &bias);
        source.drop(&own_bias);
    }
    if !source.has(&own) {
        return Ok(wants_tied || !source.has(&bias));
    }
    let is_copy = source.has(EMBEDDING) && source.are_equal(&own, EMBEDDING)?;
    if is_copy {
        source.drop(&own);
    } else if wants_tied {
        reader
            .notes
            .push(format!("{own} differs from the embeddings: it is used, although config.json calls them one"));
    }
    Ok(is_copy)
}
