//! The encoder–decoder Transformer in use on a CPU.
//!
//! [`CpuTransformer`] is `attentive_model::Transformer` made for decoding: weights are packed once, queries, keys and
//! values come from one product, padding is never computed, caches and buffers are kept from step to step, and the most
//! probable tokens leave the vocabulary's product without its logits ever being stored. With [`Precision::Int8`] weights
//! are signed bytes with a scale a column.
//!
//! ```
//! use attentive_backend::BackendKind;
//! use attentive_core::{EncoderDecoder, NextToken, TokenMatrix};
//! use attentive_engine::{CpuTransformer, Precision};
//! use attentive_model::{ModelSpec, TransformerConfig};
//! use burn::tensor::Tensor;
//!
//! let device = BackendKind::Flex.device()?;
//! let config = TransformerConfig { n_encoder_layers: 1, n_decoder_layers: 1, ..TransformerConfig::base(100) };
//! let model = config.init(&device, 1)?;
//! let engine = CpuTransformer::new(&config, attentive_weights::params(&model), Precision::F32, &device)?;
//!
//! let mut state = engine.start(&TokenMatrix::from_rows(&[[5, 6, 2]], 0, 0));
//! let log_probs = engine.advance(Tensor::from_ints([[1]], &device), &mut state);
//! assert_eq!(log_probs.dims(), [1, 100]);
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
pub use weight::{Precision, int8_axis};
