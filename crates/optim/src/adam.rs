//! Adam.

use std::collections::BTreeMap;

use attentive_backend::ops::{self, AdamStep, AdamTensors};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::{Optimizer, OptimizerError, OptimizerState, ParamInfo, StepSize, optimizer::take_slots};

/// Names of a parameter's means in a checkpoint.
const FIRST: &str = "first";
const SECOND: &str = "second";

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
    /// An optimizer that has made no update.
    ///
    /// # Errors
    /// [`OptimizerError::OutOfRange`] names a setting that is out of its range.
    pub fn init(self) -> Result<Adam, OptimizerError> {
        self.validate()?;
        Ok(Adam { config: self, n_updates: 0, moments: BTreeMap::new() })
    }

    /// Checks that every setting is in its range.
    ///
    /// # Errors
    /// [`OptimizerError::OutOfRange`] names the first that is not.
    pub fn validate(&self) -> Result<(), OptimizerError> {
        let in_unit = |value: f64| (0.0..1.0).contains(&value);
        let not_negative = |value: f64| value.is_finite() && value >= 0.0;
        let checks = [
            ("beta_1", self.beta_1, in_unit(self.beta_1)),
            ("beta_2", self.beta_2, in_unit(self.beta_2)),
            ("epsilon", self.epsilon, not_negative(self.epsilon)),
            ("weight_decay", self.weight_decay, not_negative(self.weight_decay)),
        ];
        match checks.into_iter().find(|(_, _, is_right)| !is_right) {
            Some((key, value, _)) => Err(OptimizerError::OutOfRange { key, value }),
            None => Ok(()),
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
    /// Running means by parameter name.
    pub fn moments(&self) -> &BTreeMap<String, Moments> {
        &self.moments
    }
}

impl Optimizer for Adam {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn n_updates(&self) -> u64 {
        self.n_updates
    }

    fn begin(&mut self) {
        self.n_updates += 1;
    }

    fn update(&mut self, param: ParamInfo<'_>, values: Tensor<1>, gradient: Tensor<1>, size: StepSize) -> Tensor<1> {
        let AdamConfig { beta_1, beta_2, epsilon, weight_decay } = self.config;
        // Biases and norms do not decay.
        let weight_decay = if param.shape.len() >= 2 { weight_decay } else { 0.0 };
        let StepSize { scale, lr } = size;
        let step = AdamStep { n: self.n_updates, lr, scale, beta_1, beta_2, epsilon, weight_decay };
        let zeros = || Moments { first: gradient.zeros_like(), second: gradient.zeros_like() };
        // Taken out, so that they can be changed in place.
        let (name, Moments { first, second }) =
            self.moments.remove_entry(param.name).unwrap_or_else(|| (param.name.to_owned(), zeros()));
        let AdamTensors { values, first, second } = ops::adam(AdamTensors { values, first, second }, gradient, &step);
        self.moments.insert(name, Moments { first, second });
        values
    }

    /// `param.first` and `param.second`.
    fn state(&self) -> OptimizerState {
        let both = |(name, Moments { first, second }): (&String, &Moments)| {
            [(format!("{name}.{FIRST}"), first.clone()), (format!("{name}.{SECOND}"), second.clone())]
        };
        self.moments.iter().flat_map(both).collect()
    }

    fn restore(&mut self, n_updates: u64, state: OptimizerState) -> Result<(), OptimizerError> {
        let params = take_slots(state, [FIRST, SECOND])?.into_iter();
        self.moments = params.map(|(name, [first, second])| (name, Moments { first, second })).collect();
        self.n_updates = n_updates;
        Ok(())
    }
}
