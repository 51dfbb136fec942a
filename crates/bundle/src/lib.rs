//! Model bundles, and the translator that one loads as.
//!
//! A bundle is a folder: `config.toml` (sizes and choices), `tokenizer.json`, `model.safetensors`, `training.json`
//! (where it came from: data hashes, seed, steps, scores). It loads on any backend.
//!
//! ```no_run
//! use attentive_bundle::{Bundle, DecodingConfig, Translator};
//! use burn::tensor::Device;
//!
//! let bundle = Bundle::read("runs/latest".as_ref())?;
//! let translator = Translator::from_bundle(bundle, &Device::default())?;
//! let translations = translator.translate(&["The animal was tired."], &DecodingConfig::default())?;
//! assert!(!translations[0][0].text.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![recursion_limit = "256"]

mod bundle;
mod error;
mod record;
mod translator;

pub use bundle::{Bundle, ModelConfig};
pub use error::{BundleError, TranslateError};
pub use record::{DataRecord, ScoreRecord, TrainingRecord};
pub use translator::{DecodingConfig, Translation, Translator};
