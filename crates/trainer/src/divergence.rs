//! Losses that are not finite, or far too high.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Memory of the running mean of losses, in updates.
const MEMORY: f64 = 100.0;

/// Losses taken in before one can be too high.
const N_FIRST: u64 = 50;

/// Least standard deviation of the loss, in nats per target, that a spike is measured by.
const LEAST_DEVIATION: f64 = 0.05;

/// Parameters that a [`Diagnosis`] names.
const N_NAMED: usize = 5;

/// Which updates are bad, and what is done about them.
///
/// An update is bad if its loss or gradient is not finite; it is then left out. It is also bad if its loss lies
/// `spike_deviations` standard deviations above its running mean. After `max_bad` bad ones in a row, training goes
/// back to the last checkpoint of healthy training and on with a lower learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DivergenceConfig {
    /// Bad updates in a row after which training goes back.
    pub max_bad: u64,
    /// Standard deviations above the running mean at which a loss is bad; 0 for no limit.
    pub spike_deviations: f64,
    /// How often training goes back before it gives up.
    pub max_rollbacks: u64,
    /// What the learning rate is multiplied by each time.
    pub lr_factor: f64,
}

impl Default for DivergenceConfig {
    /// 20 bad updates in a row, 6 standard deviations, 3 times back with half the learning rate.
    fn default() -> Self {
        Self { max_bad: 20, spike_deviations: 6.0, max_rollbacks: 3, lr_factor: 0.5 }
    }
}

/// How healthy losses were: part of what a checkpoint holds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DivergenceState {
    /// Updates left out because they were not finite.
    pub n_skipped: u64,
    /// Bad updates in a row, up to the last one.
    pub n_bad: u64,
    /// How often training went back.
    pub n_rollbacks: u64,
    /// Factor of the schedule's learning rate.
    pub lr_scale: f64,
    /// Losses in the running mean.
    pub n_losses: u64,
    /// Running mean of the loss, in nats per target, over the last hundred updates or so.
    pub mean: f64,
    /// Its running variance.
    pub variance: f64,
}

impl Default for DivergenceState {
    fn default() -> Self {
        Self { n_skipped: 0, n_bad: 0, n_rollbacks: 0, lr_scale: 1.0, n_losses: 0, mean: 0.0, variance: 0.0 }
    }
}

impl DivergenceState {
    /// Takes in an update; whether so many were bad that training has diverged.
    pub(crate) fn record(&mut self, config: &DivergenceConfig, loss_nats: f64, is_finite: bool) -> bool {
        self.n_skipped += u64::from(!is_finite);
        if !is_finite || self.is_spike(config, loss_nats) {
            self.n_bad += 1;
        } else {
            self.n_bad = 0;
            self.take_in(loss_nats);
        }
        self.n_bad >= config.max_bad
    }

    fn is_spike(&self, config: &DivergenceConfig, loss_nats: f64) -> bool {
        let deviation = self.variance.sqrt().max(LEAST_DEVIATION);
        let limit = self.mean + config.spike_deviations * deviation;
        config.spike_deviations > 0.0 && self.n_losses >= N_FIRST && loss_nats > limit
    }

    /// Exponentially weighted mean and variance (Finch 2009, §4, equations 124 and 143); plain ones at first.
    fn take_in(&mut self, loss_nats: f64) {
        self.n_losses += 1;
        let alpha = 1.0 / (self.n_losses as f64).min(MEMORY);
        let difference = loss_nats - self.mean;
        self.mean += alpha * difference;
        self.variance = (1.0 - alpha) * (self.variance + alpha * difference * difference);
    }

    /// The state after going back to a checkpoint that holds `then`.
    pub(crate) fn rolled_back(&self, config: &DivergenceConfig, then: &Self) -> Self {
        Self {
            n_skipped: self.n_skipped,
            n_rollbacks: self.n_rollbacks + 1,
            lr_scale: self.lr_scale * config.lr_factor,
            ..*then
        }
    }
}

