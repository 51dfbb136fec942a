//! 8-bit products against the same sums in `f64`, and against the products they stand for.

use std::ops::Range;

use attentive_kernels::{Epilogue, Int8Matrix, Level, Major, MatMut, MatRef, QuantisedColumns, TopK, round_to_bytes};
use attentive_testkit::{Fixture, assert_close, matmul, widen};

/// What the formula says, with the integer sums exact.
fn expected(a: &[f32], columns: &QuantisedColumns, [m, k, n]: [usize; 3]) -> Vec<f64> {
    let mut y = Vec::new();
    for i in 0..m {
        let row = &a[i * k..][..k];
        let max = row.iter().fold(0.0, |max: f32, x| max.max(x.abs()));
        for j in 0..n {
            let column = &columns.values()[j * k..][..k];
            let sum: i64 = row
                .iter()
                .zip(column)
                .map(|(&x, &w)| if max > 0.0 { (x * (127.0 / max)).round_ties_even() as i64 * i64::from(w) } else { 0 })
                .sum();
            y.push(sum as f64 * f64::from(max / 127.0) * f64::from(columns.scales()[j]));
        }
    }
    y
}

#[test]
fn every_path_gives_the_formula_and_the_same_bits() {
    for [m, k, n] in [[1, 1, 1], [2, 3, 5], [5, 67, 131], [3, 256, 64], [7, 1031, 17], [259, 5, 263], [4, 64, 49]] {
        let mut data = Fixture::new((m + k + n) as u64);
        let (mut a, b) = (data.normal(m * k), data.normal(k * n));
        a[..k].fill(0.0);
        let columns = QuantisedColumns::new(MatRef::new(&b, k, n));
        let matrix = Int8Matrix::new(&columns);
        let expected = expected(&a, &columns, [m, k, n]);
        let mut runs = Vec::new();
        for level in Level::available() {
            let mut y = vec![f32::NAN; m * n];
            level.during(|| {
                let to = MatMut::new(&mut y, m, n);
                matrix.multiply(MatRef::new(&a, m, k), to, &Epilogue::default());
            });
            assert_close(&y, &expected, 1e-6, 1e-9);
            runs.push(y);
        }
        assert!(runs.iter().all(|y| *y == runs[0]));
        let mut transposed = vec![0.0; m * n];
        let a_t: Vec<f32> = (0..m * k).map(|i| a[i % m * k + i / m]).collect();
        matrix.multiply(MatRef::new(&a_t, k, m).t(), MatMut::new(&mut transposed, m, n), &Epilogue::default());
        assert_eq!(transposed, runs[0]);
    }
}

/// Bytes at the ends of their range, whose products would leave the 16 bits that AVX2 adds two of them in.
#[test]
fn the_largest_bytes_overflow_on_no_path() {
    let [m, k, n] = [9, 259, 49];
    for signs in 0..16 {
        let sign = |of: usize, i: usize| if signs >> (2 * of + i % 2) & 1 == 0 { 1.0_f32 } else { -1.0 };
        let magnitude = |i: usize| [127.0, 126.0, 1.0, 127.0, 64.0][i % 5];
        let a: Vec<f32> = (0..m * k).map(|i| sign(0, i % k) * magnitude(i)).collect();
        let b: Vec<f32> = (0..k * n).map(|i| sign(1, i / n) * magnitude(i / n / 2)).collect();
        let columns = QuantisedColumns::new(MatRef::new(&b, k, n));
        let (matrix, expected) = (Int8Matrix::new(&columns), expected(&a, &columns, [m, k, n]));
        for level in Level::available() {
            let mut y = vec![f32::NAN; m * n];
            let to = MatMut::new(&mut y, m, n);
            level.during(|| matrix.multiply(MatRef::new(&a, m, k), to, &Epilogue::default()));
            assert_close(&y, &expected, 1e-6, 1e-9);
        }
    }
}

#[test]
fn columns_are_those_that_were_rounded() {
    for [k, n] in [[1, 1], [6, 67], [259, 33]] {
        let b = Fixture::new((k + n) as u64).normal(k * n);
        let columns = QuantisedColumns::new(MatRef::new(&b, k, n));
        let matrix = Int8Matrix::new(&columns);
        for j in 0..n {
            let mut column = vec![f32::NAN; k];
            matrix.column(j, &mut column);
            let values = &columns.values()[j * k..][..k];
            let expected: Vec<f32> = values.iter().map(|&q| columns.scales()[j] * f32::from(q)).collect();
            assert_eq!(column, expected);
        }
    }
}

