//! Packed weights and the fused top-k against plain products.

use std::ops::Range;

use attentive_kernels::{
    ActivationKind, Epilogue, Level, Major, MatMut, MatRef, PackedMatrix, TopK, matmul, matmul_with,
};
use attentive_testkit::{Fixture, assert_close, linear, log_sum_exp, relu, widen};

#[test]
fn packed_and_plain_products_are_the_same_bits() {
    for [m, k, n] in [[1, 3, 5], [2, 257, 263], [13, 67, 521], [259, 31, 29], [1, 0, 3]] {
        let mut data = Fixture::new((m + k + n) as u64);
        let (a, b, bias, before) = (data.normal(m * k), data.normal(k * n), data.normal(n), data.normal(m * n));
        let expected: Vec<f64> = linear(&widen(&a), &widen(&b), Some(&widen(&bias)), [m, k, n])
            .into_iter()
            .zip(&before)
            .map(|(y, &before)| relu(y + f64::from(before)))
            .collect();
        for level in Level::available() {
            level.during(|| {
                let (a, b) = (MatRef::new(&a, m, k), MatRef::new(&b, k, n));
                let epilogue = Epilogue { accumulate: true, bias: Some(&bias), activation: ActivationKind::Relu };
                let mut plain = before.clone();
                matmul_with(a, b, MatMut::new(&mut plain, m, n), &epilogue);
                assert_close(&plain, &expected, 1e-5, 1e-4);
                let mut packed = before.clone();
                PackedMatrix::new(b).multiply(a, MatMut::new(&mut packed, m, n), &epilogue);
                assert_eq!(packed, plain);
            });
        }
    }
}

#[test]
fn columns_are_those_that_were_packed() {
    for [k, n] in [[1, 1], [5, 67], [259, 130], [513, 17]] {
        let b = Fixture::new((k + n) as u64).normal(k * n);
        for level in Level::available() {
            let packed = level.during(|| PackedMatrix::new(MatRef::new(&b, k, n)));
            for j in 0..n {
                let mut column = vec![f32::NAN; k];
                packed.column(j, &mut column);
                let expected: Vec<f32> = (0..k).map(|p| b[p * n + j]).collect();
                assert_eq!(column, expected);
            }
        }
    }
}

#[test]
fn lines_that_are_read_when_they_are_needed_are_packed_as_all_at_once() {
    for [k, n] in [[1, 1], [5, 67], [259, 130], [1031, 17], [3, 0], [0, 3]] {
        let b = Fixture::new((k + n) as u64).normal(k * n);
        let b_t: Vec<f32> = (0..k * n).map(|i| b[i % k * n + i / k]).collect();
        for level in Level::available() {
            for (values, major, line) in [(&b, Major::Rows, n), (&b_t, Major::Columns, k)] {
                let read = |lines: Range<usize>, to: &mut [f32]| {
                    to.copy_from_slice(&values[lines.start * line..lines.end * line]);
                    Ok::<_, usize>(())
                };
                let packed = level.during(|| PackedMatrix::of_lines([k, n], major, read)).unwrap();
                assert_eq!(packed.dims(), [k, n]);
                for j in 0..n {
                    let mut column = vec![f32::NAN; k];
                    packed.column(j, &mut column);
                    assert_eq!(column, (0..k).map(|p| b[p * n + j]).collect::<Vec<f32>>());
                }
                // Of several failures, the one of the first lines.
                let failing = |lines: Range<usize>, _: &mut [f32]| Err(lines.start);
                let failure = level.during(|| PackedMatrix::of_lines([k, n], major, failing)).err();
                assert_eq!(failure, (k * n > 0).then_some(0));
            }
        }
    }
}