/// Why training diverged, as far as numbers tell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Diagnosis {
    /// The last update that was tried.
    pub step: u64,
    /// Bad updates in a row.
    pub n_bad: u64,
    /// Its loss, in nats per target.
    pub loss_nats: f64,
    /// The loss's running mean over healthy updates.
    pub mean_loss_nats: f64,
    /// Its learning rate.
    pub lr: f64,
    /// Places in the corpus of the first examples of its batch: of the micro-batch whose loss was not finite, if one's
    /// was.
    pub examples: Vec<u64>,
    /// Parameters that hold something that is not finite.
    pub broken_params: Vec<String>,
    /// Parameters whose gradient is not finite.
    pub broken_gradients: Vec<String>,
    /// Number of parameters with gradients.
    pub n_gradients: usize,
    /// The largest norms of gradients, of the last update whose gradients were all finite.
    pub largest_norms: Vec<(String, f64)>,
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, n_bad, loss_nats, mean_loss_nats, lr, examples, n_gradients, .. } = self;
        writeln!(f, "{n_bad} bad updates in a row, the last one {step}")?;
        writeln!(f, "  loss        {loss_nats:.3} nats/target, {mean_loss_nats:.3} in healthy updates before")?;
        writeln!(f, "  lr          {lr:.2e}")?;
        writeln!(f, "  batch       begins with examples {examples:?} of the training data, counted from 0")?;
        match &self.broken_params[..] {
            [] => writeln!(f, "  parameters  all finite")?,
            names => writeln!(f, "  parameters  {} not finite: {}", names.len(), list(names))?,
        }
        match &self.broken_gradients[..] {
            [] => write!(f, "  gradients   all finite")?,
            names => write!(f, "  gradients   {} of {n_gradients} not finite: {}", names.len(), list(names))?,
        }
        let norms: Vec<String> = self.largest_norms.iter().map(|(name, norm)| format!("{name} {norm:.2e}")).collect();
        if !norms.is_empty() {
            write!(f, "\n  norms       largest when last finite: {}", norms.join(", "))?;
        }
        Ok(())
    }
}

fn list(names: &[String]) -> String {
    let named = names[..names.len().min(N_NAMED)].join(", ");
    if names.len() > N_NAMED { named + ", …" } else { named }
}

/// L2 norms of the mean gradients of an update.
#[derive(Debug)]
pub(crate) struct GradientNorms {
    squares: Vec<(String, f64)>,
    mean: f64,
}

impl GradientNorms {
    /// Norms of sums with these squares, times `mean`.
    pub(crate) fn new(squares: Vec<(String, f64)>, mean: f64) -> Self {
        Self { squares, mean }
    }

    /// The norm over all parameters together.
    pub(crate) fn global(&self) -> f64 {
        self.squares.iter().map(|(_, square)| square).sum::<f64>().sqrt() * self.mean
    }

    /// Number of parameters.
    pub(crate) fn len(&self) -> usize {
        self.squares.len()
    }

    /// Parameters whose gradient is not finite.
    pub(crate) fn broken(&self) -> Vec<String> {
        self.squares.iter().filter(|(_, square)| !square.is_finite()).map(|(name, _)| name.clone()).collect()
    }

    /// The largest norms, with their parameters.
    pub(crate) fn largest(&self) -> Vec<(String, f64)> {
        let mut squares: Vec<&(String, f64)> = self.squares.iter().collect();
        squares.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let largest = squares.into_iter().take(N_NAMED);
        largest.map(|(name, square)| (name.clone(), square.sqrt() * self.mean)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy(config: &DivergenceConfig) -> DivergenceState {
        let mut state = DivergenceState::default();
        for i in 0..200 {
            assert!(!state.record(config, 2.0 + 0.1 * f64::from(i).sin(), true));
        }
        state
    }

    #[test]
    fn losses_far_above_their_mean_in_a_row_are_divergence() {
        let config = DivergenceConfig { max_bad: 3, ..DivergenceConfig::default() };
        let mut state = healthy(&config);
        assert!((state.mean - 2.0).abs() < 0.02 && (state.variance - 0.005).abs() < 5e-4, "{state:?}");
        assert!(!state.record(&config, 5.0, true) && !state.record(&config, 5.0, true));
        assert!(!state.record(&config, 2.1, true), "a healthy one ends the row");
        assert_eq!(state.n_bad, 0);
        let verdicts: Vec<bool> = (0..3).map(|_| state.record(&config, 5.0, true)).collect();
        assert_eq!((verdicts, state.n_skipped), (vec![false, false, true], 0));
    }

    #[test]
    fn high_losses_are_no_spikes_at_the_start_or_without_a_limit() {
        let config = DivergenceConfig { max_bad: 1, ..DivergenceConfig::default() };
        let mut state = DivergenceState::default();
        assert!(!state.record(&config, 2.0, true) && !state.record(&config, 90.0, true));
        let without = DivergenceConfig { spike_deviations: 0.0, ..config };
        assert!(!healthy(&without).record(&without, 90.0, true));
        assert!(healthy(&without).record(&without, f64::NAN, false), "what is not finite is always bad");
    }

    #[test]
    fn going_back_lowers_the_learning_rate_each_time() {
        let config = DivergenceConfig::default();
        let then = healthy(&config);
        let mut now = DivergenceState { n_skipped: 7, n_bad: 20, ..then };
        for (n, lr_scale) in [(1, 0.5), (2, 0.25)] {
            now = now.rolled_back(&config, &then);
            assert_eq!(now, DivergenceState { n_skipped: 7, n_rollbacks: n, lr_scale, ..then });
        }
    }
}
