//! Encoder–decoders of fairseq's kind as transformers keeps them: Marian (OPUS-MT), Pegasus, BART, mBART, M2M100 and NLLB.
//!
//! Their sinusoids stand sine half before cosine half. That is another order of the model's dimensions, which every weight
//! here follows, so nothing is lost ([`Order::sines_first`]).

mod config;
mod names;
mod tokenizer;

use std::{collections::BTreeMap, path::Path};

use attentive_attention::{PositionsConfig, Sinusoids};
use attentive_bundle::Bundle;
use attentive_model::{ModelSpec, TransformerConfig};
use attentive_tokenizer::Framing;
use attentive_weights::HostTensor;
use serde_json::json;

use self::{
    config::{Architecture, Seq2SeqConfig},
    names::{LOGITS_BIAS, positions_name, slots},
};
use crate::{
    ExportConfig, InterchangeError, config_for,
    family::Family,
    files,
    layout::{Order, Places, sinusoids, zeros},
    reader::Reader,
    settings,
    source::{Source, Tables},
    tokenizers::{self, SpecialIds},
};

/// A family of the architecture of this name, whose classes' names begin with `class_prefix`.
macro_rules! family {
    ($architecture:ident, $name:literal, $class_prefix:literal) => {
        Family {
            name: $name,
            class_prefix: $class_prefix,
            import: Some(|reader| import(Architecture::$architecture, reader)),
            export: |bundle, options, folder| export(Architecture::$architecture, bundle, options, folder),
            places: Some(|bundle| Ok(places(&config_for(bundle, $name)?))),
        }
    };
}

pub(crate) const MARIAN: Family = family!(Marian, "marian", "Marian");
pub(crate) const PEGASUS: Family = family!(Pegasus, "pegasus", "Pegasus");
pub(crate) const BART: Family = family!(Bart, "bart", "Bart");
pub(crate) const MBART: Family = family!(MBart, "mbart", "MBart");
pub(crate) const M2M_100: Family = family!(M2M100, "m2m_100", "M2M100");

const TABLES: Tables = Tables {
    shared: "model.shared.weight",
    own: ["model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"],
    projection: "lm_head.weight",
};

/// How far a file's positions may be from the sinusoids, which some files hold as f16.
const POSITIONS_TOLERANCE: f32 = 2e-3;

/// How far the sinusoids of f32 may be from one another.
const EXACT_TOLERANCE: f32 = 1e-4;

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
    let max_len = options.n_positions();
    let tokenizer = &**bundle.tokenizer()?;
    if matches!(architecture, Architecture::MBart | Architecture::M2M100) && tokenizers::tells_targets(tokenizer) {
        let problem = format!(
            "its sources begin with the language that they are translated into, and {}'s have their own: export it as marian",
            architecture.name()
        );
        return Err(InterchangeError::Inexpressible { format: architecture.name(), problems: vec![problem] });
    }
    let ids = SpecialIds::of(tokenizer, architecture.name())?;
    let ids = SpecialIds { pad: tokenizers::padding_of_both(tokenizer).unwrap_or(ids.pad), ..ids };
    let theirs = Seq2SeqConfig::of_ours(config, architecture, ids, max_len)?;
    let places = places(config);
    let mut tensors = places.export(bundle)?;
    if config.share_embeddings && !config.tie_projection {
        // Nothing is tied then, so nothing is found under the shared name.
        for stack in ["encoder", "decoder"] {
            let shared = tensors["model.shared.weight"].clone();
            tensors.insert(format!("model.{stack}.embed_tokens.weight"), shared);
        }
    }
    if architecture == Architecture::Pegasus {
        // Which transformers would make again, but not without a warning.
        let positions = places.order.of_columns(&sinusoids(&Sinusoids::new(config.d_model), max_len));
        for stack in ["encoder", "decoder"] {
            tensors.insert(positions_name(stack), positions.clone());
        }
    }
    if architecture.has_logits_bias() {
        // Which is a row of zeros there where there is none here.
        tensors.entry(LOGITS_BIAS.to_owned()).or_insert_with(|| zeros(&[1, config.target_vocab_size]));
    }
    files::make_folder(folder)?;
    files::write_json(&folder.join("config.json"), &theirs)?;
    let languages = tokenizer.framing().into_iter().flat_map(Framing::of_sources_alone);
    let never = tokenizer.specials().iter().filter(|&id| id != ids.eos).chain(languages);
    let mut generation = json!({
        "decoder_start_token_id": ids.start,
        "bos_token_id": ids.bos,
        "eos_token_id": ids.eos,
        "pad_token_id": ids.pad,
    });
    let settings = generation.as_object_mut().expect("an object");
    settings.retain(|_, value| !value.is_null());
    // What our own search does not choose is not chosen there either.
    let longest = config.positions.max_len().unwrap_or(max_len);
    settings.extend(settings::of_decoding(&bundle.decoding, never.collect(), ids.first, longest));
    files::write_json(&folder.join("generation_config.json"), &generation)?;
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    attentive_weights::write(&folder.join("model.safetensors"), &tensors, &metadata)?;
    let note = tokenizer::export(architecture, folder, tokenizer)?;
    let told = tokenizers::note_of_targets(tokenizer);
    Ok(note.into_iter().chain(told).chain(settings::left_out_of_decoding(&bundle.decoding)).collect())
}

