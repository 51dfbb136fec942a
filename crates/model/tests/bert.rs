//! Laws that hold for every BERT, whatever its sizes and choices.

use attentive_attention::{Activation, NormPlacement, PositionsConfig, RelativeBuckets};
use attentive_backend::{BackendKind, Device, Objective};
use attentive_core::{Batch, Dropout, LabeledBatch, MaskedBatch, TokenMatrix};
use attentive_model::{
    Bert, BertConfig, ClassificationObjective, EncoderModel, MaskedLmObjective, ModelSpec, PoolerActivation,
    PoolerInput,
};
use attentive_testkit::assert_close;
use burn::{
    module::Module,
    tensor::{Tensor, activation::log_softmax},
};
use proptest::prelude::*;

const VOCAB: usize = 13;
const MAX_LEN: usize = 11;
const BUCKETS: RelativeBuckets = RelativeBuckets { n_buckets: 6, max_distance: 7 };

fn device() -> Device {
    BackendKind::Flex.device().unwrap()
}

fn configs() -> impl Strategy<Value = BertConfig> {
    let norm = prop_oneof![Just(NormPlacement::Post), Just(NormPlacement::Pre)];
    let activation = prop_oneof![Just(Activation::Gelu), Just(Activation::GeluTanh)];
    let positions = prop_oneof![
        3 => Just(PositionsConfig::Learned { max_len: MAX_LEN + 2 }),
        1 => Just(PositionsConfig::rotary(1e4)),
        1 => Just(PositionsConfig::RelativeBuckets(BUCKETS)),
    ];
    (norm, activation, positions, 0_usize..3, any::<bool>(), 0_usize..4, kin()).prop_map(
        |(norm, activation, positions, first_position, next_sentence, n_labels, kin)| {
            let is_embedded = matches!(positions, PositionsConfig::Learned { .. });
            let labels: Vec<String> = (0..if n_labels == 1 { 0 } else { n_labels }).map(|n| n.to_string()).collect();
            BertConfig {
                activation,
                norm,
                positions,
                first_position,
                next_sentence,
                pooler: next_sentence || !labels.is_empty(),
                labels,
                relative_buckets: kin.relative_buckets.filter(|_| is_embedded),
                first_norm: kin.bias || norm == NormPlacement::Post || kin.n_layer_groups.is_some(),
                ..kin
            }
        },
    )
}

/// What BERT's kin change of it.
fn kin() -> impl Strategy<Value = BertConfig> {
    let activation = prop_oneof![
        2 => Just(PoolerActivation::Tanh), 1 => Just(PoolerActivation::Relu), 1 => Just(PoolerActivation::Gelu),
    ];
    let groups = prop_oneof![2 => Just((2, None)), 1 => Just((3, Some(2))), 1 => Just((3, Some(1)))];
    (activation, groups, any::<[bool; 3]>(), any::<[bool; 5]>()).prop_map(
        |(
            pooler_activation,
            (n_layers, n_layer_groups),
            [is_mapped, has_buckets, has_segments],
            [gated, bias, has_window, pooler_norm, is_mean],
        )| BertConfig {
            pooler_activation,
            n_layer_groups,
            gated,
            bias,
            // A layer sees everything in any case.
            window: has_window.then_some(2),
            full_layers: if has_window { vec![0] } else { Vec::new() },
            pooler_norm,
            pooler_input: if is_mean { PoolerInput::Mean } else { PoolerInput::First },
            d_embedding: is_mapped.then_some(6),
            relative_buckets: has_buckets.then_some(BUCKETS),
            n_segments: if has_segments { 2 } else { 0 },
            ..BertConfig::bert_like(VOCAB, MAX_LEN, [n_layers, 2, 8])
        },
    )
}

fn tokens() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(0..VOCAB as u32, 1..=MAX_LEN)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

/// Vectors of one row alone: `seq · d_model` values.
fn hidden(model: &Bert, row: &[u32]) -> Vec<f32> {
    values(model.forward(&TokenMatrix::from_rows(&[row], 0, 0), &vec![0; row.len()], None))
}

