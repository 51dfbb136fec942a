//! Laws that hold for every CANINE, whatever its sizes and choices.

use attentive_attention::{Activation, Initializer, NormPlacement};
use attentive_backend::{BackendKind, Device, Objective};
use attentive_core::{Batch, Dropout, LabeledBatch, MaskedBatch, TokenMatrix};
use attentive_model::{
    Canine, CanineConfig, ClassificationObjective, EncoderModel, MaskedLmObjective, ModelSpec, canine::HashedEmbedding,
};
use attentive_testkit::assert_close;
use burn::{
    module::Module,
    tensor::{Tensor, activation::log_softmax},
};
use proptest::prelude::*;

const D_MODEL: usize = 8;
const MAX_LEN: usize = 23;

fn device() -> Device {
    BackendKind::Flex.device().unwrap()
}

fn tiny() -> CanineConfig {
    CanineConfig {
        n_hashes: 4,
        n_buckets: 32,
        max_len: MAX_LEN,
        block: 5,
        alphabet: "abcdef".to_owned(),
        init_std: 0.3,
        n_segments: 2,
        ..CanineConfig::canine_like([2, 2, D_MODEL])
    }
}

fn configs() -> impl Strategy<Value = CanineConfig> {
    let norm = prop_oneof![Just(NormPlacement::Post), Just(NormPlacement::Pre)];
    let activation = prop_oneof![Just(Activation::Gelu), Just(Activation::Relu)];
    let sizes = (1_usize..7, 1_usize..6, 1_usize..6, prop_oneof![Just(1), Just(2), Just(8)]);
    (norm, activation, sizes, any::<bool>(), 0_usize..4).prop_map(
        |(norm, activation, (block, rate, upsampling_width, n_hashes), next_sentence, n_labels)| {
            let labels: Vec<String> = (0..if n_labels == 1 { 0 } else { n_labels }).map(|n| n.to_string()).collect();
            let pooler = next_sentence || !labels.is_empty();
            let sizes = CanineConfig { block, rate, upsampling_width, n_hashes, ..tiny() };
            CanineConfig { norm, activation, next_sentence, pooler, labels, ..sizes }
        },
    )
}

fn text() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(prop_oneof![97_u32..105, Just(0xe003), Just(0x1f600)], 1..=MAX_LEN)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

fn matrix(row: &[u32]) -> TokenMatrix {
    TokenMatrix::from_rows(&[row], 0, 0)
}

/// Vectors of one row alone, `seq · d_model` values, and the one that stands for it.
fn encoding(model: &Canine, row: &[u32]) -> (Vec<f32>, Vec<f32>) {
    let encoding = model.encode(&matrix(row), &vec![0; row.len()], None);
    (values(encoding.hidden), values(encoding.cls))
}

