//! Sampling segmentations: its strength, and its random numbers.

use thiserror::Error;

use crate::tokenizer::Tokenizer;

/// What the strength of [`Tokenizer::sample`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleStrength {
    /// The probability of BPE-dropout.
    Dropout,
    /// The temperature of a Unigram model's segmentations.
    Temperature,
}

/// A strength that a tokenizer can't sample with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StrengthError {
    /// There is nothing to sample.
    #[error("this kind of tokenizer has one segmentation of a text: leave it out")]
    OneSegmentation,
    /// It is not a probability.
    #[error("must be between 0 and 1: it is the probability of BPE-dropout")]
    Dropout,
    /// It is not a temperature.
    #[error("must be at least 0: it is the temperature of a Unigram model")]
    Temperature,
}

/// Checks a strength of [`Tokenizer::sample`].
///
/// # Errors
/// [`StrengthError`]: it is out of range, or the tokenizer has one segmentation of a text.
///
/// ```
/// use attentive_tokenizer::{BpeTrainer, StrengthError, check_strength};
///
/// let tokenizer = BpeTrainer::with_merges(5).train(["too tired"])?;
/// assert_eq!(check_strength(&tokenizer, 0.1), Ok(()));
/// assert_eq!(check_strength(&tokenizer, 2.0), Err(StrengthError::Dropout));
/// # Ok::<(), attentive_tokenizer::TokenizerError>(())
/// ```
pub fn check_strength(tokenizer: &dyn Tokenizer, strength: f64) -> Result<(), StrengthError> {
    match tokenizer.sample_strength() {
        None => Err(StrengthError::OneSegmentation),
        Some(SampleStrength::Dropout) if !(0.0..=1.0).contains(&strength) => Err(StrengthError::Dropout),
        Some(SampleStrength::Temperature) if !(0.0..f64::INFINITY).contains(&strength) => {
            Err(StrengthError::Temperature)
        }
        Some(_) => Ok(()),
    }
}

/// SplitMix64: small, fast, and the same numbers everywhere.
///
/// Source: Steele, Lea and Flood 2014, "Fast Splittable Pseudorandom Number Generators", figure 17.
#[derive(Clone, Debug)]
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1), in steps of 2⁻⁵³.
    pub(crate) fn next_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_published_numbers() {
        // The first outputs of the reference implementation for the seed 1234567.
        let mut rng = SplitMix64::new(1_234_567);
        let numbers = [0; 3].map(|_| rng.next_u64());
        assert_eq!(numbers, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn is_uniform() {
        let mut rng = SplitMix64::new(1);
        let mean = (0..100_000).map(|_| rng.next_f64()).sum::<f64>() / 100_000.0;
        assert!((mean - 0.5).abs() < 0.005, "{mean}"); // the standard error is 0.0009
    }
}
