//! The fused operations of flex against the same operations over burn's on ndarray: values and every gradient.

use attentive_backend::{
    BackendKind, Device, Mask,
    ops::{self, Activation, Scoring},
};
use attentive_core::Dropout;
use attentive_testkit::{Fixture, assert_close};
use burn::tensor::{Int, Tensor, TensorData};

/// Inputs of an operation, flat, with their shapes.
type Inputs = Vec<(Vec<f32>, Vec<usize>)>;

fn inputs(seed: u64, shapes: &[&[usize]]) -> Inputs {
    let mut fixture = Fixture::new(seed);
    shapes.iter().map(|shape| (fixture.normal(shape.iter().product()), shape.to_vec())).collect()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap()
}

/// Runs `operation` on flat leaves and gives the output and the gradient of each leaf, for an output gradient of
/// different values everywhere.
fn run(kind: BackendKind, inputs: &Inputs, operation: &dyn Fn(&[Tensor<1>], &Device) -> Tensor<1>) -> Vec<Vec<f32>> {
    let device = kind.device().unwrap().autodiff();
    let leaves: Vec<Tensor<1>> = inputs
        .iter()
        .map(|(values, _)| Tensor::from_data(TensorData::new(values.clone(), [values.len()]), &device).require_grad())
        .collect();
    let y = operation(&leaves, &device);
    let [n] = y.dims();
    let weights = Tensor::from_data(TensorData::new(Fixture::new(99).normal(n), [n]), &device);
    let grads = (y.clone() * weights).sum().backward();
    let mut results = vec![values(y)];
    results.extend(leaves.iter().map(|leaf| values(leaf.grad(&grads).unwrap())));
    results
}

fn fused_equals_composed(inputs: &Inputs, operation: impl Fn(&[Tensor<1>], &Device) -> Tensor<1>) {
    let fused = run(BackendKind::Flex, inputs, &operation);
    let composed = run(BackendKind::NdArray, inputs, &operation);
    for (fused, composed) in fused.iter().zip(&composed) {
        assert_close(fused, composed, 1e-4, 1e-5);
    }
}

/// The gradient of each leaf against central differences of the fused operation itself.
fn gradients_equal_differences(inputs: &Inputs, operation: impl Fn(&[Tensor<1>], &Device) -> Tensor<1>) {
    let gradients = run(BackendKind::Flex, inputs, &operation);
    let weights = Fixture::new(99).normal(gradients[0].len());
    let objective = |inputs: &Inputs| -> f64 {
        let y = &run(BackendKind::Flex, inputs, &operation)[0];
        y.iter().zip(&weights).map(|(&y, &w)| f64::from(y) * f64::from(w)).sum()
    };
    let step = 1e-2;
    for (leaf, gradient) in gradients[1..].iter().enumerate() {
        for at in (0..gradient.len()).step_by(3) {
            let moved = |by: f32| {
                let mut moved = inputs.clone();
                moved[leaf].0[at] += by;
                objective(&moved)
            };
            let difference = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
            assert_close(&[f64::from(gradient[at])], &[difference], 2e-2, 5e-3);
        }
    }
}

fn shaped<const D: usize>(leaf: &Tensor<1>, shape: [usize; D]) -> Tensor<D> {
    leaf.clone().reshape(shape)
}

fn flat<const D: usize>(y: Tensor<D>) -> Tensor<1> {
    y.flatten(0, D - 1)
}

#[test]
fn linear() {
    fused_equals_composed(&inputs(1, &[&[2, 3, 5], &[5, 7], &[7]]), |x, _| {
        flat(ops::linear(shaped(&x[0], [2, 3, 5]), shaped(&x[1], [5, 7]), Some(x[2].clone())))
    });
}

#[test]
fn activations() {
    for f in [Activation::Relu, Activation::Gelu, Activation::GeluTanh, Activation::Silu] {
        fused_equals_composed(&inputs(2, &[&[3, 11]]), |x, _| {
            flat(ops::activation(shaped(&x[0], [3, 11]), f, 0.0, None))
        });
    }
}

