//! Models in and out.
//!
//! | system | in | out |
//! |---|---|---|
//! | transformers: Marian (OPUS-MT), post-norm | [`import`] | [`export`] to [`Format::Marian`] |
//! | transformers: Pegasus, pre-norm | [`import`] | [`export`] to [`Format::Pegasus`] |
//! | transformers: GPT-2 | [`import`] | [`export`] to [`Format::Gpt2`] |
//! | transformers: BERT | [`import`] | [`export`] to [`Format::Bert`] |
//! | transformers: RoBERTa | [`import`] | [`export`] to [`Format::Roberta`] |
//! | transformers: T5, ByT5 | [`import`] | [`export`] to [`Format::T5`] |
//! | transformers: CANINE | [`import`] | [`export`] to [`Format::Canine`] |
//! | CTranslate2 | | [`export`] to [`Format::CTranslate2`] |
//!
//! With the feature `hub`, `Hub` downloads a folder of transformers, or finds it in the cache of `huggingface_hub`.
//!
//! Weights are read from safetensors or from PyTorch's pickles, which are read as data: nothing in them is executed.
//!
//! ```no_run
//! use attentive_bundle::Bundle;
//! use attentive_interchange::{ExportConfig, Format, export, import};
//!
//! let notes = export(&Bundle::read("runs/latest".as_ref())?, Format::Marian, &ExportConfig::default(), "marian".as_ref())?;
//! let again = import("marian".as_ref())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod activations;
mod bert;
mod canine;
mod checkpoint;
mod checks;
mod ctranslate2;
mod error;
mod files;
mod gpt2;
#[cfg(feature = "hub")]
mod hub;
mod layout;
mod seq2seq;
mod source;
mod t5;
mod tokenizers;

use std::{fmt, path::Path, str::FromStr};

use attentive_bundle::{Bundle, DecodingConfig, GenerationConfig, TrainingRecord};
use attentive_model::{ModelConfig, ModelSpec};
use attentive_tokenizer::Tokenizer;
use attentive_weights::Tensors;
use serde::Deserialize;

use bert::Variant;
use seq2seq::Architecture;

pub use ctranslate2::Quantization;
pub use error::InterchangeError;
#[cfg(feature = "hub")]
pub use hub::{Download, Hub, HubModel};

/// A system to export to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `MarianMTModel` of transformers: post-norm.
    Marian,
    /// `PegasusForConditionalGeneration` of transformers: pre-norm.
    Pegasus,
    /// `GPT2LMHeadModel` of transformers.
    Gpt2,
    /// `BertModel` of transformers, or the class with the model's heads.
    Bert,
    /// `RobertaModel` of transformers, or the class with the model's heads.
    Roberta,
    /// `T5ForConditionalGeneration` of transformers.
    T5,
    /// `CanineModel` of transformers, or `CanineForSequenceClassification`.
    Canine,
    /// CTranslate2: encoder–decoders.
    CTranslate2,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 8] =
        [Self::Marian, Self::Pegasus, Self::Gpt2, Self::Bert, Self::Roberta, Self::Canine, Self::T5, Self::CTranslate2];

    /// The name, as users write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Marian => "marian",
            Self::Pegasus => "pegasus",
            Self::Gpt2 => "gpt2",
            Self::Bert => "bert",
            Self::Roberta => "roberta",
            Self::T5 => "t5",
            Self::Canine => "canine",
            Self::CTranslate2 => "ctranslate2",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| format!("unknown format `{name}`; there are {known}"))
    }
}

/// How to export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportConfig {
    /// The longest text that the exported model takes, where the format has such a limit: its tables of sinusoids.
    pub max_len: usize,
    /// How CTranslate2's weights are stored.
    pub quantization: Quantization,
}

impl Default for ExportConfig {
    /// 1,024 positions, f32.
    fn default() -> Self {
        Self { max_len: 1024, quantization: Quantization::Float32 }
    }
}

