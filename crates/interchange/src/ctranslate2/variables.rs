//! CTranslate2's variables of our parameters.

use std::collections::BTreeMap;

use attentive_bundle::Bundle;
use attentive_model::TransformerConfig;
use attentive_weights::HostTensor;

use super::{
    Quantization, activation, is_pre_norm,
    names::{CTranslate2, PROJECTION, SOURCE, TARGET, positions},
};
use crate::{
    ExportConfig, InterchangeError,
    layout::{self, Order, sinusoids},
    translators::slots,
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
#[derive(Default)]
pub(super) struct Variables {
    pub(super) values: BTreeMap<String, Value>,
    pub(super) aliases: BTreeMap<String, String>,
}

impl Variables {
    /// The variables of a `TransformerSpec`.
    ///
    /// # Errors
    /// [`InterchangeError::Mismatch`] lists parameters that are missing or of another shape.
    pub(super) fn of(
        config: &TransformerConfig,
        bundle: &Bundle,
        options: &ExportConfig,
    ) -> Result<Self, InterchangeError> {
        let mut variables = Self::default();
        for (name, tensor) in layout::export(bundle, &slots(config, &CTranslate2), &Order::SAME)? {
            let is_quantized = options.quantization == Quantization::Int8 && name.ends_with("/weight");
            if is_quantized { variables.matrix(name, tensor) } else { variables.float(name, tensor) }
        }
        variables.settings(config);
        // Tables that are one are named after the target's.
        for (name, is_target) in [(SOURCE, config.share_embeddings), (PROJECTION, config.tie_projection)] {
            if is_target {
                variables.aliases.insert(name.to_owned(), TARGET.to_owned());
            }
        }
        if let Some(fixed) = config.positions.sinusoids(config.d_model) {
            let [of_decoder, of_encoder] = ["decoder", "encoder"].map(positions);
            variables.float(of_decoder.clone(), sinusoids(&fixed, options.n_positions()));
            variables.aliases.insert(of_encoder, of_decoder);
        }
        Ok(variables)
    }

    fn settings(&mut self, config: &TransformerConfig) {
        for stack in ["encoder", "decoder"] {
            self.small(&format!("{stack}/pre_norm"), is_pre_norm(config).into());
            self.small(&format!("{stack}/scale_embeddings"), config.scale_embeddings.into());
            self.small(&format!("{stack}/activation"), activation(config.activation));
            self.short(&format!("{stack}/num_heads"), config.n_heads as i16);
        }
        self.small("encoder/embeddings_merge", 0);
        self.small("encoder/multi_query_attention", 0);
        self.short("decoder/alignment_layer", -1);
        self.short("decoder/alignment_heads", 1);
        for name in ["alibi", "alibi_use_positive_positions", "scale_alibi", "start_from_zero_embedding"] {
            self.small(&format!("decoder/{name}"), 0);
        }
    }

    /// A matrix whose rows are quantised.
    fn matrix(&mut self, name: String, weight: HostTensor) {
        let rows = weight.values.chunks_exact(weight.shape[1]);
        let scales: Vec<f32> = rows.clone().map(int8_scale).collect();
        let quantise = |value: f32, scale: f32| (value * scale).round_ties_even() as i8;
        let values = rows.zip(&scales).flat_map(|(row, &scale)| row.iter().map(move |&value| quantise(value, scale)));
        let value = Value::Quantized { values: values.collect(), shape: weight.shape };
        self.float(format!("{name}_scale"), HostTensor { shape: vec![scales.len()], values: scales });
        self.values.insert(name, value);
    }

    fn float(&mut self, name: String, tensor: HostTensor) {
        self.values.insert(name, Value::Float(tensor));
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
