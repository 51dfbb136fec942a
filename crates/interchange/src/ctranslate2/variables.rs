//! CTranslate2's variables of our parameters.

use std::collections::BTreeMap;

use attentive_attention::PositionsConfig;
use attentive_model::TransformerConfig;
use attentive_weights::{HostTensor, Tensors};

use super::{Quantization, activation, is_pre_norm};
use crate::{
    ExportConfig,
    layout::{sinusoids, transposed},
};

/// A variable.
pub(super) enum Value {
    /// f32.
    Float(HostTensor),
    /// i8; its scales are a variable of their own.
    Quantized { shape: Vec<usize>, values: Vec<i8> },
    /// A setting of 8 bits.
    Small(i8),
    /// A setting of 16 bits.
    Short(i16),
}

/// All variables by name, and other names of some.
pub(super) struct Variables {
    pub(super) values: BTreeMap<String, Value>,
    pub(super) aliases: BTreeMap<String, String>,
}

impl Variables {
    /// The variables of a `TransformerSpec`.
    pub(super) fn of(config: &TransformerConfig, params: &Tensors, options: &ExportConfig) -> Self {
        let values = Writer { config, params, quantization: options.quantization, values: BTreeMap::new() };
        values.finish(options.max_len)
    }
}

struct Writer<'a> {
    config: &'a TransformerConfig,
    params: &'a Tensors,
    quantization: Quantization,
    values: BTreeMap<String, Value>,
}