/// Every parameter under the names of transformers.
fn places(config: &TransformerConfig) -> Places {
    Places::new(slots(config), order_of(config))
}

/// The order of a model's dimensions there: another where its positions are sinusoids.
fn order_of(config: &TransformerConfig) -> Order {
    match config.positions.sinusoids(config.d_model) {
        Some(_) => Order::sines_first(config.d_model),
        None => Order::SAME,
    }
}

/// Reads what transformers, or the Marian conversion, wrote.
///
/// # Errors
/// [`InterchangeError`] lists all settings or tensors that do not fit.
fn import(architecture: Architecture, reader: &mut Reader<'_>) -> Result<Bundle, InterchangeError> {
    reader.assume(architecture.defaults());
    let theirs: Seq2SeqConfig = reader.config()?;
    let mut config = theirs.to_ours(architecture, &reader.config_path())?;
    config.validate()?;
    let mut source = reader.source(name_with_head)?;
    source.check_layers("encoder_layers", config.n_encoder_layers, "model.encoder.layers.")?;
    source.check_layers("decoder_layers", config.n_decoder_layers, "model.decoder.layers.")?;
    if source.drop_copies(&mut config)? {
        let note = "the table of positions is rounded: the exact sinusoids are used";
        reader.notes.push(note.to_owned());
    }
    settle_tables(&mut source, &mut config, reader)?;
    let params = source.take(slots(&config), &order_of(&config))?;
    reader.finish(source)?;
    let tokenizer = tokenizers::import_translator(reader, theirs.decoder_start_token_id)?;
    reader.bundle(config, tokenizer, params)
}

/// The name that a tensor of a class without a head has in those with one.
fn name_with_head(name: &str) -> String {
    let is_of_base = ["shared.", "encoder.", "decoder."].iter().any(|start| name.starts_with(start));
    if is_of_base { format!("model.{name}") } else { name.to_owned() }
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

impl Source {
    /// Drops what transformers makes again, or does not read; whether positions were rounded.
    fn drop_copies(&mut self, config: &mut TransformerConfig) -> Result<bool, InterchangeError> {
        let mut are_rounded = false;
        for stack in ["encoder", "decoder"] {
            self.drop(&format!("model.{stack}.version"));
            let Some(positions) = config.positions.sinusoids(config.d_model) else { continue };
            for name in [positions_name(stack), format!("model.{stack}.embed_positions.weights")] {
                if self.has(&name) {
                    are_rounded |= self.check_positions(&name, &positions, config)?;
                    self.drop(&name);
                }
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
    fn check_positions(
        &mut self,
        name: &str,
        positions: &Sinusoids,
        config: &TransformerConfig,
    ) -> Result<bool, InterchangeError> {
        let mut found = self.tensor(name)?;
        if let PositionsConfig::FairseqSinusoidal { first } = config.positions {
            // The rows before the first position are those of padding, and without use.
            found = without_first_rows(found, first);
        }
        let [n, width] = found.shape[..] else {
            self.problem(format!("{name}: not a matrix"));
            return Ok(false);
        };
        let expected = || order_of(config).of_columns(&sinusoids(positions, n));
        let error = |(a, b): (&f32, &f32)| (a - b).abs();
        let is_near = |allowed: f32| found.values.iter().zip(&expected().values).all(|pair| error(pair) <= allowed);
        if width != config.d_model || !is_near(POSITIONS_TOLERANCE) {
            self.problem(format!("{name}: not the sinusoids that transformers has"));
            return Ok(false);
        }
        Ok(!is_near(EXACT_TOLERANCE))
    }
}

/// A matrix without its first `n` rows.
fn without_first_rows(HostTensor { mut shape, mut values }: HostTensor, n: usize) -> HostTensor {
    if let [rows, width] = &mut shape[..] {
        let n = n.min(*rows);
        values.drain(..n * *width);
        *rows -= n;
    }
    HostTensor { shape, values }
}
