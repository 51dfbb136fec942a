//! What a model costs, before there is one.

use std::fmt;

use attentive_model::{
    EncoderDecoderSpec, EncoderSpec, FamilyVisitor, ImageEncoderSpec, LanguageModelSpec, ModelConfig, ModelSpec, Role,
};

use crate::log::{binary_size, thousands};

/// Parameters, memory and operations of a model, from its configuration alone. Shown, they are lines of `inspect`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sizes {
    /// Parameters.
    pub n_params: u64,
    /// Values that are kept of each token of a text that is written; 0 unless it is a language model.
    pub cached_values_per_token: u64,
    /// Floating-point operations forward.
    pub forward_flops: u64,
    /// What they are counted for: `token forward, at a context of 1024`.
    pub unit: String,
}

impl Sizes {
    /// Of a model.
    pub fn of(model: &ModelConfig) -> Self {
        Self {
            n_params: model.n_params() as u64,
            cached_values_per_token: model.visit(Cached) as u64,
            forward_flops: model.forward_flops_per_token(model.typical_len()) as u64,
            unit: model.visit(Unit),
        }
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { n_params, cached_values_per_token, forward_flops, unit } = self;
        let (weights, training) = (binary_size(4 * n_params), binary_size(16 * n_params));
        writeln!(f, "parameters   {}", thousands(*n_params))?;
        writeln!(f, "memory       {weights} for weights in f32; {training} to train with Adam, without activations")?;
        if *cached_values_per_token > 0 {
            let cached = binary_size(4 * cached_values_per_token);
            writeln!(f, "cache        {cached} a token of each text that is written, in f32")?;
        }
        let in_training = thousands(3 * forward_flops);
        write!(f, "FLOPs        {} per {unit}; {in_training} in training", thousands(*forward_flops))
    }
}

/// Values that a language model keeps of each token.
struct Cached;

impl FamilyVisitor for Cached {
    type Output = usize;

    fn any<C: ModelSpec>(self, _spec: &C, _role: Role) -> usize {
        0
    }

    fn language_model<C: LanguageModelSpec>(self, spec: &C) -> usize {
        spec.cached_values_per_token()
    }
}

/// What operations are counted for.
struct Unit;

impl FamilyVisitor for Unit {
    type Output = String;

    fn any<C: ModelSpec>(self, spec: &C, _role: Role) -> String {
        format!("token forward, at a context of {}", spec.typical_len())
    }

    fn encoder_decoder<C: EncoderDecoderSpec>(self, spec: &C) -> String {
        format!("target token forward, at {} tokens a side", spec.typical_len())
    }

    fn encoder<C: EncoderSpec>(self, spec: &C) -> String {
        let unit = if spec.reads_characters() { "character" } else { "token" };
        format!("{unit} forward, heads left out, at {} {unit}s", spec.typical_len())
    }

    fn image_encoder<C: ImageEncoderSpec>(self, spec: &C) -> String {
        format!("patch forward, heads left out, of a picture of {} tokens", spec.typical_len())
    }
}
