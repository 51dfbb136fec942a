//! GPT-2's `config.json` and ours.

use std::path::Path;

use attentive_attention::{NormKind, NormPlacement, PositionsConfig};
use attentive_model::GptConfig;
use attentive_tokenizer::TokenId;
use serde::{Deserialize, Serialize};

use crate::{InterchangeError, activations, settings::Ids};

/// The settings of `config.json` that say what the model computes, with the defaults of transformers' `GPT2Config`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Gpt2Config {
    model_type: String,
    architectures: Vec<String>,
    vocab_size: usize,
    n_positions: usize,
    n_embd: usize,
    n_layer: usize,
    n_head: usize,
    n_inner: Option<usize>,
    activation_function: String,
    resid_pdrop: f64,
    embd_pdrop: f64,
    attn_pdrop: f64,
    layer_norm_epsilon: f64,
    scale_attn_weights: bool,
    scale_attn_by_inverse_layer_idx: bool,
    add_cross_attention: bool,
    tie_word_embeddings: bool,
    bos_token_id: Option<TokenId>,
    eos_token_id: Option<Ids>,
}

impl Default for Gpt2Config {
    fn default() -> Self {
        Self {
            model_type: super::MODEL_TYPE.into(),
            architectures: vec!["GPT2LMHeadModel".into()],
            vocab_size: 50_257,
            n_positions: 1024,
            n_embd: 768,
            n_layer: 12,
            n_head: 12,
            n_inner: None,
            activation_function: "gelu_new".into(),
            resid_pdrop: 0.1,
            embd_pdrop: 0.1,
            attn_pdrop: 0.1,
            layer_norm_epsilon: 1e-5,
            scale_attn_weights: true,
            scale_attn_by_inverse_layer_idx: false,
            add_cross_attention: false,
            tie_word_embeddings: true,
            bos_token_id: Some(50_256),
            eos_token_id: Some(Ids::One(50_256)),
        }
    }
}

impl Gpt2Config {
    /// Our configuration of the model that `path`, a `config.json`, describes.
    ///
    /// # Errors
    /// [`InterchangeError::Unsupported`] lists every setting that we have no equal of.
    pub(super) fn to_ours(&self, path: &Path) -> Result<GptConfig, InterchangeError> {
        let mut problems = Vec::new();
        let mut must = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        let activation = activations::ours(&self.activation_function);
        must(activation.is_some(), activations::unknown("activation_function", &self.activation_function));
        must(self.scale_attn_weights, "scale_attn_weights is false; scores are divided by √d_k here".to_owned());
        must(
            !self.scale_attn_by_inverse_layer_idx,
            "scale_attn_by_inverse_layer_idx is true; every layer scales alike here".to_owned(),
        );
        must(!self.add_cross_attention, "add_cross_attention is true; this family has none".to_owned());
        let (Some(activation), true) = (activation, problems.is_empty()) else {
            return Err(InterchangeError::Unsupported { path: path.to_owned(), problems });
        };
        Ok(GptConfig {
            d_ff: self.n_inner.unwrap_or(4 * self.n_embd),
            dropout: self.resid_pdrop,
            attention_dropout: self.attn_pdrop,
            activation,
            epsilon: self.layer_norm_epsilon,
            tie_projection: self.tie_word_embeddings,
            ..GptConfig::gpt2_like(self.vocab_size, self.n_positions, [self.n_layer, self.n_head, self.n_embd])
        })
    }

    /// GPT-2's configuration of our model.
    ///
    /// # Errors
    /// [`InterchangeError::Inexpressible`] lists every choice that GPT-2 lacks.
    pub(super) fn of_ours(
        config: &GptConfig,
        bos: Option<TokenId>,
        eos: Option<TokenId>,
    ) -> Result<Self, InterchangeError> {
        let learned = match config.positions {
            PositionsConfig::Learned { max_len } => Some(max_len),
            _ => None,
        };
        let checks = [
            (config.norm == NormPlacement::Pre, "norm: its layers are pre-norm"),
            (config.norm_kind == NormKind::Layer, "norm_kind: its norms are layer norms"),
            (learned.is_some(), "positions: its positions are learned"),
            (config.bias, "bias: it has biases"),
            (!config.gated, "gated: its feed-forward sub-layers are not gated"),
            (config.n_kv_heads.is_none_or(|n| n == config.n_heads), "n_kv_heads: each head has its own"),
            (config.window.is_none(), "window: every key before a query is seen"),
            (config.head_dim() * config.n_heads == config.d_model, "head_dim: heads share out d_model"),
            (config.qkv_bias.is_none_or(|bias| bias), "qkv_bias: queries, keys and values have biases"),
            (!config.qk_norm, "qk_norm: queries and keys are not normalised"),
            (!config.parallel, "parallel: the feed-forward network comes after attention"),
            (!config.scale_embeddings, "scale_embeddings: embeddings are taken as they are"),
            (!config.projection_bias, "projection_bias: its projection has no bias"),
            (config.attention_cap.is_none(), "attention_cap: scores have no bound"),
            (config.logit_cap.is_none(), "logit_cap: logits have no bound"),
        ];
        let problems: Vec<String> =
            checks.iter().filter(|(holds, _)| !holds).map(|(_, problem)| (*problem).to_owned()).collect();
        let (Some(n_positions), true) = (learned, problems.is_empty()) else {
            return Err(InterchangeError::Inexpressible { format: "GPT-2", problems });
        };
        Ok(Self {
            vocab_size: config.vocab_size,
            n_positions,
            n_embd: config.d_model,
            n_layer: config.n_layers,
            n_head: config.n_heads,
            n_inner: Some(config.d_ff),
            activation_function: activations::theirs(config.activation).to_owned(),
            resid_pdrop: config.dropout,
            embd_pdrop: config.dropout,
            attn_pdrop: config.attention_dropout,
            layer_norm_epsilon: config.epsilon,
            tie_word_embeddings: config.tie_projection,
            bos_token_id: bos,
            eos_token_id: eos.map(Ids::One),
            ..Self::default()
        })
    }
}
