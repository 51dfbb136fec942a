//! Models in use on a CPU: every family whose layers are attention and feed-forward.
//!
//! | model | of | is |
//! |---|---|---|
//! | [`CpuTransformer`] | `attentive_model::Transformer`, T5 too | `attentive_core::EncoderDecoder` |
//! | [`CpuGpt`] | `attentive_model::Gpt` | `attentive_core::LanguageModel` |
//! | [`CpuBert`] | `attentive_model::Bert` | `attentive_core::Encoder` |
//! | [`CpuWhisper`] | `attentive_model::Whisper` | `attentive_core::SpeechRecognizer` |
//!
//! Weights are packed once; queries, keys and values come from one product; padding is never computed; caches and
//! buffers are kept from step to step; and the vocabulary's product returns the most probable tokens without storing
//! its logits. A translation may be held to some tokens: their columns alone are multiplied then. With
//! [`WeightFormat::Int8`] weights are signed bytes with a scale for each column. Every setting of these families'
//! configurations is followed.
//!
//! Models that differ in an adapter have one copy of what they are packed from ([`SharedWeights`]); what is of low rank
//! ([`Source::low_rank`](attentive_weights::Source::low_rank)) is added by two thin products in f32.
//!
//! ```
//! use attentive_backend::BackendKind;
//! use attentive_core::{EncoderDecoder, NextToken, TokenMatrix};
//! use attentive_engine::{CpuTransformer, WeightFormat};
//! use attentive_model::{ModelSpec, TransformerConfig};
//!
//! let device = BackendKind::Flex.device()?;
//! let config = TransformerConfig { n_encoder_layers: 1, n_decoder_layers: 1, ..TransformerConfig::base(100) };
//! let model = config.init(&device, 1)?;
//! let engine = CpuTransformer::new(&config, &attentive_weights::params(&model), WeightFormat::F32)?;
//!
//! let mut state = engine.start(&TokenMatrix::from_rows(&[[5, 6, 2]], 0, 0));
//! let log_probs = engine.log_probs(&[1], &mut state)?;
//! assert_eq!(log_probs.len(), 100);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![recursion_limit = "256"]

mod attention;
mod bert;
mod cache;
mod decoder;
mod embedding;
mod gpt;
mod layer;
mod load;
mod positions;
mod restriction;
mod rounding;
mod shared;
mod stack;
mod transformer;
mod weight;
mod whisper;

pub use bert::CpuBert;
pub use decoder::State;
pub use gpt::{CpuGpt, GptState};
pub use rounding::{PackedRounding, packs};
pub use shared::{SharedWeights, WeightPacking};
pub use transformer::CpuTransformer;
pub use weight::{WeightFormat, int8_axis};
pub use whisper::CpuWhisper;
