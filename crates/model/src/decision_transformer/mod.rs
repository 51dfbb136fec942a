//! The Decision Transformer: actions as the continuation of returns, states and actions (Chen et al. 2021).

mod config;
mod presets;

pub use config::DecisionTransformerConfig;

use attentive_attention::{AttentionContext, Dropout, Embedding, Linear, Mask, Norm};
use attentive_backend::ops;
use attentive_core::{ActionSpace, Steps};
use burn::{
    module::Module,
    tensor::{Device, Int, Tensor, TensorData, activation::tanh},
};

use crate::{PolicyModel, Stack};

/// A stack of causal self-attention over the returns to go, states and actions of an episode.
///
/// ```
/// use attentive_backend::BackendKind;
/// use attentive_core::{ActionSpace, Steps};
/// use attentive_model::{DecisionTransformerConfig, ModelSpec, PolicyModel};
///
/// let device = BackendKind::Flex.device()?;
/// let sizes = DecisionTransformerConfig { d_model: 8, n_layers: 1, ..DecisionTransformerConfig::gym(4, 2) };
/// let model = sizes.init(&device, 1)?;
/// let steps = Steps::padding(3, 5, [4, 2]);
/// assert_eq!(model.predict(&steps, None).dims(), [3, 5, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Module, Debug)]
pub struct DecisionTransformer {
    /// Returns to vectors; without it, the model clones behaviour, whatever it led to.
    pub return_embedding: Option<Linear>,
    /// States to vectors.
    pub state_embedding: Linear,
    /// Actions to vectors.
    pub action_embedding: Linear,
    /// A vector for the number of each step of an episode, which is added to all that belongs to it.
    pub timestep_embedding: Embedding,
    /// Norm of the sums.
    pub embedding_norm: Norm,
    /// The stack of layers.
    pub decoder: Stack,
    /// The action, from what is known at a state.
    pub action_head: Linear,
    /// The next state, from what is known at an action.
    pub state_head: Option<Linear>,
    /// The return to go, from what is known at an action.
    pub return_head: Option<Linear>,
    /// Probability with which normed sums are dropped.
    pub dropout: f64,
    #[module(skip)]
    actions: ActionSpace,
    #[module(skip)]
    action_tanh: bool,
}

/// What a model reads out of its steps.
#[derive(Debug, Clone)]
pub struct StepVectors {
    /// A vector for each state, given all before it: `[rows, steps, d_model]`.
    pub at_states: Tensor<3>,
    /// A vector for each action, given all before it: `[rows, steps, d_model]`.
    pub at_actions: Tensor<3>,
}

impl DecisionTransformer {
    /// Reads steps of episodes, each row padded at its end.
    ///
    /// # Panics
    /// If widths differ from the model's, or a step's number is beyond its last.
    pub fn read(&self, steps: &Steps, pass: Option<&Dropout>) -> StepVectors {
        let device = self.device();
        let (rows, n_steps) = (steps.n_rows, steps.n_steps);
        let numbers = |values: &[f32]| {
            let width = values.len() / (rows * n_steps).max(1);
            Tensor::<3>::from_data(TensorData::new(values.to_vec(), [rows, n_steps, width]), &device)
        };
        let timesteps: Vec<i64> = steps.timesteps.iter().map(|&step| i64::from(step)).collect();
        let timesteps = Tensor::<2, Int>::from_data(TensorData::new(timesteps, [rows, n_steps]), &device);
        let table = self.timestep_embedding.weight.val();
        let times = ops::embedding(table, timesteps, None, 1.0, 0.0, None); // [rows, steps, d_model]
        let embed = |map: &Linear, values: &[f32]| map.forward(numbers(values)) + times.clone();
        let returns = self.return_embedding.as_ref().map(|map| embed(map, &steps.returns));
        let states = embed(&self.state_embedding, &steps.states);
        let actions = embed(&self.action_embedding, &steps.actions);
        let kinds: Vec<Tensor<3>> = returns.into_iter().chain([states, actions]).collect();
        let (n_kinds, [.., d_model]) = (kinds.len(), kinds[0].dims());

        let x = Tensor::stack::<4>(kinds, 2).reshape([rows, n_steps * n_kinds, d_model]);
        let x = ops::dropout(self.embedding_norm.forward(x), self.dropout, pass);
        // Padding is at the end of a row, where nothing before it sees it.
        let x = self.decoder.forward(x, &AttentionContext::from(Mask::causal()), pass);
        let x = x.reshape([rows, n_steps, n_kinds, d_model]);
        let kind = |idx: usize| x.clone().narrow(2, idx, 1).squeeze_dim(2);
        StepVectors { at_states: kind(n_kinds - 2), at_actions: kind(n_kinds - 1) }
    }

    /// Scores of every action, or the numbers of the action: `[rows, steps, d_action]`.
    pub fn action(&self, vectors: &StepVectors) -> Tensor<3> {
        let actions = self.action_head.forward(vectors.at_states.clone());
        if self.action_tanh { tanh(actions) } else { actions }
    }

    /// The next state of each step, if there is a head for it: `[rows, steps, d_state]`.
    pub fn next_state(&self, vectors: &StepVectors) -> Option<Tensor<3>> {
        Some(self.state_head.as_ref()?.forward(vectors.at_actions.clone()))
    }

    /// The return to go after each step, if there is a head for it: `[rows, steps, 1]`.
    pub fn next_return(&self, vectors: &StepVectors) -> Option<Tensor<3>> {
        Some(self.return_head.as_ref()?.forward(vectors.at_actions.clone()))
    }
}

impl PolicyModel for DecisionTransformer {
    fn predict(&self, steps: &Steps, pass: Option<&Dropout>) -> Tensor<3> {
        self.action(&self.read(steps, pass))
    }

    fn actions(&self) -> ActionSpace {
        self.actions
    }

    fn device(&self) -> Device {
        self.timestep_embedding.weight.device()
    }
}