#[test]
fn norms() {
    let x = inputs(3, &[&[2, 3, 7], &[2, 3, 7], &[7], &[7]]);
    fused_equals_composed(&x, |x, _| {
        let normed = ops::layer_norm(shaped(&x[0], [2, 3, 7]), x[2].clone(), Some(x[3].clone()), 1e-5);
        flat(normed + shaped(&x[1], [2, 3, 7]))
    });
    fused_equals_composed(&x, |x, _| {
        let (a, b) = (shaped(&x[0], [2, 3, 7]), shaped(&x[1], [2, 3, 7]));
        flat(ops::add_norm(a, b, x[2].clone(), Some(x[3].clone()), 1e-5, 0.0, None))
    });
}

#[test]
fn attention_under_every_mask() {
    let (batch, heads, q_len, k_len, d_k, d_v) = (2, 3, 4, 5, 7, 11);
    let x = inputs(4, &[&[batch, q_len, heads * d_k], &[batch, k_len, heads * d_k], &[batch, k_len, heads * d_v]]);
    for causal in [false, true] {
        for lengths in [[5, 5], [3, 1]] {
            fused_equals_composed(&x, |x, device| {
                // Heads as a layer splits them: views, not copies.
                let q = shaped(&x[0], [batch, q_len, heads, d_k]).swap_dims(1, 2);
                let k = shaped(&x[1], [batch, k_len, heads, d_k]).swap_dims(1, 2);
                let v = shaped(&x[2], [batch, k_len, heads, d_v]).swap_dims(1, 2);
                let mask = Mask { causal, ..Mask::padding(&lengths, k_len, device) };
                flat(ops::attention(q, k, v, &mask, 0.0, None).swap_dims(1, 2))
            });
        }
    }
}

#[test]
fn cross_entropy() {
    let (n, d, vocab) = (6, 5, 13);
    for smoothing in [0.0, 0.1] {
        fused_equals_composed(&inputs(5, &[&[n, d], &[vocab, d]]), |x, _| {
            let (hidden, projection) = (shaped(&x[0], [n, d]), shaped(&x[1], [vocab, d]));
            let ignored = [false, true, false, false, true, false];
            ops::projected_cross_entropy(hidden, projection, None, &[3, 99, 0, 12, 1, 7], &ignored, smoothing)
                .divergence
        });
    }
}

#[test]
fn embeddings() {
    let tokens = |device: &Device| Tensor::<2, Int>::from_ints([[3, 10, 3], [0, 3, 7]], device);
    fused_equals_composed(&inputs(6, &[&[11, 6]]), |x, device| {
        let positions = Tensor::from_data(TensorData::new(Fixture::new(7).normal(18), [3, 6]), device);
        flat(ops::embedding(shaped(&x[0], [11, 6]), tokens(device), Some(positions), 2.5, 0.0, None))
    });
    fused_equals_composed(&inputs(6, &[&[11, 6]]), |x, device| {
        flat(ops::embedding(shaped(&x[0], [11, 6]), tokens(device), None, 1.0, 0.0, None))
    });
}

/// A table's gradient is what all its uses give, whether it is a parameter or the result of an operation.
#[test]
fn uses_of_one_table_add_up() {
    let loss = |table: Tensor<2>, device: &Device| {
        let embed = |ids: [[i32; 3]; 2], scale| {
            ops::embedding(table.clone(), Tensor::<2, Int>::from_ints(ids, device), None, scale, 0.0, None)
        };
        let hidden = (embed([[3, 10, 3], [0, 3, 7]], 2.0) * embed([[1, 2, 3], [4, 3, 10]], 0.5)).reshape([6, 6]);
        ops::projected_cross_entropy(hidden, table, None, &[3, 9, 0, 10, 1, 7], &[false; 6], 0.1).divergence
    };
    let x = inputs(8, &[&[11, 6]]);
    fused_equals_composed(&x, |x, device| loss(shaped(&x[0], [11, 6]), device));
    let [fused, composed] = [BackendKind::Flex, BackendKind::NdArray].map(|kind| {
        let device = kind.device().unwrap().autodiff();
        let table = Tensor::<2>::from_data(TensorData::new(x[0].0.clone(), [11, 6]), &device).require_grad();
        let grads = loss(table.clone(), &device).backward();
        values(table.grad(&grads).unwrap())
    });
    assert_close(&fused, &composed, 1e-4, 1e-5);
}

