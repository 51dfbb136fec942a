//! A running mean of a model's parameters.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::Tensor,
};

/// The exponential moving average of a model's parameters, which often scores better than the last ones.
///
/// `e ← δ e + (1 - δ) w` after each update, with `δ = min(decay, (1 + n) / (10 + n))` at update `n`, so that initial
/// parameters are soon forgotten; it starts as the parameters after the first update. Source: Polyak and Juditsky 1992;
/// the ramp of `δ` is that of TensorFlow's `ExponentialMovingAverage` with `num_updates`.
#[derive(Debug, Clone)]
pub struct Ema {
    decay: f64,
    means: BTreeMap<String, Tensor<1>>,
}

impl Ema {
    /// An empty mean, with `decay` in `[0, 1)`.
    pub fn new(decay: f64) -> Self {
        Self { decay, means: BTreeMap::new() }
    }

    /// Adds the parameters after the optimizer's update `n_updates`.
    pub fn update<M: Module>(&mut self, model: &M, n_updates: u64) {
        let n = n_updates as f64;
        let decay = self.decay.min((1.0 + n) / (10.0 + n));
        model.visit(&mut Accumulate { path: Vec::new(), decay, means: &mut self.means });
    }

    /// `model` with the means in place of its parameters.
    pub fn apply<M: Module>(&self, model: M) -> M {
        model.map(&mut Apply { path: Vec::new(), means: &self.means })
    }

    /// Means by parameter name, flattened, for a checkpoint.
    pub fn means(&self) -> &BTreeMap<String, Tensor<1>> {
        &self.means
    }

    /// Continues from a checkpoint.
    #[must_use]
    pub fn restored(self, means: BTreeMap<String, Tensor<1>>) -> Self {
        Self { means, ..self }
    }
}

struct Accumulate<'a> {
    path: Vec<String>,
    decay: f64,
    means: &'a mut BTreeMap<String, Tensor<1>>,
}

impl ModuleVisitor for Accumulate<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        let value = if value.is_autodiff() { value.inner() } else { value };
        let value: Tensor<1> = value.flatten(0, D - 1);
        let name = self.path.join(".");
        let mean = match self.means.remove(&name) {
            // δ and 1 - δ are rounded, and so do not add up to 1: as a sum of the two, the mean of a parameter that stays as it
            // is would not be that parameter.
            Some(mean) => mean.clone() + (value - mean) * (1.0 - self.decay),
            None => value,
        };
        self.means.insert(name, mean);
    }
}

struct Apply<'a> {
    path: Vec<String>,
    means: &'a BTreeMap<String, Tensor<1>>,
}

impl ModuleMapper for Apply<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(mean) = self.means.get(&self.path.join(".")) else { return param };
        param.map(|value| {
            let mean = mean.clone().reshape(value.dims());
            if value.is_autodiff() { Tensor::from_inner(mean).set_require_grad(value.is_require_grad()) } else { mean }
        })
    }
}
