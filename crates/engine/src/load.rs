//! From named parameters to packed weights.

use attentive_attention::{NormPlacement, Sinusoids};
use attentive_kernels::MatRef;
use attentive_model::TransformerConfig;
use attentive_weights::{Tensors, WeightsError};

use crate::{
    decoder::{Decoder, DecoderLayer},
    encoder::{Encoder, EncoderLayer},
    layer::{AddNorm, FeedForward, HeadDims, LayerNorm, Linear},
    positions::Positions,
    weight::{Weight, WeightFormat},
};

/// Takes parameters by name, and notes those that do not fit.
pub(crate) struct Loader<'a> {
    params: Tensors,
    config: &'a TransformerConfig,
    format: WeightFormat,
    problems: Vec<String>,
}

impl<'a> Loader<'a> {
    pub(crate) fn new(params: Tensors, config: &'a TransformerConfig, format: WeightFormat) -> Self {
        Self { params, config, format, problems: Vec::new() }
    }

    /// An error that lists the parameters that are missing, of another shape, or left over.
    pub(crate) fn finish(mut self) -> Result<(), WeightsError> {
        self.problems.extend(self.params.keys().map(|name| format!("left over: {name}")));
        if self.problems.is_empty() { Ok(()) } else { Err(WeightsError::Mismatch { problems: self.problems }) }
    }

    /// A parameter's values; zeros if it does not fit, which `finish` then reports.
    pub(crate) fn values(&mut self, name: &str, shape: &[usize]) -> Vec<f32> {
        match self.params.remove(name) {
            Some(tensor) if tensor.shape == shape => return tensor.values,
            Some(tensor) => self.problems.push(format!("{name} is {:?}, not {shape:?}", tensor.shape)),
            None => self.problems.push(format!("missing: {name}")),
        }
        vec![0.0; shape.iter().product()]
    }

    pub(crate) fn encoder(&mut self) -> Encoder {
        let layers = (0..self.config.n_encoder_layers).map(|idx| format!("encoder.layers.{idx}"));
        let layers = layers.map(|path| EncoderLayer {
            qkv: self.attention_inputs(&format!("{path}.self_attention"), &["query", "key", "value"]),
            output: self.attention_output(&format!("{path}.self_attention")),
            self_attention: self.add_norm(&format!("{path}.self_attention_add_norm")),
            feed_forward: self.feed_forward(&format!("{path}.feed_forward")),
            feed_forward_add_norm: self.add_norm(&format!("{path}.feed_forward_add_norm")),
        });
        Encoder { layers: layers.collect(), norm: self.final_norm("encoder.norm"), dims: self.head_dims() }
    }

    pub(crate) fn decoder(&mut self) -> Decoder {
        let layers = (0..self.config.n_decoder_layers).map(|idx| format!("decoder.layers.{idx}"));
        let layers = layers.map(|path| DecoderLayer {
            qkv: self.attention_inputs(&format!("{path}.self_attention"), &["query", "key", "value"]),
            self_output: self.attention_output(&format!("{path}.self_attention")),
            self_attention: self.add_norm(&format!("{path}.self_attention_add_norm")),
            query: self.attention_inputs(&format!("{path}.cross_attention"), &["query"]),
            keys_values: self.attention_inputs(&format!("{path}.cross_attention"), &["key", "value"]),
            cross_output: self.attention_output(&format!("{path}.cross_attention")),
            cross_attention: self.add_norm(&format!("{path}.cross_attention_add_norm")),
            feed_forward: self.feed_forward(&format!("{path}.feed_forward")),
            feed_forward_add_norm: self.add_norm(&format!("{path}.feed_forward_add_norm")),
        });
        Decoder { layers: layers.collect(), norm: self.final_norm("decoder.norm"), dims: self.head_dims() }
    }

    pub(crate) fn positions(&mut self, name: &str) -> Positions {
        let d_model = self.config.d_model;
        match self.config.positions.max_len() {
            None => Positions::Sinusoidal(Sinusoids::new(d_model)),
            Some(max_len) => {
                Positions::Learned { table: self.values(&format!("{name}.weight"), &[max_len, d_model]), d_model }
            }
        }
    }

    /// The projection to the vocabulary of an embedding matrix `[vocab, d_model]`.
    pub(crate) fn projection(&self, embedding: &[f32]) -> Weight {
        let (vocab, d_model) = (self.config.target_vocab_size, self.config.d_model);
        Weight::new(MatRef::new(embedding, vocab, d_model).t(), self.format)
    }

    fn head_dims(&self) -> HeadDims {
        HeadDims { heads: self.config.n_heads, d_k: self.config.d_k(), d_v: self.config.d_v() }
    }

    /// Projections of the same input, concatenated.
    fn attention_inputs(&mut self, path: &str, parts: &[&str]) -> Linear {
        let d_in = self.config.d_model;
        let dims = self.head_dims();
        let width = |part: &str| if part == "value" { dims.values() } else { dims.keys() };
        let d_out: usize = parts.iter().map(|part| width(part)).sum();
        let (mut weight, mut bias) = (vec![0.0; d_in * d_out], Vec::with_capacity(d_out));
        for part in parts {
            let (first, width) = (bias.len(), width(part));
            let values = self.values(&format!("{path}.{part}.weight"), &[d_in, width]);
            for (to, from) in weight.chunks_exact_mut(d_out).zip(values.chunks_exact(width)) {
                to[first..first + width].copy_from_slice(from);
            }
            bias.extend(self.values(&format!("{path}.{part}.bias"), &[width]));
        }
        Linear { weight: Weight::new(MatRef::new(&weight, d_in, d_out), self.format), bias }
    }

    fn attention_output(&mut self, path: &str) -> Linear {
        let d_in = self.head_dims().values();
        self.linear(&format!("{path}.output"), d_in, self.config.d_model)
    }

    fn linear(&mut self, path: &str, d_in: usize, d_out: usize) -> Linear {
        let weight = self.values(&format!("{path}.weight"), &[d_in, d_out]);
        let weight = Weight::new(MatRef::new(&weight, d_in, d_out), self.format);
        Linear { weight, bias: self.values(&format!("{path}.bias"), &[d_out]) }
    }

    fn feed_forward(&mut self, path: &str) -> FeedForward {
        let TransformerConfig { d_model, d_ff, activation, .. } = *self.config;
        FeedForward {
            inner: self.linear(&format!("{path}.inner"), d_model, d_ff),
            outer: self.linear(&format!("{path}.outer"), d_ff, d_model),
            activation: activation.into(),
        }
    }

    fn add_norm(&mut self, path: &str) -> AddNorm {
        AddNorm { norm: self.layer_norm(&format!("{path}.norm")), placement: self.config.norm }
    }

    fn final_norm(&mut self, path: &str) -> Option<LayerNorm> {
        (self.config.norm == NormPlacement::Pre).then(|| self.layer_norm(path))
    }

    fn layer_norm(&mut self, path: &str) -> LayerNorm {
        let shape = [self.config.d_model];
        LayerNorm {
            gamma: self.values(&format!("{path}.gamma"), &shape),
            beta: self.values(&format!("{path}.beta"), &shape),
        }
    }
}
