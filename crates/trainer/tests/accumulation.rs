//! The gradients of micro-batches add up to those of one batch, whatever the model, and clipping bounds the global norm.

use std::ops::Range;

use attentive_backend::{BackendKind, Device};
use attentive_core::{LabeledBatch, MaskedBatch, Objective, SequenceBatch, TokenId, TokenMatrix, TranslationBatch};
use attentive_model::{
    BertConfig, CausalLmObjective, ClassificationObjective, GptConfig, MaskedLmObjective, ModelSpec, RnnConfig,
    Transformer, TransformerConfig, TranslationObjective,
};
use attentive_optim::{AdamConfig, Gradients, Optimizer};
use burn::{module::Module, tensor::Tensor};

const VOCAB: usize = 17;
const N_ROWS: usize = 8;

/// Tokens that are none of padding, begin and end.
fn row(i: usize, len: usize) -> Vec<TokenId> {
    (0..len).map(|at| (3 + (i * 7 + at * 5) % 14) as TokenId).collect()
}

/// Rows of different lengths, padded to one width whichever are asked for.
fn rows(range: &Range<usize>) -> TokenMatrix {
    TokenMatrix::from_rows(&range.clone().map(|i| row(i, 2 + i % 4)).collect::<Vec<_>>(), 0, 6)
}

fn indices(range: Range<usize>) -> Vec<u64> {
    range.map(|i| i as u64).collect()
}

fn pairs(range: Range<usize>) -> TranslationBatch {
    let sources: Vec<_> = range.clone().map(|i| [row(i, 2 + i % 4), vec![2]].concat()).collect();
    let targets: Vec<_> = range.clone().map(|i| [vec![1], row(i + 9, 1 + i % 5), vec![2]].concat()).collect();
    TranslationBatch {
        source: TokenMatrix::from_rows(&sources, 0, 7),
        target: TokenMatrix::from_rows(&targets, 0, 8),
        indices: indices(range),
    }
}

fn contexts(range: Range<usize>) -> SequenceBatch {
    SequenceBatch::next_tokens(&range.clone().map(|i| row(i, 3 + i % 4)).collect::<Vec<_>>(), 0, indices(range))
}

/// Hides the second token of each row, and the last one of those that have four or more.
fn masked(range: Range<usize>) -> MaskedBatch {
    let ids = rows(&range);
    let places =
        |(row, &len): (usize, &usize)| [Some(1), (len > 3).then_some(len - 1)].map(|at| Some((row * 6 + at?) as u32));
    let masked: Vec<u32> = ids.lengths().iter().enumerate().flat_map(places).flatten().collect();
    let targets = masked.iter().map(|&place| ids.ids()[place as usize]).collect();
    MaskedBatch { segments: vec![0; ids.ids().len()], masked, targets, follows: None, indices: indices(range), ids }
}

fn labeled(range: Range<usize>) -> LabeledBatch {
    LabeledBatch { ids: rows(&range), labels: range.clone().map(|i| i as u32 % 2).collect(), indices: indices(range) }
}

fn device() -> Device {
    BackendKind::Flex.device().unwrap().autodiff()
}

fn model() -> Transformer {
    let sizes = TransformerConfig { d_model: 12, d_ff: 20, n_heads: 3, ..TransformerConfig::base(VOCAB) };
    TransformerConfig { n_encoder_layers: 2, n_decoder_layers: 2, ..sizes }.init(&device(), 3).unwrap()
}

/// Summed gradients, summed loss and targets of all rows, `n` at once.
fn accumulated<M: Module, O: Objective<M>>(
    model: &M,
    objective: &O,
    batch: impl Fn(Range<usize>) -> O::Batch,
    n: usize,
) -> (Gradients, f64, usize) {
    let (mut gradients, mut loss_sum, mut n_targets) = (Gradients::default(), 0.0, 0);
    for first in (0..N_ROWS).step_by(n) {
        let loss = objective.loss(model, &batch(first..first + n), None);
        loss_sum += f64::from(loss.sum.clone().into_scalar::<f32>());
        n_targets += loss.n_targets;
        gradients.add(Gradients::take(loss.sum.backward(), model));
    }
    (gradients, loss_sum, n_targets)
}

fn values(tensor: &Tensor<1>) -> Vec<f32> {
    tensor.to_data().try_into_vec().unwrap()
}

#[track_caller]
fn micro_batches_are_one_batch<M: Module, O: Objective<M>>(
    model: &M,
    objective: &O,
    batch: impl Fn(Range<usize>) -> O::Batch,
) {
    let (whole, loss, n_targets) = accumulated(model, objective, &batch, N_ROWS);
    let mean = 1.0 / n_targets as f64;
    let largest = whole.iter().flat_map(|(_, gradient)| values(gradient)).fold(0.0_f32, |max, g| max.max(g.abs()));
    for n in [1, 2, 4] {
        let (parts, parts_loss, parts_targets) = accumulated(model, objective, &batch, n);
        assert_eq!(parts_targets, n_targets);
        assert!((parts_loss - loss).abs() < 1e-6 * loss, "{parts_loss} against {loss}");
        assert!((parts.global_norm() - whole.global_norm()).abs() < 1e-6 * whole.global_norm());
        for (name, gradient) in whole.iter() {
            let part = values(parts.get(name).unwrap());
            for (a, b) in part.iter().zip(values(gradient)) {
                let difference = f64::from((a - b).abs()) * mean;
                assert!(difference < 1e-6 * f64::from(largest.max(1.0)), "{name}: {a} against {b}, {n} rows at once");
            }
        }
    }
}

#[test]
fn of_a_transformer() {
    micro_batches_are_one_batch(&model(), &TranslationObjective::default(), pairs);
}

#[test]
fn of_an_rnn() {
    let config = RnnConfig { d_embedding: 8, d_hidden: 10, d_attention: 6, ..RnnConfig::rnn_search(VOCAB) };
    micro_batches_are_one_batch(&config.init(&device(), 3).unwrap(), &TranslationObjective::default(), pairs);
}

#[test]
fn of_a_language_model() {
    let model = GptConfig::gpt2_like(VOCAB, 8, [2, 2, 12]).init(&device(), 3).unwrap();
    micro_batches_are_one_batch(&model, &CausalLmObjective::default(), contexts);
}

#[test]
fn of_an_encoder() {
    let model = BertConfig::bert_like(VOCAB, 8, [2, 2, 12]).init(&device(), 3).unwrap();
    micro_batches_are_one_batch(&model, &MaskedLmObjective::default(), masked);
}

#[test]
fn of_a_classifier() {
    let labels = vec!["a".into(), "b".into()];
    let sizes = BertConfig { labels, pooler: true, masked_lm: false, ..BertConfig::bert_like(VOCAB, 8, [2, 2, 12]) };
    let model = BertConfig { next_sentence: false, ..sizes }.init(&device(), 3).unwrap();
    micro_batches_are_one_batch(&model, &ClassificationObjective {}, labeled);
}

/// Adam's update does not tell a gradient's scale, but its first moment does: `(1 - β₁) g` after one update.
#[test]
fn clipping_scales_all_gradients_to_the_norm() {
    let model = model();
    let (gradients, _, n_targets) = accumulated(&model, &TranslationObjective::default(), pairs, 2);
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
