//! Elementary functions on vectors. The polynomials are minimax fits made for this crate (Remez exchange, 40 digits).

use crate::simd::Simd;

/// `exp(x)` to 2 ulp for -87.33 ≤ x ≤ 88.37; zero below, `exp(88.37)` above, NaN for NaN.
///
/// `x = n ln 2 + r`, then `2ⁿ (1 + r + r² p(r))` with `|r| ≤ ln 2 / 2`; the polynomial's relative error is 3.1e-9.
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::F32) -> S::F32 {
    const LOW: f32 = -87.33;
    // ln 2 in two parts, the first with trailing zeros, so that n · LN_2_HIGH is exact.
    const LN_2_HIGH: f32 = 355.0 / 512.0;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let low = s.lt(x, s.splat(LOW));
    let x = s.min(s.splat(88.37), s.max(s.splat(LOW), x));
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    let r = s.mul_add(n, s.splat(-LN_2_HIGH), x);
    let r = s.mul_add(n, s.splat(-LN_2_LOW), r);
    let p = polynomial(s, r, [0.499_999_93, 0.166_665_2, 0.041_668_396, 0.008_368_78, 0.001_381_446_7]);
    let p = s.add(s.mul_add(s.mul(r, r), p, r), s.splat(1.0));
    s.select(low, s.zero(), s.mul(p, s.exp2_int(n)))
}

/// The standard normal distribution's `(Φ(x), φ(x))`: cumulative probability and density.
///
/// `Φ(-t) = exp(-t²/2) u p(u)` with `u = 1 / (1 + 0.35 t)` for `t ≥ 0`; the polynomial's relative error is 3.2e-8. So
/// `Φ` is within 2e-7 of the truth everywhere, and within 2e-6 of it relative to its size down to 1e-37.
#[inline(always)]
pub(crate) fn normal<S: Simd>(s: S, x: S::F32) -> (S::F32, S::F32) {
    const FRAC_1_SQRT_2_PI: f32 = 0.398_942_3;
    let t = s.abs(x);
    let bell = exp(s, s.mul(s.mul(t, t), s.splat(-0.5)));
    let u = s.div(s.splat(1.0), s.mul_add(t, s.splat(0.35), s.splat(1.0)));
    let coefficients = [
        0.139_621_4,
        0.139_861_87,
        0.119_832_88,
        0.105_507_955,
        -0.023_109_702,
        0.159_173_94,
        -0.255_714_04,
        0.143_971_59,
        -0.029_145_906,
    ];
    let tail = s.mul(s.mul(bell, u), polynomial(s, u, coefficients));
    let cdf = s.select(s.lt(s.zero(), x), s.sub(s.splat(1.0), tail), tail);
    (cdf, s.mul(bell, s.splat(FRAC_1_SQRT_2_PI)))
}

/// `1 / (1 + exp(-x))`.
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(s: S, x: S::F32) -> S::F32 {
    s.div(s.splat(1.0), s.add(s.splat(1.0), exp(s, s.sub(s.zero(), x))))
}

/// `tanh(x) = 2 σ(2x) - 1`, to 2e-7.
#[inline(always)]
pub(crate) fn tanh<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let two = s.splat(2.0);
    s.mul_add(two, sigmoid(s, s.mul(two, x)), s.splat(-1.0))
}

/// `c₀ + c₁ x + c₂ x² + …` by Horner's rule.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(s: S, x: S::F32, coefficients: [f32; N]) -> S::F32 {
    let mut sum = s.splat(coefficients[N - 1]);
    for i in (0..N - 1).rev() {
        sum = s.mul_add(sum, x, s.splat(coefficients[i]));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Level, dispatch};
    use attentive_testkit::{assert_close, erf, widen};

    #[derive(Clone, Copy)]
    enum Function {
        Exp,
        Cdf,
        Density,
        Sigmoid,
        Tanh,
    }

    #[inline(always)]
    fn map_kernel<S: Simd>(s: S, f: Function, x: &[f32], y: &mut [f32]) {
        for i in (0..x.len()).step_by(S::LANES) {
            let v = s.load(x, i);
            let v = match f {
                Function::Exp => exp(s, v),
                Function::Cdf => normal(s, v).0,
                Function::Density => normal(s, v).1,
                Function::Sigmoid => sigmoid(s, v),
                Function::Tanh => tanh(s, v),
            };
            s.store(y, i, v);
        }
    }
    dispatch! { fn map(f: Function, x: &[f32], y: &mut [f32]) = map_kernel }

    fn check(f: Function, [low, high]: [f64; 2], rel: f64, abs: f64, expected: impl Fn(f64) -> f64) {
        const N: usize = 200_003;
        let x: Vec<f32> = (0..N).map(|i| (low + (high - low) * i as f64 / (N - 1) as f64) as f32).collect();
        let expected: Vec<f64> = widen(&x).into_iter().map(expected).collect();
        for level in Level::available() {
            let mut y = vec![f32::NAN; N];
            map(level, f, &x, &mut y);
            assert_close(&y, &expected, rel, abs);
        }
    }

    #[test]
    fn exp_is_within_two_ulp() {
        check(Function::Exp, [-87.3, 88.3], 1.7e-7, 0.0, f64::exp);
        check(Function::Exp, [-1.0, 1.0], 1.7e-7, 0.0, f64::exp);
    }

    #[test]
    fn exp_at_the_edges() {
        for level in Level::available() {
            let mut y = [f32::NAN; 5];
            map(level, Function::Exp, &[f32::NEG_INFINITY, -100.0, 0.0, 1000.0, f32::NAN], &mut y);
            assert_eq!(y[..3], [0.0, 0.0, 1.0]);
            assert!(y[3] > 2e38 && y[4].is_nan());
        }
    }

    #[test]
    fn the_normal_distribution() {
        let cdf = |x: f64| 0.5 * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2));
        check(Function::Cdf, [-9.0, 9.0], 0.0, 2e-7, cdf);
        check(Function::Cdf, [-3.5, 0.0], 8e-7, 0.0, cdf);
        let density = |x: f64| (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt();
        check(Function::Density, [-6.0, 6.0], 2e-6, 0.0, density);
    }

    #[test]
    fn sigmoid_is_the_logistic_function() {
        check(Function::Sigmoid, [-80.0, 80.0], 5e-7, 0.0, |x| 1.0 / (1.0 + (-x).exp()));
    }

    #[test]
    fn tanh_is_the_hyperbolic_tangent() {
        check(Function::Tanh, [-40.0, 40.0], 0.0, 2e-7, f64::tanh);
    }
}