/// Rows and columns of zeros, of one large number among small ones, and of numbers so small that their scale is zero.
#[test]
fn rounding_in_place_gives_the_values_of_the_bytes() {
    for [rows, cols] in [[1, 1], [6, 67], [259, 133], [2, 20_011], [20_011, 2]] {
        let mut matrix = Fixture::new((rows + cols) as u64).normal(rows * cols);
        matrix[..cols].fill(0.0);
        matrix.iter_mut().step_by(cols).for_each(|x| *x *= 1e-45);
        matrix[rows * cols / 2] = -900.0;
        for scaled in [Major::Rows, Major::Columns] {
            let view = MatRef::new(&matrix, rows, cols);
            let columns = QuantisedColumns::new(if scaled == Major::Rows { view.t() } else { view });
            let expected = (0..rows * cols).map(|at| {
                let (column, input) =
                    if scaled == Major::Rows { (at / cols, at % cols) } else { (at % cols, at / cols) };
                let depth = if scaled == Major::Rows { cols } else { rows };
                columns.scales()[column] * f32::from(columns.values()[column * depth + input])
            });
            let expected: Vec<u32> = expected.map(f32::to_bits).collect();
            let mut found = matrix.clone();
            round_to_bytes(&mut found, cols, scaled);
            assert_eq!(
                found.into_iter().map(f32::to_bits).collect::<Vec<_>>(),
                expected,
                "{rows} × {cols}, {scaled:?}"
            );
        }
    }
    round_to_bytes(&mut [], 0, Major::Rows);
}

#[test]
fn chosen_columns_have_the_products_that_they_have_among_all() {
    for [m, k, n] in [[1, 1, 1], [2, 6, 67], [3, 259, 33]] {
        let mut data = Fixture::new((m + k + n) as u64);
        let (a, b) = (data.normal(m * k), data.normal(k * n));
        let matrix = Int8Matrix::new(&QuantisedColumns::new(MatRef::new(&b, k, n)));
        let columns: Vec<u32> = data.indices(n / 2 + 1, n).into_iter().map(|j| j as u32).collect();
        for level in Level::available() {
            level.during(|| {
                let (mut all, mut some) = (vec![0.0; m * n], vec![0.0; m * columns.len()]);
                matrix.multiply(MatRef::new(&a, m, k), MatMut::new(&mut all, m, n), &Epilogue::default());
                let to = MatMut::new(&mut some, m, columns.len());
                matrix.select(&columns).multiply(MatRef::new(&a, m, k), to, &Epilogue::default());
                let chosen = |row: &[f32]| columns.iter().map(|&j| row[j as usize]).collect::<Vec<f32>>();
                assert_eq!(some, all.chunks(n).flat_map(chosen).collect::<Vec<f32>>());
            });
        }
    }
}

#[test]
fn extreme_values_do_not_overflow() {
    // 133,144 products of 127 · 127 are the most that 32 bits hold.
    for (k, sign) in [(4096, -1.0), (133_144, -1.0), (133_144, 1.0)] {
        let columns = QuantisedColumns::new(MatRef::new(&vec![-1.0; k], k, 1));
        for level in Level::available() {
            level.during(|| {
                let (mut y, a) = ([0.0], vec![sign; k]);
                let matrix = Int8Matrix::new(&columns);
                matrix.multiply(MatRef::new(&a, 1, k), MatMut::new(&mut y, 1, 1), &Epilogue::default());
                assert_close(&y, &[k as f64 * -f64::from(sign)], 1e-6, 0.0);
            });
        }
    }
}

#[test]
fn rows_that_are_almost_zero_do_not_overflow() {
    let k = 133_144;
    let columns = QuantisedColumns::new(MatRef::new(&vec![-1.0; k], k, 1));
    for level in Level::available() {
        level.during(|| {
            let (mut y, a) = ([0.0], vec![-1e-38; k]);
            let matrix = Int8Matrix::new(&columns);
            matrix.multiply(MatRef::new(&a, 1, k), MatMut::new(&mut y, 1, 1), &Epilogue::default());
            assert!((0.0..1e-32).contains(&y[0]), "{y:?}");
        });
    }
}

#[test]
fn a_row_that_is_not_finite_gives_nan_and_no_other_row_does() {
    let [k, n] = [67, 5];
    let b = Fixture::new(3).normal(k * n);
    let matrix = Int8Matrix::new(&QuantisedColumns::new(MatRef::new(&b, k, n)));
    for x in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for at in [0, 40, k - 1] {
            let mut a = Fixture::new(4).normal(2 * k);
            a[at] = x;
            for level in Level::available() {
                let mut y = vec![0.0_f32; 2 * n];
                level.during(|| {
                    matrix.multiply(MatRef::new(&a, 2, k), MatMut::new(&mut y, 2, n), &Epilogue::default());
                });
                assert!(y[..n].iter().all(|y| y.is_nan()) && y[n..].iter().all(|y| y.is_finite()), "{x} {at}: {y:?}");
            }
        }
    }
}

#[test]
fn more_rows_than_sums_hold_are_refused() {
    assert!(Int8Matrix::of_bytes(&[127; 133_144], &[1.0], Major::Rows).is_some());
    assert!(Int8Matrix::of_bytes(&[127; 133_145], &[1.0], Major::Columns).is_none());
    let weight = vec![1.0; 133_145];
    let refused = std::panic::catch_unwind(|| QuantisedColumns::new(MatRef::new(&weight, weight.len(), 1)));
    assert!(refused.is_err());
}

