//! Laws of the RNN encoder–decoder, whatever its cells and sizes.

use attentive_backend::{BackendKind, Device, Objective};
use attentive_core::{Dropout, EncoderDecoder, NextToken, TokenMatrix, TranslationBatch};
use attentive_model::{CellKind, ModelSpec, Rnn, RnnConfig, TranslationObjective};
use attentive_testkit::assert_close;
use burn::{
    module::Module,
    tensor::{Int, Tensor, TensorData, activation::log_softmax},
};
use proptest::prelude::*;

const VOCAB: usize = 13;
const BOS: u32 = 1;

fn device() -> Device {
    BackendKind::Flex.device().unwrap()
}

fn config(cell: CellKind) -> RnnConfig {
    RnnConfig { cell, d_embedding: 6, d_hidden: 5, d_attention: 7, ..RnnConfig::rnn_search(VOCAB) }
}

fn configs() -> impl Strategy<Value = RnnConfig> {
    let cells = prop_oneof![Just(CellKind::Lstm), Just(CellKind::Gru)];
    (cells, 1_usize..3, 1_usize..3, any::<[bool; 3]>()).prop_map(
        |(cell, n_encoder_layers, n_decoder_layers, [bidirectional, share_embeddings, tie_projection])| RnnConfig {
            n_encoder_layers,
            n_decoder_layers,
            bidirectional,
            share_embeddings,
            tie_projection,
            ..config(cell)
        },
    )
}

fn tokens(max_len: usize) -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(3_u32..VOCAB as u32, 1..=max_len)
}

/// A column of tokens, or a row of them.
fn ids(ids: &[u32], shape: [usize; 2]) -> Tensor<2, Int> {
    let ids: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
    Tensor::from_data(TensorData::new(ids, shape), &device())
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

/// Log-probabilities of every position of `target` at once: `tgt · vocab` values.
fn all_at_once(model: &Rnn, source: &[u32], target: &[u32]) -> Vec<f32> {
    let (annotations, mut states) = model.encode(&TokenMatrix::from_rows(&[source], 0, 0), None);
    let hidden = model.decode(ids(target, [1, target.len()]), &annotations, &mut states, None);
    values(log_softmax(model.logits(hidden), 2))
}

/// What follows the first token of each row.
fn first_step(model: &Rnn, source: &TokenMatrix) -> Vec<f32> {
    let n = source.n_rows();
    model.log_probs(&vec![BOS; n], &mut model.start(source)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn parameters_are_counted(config in configs()) {
        prop_assert_eq!(config.init(&device(), 1).unwrap().num_params(), config.n_params());
    }

    #[test]
    fn the_future_cannot_change_the_past(
        config in configs(), source in tokens(6), target in tokens(7), other in 3_u32..VOCAB as u32, at in any::<prop::sample::Index>(),
    ) {
        let model = config.init(&device(), 3).unwrap();
        let at = at.index(target.len());
        let mut changed = target.clone();
        changed[at] = other;
        let (a, b) = (all_at_once(&model, &source, &target), all_at_once(&model, &source, &changed));
        prop_assert_eq!(&a[..at * VOCAB], &b[..at * VOCAB]);
        if other != target[at] {
            prop_assert_ne!(&a[at * VOCAB..], &b[at * VOCAB..]);
        }
    }

    #[test]
    fn a_step_gives_what_the_whole_sequence_gives(
        config in configs(), source in tokens(6), target in tokens(7), split in 1_usize..4,
    ) {
        let model = config.init(&device(), 4).unwrap();
        let expected = all_at_once(&model, &source, &target);
        let mut state = model.start(&TokenMatrix::from_rows(&[&source], 0, 0));
        // The first tokens together, the others one by one.
        let split = split.min(target.len());
        for (first, end) in std::iter::once((0, split)).chain((split..target.len()).map(|at| (at, at + 1))) {
            let log_p = model.log_probs(&target[first..end], &mut state).unwrap();
            assert_close(&log_p, &expected[(end - 1) * VOCAB..end * VOCAB], 1e-4, 1e-5);
        }
    }

    #[test]
    fn neither_padding_nor_the_batch_changes_a_row(
        config in configs(), rows in prop::collection::vec(tokens(6), 2..5), pad in 0_u32..VOCAB as u32, extra in 0_usize..4,
    ) {
        let model = config.init(&device(), 5).unwrap();
        let together = first_step(&model, &TokenMatrix::from_rows(&rows, pad, 6 + extra));
        for (idx, row) in rows.iter().enumerate() {
            let alone = first_step(&model, &TokenMatrix::from_rows(&[row], 0, 0));
            assert_close(&together[idx * VOCAB..(idx + 1) * VOCAB], &alone, 1e-4, 1e-5);
        }
    }

    #[test]
    fn attention_is_a_distribution_over_the_sentence(config in configs(), rows in prop::collection::vec(tokens(6), 2..5)) {
        let model = config.init(&device(), 6).unwrap();
        let source = TokenMatrix::from_rows(&rows, 0, 7);
        let weights = values(model.attention_weights(&source, &TokenMatrix::from_rows(&rows, 0, 0)));
        let steps = weights.len() / (7 * rows.len());
        for (idx, weights) in weights.chunks_exact(7).enumerate() {
            let (seen, padding) = weights.split_at(rows[idx / steps].len());
            assert_close(&[seen.iter().sum::<f32>()], &[1.0_f32], 1e-5, 0.0);
            prop_assert!(padding.iter().all(|&weight| weight == 0.0));
        }
    }

    #[test]
    fn reordered_rows_go_on_as_if_they_had_always_stood_there(
        config in configs(), rows in prop::collection::vec(tokens(5), 2..4),
        parents in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 1..7), 1..3), next in 3_u32..VOCAB as u32,
    ) {
        let model = config.init(&device(), 6).unwrap();
        let start = |rows: &[&Vec<u32>]| {
            let mut state = model.start(&TokenMatrix::from_rows(rows, 0, 5));
            let firsts: Vec<u32> = rows.iter().map(|row| row[0]).collect();
            model.log_probs(&firsts, &mut state).unwrap();
            state
        };
        let mut at: Vec<&Vec<u32>> = rows.iter().collect();
        let mut reordered = start(&at);
        for parents in parents {
            let parents: Vec<usize> = parents.iter().map(|parent| parent.index(at.len())).collect();
            model.reorder(&mut reordered, &parents);
            at = parents.iter().map(|&parent| at[parent]).collect();
        }
        let next = vec![next; at.len()];
        let [a, b] = [&mut reordered, &mut start(&at)].map(|state| model.log_probs(&next, state).unwrap());
        assert_close(&a, &b, 1e-4, 1e-5);
    }

    #[test]
    fn the_loss_counts_real_targets_only(
        config in configs(), pairs in prop::collection::vec((tokens(6), tokens(6)), 1..4), label_smoothing in 0.0_f64..0.5,
    ) {
        let model = config.init(&device(), 7).unwrap();
        let objective = TranslationObjective { label_smoothing };
        let total = objective.loss(&model, &batch(&pairs, 9, 2), None);
        let (mut sum, mut nll, mut n_targets) = (0.0, 0.0, 0);
        for pair in &pairs {
            let loss = objective.loss(&model, &batch(std::slice::from_ref(pair), 0, 0), None);
            sum += loss.sum.into_scalar::<f32>();
            nll += loss.nll_sum.into_scalar::<f32>();
            n_targets += loss.n_targets;
        }
        prop_assert_eq!(total.n_targets, n_targets);
        assert_close(&[total.sum.into_scalar::<f32>(), total.nll_sum.into_scalar::<f32>()], &[sum, nll], 1e-4, 1e-4);
    }
}

