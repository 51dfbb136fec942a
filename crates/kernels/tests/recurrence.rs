//! Recurrent layers against a scalar oracle in f64, their gradients against finite differences.

use attentive_kernels::*;
use attentive_testkit::{Fixture, assert_close, gradient, widen};

/// Sizes of a case; more rows than a thread takes at once, and no vector's width.
#[derive(Clone, Copy)]
struct Sizes {
    rows: usize,
    steps: usize,
    d: usize,
    /// Of the attention: width of keys, of values, tokens.
    attention: Option<[usize; 3]>,
}

#[derive(Clone)]
struct Case {
    cell: RecurrentCell,
    sizes: Sizes,
    lengths: Option<Vec<usize>>,
    backwards: bool,
    source_lengths: Vec<usize>,
}

/// `x`, start, `U`, `b`, and with attention `W`, `v`, `C`, keys, values.
type Inputs<T> = Vec<Vec<T>>;

impl Case {
    fn inputs(&self, fixture: &mut Fixture) -> Inputs<f32> {
        let Sizes { rows, steps, d, attention } = self.sizes;
        let (gates, state) = (self.cell.n_gates() * d, self.cell.n_states() * d);
        let mut lengths = vec![rows * steps * gates, rows * state, d * gates, gates];
        if let Some([width, values, src]) = attention {
            lengths.extend([d * width, width, values * gates, rows * src * width, rows * src * values]);
        }
        lengths.into_iter().map(|n| fixture.normal(n).iter().map(|x| x * 0.5).collect()).collect()
    }

    fn kernel<'a>(&'a self, inputs: &'a Inputs<f32>) -> Recurrence<'a> {
        let Sizes { rows, steps, d, attention } = self.sizes;
        Recurrence {
            cell: self.cell,
            rows,
            steps,
            d_hidden: d,
            weight: &inputs[2],
            bias: &inputs[3],
            lengths: self.lengths.as_deref(),
            backwards: self.backwards,
            attention: attention.map(|[d_attention, d_values, src]| AdditiveAttention {
                d_attention,
                d_values,
                src,
                query: &inputs[4],
                score: &inputs[5],
                context: &inputs[6],
                keys: &inputs[7],
                values: &inputs[8],
                lengths: &self.source_lengths,
            }),
        }
    }

    /// The definition, value by value.
    fn oracle(&self, inputs: &Inputs<f64>) -> Vec<f64> {
        let Sizes { rows, steps, d, attention } = self.sizes;
        let (n_gates, n_states) = (self.cell.n_gates(), self.cell.n_states());
        let (gates, state_width) = (n_gates * d, n_states * d);
        let [_, d_values, src] = attention.unwrap_or_default();
        let width = state_width + d_values;
        let mut out = vec![0.0; rows * steps * width];
        for row in 0..rows {
            let mut state = inputs[1][row * state_width..][..state_width].to_vec();
            let order: Vec<usize> = if self.backwards { (0..steps).rev().collect() } else { (0..steps).collect() };
            for at in order {
                let mut x = inputs[0][(row * steps + at) * gates..][..gates].to_vec();
                let hidden = state[state_width - d..].to_vec();
                let times = |from: &[f64], weight: &[f64], to: usize| -> Vec<f64> {
                    (0..to).map(|j| from.iter().enumerate().map(|(i, h)| h * weight[i * to + j]).sum()).collect()
                };
                let u: Vec<f64> =
                    times(&hidden, &inputs[2], gates).iter().zip(&inputs[3]).map(|(u, b)| u + b).collect();
                let mut context = vec![0.0; d_values];
                if let Some([d_attention, ..]) = attention {
                    let query = times(&hidden, &inputs[4], d_attention);
                    let score = |token: usize| -> f64 {
                        let key = &inputs[7][(row * src + token) * d_attention..][..d_attention];
                        key.iter().zip(&query).zip(&inputs[5]).map(|((k, q), v)| v * (k + q).tanh()).sum()
                    };
                    let scores: Vec<f64> = (0..self.source_lengths[row]).map(|token| score(token).exp()).collect();
                    let total: f64 = scores.iter().sum();
                    for (token, score) in scores.iter().enumerate() {
                        let value = &inputs[8][(row * src + token) * d_values..][..d_values];
                        context.iter_mut().zip(value).for_each(|(c, v)| *c += score / total * v);
                    }
                    x.iter_mut().zip(times(&context, &inputs[6], gates)).for_each(|(x, c)| *x += c);
                }
                if self.lengths.as_ref().is_none_or(|lengths| at < lengths[row]) {
                    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
                    for i in 0..d {
                        let sum = |gate: usize| x[gate * d + i] + u[gate * d + i];
                        match self.cell {
                            RecurrentCell::Lstm => {
                                let c = sigmoid(sum(1)) * state[i] + sigmoid(sum(0)) * sum(3).tanh();
                                state[i] = c;
                                state[d + i] = sigmoid(sum(2)) * c.tanh();
                            }
                            RecurrentCell::Gru => {
                                let new = (x[2 * d + i] + sigmoid(sum(0)) * u[2 * d + i]).tanh();
                                state[i] = new + sigmoid(sum(1)) * (hidden[i] - new);
                            }
                        }
                    }
                }
                let place = &mut out[(row * steps + at) * width..][..width];
                place[..state_width].copy_from_slice(&state);
                place[state_width..].copy_from_slice(&context);
            }
        }
        out
    }
}