/// Every second token of each row is to be guessed.
fn masked_batch(rows: &[Vec<u32>], pad: u32, follows: Option<Vec<bool>>) -> MaskedBatch {
    let ids = TokenMatrix::from_rows(rows, pad, 0);
    let n_cols = ids.n_cols();
    let places = rows.iter().enumerate().flat_map(|(row, ids)| {
        ids.iter().enumerate().step_by(2).map(move |(at, &id)| ((row * n_cols + at) as u32, (id + 1) % VOCAB as u32))
    });
    let (masked, targets) = places.unzip();
    let segments = ids.ids().iter().map(|&id| (id % 2) as u8).collect();
    MaskedBatch { segments, masked, targets, follows, indices: (0..rows.len() as u64).collect(), ids }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_token_sees_both_sides(config in configs(), text in tokens(), at in any::<prop::sample::Index>()) {
        let model = config.init(&device(), 3).unwrap();
        let at = at.index(text.len());
        let mut changed = text.clone();
        changed[at] = (changed[at] + 1) % VOCAB as u32;
        let (a, b) = (hidden(&model, &text), hidden(&model, &changed));
        for (place, (a, b)) in a.chunks(8).zip(b.chunks(8)).enumerate() {
            prop_assert!(a != b, "the vector at {place} does not see position {at}");
        }
    }

    #[test]
    fn padding_and_company_change_nothing(
        config in configs(), rows in prop::collection::vec(tokens(), 1..4), pad in 0..VOCAB as u32,
    ) {
        let model = config.init(&device(), 4).unwrap();
        let batch = TokenMatrix::from_rows(&rows, pad, MAX_LEN);
        let together = values(model.forward(&batch, &[0].repeat(batch.ids().len()), None));
        for (row, together) in rows.iter().zip(together.chunks(MAX_LEN * 8)) {
            assert_close(&together[..row.len() * 8], &hidden(&model, row), 1e-4, 1e-5);
        }
    }

    #[test]
    fn the_loss_is_what_the_heads_say(
        config in configs(), rows in prop::collection::vec(tokens(), 1..4), follows in any::<[bool; 3]>(),
    ) {
        let model = config.init(&device(), 5).unwrap();
        let batch = masked_batch(&rows, 0, Some(follows[..rows.len()].to_vec()));
        let loss = MaskedLmObjective::default().loss(&model, &batch, None);
        let encoding = model.encode(&batch.ids, &batch.segments, None);
        let log_p = values(log_softmax(model.token_logits(encoding.hidden.clone()).unwrap(), 2));
        let expected: f32 = batch.masked.iter().zip(&batch.targets).map(|(&place, &id)| -log_p[place as usize * VOCAB + id as usize]).sum();
        prop_assert_eq!(loss.n_targets, batch.n_targets());
        assert_close(&[loss.nll_sum.into_scalar::<f32>()], &[expected], 1e-4, 1e-4);
        let next = model.next_sentence.as_ref().map_or(0.0, |head| {
            let log_p = values(log_softmax(head.forward(model.pooled(&encoding).unwrap()), 1));
            let nll = batch.follows.iter().flatten().enumerate().map(|(row, &follows)| -log_p[2 * row + usize::from(!follows)]);
            nll.sum::<f32>() * loss.n_targets as f32 / rows.len() as f32
        });
        assert_close(&[loss.sum.into_scalar::<f32>()], &[expected + next], 1e-4, 1e-4);
    }

    #[test]
    fn a_row_s_class_costs_what_the_classifier_says(config in configs(), rows in prop::collection::vec(tokens(), 1..4)) {
        prop_assume!(!config.labels.is_empty());
        let model = config.init(&device(), 6).unwrap();
        let labels: Vec<u32> = (0..rows.len() as u32).map(|row| row % config.labels.len() as u32).collect();
        let ids = TokenMatrix::from_rows(&rows, 0, 0);
        let batch = LabeledBatch { ids, labels: labels.clone(), indices: vec![0; rows.len()] };
        let loss = ClassificationObjective {}.loss(&model, &batch, None);
        let one = |row: &[u32], label: u32| {
            let encoding = model.encode(&TokenMatrix::from_rows(&[row], 0, 0), &vec![0; row.len()], None);
            -values(log_softmax(model.label_scores(&encoding, None).unwrap(), 1))[label as usize]
        };
        let expected: f32 = rows.iter().zip(labels).map(|(row, label)| one(row, label)).sum();
        assert_close(&[loss.sum.into_scalar::<f32>()], &[expected], 1e-4, 1e-4);
        prop_assert_eq!(loss.n_targets, rows.len());
    }

    #[test]
    fn parameters_are_counted_without_making_any(config in configs()) {
        prop_assert_eq!(config.init(&device(), 7).unwrap().num_params(), config.n_params());
    }

    #[test]
    fn a_configuration_survives_json(config in configs()) {
        let text = serde_json::to_string(&config).unwrap();
        prop_assert_eq!(serde_json::from_str::<BertConfig>(&text).unwrap(), config);
    }
}

