//! Learning rates of their own for some parameters.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

use crate::{Optimizer, OptimizerError, OptimizerState, ParamInfo, StepSize};

/// An optimizer by which some parameters learn at another rate: that of the update, times a factor of their own.
///
/// All else is that of the optimizer within: its name, its state, and so its checkpoints.
///
/// ```
/// use attentive_optim::{OptimizerConfig, Optimizer, ParamInfo, Rated, StepSize};
/// use attentive_backend::BackendKind;
/// use burn::tensor::Tensor;
///
/// let device = BackendKind::Flex.device()?;
/// let mut sgd = Rated::new(OptimizerConfig::Sgd {}.init()?, [("encoder.w".into(), 0.1)].into());
/// sgd.begin();
/// let mut updated = |name| {
///     let (values, gradient) = (Tensor::from_floats([1.0], &device), Tensor::from_floats([1.0], &device));
///     let param = ParamInfo { name, shape: &[1] };
///     sgd.update(param, values, gradient, StepSize { scale: 1.0, lr: 0.5 }).into_scalar::<f32>()
/// };
/// assert_eq!((updated("encoder.w"), updated("head.w")), (0.95, 0.5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Rated {
    optimizer: Box<dyn Optimizer>,
    factors: BTreeMap<String, f64>,
}

impl Rated {
    /// `optimizer` with factors of its learning rate by parameter name; of all others, 1.
    pub fn new(optimizer: Box<dyn Optimizer>, factors: BTreeMap<String, f64>) -> Self {
        Self { optimizer, factors }
    }
}

impl Optimizer for Rated {
    fn name(&self) -> &str {
        self.optimizer.name()
    }

    fn n_updates(&self) -> u64 {
        self.optimizer.n_updates()
    }

    fn begin(&mut self) {
        self.optimizer.begin();
    }

    fn update(&mut self, param: ParamInfo<'_>, values: Tensor<1>, gradient: Tensor<1>, size: StepSize) -> Tensor<1> {
        let factor = self.factors.get(param.name).copied().unwrap_or(1.0);
        self.optimizer.update(param, values, gradient, StepSize { lr: size.lr * factor, ..size })
    }

    fn state(&self) -> OptimizerState {
        self.optimizer.state()
    }

    fn restore(&mut self, n_updates: u64, state: OptimizerState) -> Result<(), OptimizerError> {
        self.optimizer.restore(n_updates, state)
    }
}
