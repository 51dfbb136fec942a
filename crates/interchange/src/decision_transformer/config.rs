//! The Decision Transformer's `config.json` and ours.

use std::path::Path;

use attentive_model::DecisionTransformerConfig;
use serde::{Deserialize, Serialize};

use crate::{InterchangeError, activations};

/// The settings of `config.json` that say what the model computes, with the defaults of transformers'
/// `DecisionTransformerConfig`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct TheirConfig {
    model_type: String,
    architectures: Option<Vec<String>>,
    state_dim: usize,
    act_dim: usize,
    hidden_size: usize,
    max_ep_len: usize,
    action_tanh: bool,
    vocab_size: usize,
    pub(super) n_positions: usize,
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
    /// The steps that an agent sees, in files of before 2024.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_length: Option<usize>,
}

impl Default for TheirConfig {
    fn default() -> Self {
        Self {
            model_type: super::MODEL_TYPE.into(),
            architectures: Some(vec![super::CLASS.into()]),
            state_dim: 17,
            act_dim: 4,
            hidden_size: 128,
            max_ep_len: 4096,
            action_tanh: true,
            vocab_size: 1,
            n_positions: 1024,
            n_layer: 3,
            n_head: 1,
            n_inner: None,
            activation_function: "relu".into(),
            resid_pdrop: 0.1,
            embd_pdrop: 0.1,
            attn_pdrop: 0.1,
            layer_norm_epsilon: 1e-5,
            scale_attn_weights: true,
            scale_attn_by_inverse_layer_idx: false,
            add_cross_attention: false,
            max_length: None,
        }
    }
}

impl TheirConfig {
    /// Our configuration of the model that `path`, a `config.json`, describes.
    ///
    /// # Errors
    /// [`InterchangeError::Unsupported`] lists every setting that we have no equal of.
    pub(super) fn to_ours(&self, path: &Path) -> Result<DecisionTransformerConfig, InterchangeError> {
        let activation = activations::ours(&self.activation_function);
        let unscaled = "scale_attn_weights is false; scores are divided by √d_k here";
        let by_layer = "scale_attn_by_inverse_layer_idx is true; every layer scales alike here";
        let cross = "add_cross_attention is true; this family has none";
        let checks = [
            (activation.is_some(), activations::unknown("activation_function", &self.activation_function)),
            (self.scale_attn_weights, unscaled.to_owned()),
            (!self.scale_attn_by_inverse_layer_idx, by_layer.to_owned()),
            (!self.add_cross_attention, cross.to_owned()),
        ];
        let problems: Vec<String> =
            checks.into_iter().filter_map(|(holds, problem)| (!holds).then_some(problem)).collect();
        let (Some(activation), true) = (activation, problems.is_empty()) else {
            return Err(InterchangeError::Unsupported { path: path.to_owned(), problems });
        };
        Ok(DecisionTransformerConfig {
            d_model: self.hidden_size,
            d_ff: self.n_inner.unwrap_or(4 * self.hidden_size),
            n_heads: self.n_head,
            n_layers: self.n_layer,
            max_steps: self.max_ep_len,
            dropout: self.resid_pdrop,
            attention_dropout: self.attn_pdrop,
            activation,
            epsilon: self.layer_norm_epsilon,
            action_tanh: self.action_tanh,
            world_heads: true,
            ..DecisionTransformerConfig::gym(self.state_dim, self.act_dim)
        })
    }

    /// The Decision Transformer's configuration of our model.
    ///
    /// # Errors
    /// [`InterchangeError::Inexpressible`] if it clones behaviour.
    pub(super) fn of_ours(config: &DecisionTransformerConfig) -> Result<Self, InterchangeError> {
        if !config.returns {
            let problems = vec!["returns: its models read returns".to_owned()];
            return Err(InterchangeError::Inexpressible { format: "Decision Transformer", problems });
        }
        Ok(Self {
            state_dim: config.d_state,
            act_dim: config.d_action,
            hidden_size: config.d_model,
            max_ep_len: config.max_steps,
            action_tanh: config.action_tanh,
            n_layer: config.n_layers,
            n_head: config.n_heads,
            n_inner: Some(config.d_ff),
            activation_function: activations::theirs(config.activation).to_owned(),
            resid_pdrop: config.dropout,
            embd_pdrop: config.dropout,
            attn_pdrop: config.attention_dropout,
            layer_norm_epsilon: config.epsilon,
            ..Self::default()
        })
    }
}