#[test]
fn rounding_costs_about_one_percent() {
    let [m, k, n] = [17, 512, 257];
    let mut data = Fixture::new(2);
    let (a, b) = (data.normal(m * k), data.normal(k * n));
    let exact = matmul(&widen(&a), &widen(&b), [m, k, n]);
    let mut y = vec![0.0; m * n];
    let matrix = Int8Matrix::new(&QuantisedColumns::new(MatRef::new(&b, k, n)));
    matrix.multiply(MatRef::new(&a, m, k), MatMut::new(&mut y, m, n), &Epilogue::default());
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
    let error = norm(&mut y.iter().zip(&exact).map(|(&y, e)| f64::from(y) - e));
    assert!(error / norm(&mut exact.iter().copied()) < 0.015);
}

#[test]
fn the_best_of_a_vocabulary() {
    let [m, d, vocab_size] = [3, 67, 2053];
    let mut data = Fixture::new(9);
    let (hidden, weight, bias) = (data.normal(m * d), data.normal(vocab_size * d), data.normal(vocab_size));
    let matrix = Int8Matrix::new(&QuantisedColumns::new(MatRef::new(&weight, vocab_size, d).t()));
    let mut logits = vec![0.0; m * vocab_size];
    let epilogue = Epilogue { bias: Some(&bias), ..Epilogue::default() };
    matrix.multiply(MatRef::new(&hidden, m, d), MatMut::new(&mut logits, m, vocab_size), &epilogue);
    let (mut ids, mut values, mut lse) = (vec![0; m], vec![0.0; m], vec![0.0; m]);
    let best = TopK { k: 1, ids: &mut ids, values: &mut values, log_sum_exp: &mut lse };
    matrix.top_k(MatRef::new(&hidden, m, d), Some(&bias), best);
    for (i, logits) in logits.chunks_exact(vocab_size).enumerate() {
        assert_eq!(values[i], logits[ids[i] as usize]);
        assert!(logits.iter().all(|&logit| logit <= values[i]));
    }
}

#[test]
fn bytes_that_do_not_fit_are_refused() {
    assert!(Int8Matrix::of_bytes(&[1; 6], &[1.0; 4], Major::Columns).is_none());
    assert!(Int8Matrix::of_bytes(&[-128; 4], &[1.0; 2], Major::Rows).is_none());
    assert!(Int8Matrix::of_bytes(&[1; 4], &[], Major::Rows).is_none());
}

#[test]
fn bytes_of_a_file_are_packed_in_either_order() {
    for [k, n] in [[1, 1], [3, 16], [6, 67], [260, 130]] {
        let b = Fixture::new((k * n) as u64).normal(k * n);
        let columns = QuantisedColumns::new(MatRef::new(&b, k, n));
        let rows: Vec<i8> = (0..k * n).map(|i| columns.values()[i % n * k + i / n]).collect();
        let a = Fixture::new(5).normal(2 * k);
        let product = |matrix: &Int8Matrix| {
            let mut y = vec![0.0; 2 * n];
            matrix.multiply(MatRef::new(&a, 2, k), MatMut::new(&mut y, 2, n), &Epilogue::default());
            y
        };
        let expected = product(&Int8Matrix::new(&columns));
        for (values, major) in [(&rows[..], Major::Rows), (columns.values(), Major::Columns)] {
            assert_eq!(product(&Int8Matrix::of_bytes(values, columns.scales(), major).unwrap()), expected);
        }
    }
}

#[test]
fn lines_that_are_read_when_they_are_needed_are_packed_as_all_at_once() {
    // Some have more lines than are read at a time.
    for [k, n] in [[1, 1], [3, 16], [6, 67], [1031, 601], [601, 1031]] {
        let columns = QuantisedColumns::new(MatRef::new(&Fixture::new((k + n) as u64).normal(k * n), k, n));
        let rows: Vec<i8> = (0..k * n).map(|i| columns.values()[i % n * k + i / n]).collect();
        for (values, major, line) in [(&rows[..], Major::Rows, n), (columns.values(), Major::Columns, k)] {
            let read = |lines: Range<usize>, to: &mut [i8]| {
                to.copy_from_slice(&values[lines.start * line..lines.end * line]);
                Ok::<_, usize>(())
            };
            let matrix = Int8Matrix::of_lines(k, columns.scales(), major, read).unwrap().unwrap();
            let (mut column, scales) = (vec![f32::NAN; k], columns.scales());
            for (j, values) in columns.values().chunks_exact(k).enumerate() {
                matrix.column(j, &mut column);
                assert!(column.iter().zip(values).all(|(&x, &q)| x == scales[j] * f32::from(q)));
            }
            let last = values.len() / line - 1;
            let failing = |lines: Range<usize>, to: &mut [i8]| {
                to.fill(1);
                if lines.contains(&last) { Err(lines.end) } else { Ok(()) }
            };
            assert_eq!(Int8Matrix::of_lines(k, columns.scales(), major, failing).err(), Some(last + 1));
            let damaged = Int8Matrix::of_lines(k, columns.scales(), major, |_, to| {
                to.fill(-128);
                Ok::<_, usize>(())
            });
            assert!(damaged.unwrap().is_none());
        }
    }
}
