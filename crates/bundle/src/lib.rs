//! Model bundles, and what one loads as: a translator, a generator of text, or an encoder.
//!
//! A bundle is a folder: `config.toml` (sizes and choices), `tokenizer.json`, `model.safetensors`, `training.json`
//! (where it came from: data hashes, seed, steps, scores). It loads on any backend.
//!
//! ```no_run
//! use attentive_bundle::{Bundle, DecodingConfig, Translator};
//! use burn::tensor::Device;
//!
//! let bundle = Bundle::read("runs/latest".as_ref())?;
//! let translator = Translator::from_bundle(bundle, &Device::default(), None)?;
//! let translations = translator.translate(&["The animal was tired."], &DecodingConfig::default())?;
//! assert!(!translations[0][0].text.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![recursion_limit = "256"]

mod bundle;
mod error;
mod generator;
mod record;
mod span_filler;
mod text_encoder;
mod translation_model;
mod translator;

pub use attentive_engine::Precision;
pub use bundle::{Bundle, ModelConfig};
pub use error::{BundleError, EncodeError, TranslateError};
pub use generator::{GenerationConfig, Generator, TextScore};
pub use record::{DataRecord, ScoreRecord, TrainingRecord};
pub use span_filler::SpanFiller;
pub use text_encoder::{Candidate, Class, Pooling, TextEncoder, frame_ids};
pub use translation_model::{TranslationModel, TranslationState};
pub use translator::{DecodingConfig, Translation, Translator};

/// The rows of a model's vocabulary that none of the tokenizer's entries has, of `n_rows`: padding of its tables. They are
/// scored and never chosen.
fn unused_rows(tokenizer: &dyn attentive_tokenizer::Tokenizer, n_rows: usize) -> std::ops::Range<u32> {
    tokenizer.vocab_size() as u32..n_rows as u32
}
