//! Encoder–decoders with sinusoids as transformers keeps them: Marian (OPUS-MT), post-norm, and Pegasus, pre-norm.
//!
//! Their sinusoids stand sine half before cosine half. That is another order of the model's dimensions, which every weight
//! here follows, so nothing is lost ([`Order::sines_first`]).

mod config;
mod names;

use std::{collections::BTreeMap, path::Path};

use attentive_bundle::Bundle;
use attentive_model::{ModelSpec, TransformerConfig};
use attentive_weights::Tensors;
use serde_json::json;

use self::{
    config::{Architecture, Seq2SeqConfig},
    names::{LOGITS_BIAS, slots},
};
use crate::{
    ExportConfig, InterchangeError, config_for,
    family::Family,
    files,
    layout::{self, Order, sinusoids},
    reader::Reader,
    settings,
    source::{Source, Tables},
    tokenizers::{self, SpecialIds},
};

pub(crate) const MARIAN: Family = Family {
    name: "marian",
    class_prefix: "Marian",
    import: Some(|reader| import(Architecture::Marian, reader)),
    export: |bundle, options, folder| export(Architecture::Marian, bundle, options, folder),
};

pub(crate) const PEGASUS: Family = Family {
    name: "pegasus",
    class_prefix: "Pegasus",
    import: Some(|reader| import(Architecture::Pegasus, reader)),
    export: |bundle, options, folder| export(Architecture::Pegasus, bundle, options, folder),
};

const TABLES: Tables = Tables {
    shared: "model.shared.weight",
    own: ["model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"],
    projection: "lm_head.weight",
};

/// How far a file's positions may be from the sinusoids, which some files hold as f16.
const POSITIONS_TOLERANCE: f32 = 2e-3;

/// How far the sinusoids of f32 may be from one another.
const EXACT_TOLERANCE: f32 = 1e-4;

/// Holds a bundle's parameters against its configuration.
///
/// # Errors
/// [`InterchangeError::Mismatch`] lists those that are missing or of another shape.
pub(crate) fn check_params(config: &TransformerConfig, bundle: &Bundle) -> Result<(), InterchangeError> {
    layout::check_params(bundle, &slots(config))
}

/// Writes what the class's `from_pretrained` and `MarianTokenizer` read; tells what could not be expressed.
///
/// # Errors
/// [`InterchangeError::Inexpressible`], or what the system refuses.
fn export(
    architecture: Architecture,
    bundle: &Bundle,
    options: &ExportConfig,
    folder: &Path,
) -> Result<Vec<String>, InterchangeError> {
    let config = &config_for::<TransformerConfig>(bundle, architecture.model_type())?;
    let max_len = options.max_len;
    let ids = SpecialIds::of(&**bundle.tokenizer()?, architecture.name())?;
    let ids = SpecialIds { pad: tokenizers::padding_of_both(&**bundle.tokenizer()?).unwrap_or(ids.pad), ..ids };
    let theirs = Seq2SeqConfig::of_ours(config, architecture, ids, max_len)?;
    let order = Order::sines_first(config.d_model);
    let mut tensors = layout::export(bundle, &slots(config), &order)?;
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
    let never: Vec<u32> = bundle.tokenizer()?.specials().iter().filter(|&id| id != ids.eos).collect();
    let mut generation = json!({
        "decoder_start_token_id": ids.bos,
        "bos_token_id": ids.bos,
        "eos_token_id": ids.eos,
        "pad_token_id": ids.pad,
        "max_length": max_len,
    });
    // What our own search does not choose is not chosen there either.
    generation.as_object_mut().expect("an object").extend(settings::of_decoding(&bundle.decoding, &never));
    files::write_json(&folder.join("generation_config.json"), &generation)?;
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    attentive_weights::write(&folder.join("model.safetensors"), &tensors, &metadata)?;
    let note = tokenizers::export_marian(folder, &**bundle.tokenizer()?)?;
    Ok(note.into_iter().chain(settings::left_out_of_decoding(&bundle.decoding)).collect())
}