#[test]
fn every_backend_gives_the_same() {
    let batch = masked_batch(&[vec![1, 2, 3, 4], vec![5, 6]], 0, Some(vec![true, false]));
    let loss = |kind: BackendKind| {
        let model = BertConfig::bert_like(VOCAB, MAX_LEN, [2, 2, 8]).init(&kind.device().unwrap(), 8).unwrap();
        MaskedLmObjective::default().loss(&model, &batch, None).sum.into_scalar::<f32>()
    };
    assert_close(&[loss(BackendKind::Flex)], &[loss(BackendKind::NdArray)], 1e-4, 1e-4);
}

#[test]
fn gradients_reach_every_parameter() {
    let config = BertConfig { dropout: 0.0, ..BertConfig::bert_like(VOCAB, 5, [2, 2, 8]) };
    let model = config.init(&device().autodiff(), 9).unwrap();
    let batch = masked_batch(&[vec![1, 2, 3, 4, 5], vec![6, 7, 8, 9, 10]], 0, Some(vec![true, false]));
    let grads = MaskedLmObjective::default().loss(&model, &batch, Some(&Dropout::new(1))).sum.backward();
    let moved = |name: &str, grad: Option<Tensor<2>>| {
        let grad = values(grad.unwrap_or_else(|| panic!("{name} has no gradient")));
        assert!(grad.iter().all(|g| g.is_finite()) && grad.iter().any(|&g| g != 0.0), "{name}");
    };
    let next_sentence = model.next_sentence.as_ref().unwrap();
    for (name, param) in [
        ("embedding", &model.embedding.weight),
        ("positions", model.positions.weight.as_ref().unwrap()),
        ("segments", &model.segments.as_ref().unwrap().weight),
        ("query", &model.encoder.layers[0].self_attention.query.weight),
        ("pooler", &model.pooler.as_ref().unwrap().weight),
        ("masked_lm", &model.masked_lm.as_ref().unwrap().dense.weight),
        ("next_sentence", &next_sentence.weight),
    ] {
        moved(name, param.val().grad(&grads));
    }
    let bias = model.masked_lm.as_ref().unwrap().bias.val().grad(&grads).unwrap();
    assert!(values(bias).iter().all(|&g| g != 0.0));
}

#[test]
fn bad_sizes_are_named() {
    let good = BertConfig::bert_like(VOCAB, 5, [1, 2, 8]);
    let cases = [
        (BertConfig { n_segments: 257, ..good.clone() }, "n_segments"),
        (BertConfig { d_embedding: Some(0), ..good.clone() }, "d_embedding"),
        (BertConfig { n_layer_groups: Some(0), ..good.clone() }, "n_layer_groups is 0"),
        (BertConfig { n_layer_groups: Some(2), ..good.clone() }, "n_layer_groups = 2"),
        (
            BertConfig { relative_buckets: Some(RelativeBuckets { n_buckets: 2, max_distance: 9 }), ..good.clone() },
            "relative_buckets needs",
        ),
        (
            BertConfig {
                positions: PositionsConfig::Alibi,
                relative_buckets: Some(RelativeBuckets::default()),
                ..good.clone()
            },
            "sinusoidal or learned",
        ),
        (BertConfig { n_heads: 3, ..good.clone() }, "not divisible"),
        (BertConfig { dropout: 1.0, ..good.clone() }, "dropout"),
        (BertConfig { first_position: 5, ..good.clone() }, "first_position = 5"),
        (BertConfig { epsilon: 0.0, ..good.clone() }, "epsilon"),
        (BertConfig { init_std: f64::NAN, ..good.clone() }, "init_std"),
        (BertConfig { pooler: false, ..good.clone() }, "pooler = true"),
        (BertConfig { window: Some(0), ..good.clone() }, "window"),
        (BertConfig { full_layers: vec![0], ..good.clone() }, "full_layers has no meaning without window"),
        (BertConfig { window: Some(2), full_layers: vec![1], ..good.clone() }, "full_layers names layer 1"),
        (
            BertConfig { window: Some(2), window_theta: Some(1e4), ..good.clone() },
            "window_theta has no meaning without",
        ),
        (BertConfig { first_norm: false, ..good }, "first_norm has no meaning without"),
        (
            BertConfig { n_layer_groups: Some(1), ..BertConfig::modern_bert_like(VOCAB, 9, [2, 2, 8]) },
            "a first layer of its own",
        ),
    ];
    for (config, expected) in cases {
        let message = config.init(&device(), 0).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}
