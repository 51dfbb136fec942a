//! The encoder–decoder Transformer in use on a CPU.
//!
//! [`CpuTransformer`] is `attentive_model::Transformer` made for decoding: weights are packed once; queries, keys and
//! values come from one product; padding is never computed; caches and buffers are kept from step to step; and the
//! vocabulary's product returns the most probable tokens without storing its logits. With [`WeightFormat::Int8`]
//! weights are signed bytes with a scale for each column.
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
//! let engine = CpuTransformer::new(&config, attentive_weights::params(&model), WeightFormat::F32)?;
//!
//! let mut state = engine.start(&TokenMatrix::from_rows(&[[5, 6, 2]], 0, 0));
//! let log_probs = engine.log_probs(&[1], &mut state)?;
//! assert_eq!(log_probs.len(), 100);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![recursion_limit = "256"]

mod cache;
mod decoder;
mod encoder;
mod layer;
mod load;
mod memory;
mod positions;
mod transformer;
mod weight;

pub use transformer::{CpuTransformer, State};
pub use weight::{WeightFormat, int8_axis};
