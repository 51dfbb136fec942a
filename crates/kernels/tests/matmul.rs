//! Products against the scalar oracle, at every level.

use attentive_kernels::{Level, MatMut, MatRef, Precision, matmul};
use attentive_testkit::{Fixture, assert_close, widen};

fn check(m: usize, k: usize, n: usize, transpose_a: bool, transpose_b: bool) {
    let mut data = Fixture::new((m * 31 + k * 7 + n) as u64);
    let (a, b) = (data.normal(m * k), data.normal(k * n));
    let before = data.normal(m * n);
    let a_ref = if transpose_a { MatRef::new(&a, k, m).t() } else { MatRef::new(&a, m, k) };
    let b_ref = if transpose_b { MatRef::new(&b, n, k).t() } else { MatRef::new(&b, k, n) };
    let a64: Vec<f64> = (0..m * k).map(|i| f64::from(a_ref.at(i / k, i % k))).collect();
    let b64: Vec<f64> = (0..k * n).map(|i| f64::from(b_ref.at(i / n, i % n))).collect();
    let product = attentive_testkit::matmul(&a64, &b64, [m, k, n]);
    let sum: Vec<f64> = product.iter().zip(widen(&before)).map(|(a, b)| a + b).collect();
    for level in Level::available() {
        level.during(|| {
            let mut c = vec![f32::NAN; m * n];
            matmul(a_ref, b_ref, MatMut::new(&mut c, m, n), false);
            assert_close(&c, &product, 1e-5, 2e-6 * (k as f64).sqrt());
            let mut c = before.clone();
            matmul(a_ref, b_ref, MatMut::new(&mut c, m, n), true);
            assert_close(&c, &sum, 1e-5, 2e-6 * (k as f64).sqrt());
        });
    }
}

/// The nearest number with eight significant bits, ties to even.
fn bf16(x: f32) -> f32 {
    if x == 0.0 {
        return x;
    }
    let unit = 2_f64.powi(f64::from(x).abs().log2().floor() as i32 - 7);
    ((f64::from(x) / unit).round_ties_even() * unit) as f32
}

#[test]
fn bf16_products_are_those_of_rounded_operands() {
    for [m, k, n] in [[1, 1, 1], [5, 33, 7], [13, 64, 31], [61, 257, 67], [263, 40, 271], [307, 521, 283]] {
        let mut data = Fixture::new((m * 31 + k * 7 + n) as u64);
        let (a, b, before) = (data.normal(m * k), data.normal(k * n), data.normal(m * n));
        let [a_near, b_near] = [&a, &b].map(|x| widen(&x.iter().map(|&x| bf16(x)).collect::<Vec<_>>()));
        let product = attentive_testkit::matmul(&a_near, &b_near, [m, k, n]);
        let sum: Vec<f64> = product.iter().zip(widen(&before)).map(|(a, b)| a + b).collect();
        let transposed = |x: &[f32], rows: usize, cols: usize| -> Vec<f32> {
            (0..rows * cols).map(|i| x[i % rows * cols + i / rows]).collect()
        };
        let (a_t, b_t) = (transposed(&a, m, k), transposed(&b, k, n));
        for level in Level::available() {
            Level::during(level.multiplying(Precision::Bf16), || {
                for a in [MatRef::new(&a, m, k), MatRef::new(&a_t, k, m).t()] {
                    for b in [MatRef::new(&b, k, n), MatRef::new(&b_t, n, k).t()] {
                        let mut c = vec![f32::NAN; m * n];
                        matmul(a, b, MatMut::new(&mut c, m, n), false);
                        assert_close(&c, &product, 1e-5, 2e-6 * (k as f64).sqrt());
                        c.copy_from_slice(&before);
                        matmul(a, b, MatMut::new(&mut c, m, n), true);
                        assert_close(&c, &sum, 1e-5, 2e-6 * (k as f64).sqrt());
                    }
                }
            });
        }
    }
}

#[test]
fn bf16_keeps_what_is_not_a_number() {
    for level in Level::available() {
        level.multiplying(Precision::Bf16).during(|| {
            for x in [f32::NAN, f32::from_bits(0x7f80_0001), f32::INFINITY, f32::MAX] {
                let mut c = [0.0];
                matmul(MatRef::new(&[x], 1, 1), MatRef::new(&[1.0], 1, 1), MatMut::new(&mut c, 1, 1), false);
                assert!(!c[0].is_finite(), "{x} became {} on {}", c[0], level.name());
            }
        });
    }
}

/// More of B than is packed at a time, across and down.
#[test]
fn wide_and_deep() {
    check(3, 300, 4133, false, false);
    check(3, 300, 4133, true, true);
    check(37, 4133, 523, false, true);
}

#[test]
fn prime_dimensions_and_any_transposition() {
    for [m, k, n] in [[1, 1, 1], [2, 3, 5], [13, 17, 19], [29, 31, 37], [61, 257, 67], [263, 11, 271], [307, 521, 283]]
    {
        for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
            check(m, k, n, ta, tb);
        }
    }
}

#[test]
fn deep_products_with_few_elements_end_on_many_threads() {
    let [m, k, n] = [3, 12_000, 5];
    let (a, b) = (vec![0.5; m * k], vec![2.0; k * n]);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(64).build().expect("a thread pool");
    let mut c = vec![0.0; m * n];
    pool.install(|| matmul(MatRef::new(&a, m, k), MatRef::new(&b, k, n), MatMut::new(&mut c, m, n), false));
    assert_eq!(c, vec![k as f32; m * n]);
}