/// Writes a model's folder for another system; what comes back is what it can't express, for the user to know.
///
/// # Errors
/// [`InterchangeError::Inexpressible`] lists what the format lacks; or what the system refuses.
pub fn export(
    bundle: &Bundle,
    format: Format,
    options: &ExportConfig,
    folder: &Path,
) -> Result<Vec<String>, InterchangeError> {
    match format {
        Format::Marian | Format::Pegasus => {
            let architecture = if format == Format::Marian { Architecture::Marian } else { Architecture::Pegasus };
            seq2seq::export(&config_for(bundle, format)?, bundle, architecture, options.max_len, folder)
        }
        Format::T5 => t5::export(&config_for(bundle, format)?, bundle, folder),
        Format::CTranslate2 => ctranslate2::export(&config_for(bundle, format)?, bundle, options, folder),
        Format::Gpt2 => gpt2::export(&config_for(bundle, format)?, bundle, folder),
        Format::Bert => bert::export(&config_for(bundle, format)?, bundle, Variant::Bert, folder),
        Format::Roberta => bert::export(&config_for(bundle, format)?, bundle, Variant::Roberta, folder),
        Format::Canine => canine::export(&config_for(bundle, format)?, bundle, folder),
    }
}

/// The bundle's configuration as one of the family that a format is for.
fn config_for<C: ModelSpec>(bundle: &Bundle, format: Format) -> Result<C, InterchangeError> {
    bundle.model.spec().ok_or_else(|| {
        let problem = format!("the model's family is {}, which this format is not for", bundle.model.family());
        InterchangeError::Inexpressible { format: format.name(), problems: vec![problem] }
    })
}

/// Reads another system's folder: configuration, weights and tokenizer.
///
/// # Errors
/// [`InterchangeError`]: an architecture that is not here, settings or tensors that do not fit, damaged files.
pub fn import(folder: &Path) -> Result<Bundle, InterchangeError> {
    #[derive(Deserialize)]
    struct Kind {
        #[serde(default)]
        model_type: String,
    }
    let path = folder.join("config.json");
    if !path.is_file() {
        return Err(InterchangeError::Missing { path: folder.to_owned(), wanted: "config.json" });
    }
    let Kind { model_type } = files::read_json(&path)?;
    match model_type.as_str() {
        gpt2::MODEL_TYPE => return gpt2::import(folder),
        t5::MODEL_TYPE => return t5::import(folder),
        _ => {}
    }
    if let Some(variant) = Variant::ALL.into_iter().find(|variant| variant.model_type() == model_type) {
        return bert::import(variant, folder);
    }
    if model_type == canine::MODEL_TYPE {
        return canine::import(folder);
    }
    match Architecture::ALL.into_iter().find(|architecture| architecture.model_type() == model_type) {
        Some(architecture) => seq2seq::import(architecture, folder),
        None => {
            let [seq2seq, encoders] =
                [Architecture::ALL.map(Architecture::model_type), Variant::ALL.map(Variant::model_type)];
            let known = [&seq2seq[..], &[gpt2::MODEL_TYPE, t5::MODEL_TYPE], &encoders, &[canine::MODEL_TYPE]];
            let known = known.concat().join(", ");
            Err(InterchangeError::UnknownArchitecture { path, found: model_type, known })
        }
    }
}

/// What was read of a folder, as a bundle.
fn imported(folder: &Path, model: impl Into<ModelConfig>, tokenizer: Box<dyn Tokenizer>, params: Tensors) -> Bundle {
    Bundle {
        path: folder.to_owned(),
        model: model.into(),
        decoding: DecodingConfig::default(),
        generation: GenerationConfig::default(),
        tokenizer: tokenizer.into(),
        params,
        record: TrainingRecord { version: env!("CARGO_PKG_VERSION").into(), ..TrainingRecord::default() },
    }
}
