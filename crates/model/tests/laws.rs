//! Laws that hold for every encoder–decoder, whatever its sizes.

use attentive_attention::{Mask, NormKind, NormPlacement, PositionsConfig, RelativeBuckets};
use attentive_backend::{BackendKind, Device, Objective};
use attentive_core::{Dropout, EncoderDecoder, NextToken, TokenMatrix, TranslationBatch};
use attentive_model::{ModelSpec, Transformer, TransformerConfig, TranslationObjective};
use attentive_testkit::assert_close;
use burn::tensor::{Int, Tensor, activation::log_softmax};
use proptest::prelude::*;

const VOCAB: usize = 13;
const BOS: u32 = 1;

fn device() -> Device {
    BackendKind::Flex.device().unwrap()
}

/// Sizes that differ, prime where they are free.
fn config(norm: NormPlacement, positions: PositionsConfig) -> TransformerConfig {
    TransformerConfig {
        d_model: 10,
        d_ff: 17,
        n_heads: 3,
        d_k: Some(6),
        d_v: Some(7),
        n_encoder_layers: 2,
        n_decoder_layers: 2,
        norm,
        positions,
        ..TransformerConfig::base(VOCAB)
    }
}

fn configs() -> impl Strategy<Value = TransformerConfig> {
    let norms = prop_oneof![Just(NormPlacement::Post), Just(NormPlacement::Pre)];
    let positions = prop_oneof![
        Just(PositionsConfig::Sinusoidal),
        Just(PositionsConfig::FairseqSinusoidal { first: 2 }),
        Just(PositionsConfig::Learned { max_len: 19 }),
        Just(PositionsConfig::rotary(1e4)),
        Just(PositionsConfig::Alibi),
        Just(PositionsConfig::RelativeBuckets(RelativeBuckets { n_buckets: 8, max_distance: 7 })),
    ];
    let window = prop_oneof![3 => Just(None), 1 => Just(Some(2))];
    (norms, positions, window, any::<[bool; 11]>()).prop_map(
        |(
            norm,
            positions,
            window,
            [
                share_embeddings,
                tie_projection,
                projection_bias,
                multi_query,
                gated,
                bias,
                rms,
                scale_scores,
                scale_embeddings,
                scale_logits,
                embedding_norm,
            ],
        )| {
            let norm_kind = if rms { NormKind::Rms } else { NormKind::Layer };
            let n_kv_heads = multi_query.then_some(1);
            let config = config(norm, positions);
            TransformerConfig {
                share_embeddings,
                tie_projection,
                projection_bias,
                window,
                n_kv_heads,
                gated,
                bias,
                norm_kind,
                scale_scores,
                scale_embeddings,
                scale_logits,
                embedding_norm,
                ..config
            }
        },
    )
}

fn tokens(max_len: usize) -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(3_u32..VOCAB as u32, 1..=max_len)
}

fn ids(row: &[u32], device: &Device) -> Tensor<2, Int> {
    let row: Vec<i64> = row.iter().map(|&id| i64::from(id)).collect();
    Tensor::<1, Int>::from_ints(row.as_slice(), device).unsqueeze()
}