#[test]
fn embeddings_at_learned_positions() {
    fused_equals_composed(&inputs(7, &[&[11, 6], &[5, 6]]), |x, device| {
        let tokens = Tensor::<2, Int>::from_ints([[3, 10, 3], [0, 3, 7]], device);
        let positions = shaped(&x[1], [5, 6]).narrow(0, 1, 3); // from position 1 on
        flat(ops::embedding(shaped(&x[0], [11, 6]), tokens, Some(positions), 1.0, 0.0, None))
    });
}

#[test]
#[should_panic(expected = "positions are 2 × 5, for 3 tokens of 5 features")]
fn positions_of_another_number_are_refused() {
    let device = BackendKind::Flex.device().unwrap();
    let tokens = Tensor::<2, Int>::from_data([[0, 1, 2], [2, 1, 0]], &device);
    let [table, positions] = [4, 2].map(|n| Tensor::<2>::ones([n, 5], &device));
    ops::embedding(table, tokens, Some(positions), 1.0, 0.0, None);
}

#[test]
#[should_panic(expected = "keys are not as the queries")]
fn keys_of_more_features_than_queries_are_refused() {
    let device = BackendKind::Flex.device().unwrap();
    let [q, k, v] = [3, 5, 3].map(|d| Tensor::<4>::ones([1, 1, 2, d], &device));
    ops::attention(q, k, v, &Mask::none(), 0.0, None);
}

#[test]
fn norms_without_bias() {
    let x = inputs(13, &[&[2, 3, 7], &[2, 3, 7], &[7]]);
    fused_equals_composed(&x, |x, _| {
        let (a, b) = (shaped(&x[0], [2, 3, 7]), shaped(&x[1], [2, 3, 7]));
        let normed = ops::layer_norm(a.clone(), x[2].clone(), None, 1e-5);
        flat(ops::add_norm(normed, b, x[2].clone(), None, 1e-5, 0.0, None))
    });
}

#[test]
fn heads_that_share_keys_and_values() {
    let (batch, heads, kv_heads, len, d) = (2, 6, 2, 5, 3);
    let x = inputs(14, &[&[batch, heads, len, d], &[batch, kv_heads, len, d], &[batch, kv_heads, len, d]]);
    fused_equals_composed(&x, |x, _| {
        let q = shaped(&x[0], [batch, heads, len, d]);
        let [k, v] = [1, 2].map(|idx| shaped(&x[idx], [batch, kv_heads, len, d]));
        flat(ops::attention(q, k, v, &Mask::causal(), 0.0, None))
    });
}

/// The bias's own gradient included, whether it is one for all sequences and heads or not.
#[test]
fn attention_with_a_bias() {
    let (batch, heads, q_len, k_len, d) = (2, 3, 4, 6, 5);
    for [of_batch, of_heads, of_queries] in [[1, heads, q_len], [batch, 1, q_len], [1, 1, 1], [batch, heads, q_len]] {
        let shapes: [&[usize]; 4] = [
            &[batch, heads, q_len, d],
            &[batch, heads, k_len, d],
            &[batch, heads, k_len, d],
            &[of_batch, of_heads, of_queries, k_len],
        ];
        let x = inputs(15, &shapes);
        for (causal, scaled) in [(false, true), (true, false)] {
            fused_equals_composed(&x, |x, device| {
                let q = shaped(&x[0], [batch, heads, q_len, d]);
                let [k, v] = [1, 2].map(|idx| shaped(&x[idx], [batch, heads, k_len, d]));
                let bias = shaped(&x[3], [of_batch, of_heads, of_queries, k_len]);
                let mask = Mask { causal, ..Mask::padding(&[k_len, 4], k_len, device) };
                flat(ops::attention(q, k, v, Scoring { mask: &mask, bias: Some(&bias), scaled, cap: None }, 0.0, None))
            });
        }
    }
}

