//! BERT and RoBERTa as transformers keeps them: post-norm encoders with learned positions, and their heads.
//!
//! The heads of a file are those that it has tensors of, and those that its class cannot do without: released files hold
//! more than their `architectures` says.

mod config;
mod names;

use std::{collections::BTreeMap, path::Path};

use attentive_bundle::Bundle;
use attentive_model::{BertConfig, ModelSpec};
use attentive_weights::{HostTensor, Tensors};

use self::{
    config::{EncoderConfig, Heads},
    names::slots,
};
use crate::{InterchangeError, checkpoint, files, imported, source::Source, tokenizers};

pub(crate) use config::Variant;

/// Writes what `from_pretrained` of the variant's classes and its tokenizer read; tells what could not be expressed.
///
/// # Errors
/// [`InterchangeError::Inexpressible`], or what the system refuses.
pub(crate) fn export(
    config: &BertConfig,
    bundle: &Bundle,
    variant: Variant,
    folder: &Path,
) -> Result<Vec<String>, InterchangeError> {
    let theirs = EncoderConfig::of_ours(config, variant, bundle.tokenizer.specials())?;
    let class = variant.class(config);
    let prefix = if class.heads == Heads::default() { "" } else { variant.prefix() };
    let tensors = slots(variant, config).into_iter().map(|slot| {
        let tensor = slot.export(&bundle.params[&slot.ours]);
        let tensor = if slot.is_positions() {
            moved(&tensor, config.first_position, theirs.first_position(variant))
        } else {
            tensor
        };
        (slot.name(prefix), tensor)
    });
    let tensors: Tensors = tensors.collect();
    files::make_folder(folder)?;
    files::write_json(&folder.join("config.json"), &theirs)?;
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    attentive_weights::write(&folder.join("model.safetensors"), &tensors, &metadata)?;
    let note = tokenizers::export_encoder(folder, &*bundle.tokenizer, config.max_len())?;
    Ok(class.notes(Heads::of_ours(config)).into_iter().chain(note).collect())
}

/// Reads what transformers wrote, of any version, or what was converted from the released models.
///
/// # Errors
/// [`InterchangeError`] lists all settings or tensors that do not fit.
pub(crate) fn import(variant: Variant, folder: &Path) -> Result<Bundle, InterchangeError> {
    let path = folder.join("config.json");
    let theirs: EncoderConfig = files::read_json(&path)?;
    let tensors = checkpoint::read(folder)?;
    let named = tensors.into_iter().map(|(name, tensor)| (current_name(variant, &name), tensor));
    let mut source = Source::new(named.collect());
    source.settle_copies(variant, &theirs);
    let config = theirs.to_ours(variant, &path, &source.tensors)?;
    config.validate()?;
    if variant == Variant::Roberta && !config.labels.is_empty() {
        // Files of before 2020 have one, which the class does not use.
        source.tensors.retain(|name, _| !name.starts_with("pooler."));
    }
    let mut params = Tensors::new();
    for slot in slots(variant, &config) {
        if let Some(tensor) = source.take(&slot.theirs, &slot.their_shape()) {
            params.insert(slot.ours.clone(), slot.import(tensor));
        }
    }
    source.finish(folder)?;
    let tokenizer = tokenizers::import_encoder(folder)?;
    tokenizers::check_vocabulary(folder, &*tokenizer, config.vocab_size)?;
    Ok(imported(folder, config, tokenizer, params))
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

/// A table of positions whose first one stands in row `to` and not in row `from`; rows before it are never used.
fn moved(table: &HostTensor, from: usize, to: usize) -> HostTensor {
    let [rows, width] = table.shape[..] else { unreachable!("a table is a matrix") };
    let (unused, used) = table.values.split_at(from * width);
    let mut values = unused.to_vec();
    values.resize(to * width, 0.0);
    values.extend_from_slice(used);
    HostTensor { shape: vec![rows - from + to, width], values }
}

impl Source {
    /// Drops what transformers makes again, or ties to another tensor, whatever the file has.
    fn settle_copies(&mut self, variant: Variant, theirs: &EncoderConfig) {
        for buffer in ["embeddings.position_ids", "embeddings.token_type_ids"] {
            self.tensors.remove(buffer);
        }
        let head = variant.masked_lm_head();
        let [decoder, bias] = ["weight", "bias"].map(|kind| self.tensors.remove(&format!("{head}.decoder.{kind}")));
        if let Some(bias) = bias {
            self.tensors.entry(format!("{head}.bias")).or_insert(bias);
        }
        if decoder.is_some() && !theirs.tie_word_embeddings {
            let is_copy = decoder.as_ref() == self.tensors.get("embeddings.word_embeddings.weight");
            let problem =
                || format!("{head}.decoder.weight: not the embeddings, which are what is projected with here");
            self.problems.extend((!is_copy).then(problem));
        }
    }
}
