use std::f64::consts::LN_2;

/// A measure of quality that is collected sample by sample and merged across workers.
///
/// # Examples
/// ```
/// use attentive_metrics::{Likelihood, Metric, Perplexity};
///
/// let mut perplexity = Perplexity::default();
/// assert_eq!(perplexity.value(), None);
/// perplexity.add(Likelihood { loss_nats: 8f64.ln(), n_units: 3 });
/// assert!((perplexity.value().unwrap() - 2.0).abs() < 1e-12);
/// ```
pub trait Metric {
    /// One observation.
    type Sample<'a>;

    /// Takes one more sample into account.
    fn add(&mut self, sample: Self::Sample<'_>);

    /// Takes all samples of `other` into account, which has the same configuration.
    fn merge(&mut self, other: Self);

    /// The value over all samples, or `None` if there are no samples, or only empty ones.
    fn value(&self) -> Option<f64>;
}

/// The negative log-likelihood that a model gives to a stretch of text.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Likelihood {
    /// `-Σ ln p`, summed, not averaged.
    pub loss_nats: f64,
    /// The number of units that the sum runs over: tokens for [`Perplexity`], bytes for [`BitsPerByte`].
    pub n_units: u64,
}

impl Likelihood {
    fn merge(&mut self, other: Self) {
        self.loss_nats += other.loss_nats;
        self.n_units += other.n_units;
    }

    fn mean_nats(self) -> Option<f64> {
        (self.n_units > 0).then(|| self.loss_nats / self.n_units as f64)
    }
}

/// Perplexity per token, `exp(-1/N Σ ln p)`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Perplexity(Likelihood);

impl Metric for Perplexity {
    type Sample<'a> = Likelihood;

    fn add(&mut self, sample: Likelihood) {
        self.0.merge(sample);
    }

    fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
    }

    fn value(&self) -> Option<f64> {
        self.0.mean_nats().map(f64::exp)
    }
}

/// Bits needed for one byte of text, `-1/(B ln 2) Σ ln p`: comparable across tokenizers.
///
/// `n_units` counts the UTF-8 bytes of the text that the tokens encode, for tokens of any kind.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BitsPerByte(Likelihood);

impl Metric for BitsPerByte {
    type Sample<'a> = Likelihood;

    fn add(&mut self, sample: Likelihood) {
        self.0.merge(sample);
    }

    fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
    }

    fn value(&self) -> Option<f64> {
        self.0.mean_nats().map(|nats| nats / LN_2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uniform_byte_costs_eight_bits() {
        let mut bits = BitsPerByte::default();
        bits.add(Likelihood { loss_nats: 5.0 * 256f64.ln(), n_units: 5 });
        assert!((bits.value().unwrap() - 8.0).abs() < 1e-12);
    }

    #[test]
    fn merging_weighs_by_units() {
        let (mut left, mut right) = (Perplexity::default(), Perplexity::default());
        left.add(Likelihood { loss_nats: 2.0, n_units: 1 });
        right.add(Likelihood { loss_nats: 4.0, n_units: 3 });
        left.merge(right);
        assert!((left.value().unwrap() - 1.5f64.exp()).abs() < 1e-12);
    }
}
