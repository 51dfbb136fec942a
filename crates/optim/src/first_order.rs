//! The optimizers that came before Adam.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::Tensor,
};

use crate::Gradients;

/// What is made of a gradient `g`, at the learning rate `η`.
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
///
/// It is here to be compared with: runs are trained by [`Adam`](crate::Adam), whose state a checkpoint holds.
#[derive(Debug, Clone)]
pub struct FirstOrder {
    rule: UpdateRule,
    running: BTreeMap<String, Tensor<1>>,
}

impl FirstOrder {
    /// An optimizer that has seen nothing.
    pub fn new(rule: UpdateRule) -> Self {
        Self { rule, running: BTreeMap::new() }
    }

    /// One update of `model` with `gradients` times `scale`.
    #[must_use]
    pub fn step<M: Module>(&mut self, model: M, gradients: Gradients, scale: f64, lr: f64) -> M {
        model.map(&mut Update { path: Vec::new(), gradients, scale, lr, rule: self.rule, running: &mut self.running })
    }
}

impl UpdateRule {
    /// What is taken off the parameter per unit of learning rate, and the new running value.
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

struct Update<'a> {
    path: Vec<String>,
    gradients: Gradients,
    scale: f64,
    lr: f64,
    rule: UpdateRule,
    running: &'a mut BTreeMap<String, Tensor<1>>,
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
        let (step, running) = self.rule.apply(gradient * self.scale, self.running.remove(&name));
        self.running.extend(running.map(|running| (name, running)));
        param.map(|value| {
            let (shape, require_grad) = (value.dims(), value.is_require_grad());
            let updated = value.inner() - step.reshape(shape) * self.lr;
            Tensor::from_inner(updated).set_require_grad(require_grad)
        })
    }
}
