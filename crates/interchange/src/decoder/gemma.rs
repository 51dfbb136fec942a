//! Gemma: Llama with embeddings times √d_model, GEGLU, and gains stored less one.

use attentive_attention::Activation;
use attentive_model::GptConfig;
use serde_json::{Map, Value, json};

use super::{
    Architecture, Usual, extend, keys::Keys, names::Names, read_llama_like, rotary, windows, write_llama_like,
};
use crate::{InterchangeError, activations};

const USUAL: Usual = Usual { head_dim: Some(256), activation: "gelu_pytorch_tanh", tied: true, ..Usual::LLAMA };

pub(crate) struct Gemma;

impl Architecture for Gemma {
    const MODEL_TYPE: &'static str = "gemma";
    const CLASS_PREFIX: &'static str = "Gemma";
    const NAMES: Names = Names { gain_offset: 1.0, ..Names::LLAMA };

    fn read(keys: &mut Keys<'_>) -> Result<GptConfig, InterchangeError> {
        let config = read_gemma_like(keys, &USUAL)?;
        // The released files say gelu, and were trained with its approximation by tanh.
        let is_released = keys.find::<String>(USUAL.activation_key)?.is_some_and(|name| name == "gelu");
        if is_released {
            keys.repeats("hidden_activation", |name| name == "gelu_pytorch_tanh");
            return Ok(GptConfig { activation: Activation::GeluTanh, ..config });
        }
        Ok(config)
    }

    fn write(config: &GptConfig) -> Map<String, Value> {
        write_gemma_like(config)
    }
}

/// What all Gemmas have.
///
/// # Errors
/// As [`Keys::find`].
fn read_gemma_like(keys: &mut Keys<'_>, usual: &Usual) -> Result<GptConfig, InterchangeError> {
    let config = read_llama_like(keys, usual)?;
    let bias = keys.get("attention_bias", false)?;
    keys.must(!bias, "attention_bias is true; this architecture is read without biases");
    let bidirectional = keys.get("use_bidirectional_attention", false)?;
    keys.must(!bidirectional, "use_bidirectional_attention is true; a decoder sees what is before a token");
    Ok(GptConfig { scale_embeddings: true, ..config })
}

/// What Gemma 2 and 3 have: layers with and without a window, bounds of scores and logits, which without settings are `caps`.
///
/// # Errors
/// As [`Keys::find`].
pub(super) fn read_layered(
    keys: &mut Keys<'_>,
    bases: rotary::Bases,
    [of_scores, of_logits]: [Option<f64>; 2],
    is_full: impl Fn(usize) -> bool,
) -> Result<GptConfig, InterchangeError> {
    let config =
        read_gemma_like(keys, &Usual { activation_key: "hidden_activation", kv_heads: Some(4), bases, ..USUAL })?;
    let (head_dim, scalar) = (config.head_dim(), keys.get("query_pre_attn_scalar", 256.0)?);
    keys.must(
        scalar == head_dim as f64,
        format!("query_pre_attn_scalar is {scalar}; scores are divided by the root of head_dim, {head_dim}"),
    );
    let windows::Windows { window, full_layers } = windows::read(keys, config.n_layers, Some(4096), is_full)?;
    Ok(GptConfig {
        attention_cap: keys.find_or("attn_logit_softcapping", of_scores)?,
        logit_cap: keys.find_or("final_logit_softcapping", of_logits)?,
        window,
        full_layers,
        window_theta: config.window_theta.filter(|_| window.is_some()),
        ..config
    })
}

/// The settings of [`read_layered`].
pub(super) fn write_layered(config: &GptConfig) -> Map<String, Value> {
    let mut settings = write_gemma_like(config);
    let GptConfig { n_layers, window, ref full_layers, .. } = *config;
    let own = json!({
        "query_pre_attn_scalar": config.head_dim(),
        "attn_logit_softcapping": config.attention_cap,
        "final_logit_softcapping": config.logit_cap,
        "sliding_window": window,
        "layer_types": windows::types(n_layers, window, full_layers),
    });
    extend(&mut settings, own);
    settings
}

/// The settings of [`read_gemma_like`].
fn write_gemma_like(config: &GptConfig) -> Map<String, Value> {
    let mut settings = write_llama_like(config);
    // The name that the authors have, which the oldest readers compare with.
    let name = match activations::theirs(config.activation) {
        "gelu_new" => "gelu_pytorch_tanh",
        "gelu" => "gelu_python",
        name => name,
    };
    extend(&mut settings, json!({ "hidden_act": name, "hidden_activation": name, "attention_bias": false }));
    settings
}
