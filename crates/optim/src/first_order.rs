//! The optimizers that came before Adam.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

use crate::{Optimizer, OptimizerError, OptimizerState, ParamInfo, StepSize, optimizer::take_slots};

/// Update of a parameter by its gradient `g`, with the learning rate `η`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum UpdateRule {
    /// `w ← w - η g` (Robbins and Monro 1951).
    Sgd,
    /// `v ← μ v + g`, `w ← w - η v` (Polyak 1964).
    Momentum {
        /// `μ`.
        decay: f64,
    },
    /// `s ← s + g²`, `w ← w - η g / (√s + ε)` (Duchi et al. 2011).
    AdaGrad {
        /// `ε`.
        epsilon: f64,
    },
    /// `s ← ρ s + (1 - ρ) g²`, `w ← w - η g / (√s + ε)` (Tieleman and Hinton 2012).
    RmsProp {
        /// `ρ`.
        decay: f64,
        /// `ε`.
        epsilon: f64,
    },
}

/// An optimizer with at most one running value for each parameter.
#[derive(Debug, Clone)]
pub struct FirstOrder {
    rule: UpdateRule,
    n_updates: u64,
    running: BTreeMap<String, Tensor<1>>,
}

impl FirstOrder {
    /// An optimizer that has made no update.
    pub fn new(rule: UpdateRule) -> Self {
        Self { rule, n_updates: 0, running: BTreeMap::new() }
    }
}

impl Optimizer for FirstOrder {
    fn name(&self) -> &'static str {
        match self.rule {
            UpdateRule::Sgd => "sgd",
            UpdateRule::Momentum { .. } => "momentum",
            UpdateRule::AdaGrad { .. } => "adagrad",
            UpdateRule::RmsProp { .. } => "rmsprop",
        }
    }

    fn n_updates(&self) -> u64 {
        self.n_updates
    }

    fn begin(&mut self) {
        self.n_updates += 1;
    }

    fn update(&mut self, param: ParamInfo<'_>, values: Tensor<1>, gradient: Tensor<1>, size: StepSize) -> Tensor<1> {
        let (step, running) = self.rule.apply(gradient * size.scale, self.running.remove(param.name));
        self.running.extend(running.map(|running| (param.name.to_owned(), running)));
        values - step * size.lr
    }

    /// `param.velocity` of momentum, `param.squares` of AdaGrad and RMSProp, nothing of SGD.
    fn state(&self) -> OptimizerState {
        let Some(slot) = self.rule.slot() else { return OptimizerState::new() };
        self.running.iter().map(|(name, tensor)| (format!("{name}.{slot}"), tensor.clone())).collect()
    }

    fn restore(&mut self, n_updates: u64, state: OptimizerState) -> Result<(), OptimizerError> {
        self.running = match self.rule.slot() {
            Some(slot) => take_slots(state, [slot])?.into_iter().map(|(name, [tensor])| (name, tensor)).collect(),
            None => {
                take_slots(state, [])?;
                BTreeMap::new()
            }
        };
        self.n_updates = n_updates;
        Ok(())
    }
}

impl UpdateRule {
    /// Name of the running value in a checkpoint.
    fn slot(self) -> Option<&'static str> {
        match self {
            Self::Sgd => None,
            Self::Momentum { .. } => Some("velocity"),
            Self::AdaGrad { .. } | Self::RmsProp { .. } => Some("squares"),
        }
    }

    /// The change of the parameter per unit of learning rate, to be subtracted, and the new running value.
    fn apply(self, g: Tensor<1>, running: Option<Tensor<1>>) -> (Tensor<1>, Option<Tensor<1>>) {
        let square = |g: &Tensor<1>| g.clone() * g.clone();
        let running = |g: &Tensor<1>| running.unwrap_or_else(|| g.zeros_like());
        match self {
            Self::Sgd => (g, None),
            Self::Momentum { decay } => {
                let velocity = running(&g) * decay + g;
                (velocity.clone(), Some(velocity))
            }
            Self::AdaGrad { epsilon } => {
                let sum = running(&g) + square(&g);
                (g / (sum.clone().sqrt() + epsilon), Some(sum))
            }
            Self::RmsProp { decay, epsilon } => {
                let mean = running(&g) * decay + square(&g) * (1.0 - decay);
                (g / (mean.clone().sqrt() + epsilon), Some(mean))
            }
        }
    }
}