/// Log-probabilities of every position of `target` at once: `tgt · vocab` values.
fn uncached(model: &Transformer, source: &[u32], target: &[u32]) -> Vec<f32> {
    let memory = model.encode(ids(source, &device()), &Mask::none(), None);
    let hidden = model.decode(ids(target, &device()), &memory, &Mask::none(), None);
    values(log_softmax(model.logits(hidden), 2).reshape([target.len(), VOCAB]))
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_future_cannot_change_the_past(
        config in configs(), source in tokens(6), target in tokens(7), other in 3_u32..VOCAB as u32, at in any::<prop::sample::Index>(),
    ) {
        let model = config.init(&device(), 3).unwrap();
        let at = at.index(target.len());
        let mut changed = target.clone();
        changed[at] = other;
        let (a, b) = (uncached(&model, &source, &target), uncached(&model, &source, &changed));
        prop_assert_eq!(&a[..at * VOCAB], &b[..at * VOCAB]);
        if other != target[at] {
            prop_assert_ne!(&a[at * VOCAB..], &b[at * VOCAB..]);
        }
    }

    #[test]
    fn a_cached_step_gives_what_the_whole_sequence_gives(
        config in configs(), source in tokens(6), target in tokens(7), split in 1_usize..4,
    ) {
        let model = config.init(&device(), 4).unwrap();
        let expected = uncached(&model, &source, &target);
        let mut state = model.start(&TokenMatrix::from_rows(&[&source], 0, 0));
        // The first tokens together, the others one by one.
        let split = split.min(target.len());
        let mut read = split;
        let mut log_p = model.log_probs(&target[..split], &mut state).unwrap();
        loop {
            assert_close(&log_p, &expected[(read - 1) * VOCAB..read * VOCAB], 1e-4, 1e-5);
            if read == target.len() {
                break;
            }
            log_p = model.log_probs(&target[read..=read], &mut state).unwrap();
            read += 1;
        }
    }

    #[test]
    fn neither_padding_nor_the_batch_changes_a_row(config in configs(), rows in prop::collection::vec(tokens(6), 2..5), pad in 0_u32..VOCAB as u32, extra in 0_usize..4) {
        let model = config.init(&device(), 5).unwrap();
        let wide = 6 + extra;
        let together = model.advance_all(&TokenMatrix::from_rows(&rows, pad, wide));
        for (idx, row) in rows.iter().enumerate() {
            let alone = model.advance_all(&TokenMatrix::from_rows(&[row], 0, 0));
            assert_close(&together[idx * VOCAB..(idx + 1) * VOCAB], &alone, 1e-4, 1e-5);
        }
    }

    #[test]
    fn reordered_rows_go_on_as_if_they_had_always_stood_there(
        config in configs(), rows in prop::collection::vec(tokens(5), 2..4), parents in prop::collection::vec(any::<prop::sample::Index>(), 1..7), next in 3_u32..VOCAB as u32,
    ) {
        let model = config.init(&device(), 6).unwrap();
        let parents: Vec<usize> = parents.iter().map(|parent| parent.index(rows.len())).collect();
        let start = |rows: &[&Vec<u32>]| {
            let mut state = model.start(&TokenMatrix::from_rows(rows, 0, 5));
            let firsts: Vec<u32> = rows.iter().map(|row| row[0]).collect();
            model.log_probs(&firsts, &mut state).unwrap();
            state
        };
        let mut reordered = start(&rows.iter().collect::<Vec<_>>());
        model.reorder(&mut reordered, &parents);
        let mut direct = start(&parents.iter().map(|&parent| &rows[parent]).collect::<Vec<_>>());
        let next = vec![next; parents.len()];
        let [a, b] = [&mut reordered, &mut direct].map(|state| model.log_probs(&next, state).unwrap());
        assert_close(&a, &b, 1e-4, 1e-5);
    }

    #[test]
    fn the_loss_counts_real_targets_only(config in configs(), pairs in prop::collection::vec((tokens(6), tokens(6)), 1..4), smoothing in 0.0_f64..0.5) {
        let model = config.init(&device(), 7).unwrap();
        let objective = TranslationObjective { label_smoothing: smoothing };
        let batch = |pairs: &[(Vec<u32>, Vec<u32>)], wide: usize, pad: u32| {
            let source: Vec<&Vec<u32>> = pairs.iter().map(|(source, _)| source).collect();
            let target: Vec<Vec<u32>> = pairs.iter().map(|(_, target)| [&[BOS], target.as_slice()].concat()).collect();
            TranslationBatch {
                source: TokenMatrix::from_rows(&source, pad, wide),
                target: TokenMatrix::from_rows(&target, pad, wide),
                indices: (0..pairs.len() as u64).collect(),
            }
        };
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

/// Log-probabilities of the first target token of every row.
trait AdvanceAll {
    fn advance_all(&self, source: &TokenMatrix) -> Vec<f32>;
}

impl AdvanceAll for Transformer {
    fn advance_all(&self, source: &TokenMatrix) -> Vec<f32> {
        let mut state = self.start(source);
        self.log_probs(&vec![BOS; source.n_rows()], &mut state).unwrap()
    }
}

#[test]
fn dropout_is_a_function_of_its_seed_and_absent_in_use() {
    let device = device().autodiff();
    let model = TransformerConfig {
        dropout: 0.3,
        attention_dropout: 0.2,
        activation_dropout: 0.1,
        ..config(NormPlacement::Post, PositionsConfig::Sinusoidal)
    }
    .init(&device, 8)
    .unwrap();
    let batch = TranslationBatch {
        source: TokenMatrix::from_rows(&[[4, 5, 6]], 0, 0),
        target: TokenMatrix::from_rows(&[[BOS, 7, 8, 2]], 0, 0),
        indices: vec![0],
    };
    let loss = |pass: Option<&Dropout>| {
        TranslationObjective { label_smoothing: 0.1 }.loss(&model, &batch, pass).sum.into_scalar::<f32>()
    };
    assert_eq!(loss(Some(&Dropout::new(1))), loss(Some(&Dropout::new(1))));
    assert_ne!(loss(Some(&Dropout::new(1))), loss(Some(&Dropout::new(2))));
    assert_eq!(loss(None), loss(None));
    assert_ne!(loss(None), loss(Some(&Dropout::new(1))));
}

#[test]
fn initial_parameters_are_the_same_on_every_backend() {
    let config = config(NormPlacement::Post, PositionsConfig::Sinusoidal);
    let params = |kind: BackendKind| attentive_weights::params(&config.init(&kind.device().unwrap(), 9).unwrap());
    assert_eq!(params(BackendKind::Flex), params(BackendKind::NdArray));
}

#[test]
fn bad_sizes_are_named() {
    let good = config(NormPlacement::Post, PositionsConfig::Sinusoidal);
    let cases = [
        (TransformerConfig { n_heads: 0, ..good.clone() }, "n_heads"),
        (TransformerConfig { d_k: None, ..good.clone() }, "not divisible"),
        (TransformerConfig { dropout: 1.0, ..good.clone() }, "dropout"),
        (TransformerConfig { attention_dropout: f64::NAN, ..good.clone() }, "attention_dropout"),
        (TransformerConfig { n_kv_heads: Some(2), ..good.clone() }, "n_kv_heads"),
        (TransformerConfig { window: Some(0), ..good.clone() }, "window"),
        (TransformerConfig { epsilon: 0.0, ..good.clone() }, "epsilon"),
        (TransformerConfig { target_vocab_size: 5, ..good }, "can't be shared"),
    ];
    for (config, expected) in cases {
        let message = config.init(&device(), 0).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}