fn batch(pairs: &[(Vec<u32>, Vec<u32>)], wide: usize, pad: u32) -> TranslationBatch {
    let source: Vec<&Vec<u32>> = pairs.iter().map(|(source, _)| source).collect();
    let target: Vec<Vec<u32>> = pairs.iter().map(|(_, target)| [&[BOS], target.as_slice()].concat()).collect();
    TranslationBatch {
        source: TokenMatrix::from_rows(&source, pad, wide),
        target: TokenMatrix::from_rows(&target, pad, wide),
        indices: (0..pairs.len() as u64).collect(),
    }
}

#[test]
fn dropout_is_a_function_of_its_seed_and_absent_in_use() {
    let config = RnnConfig { dropout: 0.3, n_encoder_layers: 2, n_decoder_layers: 2, ..config(CellKind::Gru) };
    let model = config.init(&device().autodiff(), 8).unwrap();
    let batch = batch(&[(vec![4, 5, 6], vec![7, 8, 2])], 0, 0);
    let loss =
        |pass: Option<&Dropout>| TranslationObjective::default().loss(&model, &batch, pass).sum.into_scalar::<f32>();
    assert_eq!(loss(Some(&Dropout::new(1))), loss(Some(&Dropout::new(1))));
    assert_ne!(loss(Some(&Dropout::new(1))), loss(Some(&Dropout::new(2))));
    assert_eq!(loss(None), loss(None));
    assert_ne!(loss(None), loss(Some(&Dropout::new(1))));
}

#[test]
fn bad_sizes_are_named() {
    let good = config(CellKind::Lstm);
    let cases = [
        (RnnConfig { d_hidden: 0, ..good.clone() }, "d_hidden"),
        (RnnConfig { n_decoder_layers: 0, ..good.clone() }, "n_decoder_layers"),
        (RnnConfig { d_attention: 1 << 40, ..good.clone() }, "d_attention"),
        (RnnConfig { dropout: 1.0, ..good.clone() }, "dropout"),
        (RnnConfig { share_embeddings: true, target_vocab_size: 5, ..good }, "can't be shared"),
    ];
    for (config, expected) in cases {
        let message = config.init(&device(), 0).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}