#[test]
fn attention_within_a_window() {
    let (heads, q_len, k_len, d) = (2, 5, 8, 3);
    let x = inputs(16, &[&[1, heads, q_len, d], &[1, heads, k_len, d], &[1, heads, k_len, d]]);
    for mask in [Mask::none(), Mask::causal()] {
        for window in [1, 3, 9] {
            let mask = mask.clone().and_window(Some(window));
            fused_equals_composed(&x, |x, _| {
                let q = shaped(&x[0], [1, heads, q_len, d]);
                let [k, v] = [1, 2].map(|idx| shaped(&x[idx], [1, heads, k_len, d]));
                flat(ops::attention(q, k, v, &mask, 0.0, None))
            });
        }
    }
}

/// A window, a bias whose gradient is wanted, one of all heads, and heads that share keys, each with texts of several lengths.
#[test]
fn texts_that_follow_one_another() {
    let (heads, kv_heads, d_k, d_v) = (4, 2, 3, 5);
    let lengths = [3, 1, 5, 2];
    let (seq, longest) = (11, 5);
    let q_k_v: [&[usize]; 3] = [&[1, seq, heads, d_k], &[1, seq, kv_heads, d_k], &[1, seq, kv_heads, d_v]];
    // Heads as a layer splits them: views, not copies.
    let split = |x: &[Tensor<1>]| {
        let [q, k, v] = [(0, heads, d_k), (1, kv_heads, d_k), (2, kv_heads, d_v)]
            .map(|(at, heads, d)| shaped(&x[at], [1, seq, heads, d]).swap_dims(1, 2));
        (q, k, v)
    };
    for window in [None, Some(2)] {
        let mask = Mask::causal().and_window(window);
        fused_equals_composed(&inputs(21, &q_k_v), |x, _| {
            let (q, k, v) = split(x);
            flat(ops::attention_of_texts(q, k, v, &lengths, &mask, 0.0, None).swap_dims(1, 2))
        });
        for of_heads in [1, heads] {
            let [q, k, v] = q_k_v;
            let shapes: [&[usize]; 4] = [q, k, v, &[1, of_heads, longest, longest]];
            fused_equals_composed(&inputs(22, &shapes), |x, _| {
                let (q, k, v) = split(x);
                let bias = shaped(&x[3], [1, of_heads, longest, longest]);
                let scoring = Scoring { mask: &mask, bias: Some(&bias), scaled: true, cap: None };
                flat(ops::attention_of_texts(q, k, v, &lengths, scoring, 0.0, None).swap_dims(1, 2))
            });
        }
    }
}

/// Each text as a call of its own.
#[test]
fn a_text_attends_to_itself_alone() {
    let (heads, d) = (2, 4);
    let lengths = [70, 1, 3, 40]; // more and fewer than the kernel takes at once
    let seq: usize = lengths.iter().sum();
    let shape: &[usize] = &[1, heads, seq, d];
    let x = inputs(23, &[shape; 3]);
    let of_texts = |x: &[Tensor<1>], _: &Device| {
        let [q, k, v] = [0, 1, 2].map(|at| shaped(&x[at], [1, heads, seq, d]));
        flat(ops::attention_of_texts(q, k, v, &lengths, &Mask::causal(), 0.0, None))
    };
    let one_by_one = |x: &[Tensor<1>], _: &Device| {
        let mut first = 0;
        let outputs = lengths.map(|n| {
            let [q, k, v] = [0, 1, 2].map(|at| shaped(&x[at], [1, heads, seq, d]).narrow(2, first, n));
            first += n;
            ops::attention(q, k, v, &Mask::causal(), 0.0, None)
        });
        flat(Tensor::cat(outputs.into(), 2))
    };
    for kind in [BackendKind::Flex, BackendKind::NdArray] {
        let [found, expected] = [run(kind, &x, &of_texts), run(kind, &x, &one_by_one)];
        for (found, expected) in found.iter().zip(&expected) {
            assert_close(found, expected, 1e-5, 1e-6);
        }
    }
}

#[test]
fn residual_sums_gates_and_rms_norms() {
    let x = inputs(17, &[&[2, 3, 7], &[2, 3, 7], &[7]]);
    for f in [Activation::Relu, Activation::Gelu, Activation::GeluTanh, Activation::Silu] {
        fused_equals_composed(&x, |x, _| {
            let (a, b) = (shaped(&x[0], [2, 3, 7]), shaped(&x[1], [2, 3, 7]));
            let normed = ops::rms_norm(a.clone(), x[2].clone(), 1e-5);
            flat(ops::residual(a, ops::gate(normed, b, f, 0.0, None), 0.0, None))
        });
    }
}

