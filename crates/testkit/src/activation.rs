use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// The error function `2/√π ∫₀ˣ exp(-t²) dt`, to about 1e-15.
///
/// The Maclaurin series below 3, the continued fraction of erfc from there (Abramowitz and Stegun 7.1.6 and 7.1.14).
pub fn erf(x: f64) -> f64 {
    let z = x.abs();
    let value = if z < 3.0 {
        // 2/√π exp(-z²) Σ 2ⁿ z²ⁿ⁺¹ / (2n + 1)!!: all terms positive, nothing cancels.
        let (mut term, mut sum, mut n) = (z, z, 0.0);
        while term > sum * 1e-17 {
            n += 1.0;
            term *= 2.0 * z * z / (2.0 * n + 1.0);
            sum += term;
        }
        2.0 / PI.sqrt() * (-z * z).exp() * sum
    } else {
        let fraction = (1..=60).rev().fold(z, |f, n| z + f64::from(n) / 2.0 / f);
        1.0 - (-z * z).exp() / (PI.sqrt() * fraction)
    };
    value.copysign(x)
}

/// GELU in its exact form `x Φ(x) = x/2 (1 + erf(x/√2))`. Source: Hendrycks and Gimpel 2016, section 2.
pub fn gelu_erf(x: f64) -> f64 {
    0.5 * x * (1.0 + erf(x * FRAC_1_SQRT_2))
}

/// GELU's tanh approximation `x/2 (1 + tanh(√(2/π) (x + 0.044715 x³)))`. Source: Hendrycks and Gimpel 2016, section 2.
pub fn gelu_tanh(x: f64) -> f64 {
    0.5 * x * (1.0 + ((2.0 / PI).sqrt() * (x + 0.044715 * x * x * x)).tanh())
}

/// `x σ(x)` with the logistic function σ. Source: Ramachandran, Zoph and Le 2017.
pub fn silu(x: f64) -> f64 {
    x / (1.0 + (-x).exp())
}

/// `max(0, x)`.
pub fn relu(x: f64) -> f64 {
    x.max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assert_close;

    #[test]
    fn erf_equals_its_table() {
        // Abramowitz and Stegun, table 7.1 and 7.2 (erfc 4 = 1.541725790e-8).
        let x = [0.0, 0.1, 0.5, 1.0, 2.0, 4.0, -1.0];
        let table = [0.0, 0.1124629160, 0.5204998778, 0.8427007929, 0.9953222650, 1.0 - 1.541725790e-8, -0.8427007929];
        assert_close(&x.map(erf), &table, 0.0, 1e-10);
    }

    #[test]
    fn the_two_geluses_are_near() {
        for x in [-3.0, -0.7, 0.0, 0.4, 2.5] {
            assert!((gelu_erf(x) - gelu_tanh(x)).abs() < 5e-4);
        }
    }
}
