//! Row-wise and element-wise kernels against the oracles, their gradients against finite differences.

use attentive_kernels::*;
use attentive_testkit::{self as oracle, Fixture, assert_close, gradient, widen};

/// Prime shapes; the last two take several chunks.
const SHAPES: [[usize; 2]; 6] = [[1, 1], [3, 5], [7, 17], [2, 131], [523, 67], [13, 4099]];

type Oracle = fn(f64) -> f64;

/// Each function, and its oracle.
const KINDS: [(ActivationKind, Oracle); 5] = [
    (ActivationKind::Identity, |x| x),
    (ActivationKind::Relu, oracle::relu),
    (ActivationKind::Gelu, oracle::gelu_erf),
    (ActivationKind::GeluTanh, oracle::gelu_tanh),
    (ActivationKind::Silu, oracle::silu),
];

fn at_every_level(check: impl Fn()) {
    Level::available().into_iter().for_each(|level| level.during(&check));
}

/// `Σ y · g`, a scalar whose gradient is `g`'s pull-back.
fn dot(y: &[f64], g: &[f64]) -> f64 {
    y.iter().zip(g).map(|(y, g)| y * g).sum()
}

fn mask(dropout: Dropout, rows: usize, cols: usize) -> Vec<f64> {
    (0..rows * cols)
        .map(|i| if dropout.keeps(i / cols, i % cols, cols) { f64::from(dropout.scale()) } else { 0.0 })
        .collect()
}

fn times(x: &[f64], y: &[f64]) -> Vec<f64> {
    x.iter().zip(y).map(|(x, y)| x * y).collect()
}

#[test]
fn norms_forward_and_backward() {
    for [rows, d] in SHAPES {
        let mut data = Fixture::new(d as u64);
        let (x, gamma, beta) = (data.normal(rows * d), data.normal(d), data.normal(d));
        let (dy, d_sum) = (data.normal(rows * d), data.normal(rows * d));
        let eps = 1e-3;
        let layer = oracle::layer_norm(&widen(&x), &widen(&gamma), &widen(&beta), f64::from(eps));
        let grad = oracle::layer_norm_backward(&widen(&x), &widen(&gamma), &widen(&dy), f64::from(eps));
        let rms = oracle::rms_norm(&widen(&x), &widen(&gamma), f64::from(eps));
        at_every_level(|| {
            let norm = Norm { kind: NormKind::Layer, gamma: &gamma, beta: Some(&beta), eps };
            let (mut y, mut stats) = (vec![f32::NAN; x.len()], vec![f32::NAN; 2 * rows]);
            norm.forward(&x, &mut y, &mut stats);
            assert_close(&y, &layer, 1e-5, 1e-5);
            let [mut dx, mut d_gamma, mut d_beta] = [dy.clone(), vec![f32::NAN; d], vec![f32::NAN; d]];
            let gradients = NormGradients { x: &mut dx, gamma: &mut d_gamma, beta: Some(&mut d_beta) };
            norm.backward(&x, &stats, Some(&d_sum), gradients);
            let expected: Vec<f64> = grad.x.iter().zip(widen(&d_sum)).map(|(a, b)| a + b).collect();
            assert_close(&dx, &expected, 1e-4, 1e-4);
            assert_close(&d_gamma, &grad.gamma, 1e-4, 1e-4);
            assert_close(&d_beta, &grad.beta, 1e-4, 1e-4);

            let norm = Norm { kind: NormKind::Rms, beta: None, ..norm };
            norm.forward(&x, &mut y, &mut stats);
            assert_close(&y, &rms, 1e-5, 1e-5);
        });
    }
}

