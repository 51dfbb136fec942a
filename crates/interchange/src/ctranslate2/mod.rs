//! CTranslate2's folders: `model.bin`, `config.json`, and the vocabulary.
//!
//! Source of names and layout: `ctranslate2/specs` of CTranslate2 4 (`TransformerSpec`, revision 7). It takes a table of
//! positions, so ours stay as they are; it takes post-norm and pre-norm.

mod import;
mod model_bin;
mod names;
mod variables;
mod whisper;

use std::{fmt, path::Path, str::FromStr};

use attentive_attention::{Activation, NormPlacement, PositionsConfig};
use attentive_bundle::Bundle;
use attentive_model::TransformerConfig;
use serde_json::json;

pub(crate) use self::import::{MODEL, import};
use self::variables::Variables;
use crate::{
    ExportConfig, InterchangeError, UnknownName, checks, config_for,
    family::Family,
    files,
    tokenizers::{self, OURS, SpecialIds},
};

/// Its folders are told by their `model.bin`, and not by a class.
pub(crate) const FAMILY: Family = Family { name: "ctranslate2", class_prefix: "", import: None, export, places: None };

/// How matrices are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Quantization {
    /// As they are.
    #[default]
    Float32,
    /// Eight bits a weight, a scale for each output.
    Int8,
}

impl Quantization {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Float32, Self::Int8];

    /// CTranslate2's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Int8 => "int8",
        }
    }
}

impl fmt::Display for Quantization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Quantization {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        let known = Self::ALL.map(Self::name).join(", ");
        found.ok_or_else(|| UnknownName { what: "quantization", name: name.to_owned(), known })
    }
}

/// Writes the files that `ctranslate2.Translator` reads; the notes say what else it needs.
///
/// # Errors
/// [`InterchangeError::Inexpressible`], or what the system refuses.
fn export(bundle: &Bundle, options: &ExportConfig, folder: &Path) -> Result<Vec<String>, InterchangeError> {
    let config = &config_for::<TransformerConfig>(bundle, FAMILY.name)?;
    check(config)?;
    let ids = SpecialIds::of(&**bundle.tokenizer()?, "CTranslate2")?;
    let entries = tokenizers::entries(&**bundle.tokenizer()?, config.target_vocab_size);
    let of_sources = tokenizers::source_entries(&**bundle.tokenizer()?, config.source_vocab_size);
    let is_plain = tokenizers::is_plain(&**bundle.tokenizer()?);
    let name = |id: u32| entries[id as usize].as_str();
    let unk = bundle.tokenizer()?.specials().unk.unwrap_or(ids.pad);
    let variables = Variables::of(config, bundle, options)?;
    files::make_folder(folder)?;
    files::write(&folder.join(MODEL), &model_bin::bytes(&variables))?;
    if of_sources == entries {
        files::write_json(&folder.join("shared_vocabulary.json"), &entries)?;
    } else {
        files::write_json(&folder.join("source_vocabulary.json"), &of_sources)?;
        files::write_json(&folder.join("target_vocabulary.json"), &entries)?;
    }
    let settings = json!({
        "add_source_bos": false,
        // What stands around a source is given with it where that is more than its end.
        "add_source_eos": is_plain,
        "bos_token": name(ids.bos),
        "decoder_start_token": name(ids.start.unwrap_or(ids.bos)),
        "eos_token": name(ids.eos),
        "unk_token": name(unk),
        "layer_norm_epsilon": config.epsilon,
        "multi_query_attention": false,
    });
    files::write_json(&folder.join("config.json"), &settings)?;
    if bundle.tokenizer()?.to_model().is_some() {
        attentive_tokenizer::save(&**bundle.tokenizer()?, &folder.join(OURS))?;
    }
    let mut notes =
        vec!["CTranslate2 takes and gives tokens: encode and decode with the model's own tokenizer".to_owned()];
    if is_plain {
        notes.extend(tokenizers::note_of_targets(&**bundle.tokenizer()?));
    } else {
        notes.push(
            "put what stands around a source, its language too, and the beginning of a target around the tokens"
                .to_owned(),
        );
    }
    Ok(notes)
}

fn check(config: &TransformerConfig) -> Result<(), InterchangeError> {
    // CTranslate2 has a setting for it.
    let with_usual = TransformerConfig { epsilon: 1e-5, ..config.clone() };
    let mut problems = checks::problems(&with_usual);
    match config.positions {
        PositionsConfig::Sinusoidal | PositionsConfig::FairseqSinusoidal { .. } | PositionsConfig::Learned { .. } => {}
        _ => problems.push("positions: they are added to embeddings".to_owned()),
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(InterchangeError::Inexpressible { format: "CTranslate2", problems }),
    }
}

/// CTranslate2's number of an activation (`include/ctranslate2/ops/activation.h`).
fn activation(activation: Activation) -> i8 {
    match activation {
        Activation::Relu => 0,
        Activation::GeluTanh => 1,
        Activation::Silu => 2,
        Activation::Gelu => 3,
    }
}

fn is_pre_norm(config: &TransformerConfig) -> bool {
    config.norm == NormPlacement::Pre
}
