//! Random numbers as a function of a seed.

use attentive_core::Dropout;

/// A stream of numbers, the keys of a [`Dropout`].
pub(crate) struct Random(Dropout);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Dropout::new(seed))
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(&self) -> f64 {
        unit(self.0.next_key())
    }

    /// Uniform between two numbers, and never above the second, which a rounded sum may be.
    pub(crate) fn between(&self, [low, high]: [f64; 2]) -> f64 {
        (low + (high - low) * self.unit()).min(high)
    }

    /// Uniform from 0 to `n - 1`.
    pub(crate) fn below(&self, n: usize) -> usize {
        below(self.0.next_key(), n)
    }

    /// Two independent numbers of mean 0 and variance 1 (Box and Muller 1958).
    pub(crate) fn normals(&self) -> [f64; 2] {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt(); // 1 - unit is never 0
        let (sin, cos) = (std::f64::consts::TAU * self.unit()).sin_cos();
        [radius * sin, radius * cos]
    }
}

/// A number in [0, 1) of the upper bits of a key.
fn unit(key: u64) -> f64 {
    (key >> 11) as f64 / (1_u64 << 53) as f64
}

/// A number from 0 to `n - 1` of a key; 0 where there is none.
pub(crate) fn below(key: u64, n: usize) -> usize {
    (unit(key) * n as f64) as usize
}