#[test]
fn rms_norm_gradients_are_those_of_finite_differences() {
    let [rows, d] = [5, 7];
    let mut data = Fixture::new(1);
    let (x, gamma, dy) = (data.normal(rows * d), data.normal(d), data.normal(rows * d));
    let loss = |x: &[f64], gamma: &[f64]| dot(&oracle::rms_norm(x, gamma, 1e-3), &widen(&dy));
    let norm = Norm { kind: NormKind::Rms, gamma: &gamma, beta: None, eps: 1e-3 };
    let (mut y, mut stats) = (vec![0.0; x.len()], vec![0.0; 2 * rows]);
    norm.forward(&x, &mut y, &mut stats);
    let (mut dx, mut d_gamma) = (dy.clone(), vec![0.0; d]);
    norm.backward(&x, &stats, None, NormGradients { x: &mut dx, gamma: &mut d_gamma, beta: None });
    assert_close(&dx, &gradient(|x| loss(x, &widen(&gamma)), &widen(&x)), 1e-4, 1e-5);
    assert_close(&d_gamma, &gradient(|gamma| loss(&widen(&x), gamma), &widen(&gamma)), 1e-4, 1e-5);
}

#[test]
fn residual_connections() {
    for [rows, d] in SHAPES {
        let mut data = Fixture::new(d as u64);
        let (x, f, gamma, beta) = (data.normal(rows * d), data.normal(rows * d), data.normal(d), data.normal(d));
        let dropout = Dropout::new(0.3, 5);
        let dropped = times(&widen(&f), &mask(dropout, rows, d));
        let expected_sum: Vec<f64> = widen(&x).iter().zip(dropped).map(|(x, f)| x + f).collect();
        let expected = oracle::layer_norm(&expected_sum, &widen(&gamma), &widen(&beta), 1e-3);
        at_every_level(|| {
            let norm = Norm { kind: NormKind::Layer, gamma: &gamma, beta: Some(&beta), eps: 1e-3 };
            let [mut sum, mut y] = [f.clone(), vec![f32::NAN; x.len()]];
            let mut stats = vec![f32::NAN; 2 * rows];
            norm.residual_forward(&x, &mut sum, dropout, &mut y, &mut stats);
            assert_close(&sum, &expected_sum, 1e-6, 1e-6);
            assert_close(&y, &expected, 1e-5, 2e-5);
            let mut alone = f.clone();
            dropout.residual(&x, d, &mut alone);
            assert_eq!(alone, sum);
        });
    }
}

#[test]
fn gates_forward_and_backward() {
    for [rows, cols] in SHAPES {
        // Differences tell the slope of a function without a kink.
        for &(kind, function) in &KINDS[2..] {
            let mut data = Fixture::new((rows + cols) as u64);
            let (g, x, dy) = (data.uniform(rows * cols, -6.0, 6.0), data.normal(rows * cols), data.normal(rows * cols));
            let dropout = Dropout::new(0.2, 7);
            let mask = mask(dropout, rows, cols);
            let gate: Vec<f64> = widen(&g).into_iter().map(function).collect();
            let slope: Vec<f64> = widen(&g).iter().map(|&g| gradient(|g| function(g[0]), &[g])[0]).collect();
            let kept = times(&widen(&dy), &mask);
            at_every_level(|| {
                let op = Gate { kind, cols, dropout };
                let mut y = vec![f32::NAN; x.len()];
                op.forward(&g, &x, &mut y);
                assert_close(&y, &times(&times(&gate, &widen(&x)), &mask), 1e-5, 1e-5);
                let (mut dx, mut d_gate) = (dy.clone(), vec![f32::NAN; x.len()]);
                op.backward(&g, &x, &mut dx, &mut d_gate);
                assert_close(&dx, &times(&kept, &gate), 1e-5, 1e-5);
                assert_close(&d_gate, &times(&times(&kept, &widen(&x)), &slope), 1e-4, 1e-4);
            });
        }
    }
}