#[test]
fn rotations() {
    let (rows, heads, seq, d) = (2, 3, 5, 4);
    let x = inputs(18, &[&[rows, seq, heads, d]]);
    let angles = Fixture::new(19).normal(seq * d / 2);
    fused_equals_composed(&x, |x, device| {
        let angles = Tensor::<2>::from_data(TensorData::new(angles.clone(), [seq, d / 2]), &device.clone().inner());
        let [cos, sin] = [angles.clone().cos(), angles.sin()].map(Tensor::from_inner);
        flat(ops::rotate(shaped(&x[0], [rows, seq, heads, d]).swap_dims(1, 2), cos, sin))
    });
}

#[test]
fn adam() {
    let x = inputs(8, &[&[7], &[7]]);
    let updated = |kind: BackendKind| {
        let device = kind.device().unwrap();
        let tensor = |values: &[f32]| Tensor::<1>::from_floats(values, &device);
        let mut state = ops::AdamTensors {
            values: tensor(&x[0].0),
            first: Tensor::zeros([7], &device),
            second: Tensor::zeros([7], &device),
        };
        for n in 1..=5 {
            let gradient = tensor(&x[1].0) * n as f32;
            let step =
                ops::AdamStep { n, lr: 0.01, scale: 0.5, beta_1: 0.9, beta_2: 0.98, epsilon: 1e-9, weight_decay: 0.1 };
            state = ops::adam(state, gradient, &step);
        }
        [values(state.values), values(state.first), values(state.second)].concat()
    };
    assert_close(&updated(BackendKind::Flex), &updated(BackendKind::NdArray), 1e-5, 1e-7);
}

#[test]
fn squared_norm() {
    let x = inputs(14, &[&[40_000]]);
    let [fused, composed] = [BackendKind::Flex, BackendKind::NdArray]
        .map(|kind| values(ops::squared_norm(Tensor::from_floats(x[0].0.as_slice(), &kind.device().unwrap()))));
    assert_close(&fused, &composed, 1e-5, 0.0);
}

#[test]
fn an_update_leaves_what_others_hold_alone() {
    let device = BackendKind::Flex.device().unwrap();
    let held = Tensor::<1>::from_floats([1.0, 2.0], &device);
    let state = ops::AdamTensors { values: held.clone(), first: held.zeros_like(), second: held.zeros_like() };
    let step = ops::AdamStep { n: 1, lr: 0.1, scale: 1.0, beta_1: 0.9, beta_2: 0.98, epsilon: 1e-9, weight_decay: 0.0 };
    let updated = ops::adam(state, held.clone(), &step);
    assert_eq!(values(held), [1.0, 2.0]);
    assert_close(&values(updated.values), &[0.9_f32, 1.9], 1e-5, 1e-6);
}

#[test]
fn gradients_through_dropout_are_those_of_the_mask_that_was_drawn() {
    let rate = 0.4;
    gradients_equal_differences(&inputs(9, &[&[3, 8]]), |x, _| {
        flat(ops::dropout(shaped(&x[0], [3, 8]), rate, Some(&Dropout::new(1))))
    });
    gradients_equal_differences(&inputs(10, &[&[3, 8], &[3, 8], &[8], &[8]]), |x, _| {
        let (a, b) = (shaped(&x[0], [3, 8]), shaped(&x[1], [3, 8]));
        flat(ops::add_norm(a, b, x[2].clone(), Some(x[3].clone()), 1e-5, rate, Some(&Dropout::new(2))))
    });
    gradients_equal_differences(&inputs(11, &[&[1, 2, 3, 4], &[1, 2, 5, 4], &[1, 2, 5, 4]]), |x, _| {
        let (q, k, v) = (shaped(&x[0], [1, 2, 3, 4]), shaped(&x[1], [1, 2, 5, 4]), shaped(&x[2], [1, 2, 5, 4]));
        flat(ops::attention(q, k, v, &Mask::none(), rate, Some(&Dropout::new(3))))
    });
    gradients_equal_differences(&inputs(24, &[&[1, 2, 5, 4], &[1, 2, 5, 4], &[1, 2, 5, 4]]), |x, _| {
        let [q, k, v] = [0, 1, 2].map(|at| shaped(&x[at], [1, 2, 5, 4]));
        flat(ops::attention_of_texts(q, k, v, &[2, 3], &Mask::causal(), rate, Some(&Dropout::new(7))))
    });
    gradients_equal_differences(&inputs(12, &[&[3, 8]]), |x, _| {
        flat(ops::activation(shaped(&x[0], [3, 8]), Activation::Gelu, rate, Some(&Dropout::new(4))))
    });
    gradients_equal_differences(&inputs(20, &[&[3, 8], &[3, 8]]), |x, _| {
        let (a, b) = (shaped(&x[0], [3, 8]), shaped(&x[1], [3, 8]));
        let gated = ops::gate(a.clone(), b, Activation::Silu, rate, Some(&Dropout::new(5)));
        flat(ops::residual(a, gated, rate, Some(&Dropout::new(6))))
    });
}