fn cases() -> Vec<Case> {
    let plain = Sizes { rows: 3, steps: 4, d: 5, attention: None };
    let attentive = Sizes { rows: 3, steps: 3, d: 5, attention: Some([7, 6, 4]) };
    let mut cases = Vec::new();
    for cell in [RecurrentCell::Lstm, RecurrentCell::Gru] {
        let case = Case { cell, sizes: plain, lengths: None, backwards: false, source_lengths: Vec::new() };
        cases.push(case.clone());
        cases.push(Case { lengths: Some(vec![4, 1, 2]), ..case.clone() });
        cases.push(Case { lengths: Some(vec![4, 1, 2]), backwards: true, ..case.clone() });
        cases.push(Case { sizes: attentive, source_lengths: vec![4, 1, 3], ..case });
    }
    cases
}

fn run(case: &Case, inputs: &Inputs<f32>) -> [Vec<f32>; 3] {
    let kernel = case.kernel(inputs);
    let src = kernel.attention.map_or(0, |attention| attention.src);
    let mut out = vec![f32::NAN; kernel.n_out()];
    let (mut gates, mut weights) = (vec![f32::NAN; kernel.n_kept()], vec![f32::NAN; kernel.rows * kernel.steps * src]);
    kernel.forward(&inputs[0], &inputs[1], &mut out, Kept { gates: &mut gates, weights: &mut weights });
    [out, gates, weights]
}

/// The gradient of each input, for the gradient `d_out` of the output.
fn gradients(case: &Case, inputs: &Inputs<f32>, d_out: &[f32]) -> Inputs<f32> {
    let [out, gates, weights] = run(case, inputs);
    let mut grads: Inputs<f32> = inputs.iter().map(|input| vec![f32::NAN; input.len()]).collect();
    let [input, start, weight, bias, rest @ ..] = grads.as_mut_slice() else { panic!("four at least") };
    let attention = match rest {
        [query, score, context, keys, values] => Some(AttentionPartGradients { query, score, context, keys, values }),
        _ => None,
    };
    let pass = RecurrencePass { start: &inputs[1], out: &out, gates: &gates, weights: &weights };
    case.kernel(inputs).backward(pass, d_out, RecurrenceGradients { input, start, weight, bias, attention });
    grads
}

#[test]
fn outputs_are_those_of_the_definition() {
    let large = |case: Case| {
        let attention = case.sizes.attention.map(|_| [33, 18, 9]);
        let sizes = Sizes { rows: 50, steps: 7, d: 35, attention };
        let lengths = case.lengths.as_ref().map(|_| (0..50).map(|row| 1 + row % 7).collect());
        Case { sizes, lengths, source_lengths: (0..50).map(|row| 1 + row % 9).collect(), ..case }
    };
    for case in cases().into_iter().chain(cases().into_iter().map(large)) {
        let inputs = case.inputs(&mut Fixture::new(7));
        let expected = case.oracle(&inputs.iter().map(|input| widen(input)).collect());
        for level in Level::available() {
            level.during(|| {
                let [out, _, weights] = run(&case, &inputs);
                assert_close(&out, &expected, 1e-5, 2e-6);
                if let Some([.., src]) = case.sizes.attention {
                    for (at, weights) in weights.chunks(src).enumerate() {
                        let (seen, hidden) = weights.split_at(case.source_lengths[at / case.sizes.steps]);
                        assert_close(&[seen.iter().sum::<f32>()], &[1.0_f32], 1e-5, 0.0);
                        assert!(hidden.iter().all(|&weight| weight == 0.0));
                    }
                }
            });
        }
    }
}

#[test]
fn gradients_are_those_of_finite_differences() {
    for case in cases() {
        let mut fixture = Fixture::new(11);
        let inputs = case.inputs(&mut fixture);
        let wide: Inputs<f64> = inputs.iter().map(|input| widen(input)).collect();
        let kernel = case.kernel(&inputs);
        let d_out = fixture.normal(kernel.n_out());
        let expected: Inputs<f64> = (0..inputs.len())
            .map(|input| {
                let loss = |x: &[f64]| -> f64 {
                    let mut moved = wide.clone();
                    moved[input] = x.to_vec();
                    case.oracle(&moved).iter().zip(&d_out).map(|(y, &g)| y * f64::from(g)).sum()
                };
                gradient(loss, &wide[input])
            })
            .collect();
        for level in Level::available() {
            level.during(|| {
                let grads = gradients(&case, &inputs, &d_out);
                for (actual, expected) in grads.iter().zip(&expected) {
                    assert_close(actual, expected, 1e-4, 2e-5);
                }
            });
        }
    }
}

#[test]
fn all_threads_multiply_as_the_caller_does() {
    // Rows for several threads; queries are made again in the backward pass.
    let sizes = Sizes { rows: 50, steps: 3, d: 35, attention: Some([33, 18, 9]) };
    let source_lengths = (0..50).map(|row| 1 + row % 9).collect();
    let case = Case { cell: RecurrentCell::Gru, sizes, lengths: None, backwards: false, source_lengths };
    let mut fixture = Fixture::new(13);
    let inputs = case.inputs(&mut fixture);
    let d_out = fixture.normal(case.kernel(&inputs).n_out());
    let in_bf16 = || Precision::Bf16.during(|| gradients(&case, &inputs, &d_out));
    // The one thread of this pool is the caller.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread pool");
    assert_eq!(in_bf16(), pool.install(in_bf16));
}

#[test]
fn without_rows_or_steps_weights_have_no_gradient() {
    for cell in [RecurrentCell::Lstm, RecurrentCell::Gru] {
        for [rows, steps] in [[0, 3], [3, 0]] {
            for attention in [None, Some([7, 6, 4])] {
                let sizes = Sizes { rows, steps, d: 5, attention };
                let case = Case { cell, sizes, lengths: None, backwards: false, source_lengths: vec![4; rows] };
                let inputs = case.inputs(&mut Fixture::new(17));
                assert!(gradients(&case, &inputs, &[]).iter().flatten().all(|&gradient| gradient == 0.0));
            }
        }
    }
}
