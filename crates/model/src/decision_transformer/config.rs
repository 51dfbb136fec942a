//! Sizes and choices of a [`DecisionTransformer`].

use attentive_attention::{
    Activation, Embedding, FeedForwardConfig, InitScheme, Initializer, Linear, MultiHeadAttentionConfig, NormConfig,
    NormPlacement,
};
use attentive_core::ActionSpace;
use serde::{Deserialize, Serialize};

use super::{DecisionTransformer, presets::presets};
use crate::{BlockConfig, ConfigError, ModelSpec, PolicySpec, Preset, checks};

/// Standard deviation that GPT-2 draws weights with.
const INIT_STD: f64 = 0.02;

/// Steps of a context in the paper's experiments, which costs are stated for.
const TYPICAL_STEPS: usize = 20;

/// Sizes and choices of a [`DecisionTransformer`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DecisionTransformerConfig {
    /// Numbers of a state; in a recipe, those of the data.
    pub d_state: usize,
    /// Actions to choose from, or numbers of an action; in a recipe, those of the data.
    pub d_action: usize,
    /// Whether an action is one of `d_action`, and not so many numbers; in a recipe, what the data has.
    #[serde(default)]
    pub discrete: bool,
    /// Width of embeddings and of every sub-layer's output.
    pub d_model: usize,
    /// Width within the feed-forward sub-layers.
    pub d_ff: usize,
    /// Attention heads; they share out `d_model`.
    pub n_heads: usize,
    /// Layers.
    pub n_layers: usize,
    /// Steps of the longest episode, each of which has a vector.
    pub max_steps: usize,
    /// Dropout of sub-layer outputs and of embeddings.
    pub dropout: f64,
    /// Dropout of attention weights.
    #[serde(default)]
    pub attention_dropout: f64,
    /// Function within the feed-forward sub-layers.
    #[serde(default = "relu")]
    pub activation: Activation,
    /// ε of the norms of the layers; that of embeddings has 1e-5.
    #[serde(default = "epsilon")]
    pub epsilon: f64,
    /// Whether returns are read; without them, the model clones the behaviour of the data, good or bad.
    #[serde(default = "yes")]
    pub returns: bool,
    /// Whether the numbers of an action are between -1 and 1, by a tanh.
    #[serde(default)]
    pub action_tanh: bool,
    /// Whether there are heads for the next state and the return, as transformers' model has them; training leaves them
    /// as they are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub world_heads: bool,
}

fn relu() -> Activation {
    Activation::Relu
}

fn epsilon() -> f64 {
    1e-5
}

fn yes() -> bool {
    true
}

impl DecisionTransformerConfig {
    /// The sizes that Chen et al. 2021 take for OpenAI Gym (Appendix A), for states and actions of these widths: numbers,
    /// bounded by a tanh.
    pub fn gym(d_state: usize, d_action: usize) -> Self {
        Self {
            d_state,
            d_action,
            discrete: false,
            d_model: 128,
            d_ff: 512,
            n_heads: 1,
            n_layers: 3,
            max_steps: 1000,
            dropout: 0.1,
            attention_dropout: 0.1,
            activation: relu(),
            epsilon: epsilon(),
            returns: true,
            action_tanh: true,
            world_heads: false,
        }
    }

    /// Tokens of a step: its return, if that is read, its state and its action.
    fn n_kinds(&self) -> usize {
        if self.returns { 3 } else { 2 }
    }

    fn block(&self) -> BlockConfig {
        BlockConfig {
            attention: MultiHeadAttentionConfig {
                dropout: self.attention_dropout,
                ..MultiHeadAttentionConfig::new(self.d_model, self.n_heads.max(1))
            },
            feed_forward: FeedForwardConfig {
                d_model: self.d_model,
                d_ff: self.d_ff,
                activation: self.activation,
                gated: false,
                bias: true,
                dropout: 0.0,
            },
            norm: NormConfig { epsilon: self.epsilon, ..NormConfig::layer(self.d_model) },
            placement: NormPlacement::Pre,
            parallel: false,
            dropout: self.dropout,
        }
    }
}

impl ModelSpec for DecisionTransformerConfig {
    type Model = DecisionTransformer;

    const FAMILY: &'static str = "decision-transformer";
    const SUMMARY: &'static str = "decoder of returns, states and actions";