/// Reads what transformers, or the Marian conversion, wrote.
///
/// # Errors
/// [`InterchangeError`] lists all settings or tensors that do not fit.
fn import(architecture: Architecture, reader: &mut Reader<'_>) -> Result<Bundle, InterchangeError> {
    let theirs: Seq2SeqConfig = reader.config()?;
    let mut config = theirs.to_ours(architecture, &reader.config_path())?;
    config.validate()?;
    let mut source = reader.source(str::to_owned)?;
    source.check_layers("encoder_layers", config.n_encoder_layers, "model.encoder.layers.")?;
    source.check_layers("decoder_layers", config.n_decoder_layers, "model.decoder.layers.")?;
    if source.drop_copies(&mut config)? {
        let note = "embed_positions.weight is rounded: the exact sinusoids are used";
        reader.notes.push(note.to_owned());
    }
    settle_tables(&mut source, &mut config, reader)?;
    let mut params = source.take(slots(&config), &Order::sines_first(config.d_model))?;
    reader.finish(source)?;
    if !theirs.scale_embedding {
        unscale_embeddings(&mut config, &mut params);
    }
    let tokenizer = tokenizers::import_translator(reader, Some(theirs.decoder_start_token_id))?;
    reader.bundle(config, tokenizer, params)
}

/// Holds what config.json says of tables that are one against the file.
fn settle_tables(
    source: &mut Source,
    config: &mut TransformerConfig,
    reader: &mut Reader<'_>,
) -> Result<(), InterchangeError> {
    let wanted = [config.share_embeddings, config.tie_projection];
    let settled = if config.share_embeddings {
        TABLES.settle(source, config.tie_projection)?
    } else {
        let [_, decoder] = TABLES.own;
        let has_both = source.has(TABLES.projection) && source.has(decoder);
        let is_tied = config.tie_projection && (!has_both || source.are_equal(TABLES.projection, decoder)?);
        if is_tied {
            source.drop(TABLES.projection);
        }
        [false, is_tied]
    };
    [config.share_embeddings, config.tie_projection] = settled;
    reader.notes.extend(TABLES.notes(wanted, settled));
    Ok(())
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
    /// Drops what transformers makes again; whether positions were rounded.
    fn drop_copies(&mut self, config: &mut TransformerConfig) -> Result<bool, InterchangeError> {
        let mut are_rounded = false;
        for stack in ["encoder", "decoder"] {
            let name = format!("model.{stack}.embed_positions.weight");
            if self.has(&name) {
                are_rounded |= self.check_positions(&name, config.d_model)?;
                self.drop(&name);
            }
        }
        config.projection_bias =
            self.has(LOGITS_BIAS) && self.tensor(LOGITS_BIAS)?.values.iter().any(|&bias| bias != 0.0);
        if !config.projection_bias {
            self.drop(LOGITS_BIAS);
        }
        Ok(are_rounded)
    }

    /// Whether a table of positions, the sinusoids, is rounded.
    fn check_positions(&mut self, name: &str, d_model: usize) -> Result<bool, InterchangeError> {
        let found = self.tensor(name)?;
        let [n, width] = found.shape[..] else {
            self.problem(format!("{name}: not a matrix"));
            return Ok(false);
        };
        let expected = || Order::sines_first(d_model).of_columns(&sinusoids(n, d_model));
        let error = |(a, b): (&f32, &f32)| (a - b).abs();
        let is_near = |allowed: f32| found.values.iter().zip(&expected().values).all(|pair| error(pair) <= allowed);
        if width != d_model || !is_near(POSITIONS_TOLERANCE) {
            self.problem(format!("{name}: not the sinusoids that transformers has"));
            return Ok(false);
        }
        Ok(!is_near(EXACT_TOLERANCE))
    }
}
