//! Adam.

use std::collections::BTreeMap;

use attentive_backend::ops::{self, AdamStep, AdamTensors};
use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::Tensor,
};
use serde::{Deserialize, Serialize};

use crate::Gradients;

/// Settings of [`Adam`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct AdamConfig {
    /// Decay of the mean of gradients.
    pub beta_1: f64,
    /// Decay of the mean of squared gradients.
    pub beta_2: f64,
    /// Added to the denominator.
    pub epsilon: f64,
    /// Decoupled weight decay (AdamW, Loshchilov and Hutter 2019) of matrices; biases and norms have none.
    pub weight_decay: f64,
}

impl Default for AdamConfig {
    /// The paper's: β₁ = 0.9, β₂ = 0.98, ε = 1e-9 (§5.3), without weight decay.
    fn default() -> Self {
        Self { beta_1: 0.9, beta_2: 0.98, epsilon: 1e-9, weight_decay: 0.0 }
    }
}

impl AdamConfig {
    /// An optimizer that has seen nothing.
    ///
    /// # Errors
    /// [`OptimizerError`] where a setting is out of range.
    pub fn init(self) -> Result<Adam, OptimizerError> {
        let in_unit = |value: f64| (0.0..1.0).contains(&value);
        let positive = |value: f64| value.is_finite() && value >= 0.0;
        let checks = [
            ("beta_1", self.beta_1, in_unit(self.beta_1)),
            ("beta_2", self.beta_2, in_unit(self.beta_2)),
            ("epsilon", self.epsilon, positive(self.epsilon)),
            ("weight_decay", self.weight_decay, positive(self.weight_decay)),
        ];
        match checks.into_iter().find(|(_, _, ok)| !ok) {
            Some((key, value, _)) => Err(OptimizerError::OutOfRange { key, value }),
            None => Ok(Adam { config: self, n_updates: 0, moments: BTreeMap::new() }),
        }
    }
}

/// Settings that no optimizer can have.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptimizerError {
    /// A learning rate that is none.
    #[error("{key} = {value} must be a finite number of at least 0")]
    LearningRate {
        /// Name of the setting.
        key: &'static str,
        /// What it was set to.
        value: f64,
    },
    /// A setting out of its range.
    #[error("{key} = {value} is out of range: betas lie in [0, 1), epsilon and weight_decay are not negative")]
    OutOfRange {
        /// Name of the setting.
        key: &'static str,
        /// What it was set to.
        value: f64,
    },
}

impl OptimizerError {
    /// Names of the settings that this is about.
    pub fn keys(&self) -> Vec<&'static str> {
        match self {
            Self::LearningRate { key, .. } | Self::OutOfRange { key, .. } => vec![key],
        }
    }
}

/// Running means of a parameter's gradients, flattened.
#[derive(Debug, Clone)]
pub struct Moments {
    /// Mean of gradients.
    pub first: Tensor<1>,
    /// Mean of squared gradients.
    pub second: Tensor<1>,
}

/// Adam (Kingma and Ba 2015, algorithm 1), with bias correction.
#[derive(Debug, Clone)]
pub struct Adam {
    config: AdamConfig,
    n_updates: u64,
    moments: BTreeMap<String, Moments>,
}

impl Adam {
    /// One update of `model` with `gradients` times `scale`.
    #[must_use]
    pub fn step<M: Module>(&mut self, model: M, gradients: Gradients, scale: f64, lr: f64) -> M {
        self.n_updates += 1;
        let AdamConfig { beta_1, beta_2, epsilon, weight_decay } = self.config;
        let step = AdamStep { n: self.n_updates, lr, scale, beta_1, beta_2, epsilon, weight_decay };
        model.map(&mut Update { path: Vec::new(), gradients, step, moments: &mut self.moments })
    }

    /// Updates made.
    pub fn n_updates(&self) -> u64 {
        self.n_updates
    }

    /// Running means by parameter name, for a checkpoint.
    pub fn moments(&self) -> &BTreeMap<String, Moments> {
        &self.moments
    }

    /// Goes on from a checkpoint.
    #[must_use]
    pub fn restored(self, n_updates: u64, moments: BTreeMap<String, Moments>) -> Self {
        Self { n_updates, moments, ..self }
    }
}

struct Update<'a> {
    path: Vec<String>,
    gradients: Gradients,
    step: AdamStep,
    moments: &'a mut BTreeMap<String, Moments>,
}

impl ModuleMapper for Update<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        let Some(gradient) = self.gradients.remove(&name) else { return param };
        let Moments { first, second } = self
            .moments
            .remove(&name)
            .unwrap_or_else(|| Moments { first: gradient.zeros_like(), second: gradient.zeros_like() });
        // Biases and norms do not decay.
        let weight_decay = if D >= 2 { self.step.weight_decay } else { 0.0 };
        param.map(|value| {
            let (shape, require_grad) = (value.dims(), value.is_require_grad());
            let tensors = AdamTensors { values: value.inner().flatten(0, D - 1), first, second };
            let AdamTensors { values, first, second } =
                ops::adam(tensors, gradient, &AdamStep { weight_decay, ..self.step });
            self.moments.insert(name, Moments { first, second });
            Tensor::from_inner(values.reshape(shape)).set_require_grad(require_grad)
        })
    }
}