    fn validate(&self) -> Result<(), ConfigError> {
        checks::sizes(&[
            ("d_state", self.d_state),
            ("d_action", self.d_action),
            ("d_model", self.d_model),
            ("d_ff", self.d_ff),
            ("n_heads", self.n_heads),
            ("n_layers", self.n_layers),
            ("max_steps", self.max_steps),
        ])?;
        checks::probabilities(&[("dropout", self.dropout), ("attention_dropout", self.attention_dropout)])?;
        checks::positive(&[("epsilon", self.epsilon)])?;
        if self.discrete && self.action_tanh {
            return Err(ConfigError::Needs { key: "action_tanh", needs: "discrete = false" });
        }
        checks::heads(self.d_model, self.n_heads)
    }

    fn n_params(&self) -> usize {
        let d = self.d_model;
        let linear = |d_in, d_out| Linear::n_params(d_in, d_out, true);
        let block = self.block();
        let returns = if self.returns { linear(1, d) } else { 0 };
        let world = if self.world_heads { linear(d, self.d_state) + linear(d, 1) } else { 0 };
        returns
            + linear(self.d_state, d)
            + linear(self.d_action, d)
            + self.max_steps * d
            + NormConfig::layer(d).n_params()
            + self.n_layers * block.n_params()
            + block.n_final_norm_params()
            + linear(d, self.d_action)
            + world
    }

    /// GPT-2's (Radford et al. 2019, §2.3), as that of the layers.
    fn init_scheme(&self) -> InitScheme {
        InitScheme::Normal { std: INIT_STD, residual_std: INIT_STD / (2.0 * self.n_layers as f64).sqrt() }
    }

    fn build(&self, init: &Initializer) -> DecisionTransformer {
        let linear = |d_in, d_out| Linear::new(d_in, d_out, true, init);
        let d = self.d_model;
        DecisionTransformer {
            return_embedding: self.returns.then(|| linear(1, d)),
            state_embedding: linear(self.d_state, d),
            action_embedding: linear(self.d_action, d),
            timestep_embedding: Embedding::unscaled(self.max_steps, d, init),
            embedding_norm: NormConfig::layer(d).init(init),
            decoder: self.block().stack(self.n_layers, init),
            action_head: linear(d, self.d_action),
            state_head: self.world_heads.then(|| linear(d, self.d_state)),
            return_head: self.world_heads.then(|| linear(d, 1)),
            dropout: self.dropout,
            actions: self.actions(),
            action_tanh: self.action_tanh,
        }
    }

    fn vocab_size(&self) -> usize {
        0
    }

    fn set_vocab_size(&mut self, vocab_size: usize) -> Result<(), ConfigError> {
        Err(ConfigError::NoVocabulary { family: Self::FAMILY, vocab_size })
    }

    /// Steps of the longest episode.
    fn max_len(&self) -> Option<usize> {
        Some(self.max_steps)
    }

    fn d_model(&self) -> usize {
        self.d_model
    }

    fn typical_len(&self) -> usize {
        TYPICAL_STEPS * self.n_kinds()
    }

    fn forward_flops_per_token(&self, len: usize) -> usize {
        let block = self.block();
        let layers = self.n_layers * (block.weight_products(1) + block.attention_products(len));
        // Each step embeds a state, an action and a return, and predicts an action.
        let ends = self.d_model * (self.d_state + 2 * self.d_action + usize::from(self.returns));
        2 * (layers + ends / self.n_kinds())
    }

    fn describe(&self) -> String {
        let Self { d_model, d_ff, n_heads, n_layers, d_state, d_action, .. } = self;
        let actions = if self.discrete { "actions" } else { "numbers of an action" };
        format!(
            "d_model {d_model}, d_ff {d_ff}, {n_heads} heads, {n_layers} layers, {d_state} features, {d_action} {actions}"
        )
    }

    fn recomputes_layers(&self) -> bool {
        true
    }

    fn presets() -> Vec<Preset<Self>> {
        presets()
    }
}

impl PolicySpec for DecisionTransformerConfig {
    fn n_features(&self) -> usize {
        self.d_state
    }

    fn actions(&self) -> ActionSpace {
        match self.discrete {
            true => ActionSpace::Discrete(self.d_action),
            false => ActionSpace::Continuous(self.d_action),
        }
    }

    fn set_widths(&mut self, n_features: usize, actions: ActionSpace) {
        (self.d_state, self.d_action, self.discrete) = (n_features, actions.width(), actions.is_discrete());
        self.action_tanh &= !self.discrete;
    }

    fn reads_returns(&self) -> bool {
        self.returns
    }
}
