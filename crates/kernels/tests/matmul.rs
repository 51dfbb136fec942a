//! Products against the scalar oracle, at every level.

use attentive_kernels::{Level, MatMut, MatRef, matmul};
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

#[test]
fn prime_dimensions_and_any_transposition() {
    for [m, k, n] in [[1, 1, 1], [2, 3, 5], [13, 17, 19], [29, 31, 37], [61, 257, 67], [263, 11, 271], [307, 521, 283]]
    {
        for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
            check(m, k, n, ta, tb);
        }
    }
}
