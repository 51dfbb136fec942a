//! Adam against the oracle, and the global norm.

use attentive_kernels::{Adam, AdamTensor, Level, sum_of_squares};
use attentive_testkit::{self as oracle, AdamMoments, Fixture, assert_close, widen};

#[test]
fn ten_steps_of_adam_and_adamw() {
    let lens = [1, 17, 131, 16_384 + 7];
    for level in Level::available() {
        let mut data = Fixture::new(4);
        let mut ours: Vec<[Vec<f32>; 3]> = lens.iter().map(|&n| [data.normal(n), vec![0.0; n], vec![0.0; n]]).collect();
        let mut theirs: Vec<_> = ours.iter().map(|[w, ..]| (widen(w), AdamMoments::zeros(w.len()))).collect();
        for step in 1..=10 {
            let grads: Vec<Vec<f32>> = lens.iter().map(|&n| data.normal(n)).collect();
            let lr = 0.01 / f64::from(step);
            let decay = |tensor: usize| 0.1 * tensor as f64;
            let tensors = ours.iter_mut().zip(&grads).enumerate().map(|(i, ([weights, m, v], grads))| AdamTensor {
                weights,
                grads,
                m,
                v,
                weight_decay: decay(i),
            });
            let adam = Adam { lr, beta_1: 0.9, beta_2: 0.98, eps: 1e-9 };
            level.during(|| adam.update(u64::from(step), 0.25, tensors.collect()));
            for (i, ((weights, moments), grads)) in theirs.iter_mut().zip(&grads).enumerate() {
                let adam = oracle::Adam { lr, beta_1: 0.9, beta_2: 0.98, eps: 1e-9, weight_decay: decay(i) };
                let scaled: Vec<f64> = widen(grads).iter().map(|g| g * 0.25).collect();
                adam.update(weights, &scaled, moments, step);
            }
        }
        for ([weights, m, v], (expected, moments)) in ours.iter().zip(&theirs) {
            assert_close(weights, expected, 1e-5, 1e-6);
            assert_close(m, &moments.m, 1e-5, 1e-7);
            assert_close(v, &moments.v, 1e-5, 1e-8);
        }
    }
}

#[test]
fn the_global_norm() {
    let tensors: Vec<Vec<f32>> = [1, 100_003, 0, 7].iter().map(|&n| Fixture::new(n as u64).normal(n)).collect();
    let views: Vec<&[f32]> = tensors.iter().map(Vec::as_slice).collect();
    let expected: f64 = tensors.iter().flatten().map(|&x| f64::from(x) * f64::from(x)).sum();
    for level in Level::available() {
        assert_close(&[level.during(|| sum_of_squares(&views))], &[expected], 1e-6, 0.0);
    }
}

/// Everything that sums over chunks gives the same bits on one thread and on several.
#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let x = Fixture::new(8).normal(300_007);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
        pool.install(|| sum_of_squares(&[&x]))
    };
    assert_eq!(on(1).to_bits(), on(3).to_bits());
}
