//! Encoder–decoders with sinusoids as transformers keeps them: Marian (OPUS-MT), post-norm, and Pegasus, pre-norm.
//!
//! Their sinusoids stand sine half before cosine half. That is another order of the model's dimensions, which every weight
//! here follows, so nothing is lost ([`Order::sines_first`]).

mod config;
mod names;

use std::{collections::BTreeMap, path::Path};

use attentive_bundle::Bundle;
use attentive_model::{ModelSpec, TransformerConfig};
use attentive_weights::{HostTensor, Tensors};
use serde_json::json;

use self::{
    config::Seq2SeqConfig,
    names::{LOGITS_BIAS, Slot, slots},
};
use crate::{
    InterchangeError, checkpoint, files, imported,
    layout::{Order, sinusoids},
    source::Source,
    tokenizers::{self, SpecialIds},
};

pub(crate) use config::Architecture;

/// How far a file's positions may be from the sinusoids, which some files hold as f16.
const POSITIONS_TOLERANCE: f32 = 2e-3;

/// Writes what the class's `from_pretrained` and `MarianTokenizer` read; tells what could not be expressed.
///
/// # Errors
/// [`InterchangeError::Inexpressible`], or what the system refuses.
pub(crate) fn export(
    config: &TransformerConfig,
    bundle: &Bundle,
    architecture: Architecture,
    max_len: usize,
    folder: &Path,
) -> Result<Vec<String>, InterchangeError> {
    let ids = SpecialIds::of(&*bundle.tokenizer, architecture.name())?;
    let ids = SpecialIds { pad: tokenizers::padding_of_both(&*bundle.tokenizer).unwrap_or(ids.pad), ..ids };
    let theirs = Seq2SeqConfig::of_ours(config, architecture, ids, max_len)?;
    let order = Order::sines_first(config.d_model);
    let mut tensors: Tensors = slots(config)
        .into_iter()
        .map(|Slot { ours, theirs, layout, .. }| (theirs, layout.export(&bundle.params[&ours], &order)))
        .collect();
    if config.share_embeddings && !config.tie_projection {
        // Nothing is tied then, so nothing is found under the shared name.
        for stack in ["encoder", "decoder"] {
            let shared = tensors["model.shared.weight"].clone();
            tensors.insert(format!("model.{stack}.embed_tokens.weight"), shared);
        }
    }
    if architecture == Architecture::Pegasus {
        // Which transformers would make again, but not without a warning.
        let positions = order.of_columns(&sinusoids(max_len, config.d_model));
        for stack in ["encoder", "decoder"] {
            tensors.insert(format!("model.{stack}.embed_positions.weight"), positions.clone());
        }
    }
    files::make_folder(folder)?;
    files::write_json(&folder.join("config.json"), &theirs)?;
    let never: Vec<u32> = bundle.tokenizer.specials().iter().filter(|&id| id != ids.eos).collect();
    let generation = json!({
        "decoder_start_token_id": ids.bos,
        "bos_token_id": ids.bos,
        "eos_token_id": ids.eos,
        "pad_token_id": ids.pad,
        "max_length": max_len,
        "num_beams": 1,
        // What our own search does not choose either.
        "suppress_tokens": never,
    });
    files::write_json(&folder.join("generation_config.json"), &generation)?;
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    attentive_weights::write(&folder.join("model.safetensors"), &tensors, &metadata)?;
    Ok(tokenizers::export_marian(folder, &*bundle.tokenizer)?.into_iter().collect())
}