#[test]
fn dropout_keeps_the_mean_and_its_rate() {
    for kind in [BackendKind::Flex, BackendKind::NdArray] {
        let device = kind.device().unwrap();
        let n = 200_000;
        let y = values(ops::dropout(Tensor::<2>::ones([n / 100, 100], &device), 0.3, Some(&Dropout::new(5))));
        let dropped = y.iter().filter(|&&y| y == 0.0).count() as f64 / n as f64;
        let mean = y.iter().map(|&y| f64::from(y)).sum::<f64>() / n as f64;
        // Five standard deviations of a share of 200,000.
        assert!((dropped - 0.3).abs() < 5.0 * (0.3_f64 * 0.7 / n as f64).sqrt(), "{kind}: {dropped}");
        assert!((mean - 1.0).abs() < 0.01, "{kind}: {mean}");
    }
}

/// The state of a row that has ended, and what a recurrent layer leaves at steps that are none, are compared as well.
#[test]
fn recurrent_layers() {
    let (rows, steps, d, src, [width, annotation]) = (3, 4, 5, 6, [7, 8]);
    for kind in [ops::CellKind::Lstm, ops::CellKind::Gru] {
        let (gates, state) = (kind.n_gates() * d, kind.n_states() * d);
        let x = inputs(12, &[&[rows, steps, gates], &[rows, state], &[d, gates], &[gates]]);
        for (lengths, backwards) in [(None, false), (Some([4, 1, 2]), false), (Some([4, 1, 2]), true)] {
            fused_equals_composed(&x, |x, _| {
                let weight = shaped(&x[2], [d, gates]);
                let cell = ops::RecurrentWeights { kind, weight, bias: Some(x[3].clone()) };
                let steps_taken = ops::Steps { lengths: lengths.as_ref().map(<[usize; 3]>::as_slice), backwards };
                let (x, start) = (shaped(&x[0], [rows, steps, gates]), shaped(&x[1], [rows, state]));
                flat(ops::recurrence(x, start, cell, steps_taken))
            });
        }
        let shapes: &[&[usize]] = &[
            &[rows, steps, gates],
            &[rows, state],
            &[d, gates],
            &[d, width],
            &[width, 1],
            &[annotation, gates],
            &[rows, src, width],
            &[rows, src, annotation],
        ];
        fused_equals_composed(&inputs(13, shapes), |x, _| {
            let cell = ops::RecurrentWeights { kind, weight: shaped(&x[2], [d, gates]), bias: None };
            let attention = ops::AdditiveAttention {
                query: shaped(&x[3], [d, width]),
                score: shaped(&x[4], [width, 1]),
                keys: shaped(&x[6], [rows, src, width]),
                values: shaped(&x[7], [rows, src, annotation]),
                lengths: &[6, 1, 3],
            };
            let (context, start) = (shaped(&x[5], [annotation, gates]), shaped(&x[1], [rows, state]));
            flat(ops::attentive_recurrence(shaped(&x[0], [rows, steps, gates]), start, cell, attention, context))
        });
    }
}