/// Every second character of each row is to be guessed.
fn masked_batch(rows: &[Vec<u32>], follows: Option<Vec<bool>>) -> MaskedBatch {
    let ids = TokenMatrix::from_rows(rows, 0, 0);
    let n_cols = ids.n_cols();
    let places = rows.iter().enumerate().flat_map(|(row, ids)| {
        ids.iter().enumerate().step_by(2).map(move |(at, &id)| ((row * n_cols + at) as u32, id))
    });
    let (masked, targets) = places.unzip();
    let segments = ids.ids().iter().map(|&id| (id % 2) as u8).collect();
    MaskedBatch { segments, masked, targets, follows, indices: (0..rows.len() as u64).collect(), ids }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_character_sees_both_sides(config in configs(), text in text(), at in any::<prop::sample::Index>()) {
        let model = config.init(&device(), 3).unwrap();
        let at = at.index(text.len());
        let mut changed = text.clone();
        changed[at] += 1;
        let ((a, _), (b, _)) = (encoding(&model, &text), encoding(&model, &changed));
        for (place, (a, b)) in a.chunks(D_MODEL).zip(b.chunks(D_MODEL)).enumerate() {
            prop_assert!(a != b, "the vector at {place} does not see position {at}");
        }
    }

    #[test]
    fn the_first_layer_sees_its_block_and_no_more(
        config in configs(), text in text(), at in any::<prop::sample::Index>(),
    ) {
        let model = config.init(&device(), 4).unwrap();
        let at = at.index(text.len());
        let mut changed = text.clone();
        changed[at] += 1;
        let of = |row: &[u32]| values(model.characters(&matrix(row), &vec![0; row.len()], None));
        for (place, (a, b)) in of(&text).chunks(D_MODEL).zip(of(&changed).chunks(D_MODEL)).enumerate() {
            prop_assert_eq!(a == b, place / config.block != at / config.block, "{} sees {}", place, at);
        }
    }

    #[test]
    fn padding_and_company_change_nothing(
        config in configs(), rows in prop::collection::vec(text(), 1..4), pad in 0_u32..200,
    ) {
        let model = config.init(&device(), 5).unwrap();
        let batch = TokenMatrix::from_rows(&rows, pad, MAX_LEN);
        let together = model.encode(&batch, &[0].repeat(batch.ids().len()), None);
        let (hidden, first) = (values(together.hidden), values(together.cls));
        for ((row, hidden), first) in rows.iter().zip(hidden.chunks(MAX_LEN * D_MODEL)).zip(first.chunks(D_MODEL)) {
            let (hidden_alone, first_alone) = encoding(&model, row);
            assert_close(&hidden[..row.len() * D_MODEL], &hidden_alone, 1e-4, 1e-5);
            assert_close(first, &first_alone, 1e-4, 1e-5);
        }
    }

    #[test]
    fn a_character_s_vector_is_made_of_its_buckets(
        ids in prop::collection::vec(0_u32..0x11_0000, 1..9), n_hashes in 1_usize..=16, n_buckets in 1_usize..50,
    ) {
        let embedding = HashedEmbedding::new([n_hashes, n_buckets], n_hashes * 3, &Initializer::new(6, &device()));
        let tables = values(embedding.weight.val());
        let found = values(embedding.forward(&ids, [1, ids.len()]));
        // The definition, a number at a time, with the primes written out once more.
        let primes = [31_u64, 43, 59, 61, 73, 97, 103, 113, 137, 149, 157, 173, 181, 193, 211, 223];
        let mut expected = Vec::new();
        for &id in &ids {
            for (table, prime) in primes[..n_hashes].iter().enumerate() {
                let bucket = (u64::from(id) * prime + prime) as usize % n_buckets;
                expected.extend_from_slice(&tables[(table * n_buckets + bucket) * 3..][..3]);
            }
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn the_loss_is_what_the_heads_say(
        config in configs(), rows in prop::collection::vec(text(), 1..4), follows in any::<[bool; 3]>(),
    ) {
        let model = config.init(&device(), 7).unwrap();
        let batch = masked_batch(&rows, Some(follows[..rows.len()].to_vec()));
        let loss = MaskedLmObjective::default().loss(&model, &batch, None);
        let encoding = model.encode(&batch.ids, &batch.segments, None);
        let log_p = values(log_softmax(model.token_scores(encoding.at(&batch.masked)).unwrap().logits(), 1));
        // The six letters of the alphabet, and all that is none of them.
        let class = |id: u32| (id.wrapping_sub(97) as usize).min(6);
        let expected: f32 = log_p.chunks(7).zip(&batch.targets).map(|(log_p, &id)| -log_p[class(id)]).sum();
        prop_assert_eq!(loss.n_targets, batch.n_targets());
        assert_close(&[loss.nll_sum.into_scalar::<f32>()], &[expected], 1e-4, 1e-4);
        let next = model.next_sentence_scores(&encoding).map_or(0.0, |scores| {
            let log_p = values(log_softmax(scores, 1));
            let nll = batch.follows.iter().flatten().zip(log_p.chunks(2)).map(|(&follows, p)| -p[usize::from(!follows)]);
            nll.sum::<f32>() * loss.n_targets as f32 / rows.len() as f32
        });
        assert_close(&[loss.sum.into_scalar::<f32>()], &[expected + next], 1e-4, 1e-4);
    }

    #[test]
    fn a_row_s_class_costs_what_the_classifier_says(config in configs(), rows in prop::collection::vec(text(), 1..4)) {
        prop_assume!(!config.labels.is_empty());
        let model = config.init(&device(), 8).unwrap();
        let labels: Vec<u32> = (0..rows.len() as u32).map(|row| row % config.labels.len() as u32).collect();
        let ids = TokenMatrix::from_rows(&rows, 0, 0);
        let batch = LabeledBatch { ids, labels: labels.clone(), indices: vec![0; rows.len()] };
        let loss = ClassificationObjective {}.loss(&model, &batch, None);
        let one = |row: &[u32], label: u32| {
            let encoding = model.encode(&matrix(row), &vec![0; row.len()], None);
            -values(log_softmax(model.label_scores(&encoding, None).unwrap(), 1))[label as usize]
        };
        let expected: f32 = rows.iter().zip(labels).map(|(row, label)| one(row, label)).sum();
        assert_close(&[loss.sum.into_scalar::<f32>()], &[expected], 1e-4, 1e-4);
    }

    #[test]
    fn parameters_are_counted_without_making_any(config in configs()) {
        prop_assert_eq!(config.init(&device(), 9).unwrap().num_params(), config.n_params());
    }

    #[test]
    fn a_configuration_survives_json(config in configs()) {
        let text = serde_json::to_string(&config).unwrap();
        prop_assert_eq!(serde_json::from_str::<CanineConfig>(&text).unwrap(), config);
    }
}

#[test]
fn the_released_model_has_exactly_its_parameters() {
    let preset = &CanineConfig::presets()[0];
    let encoder = CanineConfig { masked_lm: false, next_sentence: false, ..preset.config.clone() };
    // Counted in transformers 5.23: CanineModel of CanineConfig.
    assert_eq!(encoder.n_params(), 132_082_944);
    let (d, d_ff) = (768, 3072);
    let layer = 4 * (d * d + d) + (d * d_ff + d_ff) + (d_ff * d + d) + 4 * d;
    let embeddings = (16_384 + 16_384 + 16) * d + 2 * d;
    let convolutions = (4 * d * d + d) + (4 * 2 * d * d + d) + 4 * d;
    assert_eq!(encoder.n_params(), embeddings + 14 * layer + convolutions + d * d + d);
    for n_params in [encoder.n_params(), preset.config.n_params()] {
        assert!((n_params as f64 / 1e6 / preset.params_millions.unwrap() - 1.0).abs() < 0.01);
    }
}

#[test]
fn every_backend_gives_the_same() {
    let batch = masked_batch(&[(97..112).collect(), (100..107).collect()], Some(vec![true, false]));
    let loss = |kind: BackendKind| {
        let model = tiny().init(&kind.device().unwrap(), 8).unwrap();
        MaskedLmObjective::default().loss(&model, &batch, None).sum.into_scalar::<f32>()
    };
    assert_close(&[loss(BackendKind::Flex)], &[loss(BackendKind::NdArray)], 1e-4, 1e-4);
}

/// Gradients of the loss, by the names of some parameters of every part.
fn gradients(kind: BackendKind) -> Vec<(&'static str, Vec<f32>)> {
    let device = kind.device().unwrap().autodiff();
    let model = CanineConfig { dropout: 0.0, attention_dropout: 0.0, ..tiny() }.init(&device, 9).unwrap();
    let rows = [(97..97 + MAX_LEN as u32).collect(), (90..107).collect()];
    let batch = masked_batch(&rows, Some(vec![true, false]));
    let grads = MaskedLmObjective::default().loss(&model, &batch, Some(&Dropout::new(1))).sum.backward();
    let weight = |layer: &attentive_attention::Linear| layer.weight.val();
    let heads = model.heads();
    let params = [
        ("embedding", model.embedding.weight.val()),
        ("positions", model.positions.weight.as_ref().unwrap().val()),
        ("segments", model.segments.weight.val()),
        ("local", weight(&model.local.layers[0].self_attention.query)),
        ("downsampling", weight(&model.downsampling.convolution)),
        ("encoder", weight(&model.encoder.layers[1].feed_forward.outer)),
        ("upsampling", weight(&model.upsampling.convolution)),
        ("last", weight(&model.last.layers[0].self_attention.value)),
        ("pooler", weight(heads.pooler.unwrap().map)),
        ("masked_lm", weight(&heads.masked_lm.unwrap().dense)),
        ("next_sentence", weight(heads.next_sentence.unwrap())),
    ];
    let grad = |name, param: Tensor<2>| param.grad(&grads).unwrap_or_else(|| panic!("{name} has no gradient"));
    params.into_iter().map(|(name, param)| (name, values(grad(name, param)))).collect()
}

#[test]
fn gradients_reach_every_parameter_and_are_the_same_on_every_backend() {
    let [flex, ndarray] = [BackendKind::Flex, BackendKind::NdArray].map(gradients);
    for ((name, flex), (_, ndarray)) in flex.iter().zip(&ndarray) {
        assert!(flex.iter().all(|g| g.is_finite()) && flex.iter().any(|&g| g != 0.0), "{name}");
        assert_close(flex, ndarray, 1e-3, 1e-4);
    }
}

#[test]
fn bad_sizes_are_named() {
    let cases = [
        (CanineConfig { block: 0, ..tiny() }, "block"),
        (CanineConfig { rate: 0, ..tiny() }, "rate"),
        (CanineConfig { n_heads: 3, ..tiny() }, "not divisible"),
        (CanineConfig { n_hashes: 3, ..tiny() }, "n_hashes = 3"),
        (CanineConfig { n_hashes: 17, d_model: 34, ..tiny() }, "at most 16"),
        (CanineConfig { dropout: 1.0, ..tiny() }, "dropout"),
        (CanineConfig { epsilon: 0.0, ..tiny() }, "epsilon"),
        (CanineConfig { pooler: false, ..tiny() }, "pooler = true"),
    ];
    for (config, expected) in cases {
        let message = config.init(&device(), 0).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}
