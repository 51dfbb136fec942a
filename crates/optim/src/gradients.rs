//! Gradients by parameter name.

use std::collections::BTreeMap;

use attentive_backend::ops;
use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Gradients as Tape, Tensor},
};

/// Gradients of a model's parameters, flattened, by the parameter's path through the module.
///
/// Sums over targets, until [`Optimizer::step`](crate::Optimizer::step) scales them: micro-batches of any size add up
/// exactly.
#[derive(Debug, Clone, Default)]
pub struct Gradients(BTreeMap<String, Tensor<1>>);

impl Gradients {
    /// Takes the gradients of `model`'s parameters from the result of a backward pass.
    pub fn take<M: Module>(mut tape: Tape, model: &M) -> Self {
        let mut collector = Collector { path: Vec::new(), tape: &mut tape, gradients: Self::default() };
        model.visit(&mut collector);
        collector.gradients
    }

    /// Adds the gradients of another micro-batch.
    pub fn add(&mut self, other: Self) {
        if self.0.is_empty() {
            *self = other;
            return;
        }
        for (name, gradient) in other.0 {
            let sum = match self.0.remove(&name) {
                Some(mine) => mine + gradient,
                None => gradient,
            };
            self.0.insert(name, sum);
        }
    }

    /// The gradients of two sums of micro-batches, added.
    #[must_use]
    pub fn plus(mut self, other: Self) -> Self {
        self.add(other);
        self
    }

    /// L2 norm over all parameters together.
    pub fn global_norm(&self) -> f64 {
        self.squared_norms().iter().map(|(_, square)| square).sum::<f64>().sqrt()
    }

    /// Square of the L2 norm of each parameter's gradient, in the order of the names.
    ///
    /// # Panics
    /// If the device can't hand over its values.
    pub fn squared_norms(&self) -> Vec<(String, f64)> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let squares = self.0.values().map(|gradient| ops::squared_norm(gradient.clone())).collect();
        let squares = Tensor::cat(squares, 0).into_data().convert::<f64>(); // one read for all
        self.0.keys().cloned().zip(squares.try_into_vec().expect("converted to f64 above")).collect()
    }

    /// The gradient of a parameter, flattened.
    pub fn get(&self, name: &str) -> Option<&Tensor<1>> {
        self.0.get(name)
    }

    /// Names and gradients, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor<1>)> {
        self.0.iter().map(|(name, gradient)| (name.as_str(), gradient))
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<Tensor<1>> {
        self.0.remove(name)
    }
}

struct Collector<'a> {
    path: Vec<String>,
    tape: &'a mut Tape,
    gradients: Gradients,
}

impl ModuleVisitor for Collector<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        if let Some(gradient) = value.grad_remove(self.tape) {
            let n = gradient.shape().num_elements();
            self.gradients.0.insert(self.path.join("."), gradient.reshape([n]));
        }
    }
}
