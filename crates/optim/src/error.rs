//! Errors of settings and states of optimizers.

/// Errors of settings and states of optimizers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptimizerError {
    /// A learning rate that is not finite or is negative.
    #[error("{key} = {value} must be a finite number of at least 0")]
    LearningRate {
        /// Name of the setting.
        key: &'static str,
        /// Its value.
        value: f64,
    },
    /// A setting out of its range.
    #[error(
        "{key} = {value} is out of range: betas and decays lie in [0, 1), epsilon and weight_decay are not negative"
    )]
    OutOfRange {
        /// Name of the setting.
        key: &'static str,
        /// Its value.
        value: f64,
    },
    /// A checkpoint's tensors that are not those of this optimizer.
    #[error("the optimizer can't continue from these tensors: {name} {problem}")]
    State {
        /// Name of a tensor.
        name: String,
        /// The defect.
        problem: &'static str,
    },
}

impl OptimizerError {
    /// The setting that is out of its range, if that is the error.
    pub fn keys(&self) -> Vec<&'static str> {
        match self {
            Self::LearningRate { key, .. } | Self::OutOfRange { key, .. } => vec![key],
            Self::State { .. } => Vec::new(),
        }
    }
}