#[test]
fn rotations_turn_pairs_and_back() {
    for [batch, heads, seq, d] in [[1, 1, 1, 2], [2, 3, 5, 6], [2, 4, 131, 66]] {
        let mut data = Fixture::new(d as u64);
        let (x, angles) = (data.normal(batch * seq * heads * d), data.uniform(seq * d / 2, -3.0, 3.0));
        let (sin, cos): (Vec<f32>, Vec<f32>) = angles.iter().map(|angle| angle.sin_cos()).unzip();
        let strides = HeadStrides::seq_major(seq, 1, heads, d);
        let expected: Vec<f64> = (0..x.len())
            .map(|at| {
                let (row, i) = (at / d, at % d);
                let (first, pair) = (row * d, i % (d / 2));
                let angle = f64::from(angles[row / heads % seq * (d / 2) + pair]);
                let [a, b] = [first + pair, first + pair + d / 2].map(|at| f64::from(x[at]));
                if i < d / 2 { a * angle.cos() - b * angle.sin() } else { b * angle.cos() + a * angle.sin() }
            })
            .collect();
        at_every_level(|| {
            let rotation = Rotation { cos: &cos, sin: &sin, d };
            let y = rotation.turn(Heads::new(&x, strides), [batch, heads, seq]);
            assert_close(&y, &expected, 1e-5, 1e-5);
            let back = rotation.turn_back(Heads::new(&y, strides), [batch, heads, seq]);
            assert_close(&back, &widen(&x), 1e-5, 1e-5);
            // In place, with a column after the heads that stays as it is.
            let (rows, width) = (batch * seq, heads * d + 1);
            let mut wide = vec![7.0; rows * width];
            wide.chunks_mut(width).zip(x.chunks(heads * d)).for_each(|(to, x)| to[..heads * d].copy_from_slice(x));
            let positions: Vec<u32> = (0..rows).map(|row| (row % seq) as u32).collect();
            rotation.turn_rows(&mut wide, width, [heads, d], &positions);
            for (wide, y) in wide.chunks(width).zip(y.chunks(heads * d)) {
                assert_eq!(wide, [y, &[7.0]].concat());
            }
            // The same features as the first of wider heads, whose others stay as they are.
            let padded = |x: &[f32]| x.chunks(d).flat_map(|head| [head, &[5.0, 6.0]].concat()).collect::<Vec<f32>>();
            let mut wide = padded(&x);
            rotation.turn_rows(&mut wide, heads * (d + 2), [heads, d + 2], &positions);
            assert_eq!(wide, padded(&y));
        });
    }
}

#[test]
fn activations_forward_and_backward() {
    for [rows, cols] in SHAPES {
        let dropouts = [Dropout::NONE, Dropout::new(0.2, 77)];
        for ((kind, function), dropout) in KINDS.into_iter().flat_map(|kind| dropouts.map(|dropout| (kind, dropout))) {
            let mut data = Fixture::new((rows + cols) as u64);
            let (x, bias, dy) = (data.uniform(rows * cols, -6.0, 6.0), data.normal(cols), data.normal(rows * cols));
            let mask = mask(dropout, rows, cols);
            let input: Vec<f64> = (0..x.len()).map(|i| f64::from(x[i] + bias[i % cols])).collect();
            let expected = times(&input.iter().map(|&x| function(x)).collect::<Vec<_>>(), &mask);
            let slope: Vec<f64> = input.iter().map(|&x| gradient(|x| function(x[0]), &[x])[0]).collect();
            let expected_dx = times(&times(&widen(&dy), &mask), &slope);
            let expected_bias: Vec<f64> = (0..cols).map(|j| expected_dx.iter().skip(j).step_by(cols).sum()).collect();
            at_every_level(|| {
                let activation = Activation { kind, bias: Some(&bias), cols, dropout };
                let mut y = vec![f32::NAN; x.len()];
                activation.forward(&x, &mut y);
                assert_close(&y, &expected, 1e-5, 2e-6);
                let (mut dx, mut d_bias) = (dy.clone(), vec![f32::NAN; cols]);
                activation.backward(&x, &mut dx, Some(&mut d_bias));
                assert_close(&dx, &expected_dx, 1e-5, 1e-5);
                assert_close(&d_bias, &expected_bias, 1e-5, 2e-4);
                if kind == ActivationKind::Relu {
                    let from_output = Activation { bias: None, ..activation };
                    let mut again = dy.clone();
                    from_output.backward(&y, &mut again, None);
                    assert_eq!(again, dx);
                }
                let mut in_place = x.clone();
                activation.apply(&mut in_place);
                assert_eq!(in_place, y);
            });
        }
    }
}

