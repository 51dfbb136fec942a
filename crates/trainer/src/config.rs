//! Settings of the loop.

use attentive_backend::{Precision, Recompute};
use attentive_collective::Exchange;
use serde::{Deserialize, Serialize};

use crate::{DivergenceConfig, EarlyStoppingConfig, Monitored, QuantizeFormat, RateConfig, TrainError};

/// Settings of the loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TrainerConfig {
    /// Updates to make.
    pub steps: u64,
    /// Micro-batches an update; their losses and gradients add up before the mean is taken.
    #[serde(default = "one")]
    pub accumulate: usize,
    /// What the matrix products of an update multiply; validation takes `f32`.
    #[serde(default)]
    pub precision: Precision,
    /// The format to which matrices are rounded in passes and in validation, as packing rounds them; gradients change the
    /// matrices as they are. None are rounded without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantize: Option<QuantizeFormat>,
    /// What the backward pass computes again in place of keeping it: memory for time.
    #[serde(default)]
    pub recompute: Recompute,
    /// The format in which gradients travel among processes that train together.
    #[serde(default)]
    pub exchange: Exchange,
    /// Largest L2 norm of the mean gradient over all parameters; 0 for no limit.
    #[serde(default)]
    pub clip_norm: f64,
    /// Decay of the running mean of parameters that is validated, and that the finished model is; 0 for none.
    #[serde(default)]
    pub ema_decay: f64,
    /// Updates between validations; 0 for one at the end only.
    #[serde(default)]
    pub validate_every: u64,
    /// Updates between checkpoints; 0 for one at the end only.
    #[serde(default)]
    pub checkpoint_every: u64,
    /// Updates between checkpoints that are kept for good; 0 for none.
    #[serde(default)]
    pub keep_every: u64,
    /// Seed of dropout and of the order of batches.
    #[serde(default)]
    pub seed: u64,
    /// Parameters that are left as they are, by their paths: `encoder` is all of the encoder, `*.norm.*` all norms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<String>,
    /// Learning rates of their own for some parameters: the schedule's, times a factor. Of several patterns that describe a
    /// parameter, the last one counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<RateConfig>,
    /// What the learning rate of each layer is of that above it; embeddings are below the first layer, and heads above the
    /// last. 1 for the same rate everywhere.
    #[serde(default = "same_rate", skip_serializing_if = "is_same_rate")]
    pub layer_decay: f64,
    /// What is done about losses that are not numbers, or far too high.
    #[serde(default)]
    pub divergence: DivergenceConfig,
    /// When training ends before its last update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStoppingConfig>,
}

fn one() -> usize {
    1
}

fn same_rate() -> f64 {
    1.0
}

fn is_same_rate(decay: &f64) -> bool {
    *decay == same_rate()
}

impl Default for TrainerConfig {
    /// 1,000 updates of one batch each, validated and saved at the end alone.
    fn default() -> Self {
        Self {
            steps: 1_000,
            accumulate: 1,
            precision: Precision::F32,
            quantize: None,
            recompute: Recompute::None,
            exchange: Exchange::F32,
            clip_norm: 0.0,
            ema_decay: 0.0,
            validate_every: 0,
            checkpoint_every: 0,
            keep_every: 0,
            seed: 0,
            freeze: Vec::new(),
            rates: Vec::new(),
            layer_decay: same_rate(),
            divergence: DivergenceConfig::default(),
            early_stopping: None,
        }
    }
}

impl TrainerConfig {
    /// Holds every setting against its range.
    ///
    /// # Errors
    /// [`TrainError::Setting`] names the first that is out of it.
    pub fn validate(&self) -> Result<(), TrainError> {
        let DivergenceConfig { max_bad, spike_deviations, lr_factor, .. } = self.divergence;
        let patience = self.early_stopping.map_or(1, |early| early.patience);
        let min_delta = self.early_stopping.map_or(0.0, |early| early.min_delta);
        let not_negative = |value: f64| value.is_finite() && value >= 0.0;
        let mut factors = self.rates.iter().map(|rate| rate.factor);
        let wrong_factor = factors.find(|factor| !(factor.is_finite() && *factor > 0.0));
        let checks = [
            ("steps", self.steps.to_string(), self.steps > 0, "there is nothing to train for: it must be at least 1"),
            ("accumulate", self.accumulate.to_string(), self.accumulate > 0, "an update needs at least one batch"),
            (
                "clip_norm",
                self.clip_norm.to_string(),
                not_negative(self.clip_norm),
                "a norm is not negative; 0 is no limit",
            ),
            (
                "ema_decay",
                self.ema_decay.to_string(),
                (0.0..1.0).contains(&self.ema_decay),
                "it must be at least 0, which is none, and below 1",
            ),
            (
                "layer_decay",
                self.layer_decay.to_string(),
                self.layer_decay > 0.0 && self.layer_decay <= 1.0,
                "it must be above 0 and at most 1, which is the same rate everywhere",
            ),
            (
                "rates",
                wrong_factor.unwrap_or_default().to_string(),
                wrong_factor.is_none(),
                "a factor must be a number above 0; freeze what is not to learn",
            ),
            ("divergence.max_bad", max_bad.to_string(), max_bad > 0, "it must be at least 1"),
            (
                "divergence.spike_deviations",
                spike_deviations.to_string(),
                not_negative(spike_deviations),
                "it must not be negative; 0 is no limit",
            ),
            (
                "divergence.lr_factor",
                lr_factor.to_string(),
                lr_factor > 0.0 && lr_factor <= 1.0,
                "it must be above 0 and at most 1",
            ),
            ("early_stopping.patience", patience.to_string(), patience > 0, "it must be at least 1"),
            (
                "early_stopping.min_delta",
                min_delta.to_string(),
                not_negative(min_delta),
                "a gain that counts is not negative",
            ),
        ];
        match checks.into_iter().find(|(_, _, is_right, _)| !is_right) {
            Some((key, value, _, problem)) => Err(TrainError::Setting { key, value, problem }),
            None => Ok(()),
        }
    }

    /// Holds the settings against the number of processes that train together.
    ///
    /// # Errors
    /// [`TrainError::Setting`] if there are more of them than an update has micro-batches.
    pub fn validate_among(&self, n_processes: usize) -> Result<(), TrainError> {
        if self.accumulate >= n_processes {
            return Ok(());
        }
        let problem = "an update needs a micro-batch for each process: set it to their number or a multiple, with smaller \
                       batches, or start fewer processes";
        Err(TrainError::Setting { key: "accumulate", value: self.accumulate.to_string(), problem })
    }

    /// What validations are judged by.
    pub(crate) fn monitored(&self) -> Monitored {
        self.early_stopping.map_or_else(Monitored::default, |early| early.on)
    }

    /// Holds the settings against whether there is validation: early stopping needs it.
    ///
    /// # Errors
    /// [`TrainError::Setting`] if a run is to stop early and nothing tells when.
    pub fn validate_for(&self, has_validation: bool) -> Result<(), TrainError> {
        let Some(EarlyStoppingConfig { patience, .. }) = self.early_stopping else { return Ok(()) };
        let problem = match (has_validation, self.validate_every) {
            (false, _) => "there is no validation data to judge by: give some, or leave early stopping out",
            (true, 0) => "validate_every is 0, which is once at the end: set it, or leave early stopping out",
            (true, _) => return Ok(()),
        };
        Err(TrainError::Setting { key: "early_stopping.patience", value: patience.to_string(), problem })
    }
}
