//! Random numbers that are a function of a few others.

use attentive_core::mix64;

/// A stream of random numbers, the same on every machine.
pub(crate) struct Random {
    state: u64,
}

impl Random {
    /// The stream of these numbers: a seed, an epoch and an index for example.
    pub(crate) fn of(keys: &[u64]) -> Self {
        let state = keys
            .iter()
            .fold(0x005e_ed0f_a111, |state: u64, &key| mix64(state.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ mix64(key)));
        Self { state }
    }

    /// The next 64 bits (SplitMix64, Steele, Lea and Flood 2014).
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix64(self.state)
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in [from, to).
    pub(crate) fn within(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.unit()
    }

    /// Uniform among 0 … n - 1.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// True with this probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Normal with mean 0 and variance 1 (Box and Muller 1958).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Gamma with this shape and scale 1 (Marsaglia and Tsang 2000).
    fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            return self.gamma(shape + 1.0) * (1.0 - self.unit()).powf(1.0 / shape);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && (1.0 - self.unit()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// Beta with both parameters `alpha`.
    pub(crate) fn beta(&mut self, alpha: f64) -> f64 {
        let (a, b) = (self.gamma(alpha), self.gamma(alpha));
        // Both may be too small for a number: then one of them is almost all of their sum.
        if a + b > 0.0 { a / (a + b) } else { f64::from(u8::from(self.chance(0.5))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_moments_of_their_distributions() {
        let mut random = Random::of(&[1, 2, 3]);
        let moments = |draw: &mut dyn FnMut() -> f64| {
            let values: Vec<f64> = (0..20_000).map(|_| draw()).collect();
            let mean = values.iter().sum::<f64>() / 20_000.0;
            (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 20_000.0)
        };
        let near = |(mean, variance): (f64, f64), expected: (f64, f64)| {
            assert!((mean - expected.0).abs() < 0.03 && (variance - expected.1).abs() < 0.06, "{mean} {variance}");
        };
        near(moments(&mut || random.unit()), (0.5, 1.0 / 12.0));
        near(moments(&mut || random.normal()), (0.0, 1.0));
        for alpha in [0.2, 1.0, 3.0] {
            near(moments(&mut || random.beta(alpha)), (0.5, 1.0 / (4.0 * (2.0 * alpha + 1.0))));
        }
        assert_ne!(Random::of(&[1, 2]).next(), Random::of(&[2, 1]).next());
        assert!((0..1000).all(|_| random.below(7) < 7));
    }
}