#[test]
fn softmaxes_forward_and_backward() {
    for [rows, cols] in SHAPES {
        let mut data = Fixture::new((rows * cols) as u64);
        let (x, dy) = (data.uniform(rows * cols, -20.0, 20.0), data.normal(rows * cols));
        let (p, log_p) = (oracle::softmax(&widen(&x), cols), oracle::log_softmax(&widen(&x), cols));
        let dy_rows = widen(&dy);
        let rows = |y: &[f64]| -> Vec<(Vec<f64>, Vec<f64>)> {
            y.chunks_exact(cols).zip(dy_rows.chunks_exact(cols)).map(|(y, dy)| (y.to_vec(), dy.to_vec())).collect()
        };
        let (mut d_softmax, mut d_log) = (Vec::new(), Vec::new());
        for (y, dy) in rows(&p) {
            let pull = dot(&y, &dy);
            d_softmax.extend(y.iter().zip(&dy).map(|(y, dy)| y * (dy - pull)));
        }
        for (y, dy) in rows(&log_p) {
            let pull: f64 = dy.iter().sum();
            d_log.extend(y.iter().zip(&dy).map(|(y, dy)| dy - y.exp() * pull));
        }
        at_every_level(|| {
            let mut y = vec![f32::NAN; x.len()];
            let mut dx = vec![f32::NAN; x.len()];
            softmax(&x, cols, &mut y);
            assert_close(&y, &p, 4e-6, 1e-12);
            softmax_backward(&y, &dy, cols, &mut dx);
            assert_close(&dx, &d_softmax, 1e-4, 1e-6);
            log_softmax(&x, cols, &mut y);
            assert_close(&y, &log_p, 1e-6, 4e-6);
            log_softmax_backward(&y, &dy, cols, &mut dx);
            assert_close(&dx, &d_log, 1e-4, 1e-5);
        });
    }
}

#[test]
fn softmax_of_a_fully_hidden_row() {
    at_every_level(|| {
        let mut y = [f32::NAN; 3];
        softmax(&[f32::NEG_INFINITY; 3], 3, &mut y);
        assert_eq!(y, [0.0; 3]);
        log_softmax(&[f32::NEG_INFINITY; 3], 3, &mut y);
        assert_eq!(y, [f32::NEG_INFINITY; 3]);
    });
}

#[test]
fn embeddings_forward_and_backward() {
    for [batch, seq, d_model, vocab_size] in [[1, 1, 1, 1], [2, 3, 5, 7], [3, 11, 67, 13], [31, 37, 29, 101]] {
        let mut data = Fixture::new(d_model as u64);
        let (table, positions) = (data.normal(vocab_size * d_model), data.normal(seq * d_model));
        let ids: Vec<u32> = data.indices(batch * seq, vocab_size).into_iter().map(|id| id as u32).collect();
        let (dy, before) = (data.normal(batch * seq * d_model), data.normal(table.len()));
        let dropout = Dropout::new(0.25, 3);
        let mask = mask(dropout, batch * seq, d_model);
        let embedding = Embedding { d_model, scale: 3.0, dropout };
        let mut expected = Vec::new();
        let mut d_table = widen(&before);
        let mut d_positions = vec![0.0; positions.len()];
        for (token, &id) in ids.iter().enumerate() {
            for j in 0..d_model {
                let (word, position) = (id as usize * d_model + j, token % seq * d_model + j);
                let i = token * d_model + j;
                expected.push((3.0 * f64::from(table[word]) + f64::from(positions[position])) * mask[i]);
                d_table[word] += 3.0 * f64::from(dy[i]) * mask[i];
                d_positions[position] += f64::from(dy[i]) * mask[i];
            }
        }
        at_every_level(|| {
            let mut y = vec![f32::NAN; expected.len()];
            embedding.forward(&table, &ids, Some((&positions, seq)), &mut y);
            assert_close(&y, &expected, 1e-6, 1e-6);
            let (mut ours, mut ours_positions) = (before.clone(), vec![f32::NAN; positions.len()]);
            embedding.backward(&ids, &dy, &mut ours, Some(&mut ours_positions));
            assert_close(&ours, &d_table, 1e-5, 1e-5);
            assert_close(&ours_positions, &d_positions, 1e-5, 1e-5);
        });
    }
}