/// Reads what transformers, or the Marian conversion, wrote.
///
/// # Errors
/// [`InterchangeError`] lists all settings or tensors that do not fit.
pub(crate) fn import(architecture: Architecture, folder: &Path) -> Result<Bundle, InterchangeError> {
    let path = folder.join("config.json");
    let theirs: Seq2SeqConfig = files::read_json(&path)?;
    let mut config = theirs.to_ours(architecture, &path)?;
    config.validate()?;
    let mut source = Source::new(checkpoint::read(folder)?);
    source.drop_copies(&theirs, &mut config);
    let order = Order::sines_first(config.d_model).inverse();
    let mut params = Tensors::new();
    for Slot { ours, shape, theirs, layout } in slots(&config) {
        if let Some(tensor) = source.take(&theirs, &layout.theirs(&shape)) {
            params.insert(ours, layout.import(&tensor, &order));
        }
    }
    source.finish(folder)?;
    if !theirs.scale_embedding {
        unscale_embeddings(&mut config, &mut params);
    }
    let tokenizer = tokenizers::import_marian(folder, theirs.decoder_start_token_id)?;
    tokenizers::check_vocabulary(folder, &*tokenizer, config.target_vocab_size)?;
    Ok(imported(folder, config, tokenizer, params))
}

/// Divides embeddings by the √d_model that our model multiplies them by; the projection keeps its own copy.
fn unscale_embeddings(config: &mut TransformerConfig, params: &mut Tensors) {
    let projected = if config.share_embeddings { "source_embedding.weight" } else { "target_embedding.weight" };
    if config.tie_projection {
        config.tie_projection = false;
        params.insert("projection.weight".into(), params[projected].clone());
    }
    let scale = (config.d_model as f64).sqrt().recip() as f32;
    for name in ["source_embedding.weight", "target_embedding.weight"] {
        if let Some(table) = params.get_mut(name) {
            table.values.iter_mut().for_each(|value| *value *= scale);
        }
    }
}

impl Source {
    /// Drops what transformers makes again, or ties to another tensor, whatever the file has.
    fn drop_copies(&mut self, theirs: &Seq2SeqConfig, config: &mut TransformerConfig) {
        for stack in ["encoder", "decoder"] {
            let name = format!("model.{stack}.embed_positions.weight");
            if let Some(positions) = self.tensors.remove(&name) {
                self.check_positions(&name, &positions, config.d_model);
            }
        }
        if theirs.tie_word_embeddings {
            self.tensors.remove("lm_head.weight");
        }
        match self.tensors.get(LOGITS_BIAS) {
            Some(bias) if bias.values.iter().all(|&value| value == 0.0) => drop(self.tensors.remove(LOGITS_BIAS)),
            Some(_) => config.projection_bias = true,
            None => {}
        }
        if config.share_embeddings {
            self.settle_embeddings(theirs, config);
        }
    }

    /// Leaves the one shared table; or each stack's own, where nothing is tied, so that those are what is used.
    fn settle_embeddings(&mut self, theirs: &Seq2SeqConfig, config: &mut TransformerConfig) {
        const SHARED: &str = "model.shared.weight";
        let names = ["model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"];
        let shared = self.tensors.get(SHARED);
        let own = names.map(|name| self.tensors.get(name));
        if !theirs.tie_word_embeddings && own.iter().all(Option::is_some) && own.iter().any(|own| *own != shared) {
            config.share_embeddings = false;
            self.tensors.remove(SHARED);
            return;
        }
        let copies = names.map(|name| self.tensors.remove(name));
        if let (false, Some(copy)) = (self.tensors.contains_key(SHARED), copies.into_iter().flatten().next()) {
            self.tensors.insert(SHARED.into(), copy);
        }
    }

    fn check_positions(&mut self, name: &str, found: &HostTensor, d_model: usize) {
        let [n, width] = found.shape[..] else { return self.problems.push(format!("{name}: no matrix")) };
        let is_close = |(a, b): (&f32, &f32)| (a - b).abs() <= POSITIONS_TOLERANCE;
        let expected = || Order::sines_first(d_model).of_columns(&sinusoids(n, d_model));
        if width != d_model || !found.values.iter().zip(&expected().values).all(is_close) {
            self.problems.push(format!("{name}: not the sinusoids that transformers has"));
        }
    }
}
