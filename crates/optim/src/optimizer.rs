//! The trait of optimizers, and the configuration of the existing ones.

use std::{collections::BTreeMap, fmt};

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::Tensor,
};
use serde::{Deserialize, Serialize};

use crate::{AdamConfig, FirstOrder, Gradients, OptimizerError, UpdateRule};

/// State of an optimizer: flattened tensors by name.
pub type OptimizerState = BTreeMap<String, Tensor<1>>;

/// A parameter, as an optimizer sees it.
#[derive(Debug, Clone, Copy)]
pub struct ParamInfo<'a> {
    /// Its path through the module, `decoder.layers.0.norm.gamma`.
    pub name: &'a str,
    /// Its shape.
    pub shape: &'a [usize],
}

/// Step size of an update.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepSize {
    /// Factor of gradients, which are sums over targets: `1 / n_targets` makes them means.
    pub scale: f64,
    /// Learning rate.
    pub lr: f64,
}

/// Changes a model's parameters by their gradients.
///
/// An optimizer of your own needs `update`, which sees one parameter at a time, and names for its state:
///
/// ```
/// use std::collections::BTreeMap;
/// use attentive_optim::{Optimizer, OptimizerError, OptimizerState, ParamInfo, StepSize};
/// use burn::tensor::Tensor;
///
/// /// Takes the sign of each gradient (Bernstein et al. 2018, signSGD).
/// #[derive(Debug, Default)]
/// struct SignSgd(u64);
///
/// impl Optimizer for SignSgd {
///     fn name(&self) -> &str {
///         "sign-sgd"
///     }
///     fn n_updates(&self) -> u64 {
///         self.0
///     }
///     fn begin(&mut self) {
///         self.0 += 1;
///     }
///     fn update(&mut self, _: ParamInfo<'_>, values: Tensor<1>, gradient: Tensor<1>, size: StepSize) -> Tensor<1> {
///         values - gradient.sign() * size.lr
///     }
///     fn state(&self) -> OptimizerState {
///         BTreeMap::new()
///     }
///     fn restore(&mut self, n_updates: u64, _: OptimizerState) -> Result<(), OptimizerError> {
///         self.0 = n_updates;
///         Ok(())
///     }
/// }
/// ```
pub trait Optimizer: fmt::Debug {
    /// Its name in checkpoints.
    fn name(&self) -> &str;

    /// Updates made.
    fn n_updates(&self) -> u64;

    /// Begins an update: counts it.
    fn begin(&mut self);

    /// The new values of one parameter, flattened, without gradient: `[n]` from `[n]` values and their `[n]` gradients.
    ///
    /// Where several processes train, each of them sees a part of the values ([`Shards`](crate::Shards)): a new value may
    /// depend on its own gradient and state alone.
    ///
    /// The values may be changed in place if nothing else holds them.
    fn update(&mut self, param: ParamInfo<'_>, values: Tensor<1>, gradient: Tensor<1>, size: StepSize) -> Tensor<1>;

    /// Its state for a checkpoint, by names `param.slot` with the parameter's name; each tensor has a number for each of the
    /// parameter's.
    fn state(&self) -> OptimizerState;

    /// Continues from a checkpoint.
    ///
    /// # Errors
    /// [`OptimizerError::State`] if a tensor is missing, or is unknown.
    fn restore(&mut self, n_updates: u64, state: OptimizerState) -> Result<(), OptimizerError>;

    /// One update of `model` with `gradients` times `scale`.
    #[must_use]
    fn step<M: Module>(&mut self, model: M, gradients: Gradients, scale: f64, lr: f64) -> M
    where
        Self: Sized,
    {
        step(self, model, gradients, StepSize { scale, lr })
    }
}

impl<T: Optimizer + ?Sized> Optimizer for Box<T> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn n_updates(&self) -> u64 {
        (**self).n_updates()
    }

    fn begin(&mut self) {
        (**self).begin();
    }

    fn update(&mut self, param: ParamInfo<'_>, values: Tensor<1>, gradient: Tensor<1>, size: StepSize) -> Tensor<1> {
        (**self).update(param, values, gradient, size)
    }

    fn state(&self) -> OptimizerState {
        (**self).state()
    }

    fn restore(&mut self, n_updates: u64, state: OptimizerState) -> Result<(), OptimizerError> {
        (**self).restore(n_updates, state)
    }
}

/// One update of `model` by any optimizer.
pub fn step<M: Module>(optimizer: &mut dyn Optimizer, model: M, gradients: Gradients, size: StepSize) -> M {
    optimizer.begin();
    model.map(&mut Step { path: Vec::new(), gradients, optimizer, size })
}

struct Step<'a> {
    path: Vec<String>,
    gradients: Gradients,
    optimizer: &'a mut dyn Optimizer,
    size: StepSize,
}

impl ModuleMapper for Step<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        let Some(gradient) = self.gradients.remove(&name) else { return param };
        param.map(|value| {
            let (shape, require_grad) = (value.dims(), value.is_require_grad());
            let param = ParamInfo { name: &name, shape: &shape };
            let values = self.optimizer.update(param, value.inner().flatten(0, D - 1), gradient, self.size);
            Tensor::from_inner(values.reshape(shape)).set_require_grad(require_grad)
        })
    }
}

