//! Gemma: Llama with embeddings times √d_model, GEGLU, and gains stored less one.

use attentive_model::GptConfig;
use serde_json::{Map, Value, json};

use super::{Architecture, Usual, extend, keys::Keys, names::Names, read_llama_like, write_llama_like};
use crate::{InterchangeError, activations};

const USUAL: Usual = Usual { head_dim: Some(256), activation: "gelu_pytorch_tanh", tied: true, ..Usual::LLAMA };

pub(crate) struct Gemma;

impl Architecture for Gemma {
    const MODEL_TYPE: &'static str = "gemma";
    const CLASS_PREFIX: &'static str = "Gemma";
    const NAMES: Names = Names { gain_offset: 1.0, ..Names::LLAMA };

    fn read(keys: &mut Keys<'_>) -> Result<GptConfig, InterchangeError> {
        read_gemma_like(keys)
    }

    fn write(config: &GptConfig) -> Map<String, Value> {
        write_gemma_like(config)
    }
}

/// What all Gemmas have.
///
/// # Errors
/// As [`Keys::find`].
pub(super) fn read_gemma_like(keys: &mut Keys<'_>) -> Result<GptConfig, InterchangeError> {
    let config = read_llama_like(keys, &USUAL)?;
    let bias = keys.get("attention_bias", false)?;
    keys.must(!bias, "attention_bias is true; this architecture is read without biases");
    let bidirectional = keys.get("use_bidirectional_attention", false)?;
    keys.must(!bidirectional, "use_bidirectional_attention is true; a decoder sees what is before a token");
    Ok(GptConfig { scale_embeddings: true, ..config })
}

/// The settings of [`read_gemma_like`].
pub(super) fn write_gemma_like(config: &GptConfig) -> Map<String, Value> {
    let mut settings = write_llama_like(config);
    // The name that the authors have, which the oldest readers compare with.
    let name = match activations::theirs(config.activation) {
        "gelu_new" => "gelu_pytorch_tanh",
        name => name,
    };
    extend(&mut settings, json!({ "hidden_act": name, "hidden_activation": name, "attention_bias": false }));
    settings
}