#[test]
fn chosen_columns_have_the_products_that_they_have_among_all() {
    for [m, k, n] in [[1, 1, 1], [3, 64, 67], [5, 259, 130], [2, 512, 40]] {
        let mut data = Fixture::new((m + k + n) as u64);
        let (a, b, bias) = (data.normal(m * k), data.normal(k * n), data.normal(n));
        let columns: Vec<u32> = data.indices(n / 2 + 1, n).into_iter().map(|j| j as u32).collect();
        for level in Level::available() {
            level.during(|| {
                let packed = PackedMatrix::new(MatRef::new(&b, k, n));
                let (mut all, mut some) = (vec![0.0; m * n], vec![0.0; m * columns.len()]);
                let of_all = Epilogue { bias: Some(&bias), ..Epilogue::default() };
                packed.multiply(MatRef::new(&a, m, k), MatMut::new(&mut all, m, n), &of_all);
                let of_some: Vec<f32> = columns.iter().map(|&j| bias[j as usize]).collect();
                let of_some = Epilogue { bias: Some(&of_some), ..Epilogue::default() };
                let to = MatMut::new(&mut some, m, columns.len());
                packed.select(&columns).multiply(MatRef::new(&a, m, k), to, &of_some);
                let chosen = |row: &[f32]| columns.iter().map(|&j| row[j as usize]).collect::<Vec<f32>>();
                assert_eq!(some, all.chunks(n).flat_map(chosen).collect::<Vec<f32>>());
            });
        }
        assert_eq!(PackedMatrix::new(MatRef::new(&b, k, n)).select(&[]).dims(), [k, 0]);
    }
}

#[test]
fn a_row_does_not_depend_on_the_others() {
    let [m, k, n] = [37, 101, 67];
    let mut data = Fixture::new(5);
    let (a, b) = (data.normal(m * k), data.normal(k * n));
    for level in Level::available() {
        level.during(|| {
            let mut all = vec![0.0; m * n];
            matmul(MatRef::new(&a, m, k), MatRef::new(&b, k, n), MatMut::new(&mut all, m, n), false);
            for i in 0..m {
                let mut one = vec![0.0; n];
                let row = MatRef::new(&a[i * k..][..k], 1, k);
                matmul(row, MatRef::new(&b, k, n), MatMut::new(&mut one, 1, n), false);
                assert_eq!(one, all[i * n..][..n]);
            }
        });
    }
}

#[test]
fn the_best_of_a_vocabulary() {
    for ([m, d, vocab_size], k) in [([1, 3, 7], 1), ([5, 11, 1031], 4), ([3, 2, 5], 8), ([263, 5, 2053], 3)] {
        let mut data = Fixture::new(vocab_size as u64);
        let (hidden, weight) = (data.normal(m * d), data.normal(vocab_size * d));
        let mut bias = data.normal(vocab_size);
        bias[0] = f32::NEG_INFINITY;
        for level in Level::available() {
            level.during(|| {
                let hidden = MatRef::new(&hidden, m, d);
                let weight = MatRef::new(&weight, vocab_size, d).t();
                let mut logits = vec![0.0; m * vocab_size];
                let epilogue = Epilogue { bias: Some(&bias), ..Epilogue::default() };
                matmul_with(hidden, weight, MatMut::new(&mut logits, m, vocab_size), &epilogue);
                let (mut ids, mut values, mut lse) = (vec![0; m * k], vec![0.0; m * k], vec![0.0; m]);
                let best = TopK { k, ids: &mut ids, values: &mut values, log_sum_exp: &mut lse };
                PackedMatrix::new(weight).top_k(hidden, Some(&bias), best);
                for (i, logits) in logits.chunks_exact(vocab_size).enumerate() {
                    let mut order: Vec<u32> = (1..vocab_size as u32).collect();
                    order.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]).then(a.cmp(&b)));
                    order.resize(order.len().max(k), u32::MAX);
                    assert_eq!(ids[i * k..][..k], order[..k]);
                    for (&id, &value) in ids[i * k..][..k].iter().zip(&values[i * k..]) {
                        assert_eq!(value, logits.get(id as usize).copied().unwrap_or(f32::NEG_INFINITY));
                    }
                    assert_close(&[lse[i]], &[log_sum_exp(&widen(logits))], 1e-6, 1e-6);
                }
            });
        }
    }
}

#[test]
fn equal_values_come_in_order_of_index() {
    let weight = PackedMatrix::new(MatRef::new(&[1.0; 3000], 1, 3000));
    let (mut ids, mut values, mut lse) = ([0; 5], [0.0; 5], [0.0]);
    let best = TopK { k: 5, ids: &mut ids, values: &mut values, log_sum_exp: &mut lse };
    weight.top_k(MatRef::new(&[2.0], 1, 1), None, best);
    assert_eq!((ids, values), ([0, 1, 2, 3, 4], [2.0; 5]));
}