/// Takes `param.slot` of each parameter out of a checkpoint's tensors.
///
/// # Errors
/// [`OptimizerError::State`] if a parameter has one slot and not another, or a name ends with none of them.
pub(crate) fn take_slots<const N: usize>(
    mut state: OptimizerState,
    slots: [&str; N],
) -> Result<BTreeMap<String, [Tensor<1>; N]>, OptimizerError> {
    let [first, ..] = &slots[..] else {
        return match state.keys().next() {
            Some(name) => Err(OptimizerError::State { name: name.clone(), problem: "is unknown to it" }),
            None => Ok(BTreeMap::new()),
        };
    };
    let suffix = format!(".{first}");
    let names: Vec<String> = state.keys().filter_map(|name| name.strip_suffix(&suffix)).map(str::to_owned).collect();
    let mut params = BTreeMap::new();
    for param in names {
        let mut missing = None;
        let tensors = slots.map(|slot| {
            let name = format!("{param}.{slot}");
            let tensor = state.remove(&name);
            if tensor.is_none() {
                missing.get_or_insert(name);
            }
            tensor
        });
        if let Some(name) = missing {
            return Err(OptimizerError::State { name, problem: "is missing" });
        }
        params.insert(param, tensors.map(|tensor| tensor.expect("none is missing")));
    }
    match state.into_keys().next() {
        Some(name) => Err(OptimizerError::State { name, problem: "is unknown to it" }),
        None => Ok(params),
    }
}

/// Kind of optimizer and its settings.
///
/// ```
/// use attentive_optim::{AdamConfig, Optimizer, OptimizerConfig};
///
/// let config = OptimizerConfig::Momentum { decay: 0.9 };
/// assert_eq!(config.init()?.name(), "momentum");
/// assert_eq!((config.bytes_per_parameter(), OptimizerConfig::default().bytes_per_parameter()), (8, 12));
/// assert_eq!(OptimizerConfig::default(), OptimizerConfig::Adam(AdamConfig::default()));
/// # Ok::<(), attentive_optim::OptimizerError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum OptimizerConfig {
    /// Adam; with `weight_decay` AdamW.
    Adam(AdamConfig),
    /// Stochastic gradient descent: `w ← w - η g` (Robbins and Monro 1951).
    Sgd {},
    /// `v ← μ v + g`, `w ← w - η v` (Polyak 1964).
    Momentum {
        /// `μ`, the part of the velocity that is kept.
        #[serde(default = "momentum_decay")]
        decay: f64,
    },
    /// `s ← s + g²`, `w ← w - η g / (√s + ε)` (Duchi et al. 2011).
    AdaGrad {
        /// `ε`, added to the denominator.
        #[serde(default = "first_order_epsilon")]
        epsilon: f64,
    },
    /// `s ← ρ s + (1 - ρ) g²`, `w ← w - η g / (√s + ε)` (Tieleman and Hinton 2012).
    RmsProp {
        /// `ρ`, the decay of the mean of squared gradients.
        #[serde(default = "rms_prop_decay")]
        decay: f64,
        /// `ε`, added to the denominator.
        #[serde(default = "first_order_epsilon")]
        epsilon: f64,
    },
}

fn momentum_decay() -> f64 {
    0.9
}

fn rms_prop_decay() -> f64 {
    0.98
}

fn first_order_epsilon() -> f64 {
    1e-8
}

impl Default for OptimizerConfig {
    /// Adam as in the paper.
    fn default() -> Self {
        Self::Adam(AdamConfig::default())
    }
}

impl OptimizerConfig {
    /// An optimizer that has made no update.
    ///
    /// # Errors
    /// [`OptimizerError::OutOfRange`] names a setting that is out of its range.
    pub fn init(self) -> Result<Box<dyn Optimizer>, OptimizerError> {
        self.validate()?;
        Ok(match self {
            Self::Adam(config) => Box::new(config.init()?),
            Self::Sgd {} => Box::new(FirstOrder::new(UpdateRule::Sgd)),
            Self::Momentum { decay } => Box::new(FirstOrder::new(UpdateRule::Momentum { decay })),
            Self::AdaGrad { epsilon } => Box::new(FirstOrder::new(UpdateRule::AdaGrad { epsilon })),
            Self::RmsProp { decay, epsilon } => Box::new(FirstOrder::new(UpdateRule::RmsProp { decay, epsilon })),
        })
    }

    /// Checks that every setting is in its range.
    ///
    /// # Errors
    /// [`OptimizerError::OutOfRange`] names the first that is not.
    pub fn validate(&self) -> Result<(), OptimizerError> {
        let settings: &[(&'static str, f64)] = match self {
            Self::Adam(config) => return config.validate(),
            Self::Sgd {} => &[],
            Self::Momentum { decay } => &[("decay", *decay)],
            Self::AdaGrad { epsilon } => &[("epsilon", *epsilon)],
            Self::RmsProp { decay, epsilon } => &[("decay", *decay), ("epsilon", *epsilon)],
        };
        let is_right = |&&(key, value): &&(&str, f64)| match key {
            "decay" => (0.0..1.0).contains(&value),
            _ => value.is_finite() && value >= 0.0,
        };
        match settings.iter().find(|setting| !is_right(setting)) {
            Some(&(key, value)) => Err(OptimizerError::OutOfRange { key, value }),
            None => Ok(()),
        }
    }

    /// Bytes of a parameter in a checkpoint: its value and its optimizer state, in f32.
    pub fn bytes_per_parameter(&self) -> u64 {
        let n_slots = match self {
            Self::Adam(_) => 2,
            Self::Sgd {} => 0,
            Self::Momentum { .. } | Self::AdaGrad { .. } | Self::RmsProp { .. } => 1,
        };
        size_of::<f32>() as u64 * (1 + n_slots)
    }
}