impl Writer<'_> {
    fn finish(mut self, max_len: usize) -> Variables {
        self.stack("encoder", self.config.n_encoder_layers);
        self.stack("decoder", self.config.n_decoder_layers);
        self.small("encoder/embeddings_merge", 0);
        self.small("encoder/multi_query_attention", 0);
        self.short("decoder/alignment_layer", -1);
        self.short("decoder/alignment_heads", 1);
        for name in ["alibi", "alibi_use_positive_positions", "scale_alibi", "start_from_zero_embedding"] {
            self.small(&format!("decoder/{name}"), 0);
        }
        let mut aliases = BTreeMap::new();
        self.positions(max_len, &mut aliases);
        self.tables(&mut aliases);
        self.projection_bias();
        Variables { values: self.values, aliases }
    }

    /// Settings and layers of the encoder or the decoder.
    fn stack(&mut self, stack: &str, n_layers: usize) {
        self.small(&format!("{stack}/pre_norm"), is_pre_norm(self.config).into());
        self.small(&format!("{stack}/scale_embeddings"), self.config.scale_embeddings.into());
        self.small(&format!("{stack}/activation"), activation(self.config.activation));
        self.short(&format!("{stack}/num_heads"), self.config.n_heads as i16);
        if is_pre_norm(self.config) {
            self.norm(&format!("{stack}/layer_norm"), &format!("{stack}.norm"));
        }
        for n in 0..n_layers {
            let (scope, ours) = (format!("{stack}/layer_{n}"), format!("{stack}.layers.{n}"));
            let of_itself = format!("{ours}.self_attention");
            self.linear(&format!("{scope}/self_attention/linear_0"), &of_itself, &["query", "key", "value"]);
            self.linear(&format!("{scope}/self_attention/linear_1"), &of_itself, &["output"]);
            self.norm(&format!("{scope}/self_attention/layer_norm"), &format!("{of_itself}_add_norm.norm"));
            if stack == "decoder" {
                let of_memory = format!("{ours}.cross_attention");
                self.linear(&format!("{scope}/attention/linear_0"), &of_memory, &["query"]);
                self.linear(&format!("{scope}/attention/linear_1"), &of_memory, &["key", "value"]);
                self.linear(&format!("{scope}/attention/linear_2"), &of_memory, &["output"]);
                self.norm(&format!("{scope}/attention/layer_norm"), &format!("{of_memory}_add_norm.norm"));
            }
            self.linear(&format!("{scope}/ffn/linear_0"), &format!("{ours}.feed_forward"), &["inner"]);
            self.linear(&format!("{scope}/ffn/linear_1"), &format!("{ours}.feed_forward"), &["outer"]);
            self.norm(&format!("{scope}/ffn/layer_norm"), &format!("{ours}.feed_forward_add_norm.norm"));
        }
    }

    /// The maps `parts` of a sub-layer, fused: their outputs one after another.
    fn linear(&mut self, name: &str, sub_layer: &str, parts: &[&str]) {
        let weights: Vec<HostTensor> =
            parts.iter().map(|part| transposed(&self.params[&format!("{sub_layer}.{part}.weight")])).collect();
        let shape = vec![weights.iter().map(|weight| weight.shape[0]).sum(), weights[0].shape[1]];
        let values = weights.into_iter().flat_map(|weight| weight.values).collect();
        self.matrix(name, &HostTensor { shape, values });
        let biases = parts.iter().map(|part| &self.params[&format!("{sub_layer}.{part}.bias")]);
        let values: Vec<f32> = biases.flat_map(|bias| bias.values.iter().copied()).collect();
        self.float(&format!("{name}/bias"), HostTensor { shape: vec![values.len()], values });
    }

    fn norm(&mut self, name: &str, ours: &str) {
        for part in ["gamma", "beta"] {
            self.float(&format!("{name}/{part}"), self.params[&format!("{ours}.{part}")].clone());
        }
    }

    /// Positions of both stacks; one table where they are the same.
    fn positions(&mut self, max_len: usize, aliases: &mut BTreeMap<String, String>) {
        let [decoder, encoder] = ["decoder", "encoder"].map(|stack| format!("{stack}/position_encodings/encodings"));
        match self.config.positions {
            PositionsConfig::Learned { .. } => {
                for (name, ours) in [(decoder, "target_positions.weight"), (encoder, "source_positions.weight")] {
                    self.float(&name, self.params[ours].clone());
                }
            }
            positions => {
                let fixed = positions.sinusoids(self.config.d_model).expect("other positions are refused");
                self.float(&decoder, sinusoids(&fixed, max_len));
                aliases.insert(encoder, decoder);
            }
        }
    }

    /// Embeddings and projection; those that are one table are named after it.
    fn tables(&mut self, aliases: &mut BTreeMap<String, String>) {
        let config = self.config;
        let (target, source, projection) = ("decoder/embeddings", "encoder/embeddings_0", "decoder/projection");
        let of_target = if config.share_embeddings { "source_embedding.weight" } else { "target_embedding.weight" };
        let tables = [
            (target, of_target, false),
            (source, "source_embedding.weight", config.share_embeddings),
            (projection, "projection.weight", config.tie_projection),
        ];
        for (name, ours, is_target) in tables {
            if is_target {
                aliases.insert(format!("{name}/weight"), format!("{target}/weight"));
            } else {
                let table = self.params[ours].clone();
                self.matrix(name, &table);
            }
        }
    }

    fn projection_bias(&mut self) {
        if self.config.projection_bias {
            self.float("decoder/projection/bias", self.params["projection_bias"].clone());
        }
    }

    /// A matrix whose rows are quantised, if any is.
    fn matrix(&mut self, name: &str, weight: &HostTensor) {
        let name = format!("{name}/weight");
        match self.quantization {
            Quantization::Float32 => self.float(&name, weight.clone()),
            Quantization::Int8 => {
                let rows = weight.values.chunks_exact(weight.shape[1]);
                let scales: Vec<f32> = rows.clone().map(int8_scale).collect();
                let quantise = |value: f32, scale: f32| (value * scale).round_ties_even() as i8;
                let values =
                    rows.zip(&scales).flat_map(|(row, &scale)| row.iter().map(move |&value| quantise(value, scale)));
                let value = Value::Quantized { shape: weight.shape.clone(), values: values.collect() };
                self.values.insert(name.clone(), value);
                self.float(&format!("{name}_scale"), HostTensor { shape: vec![scales.len()], values: scales });
            }
        }
    }

    fn float(&mut self, name: &str, tensor: HostTensor) {
        self.values.insert(name.to_owned(), Value::Float(tensor));
    }

    fn small(&mut self, name: &str, value: i8) {
        self.values.insert(name.to_owned(), Value::Small(value));
    }

    fn short(&mut self, name: &str, value: i16) {
        self.values.insert(name.to_owned(), Value::Short(value));
    }
}

/// What makes the largest weight of a row 127.
fn int8_scale(row: &[f32]) -> f32 {
    let largest = row.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    // Not so small that the scale would overflow.
    let largest = if largest == 0.0 { 127.0 } else { largest.max(127.0 / f32::MAX) };
    127.0 / largest
}
