//! On a Transformer: the gradients of micro-batches add up to those of one batch, and clipping bounds the global norm.

use attentive_backend::BackendKind;
use attentive_core::{Objective, TokenId, TokenMatrix, TranslationBatch};
use attentive_model::{Transformer, TransformerConfig, TranslationObjective};
use attentive_optim::{AdamConfig, Gradients};
use burn::tensor::Tensor;

const N_PAIRS: usize = 8;

/// Pairs of different lengths.
fn batch(pairs: std::ops::Range<usize>) -> TranslationBatch {
    let row = |i: usize, len: usize| (0..len).map(|at| (3 + (i * 7 + at * 5) % 14) as TokenId).collect::<Vec<_>>();
    let sources: Vec<_> = pairs.clone().map(|i| [row(i, 2 + i % 4), vec![2]].concat()).collect();
    let targets: Vec<_> = pairs.clone().map(|i| [vec![1], row(i + 9, 1 + i % 5), vec![2]].concat()).collect();
    TranslationBatch {
        source: TokenMatrix::from_rows(&sources, 0, 7),
        target: TokenMatrix::from_rows(&targets, 0, 8),
        indices: pairs.map(|i| i as u64).collect(),
    }
}

fn model() -> Transformer {
    let device = BackendKind::Flex.device().unwrap().autodiff();
    let sizes = TransformerConfig { d_model: 12, d_ff: 20, n_heads: 3, ..TransformerConfig::base(17) };
    TransformerConfig { n_encoder_layers: 2, n_decoder_layers: 2, ..sizes }.init(&device, 3).unwrap()
}

/// Summed gradients, summed loss and targets of all pairs, `n` at once.
fn accumulated(model: &Transformer, n: usize) -> (Gradients, f64, usize) {
    let (mut gradients, mut loss_sum, mut n_targets) = (Gradients::default(), 0.0, 0);
    for first in (0..N_PAIRS).step_by(n) {
        let loss = TranslationObjective::default().loss(model, &batch(first..first + n), None);
        loss_sum += f64::from(loss.sum.clone().into_scalar::<f32>());
        n_targets += loss.n_targets;
        gradients.add(Gradients::take(loss.sum.backward(), model));
    }
    (gradients, loss_sum, n_targets)
}

fn values(tensor: &Tensor<1>) -> Vec<f32> {
    tensor.to_data().try_into_vec().unwrap()
}

#[test]
fn micro_batches_are_one_batch() {
    let model = model();
    let (whole, loss, n_targets) = accumulated(&model, N_PAIRS);
    let mean = 1.0 / n_targets as f64;
    let largest = whole.iter().flat_map(|(_, gradient)| values(gradient)).fold(0.0_f32, |max, g| max.max(g.abs()));
    for n in [1, 2, 4] {
        let (parts, parts_loss, parts_targets) = accumulated(&model, n);
        assert_eq!(parts_targets, n_targets);
        assert!((parts_loss - loss).abs() < 1e-6 * loss, "{parts_loss} against {loss}");
        assert!((parts.global_norm() - whole.global_norm()).abs() < 1e-6 * whole.global_norm());
        for (name, gradient) in whole.iter() {
            let part = values(parts.get(name).unwrap());
            for (a, b) in part.iter().zip(values(gradient)) {
                let difference = f64::from((a - b).abs()) * mean;
                assert!(difference < 1e-6 * f64::from(largest.max(1.0)), "{name}: {a} against {b}, {n} pairs at once");
            }
        }
    }
}

/// Adam's update does not tell a gradient's scale, but its first moment does: `(1 - β₁) g` after one update.
#[test]
fn clipping_scales_all_gradients_to_the_norm() {
    let model = model();
    let (gradients, _, n_targets) = accumulated(&model, 2);
    let (mean, limit) = (1.0 / n_targets as f64, 0.01);
    let norm = gradients.global_norm() * mean;
    assert!(norm > limit);
    let unclipped: Vec<(String, Vec<f32>)> = gradients.iter().map(|(name, g)| (name.to_owned(), values(g))).collect();
    let mut adam = AdamConfig::default().init().unwrap();
    let _ = adam.step(model, gradients, mean * (limit / norm), 1e-3);
    let mut square = 0.0;
    for (name, gradient) in unclipped {
        for (first, g) in values(&adam.moments()[&name].first).iter().zip(gradient) {
            let clipped = f64::from(*first) / 0.1;
            square += clipped * clipped;
            let expected = f64::from(g) * mean * limit / norm;
            assert!((clipped - expected).abs() < 1e-6 * limit, "{name}: {clipped} against {expected}");
        }
    }
    assert!((square.sqrt() - limit).abs() < 1e-6 * limit);
}
