//! Laws that hold for every ViT, whatever its sizes and choices.

use attentive_backend::{BackendKind, Device, Objective};
use attentive_core::{ClassShares, Dropout, ImageBatch, Patches};
use attentive_model::{
    Distillation, ImageClassificationObjective, ImageModel, ImagePooling, ModelSpec, VitConfig,
    vit::{grid_positions, interpolation},
};
use attentive_optim::Gradients;
use attentive_testkit::assert_close;
use burn::{
    module::Module,
    tensor::{Tensor, TensorData},
};
use proptest::prelude::*;

const WIDTH: usize = 12;

fn device() -> Device {
    BackendKind::Flex.device().unwrap()
}

fn configs() -> impl Strategy<Value = VitConfig> {
    let heads = prop_oneof![
        Just((ImagePooling::Mean, Distillation::None)),
        Just((ImagePooling::ClassToken, Distillation::None)),
        Just((ImagePooling::ClassToken, Distillation::Token)),
        Just((ImagePooling::ClassToken, Distillation::Head)),
    ];
    (heads, 1_usize..3, 2_usize..4, any::<[bool; 2]>()).prop_map(
        |((pooling, distillation), n_layers, n_labels, [qkv_bias, pooler])| VitConfig {
            pooling,
            distillation,
            qkv_bias,
            pooler,
            labels: (0..n_labels).map(|label| label.to_string()).collect(),
            init_std: 0.3,
            ..VitConfig::vit_like(6, 2, [n_layers, 2, 8])
        },
    )
}

/// Pictures of `grid` patches; `seed` chooses their values.
fn pictures(seed: u32, n: usize, grid: [usize; 2]) -> Patches {
    let value = |idx: usize| ((idx as f32 * 0.37 + seed as f32) * 1.7).sin();
    Patches::new((0..n * grid[0] * grid[1] * WIDTH).map(value).collect(), n, grid)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

fn batch(n_labels: u32) -> ImageBatch {
    let mixed = ClassShares { class: 1, other: 0, share: 0.7 };
    let classes = vec![ClassShares::from(0), mixed, ClassShares::from(n_labels - 1)];
    ImageBatch { patches: pictures(5, 3, [3, 3]), classes, indices: vec![0, 1, 2] }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn parameters_are_counted_without_making_any(config in configs()) {
        prop_assert_eq!(config.init(&device(), 7).unwrap().num_params(), config.n_params());
    }

    #[test]
    fn a_configuration_survives_json(config in configs()) {
        let text = serde_json::to_string(&config).unwrap();
        prop_assert_eq!(serde_json::from_str::<VitConfig>(&text).unwrap(), config);
    }

    #[test]
    fn company_changes_nothing(config in configs(), columns in 1_usize..5) {
        let model = config.init(&device(), 4).unwrap();
        let grid = [3, columns];
        let together = pictures(1, 3, grid);
        let per_picture = together.values().len() / 3;
        let expected = values(model.mean_label_scores(&model.encode(&together, None)).unwrap());
        for (values_of_one, expected) in together.values().chunks(per_picture).zip(expected.chunks(config.labels.len())) {
            let alone = Patches::new(values_of_one.to_vec(), 1, grid);
            let found = values(model.mean_label_scores(&model.encode(&alone, None)).unwrap());
            assert_close(&found, expected, 1e-4, 1e-5);
        }
    }

    #[test]
    fn every_patch_changes_what_represents_a_picture(config in configs(), at in 0_usize..9) {
        let model = config.init(&device(), 3).unwrap();
        let picture = pictures(2, 1, [3, 3]);
        let mut changed = picture.values().to_vec();
        changed[at * WIDTH..(at + 1) * WIDTH].iter_mut().for_each(|value| *value += 1.0);
        let vector = |pictures: &Patches| values(model.encode(pictures, None).vector);
        prop_assert_ne!(vector(&picture), vector(&Patches::new(changed, 1, [3, 3])));
    }

    #[test]
    fn weights_of_attention_are_shares_and_leave_the_vectors_as_they_are(config in configs()) {
        let model = config.init(&device(), 3).unwrap();
        let pictures = pictures(3, 2, [3, 3]);
        let (encoding, weights) = model.encode_with_weights(&pictures);
        assert_close(&values(encoding.hidden), &values(model.encode(&pictures, None).hidden), 1e-4, 1e-5);
        prop_assert_eq!(weights.len(), config.n_layers);
        for weights in weights {
            let [_, _, _, tokens] = weights.dims();
            prop_assert_eq!(tokens, 9 + model.n_tokens_before());
            let sums = values(weights.sum_dim(3));
            assert_close(&sums, &vec![1.0; sums.len()], 1e-5, 1e-5);
        }
    }

    /// The definition of the smoothed loss, in `f64`.
    #[test]
    fn the_loss_is_the_divergence_from_smoothed_shares(config in configs(), smoothing in prop_oneof![Just(0.0), Just(0.1)]) {
        let n_labels = config.labels.len();
        let model = config.init(&device(), 6).unwrap();
        let batch = batch(n_labels as u32);
        let loss = ImageClassificationObjective { label_smoothing: smoothing }.loss(&model, &batch, None);
        let heads = model.label_scores(&model.encode(&batch.patches, None));
        let (mut divergence, mut nll) = (0.0, 0.0);
        for scores in &heads {
            for (row, shares) in values(scores.clone()).chunks(n_labels).zip(&batch.classes) {
                let total: f64 = row.iter().map(|&score| f64::from(score).exp()).sum();
                for (class, &score) in row.iter().enumerate() {
                    let is = |other: u32| f64::from(u8::from(other as usize == class));
                    let share = f64::from(shares.share) * is(shares.class) + (1.0 - f64::from(shares.share)) * is(shares.other);
                    let q = (1.0 - smoothing) * share + smoothing / n_labels as f64;
                    let ln_p = f64::from(score) - total.ln();
                    divergence += if q > 0.0 { q * (q.ln() - ln_p) } else { 0.0 } / heads.len() as f64;
                    nll -= share * ln_p / heads.len() as f64;
                }
            }
        }
        assert_close(&[loss.sum.into_scalar::<f32>()], &[divergence as f32], 1e-4, 1e-5);
        assert_close(&[loss.nll_sum.into_scalar::<f32>()], &[nll as f32], 1e-4, 1e-5);
        prop_assert_eq!(loss.n_targets, 3);
    }

    #[test]
    fn loss_and_gradients_are_the_same_on_every_backend(config in configs()) {
        let batch = batch(config.labels.len() as u32);
        let objective = ImageClassificationObjective { label_smoothing: 0.1 };
        let [flex, ndarray] = [BackendKind::Flex, BackendKind::NdArray].map(|kind| {
            let model = config.init(&kind.device().unwrap().autodiff(), 6).unwrap();
            let loss = objective.loss(&model, &batch, Some(&Dropout::new(1))).sum;
            let value = loss.clone().into_scalar::<f32>();
            let gradients = Gradients::take(loss.backward(), &model);
            let gradients: Vec<Vec<f32>> = gradients.iter().map(|(_, gradient)| values(gradient.clone())).collect();
            (value, gradients)
        });
        assert_close(&[flex.0], &[ndarray.0], 1e-4, 1e-5);
        prop_assert_eq!(flex.1.len(), ndarray.1.len());
        for (a, b) in flex.1.iter().zip(&ndarray.1) {
            assert_close(a, b, 2e-3, 2e-5);
        }
    }
}

#[test]
fn interpolated_positions_of_one_value_keep_it_and_lines_stay_lines() {
    for (from, to) in [(4, 4), (4, 7), (7, 4), (1, 3)] {
        let weights = interpolation(from, to);
        for row in weights.chunks(from) {
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{from} to {to}: {row:?}");
        }
    }
    // Twice as fine: a line's middle values are between its neighbours, a quarter of a step from the nearer.
    let line: Vec<f64> =
        interpolation(8, 16).chunks(8).map(|row| row.iter().zip(0..).map(|(w, x)| w * f64::from(x)).sum()).collect();
    for (at, value) in line.iter().enumerate().take(12).skip(4) {
        let expected = (at as f64 + 0.5) / 2.0 - 0.5;
        // Keys's kernel at -0.75 follows a line within a twentieth of a step.
        assert!((value - expected).abs() < 0.05, "{at}: {value} and {expected}");
    }
}

#[test]
fn positions_of_the_model_s_own_grid_are_taken_as_they_are() {
    let device = device();
    let table: Vec<f32> = (0..10 * 3).map(|value| value as f32).collect();
    let positions = Tensor::<2>::from_data(TensorData::new(table.clone(), [10, 3]), &device);
    assert_eq!(values(grid_positions(positions.clone(), 1, 3, [3, 3])), table);
    let wide = grid_positions(positions, 1, 3, [3, 6]);
    assert_eq!(wide.dims(), [19, 3]);
    // The class token has no place in the grid.
    assert_eq!(values(wide)[..3], table[..3]);
}

#[test]
fn a_bag_of_patches_has_no_layers_and_needs_the_mean() {
    let bag = VitConfig { pooling: ImagePooling::Mean, ..VitConfig::vit_like(6, 2, [0, 2, 8]) };
    let model = bag.init(&device(), 1).unwrap();
    assert_eq!(model.encode(&pictures(1, 2, [3, 3]), None).vector.dims(), [2, 8]);
    let refused = VitConfig { pooling: ImagePooling::ClassToken, ..bag.clone() }.validate().unwrap_err();
    assert_eq!(refused.keys(), ["n_layers"]);
    let refused = VitConfig { distillation: Distillation::Head, n_layers: 1, ..bag }.validate().unwrap_err();
    assert!(refused.to_string().contains("class-token"), "{refused}");
    let refused = VitConfig::vit_like(7, 2, [1, 2, 8]).validate().unwrap_err();
    assert_eq!(refused.to_string(), "image_size = 7 is not a multiple of patch_size = 2; change one of them");
}

/// Numbers of parameters of the released models with their 1,000 classes, of transformers and timm.
#[test]
fn presets_have_the_released_numbers_of_parameters() {
    let released = [
        ("vit-ti-16", 5_717_416),
        ("vit-s-16", 22_050_664),
        ("vit-s-32", 22_878_952),
        ("vit-b-16", 86_567_656),
        ("vit-b-32", 88_224_232),
        ("vit-l-16", 304_326_632),
        ("vit-l-32", 306_535_400),
        ("vit-h-14", 632_045_800),
        ("deit-ti", 5_910_800),
        ("deit-s", 22_436_432),
        ("deit-b", 87_338_192),
    ];
    let presets = VitConfig::presets();
    assert_eq!(presets.len(), released.len());
    for (preset, (name, n_params)) in presets.into_iter().zip(released) {
        let labels = (0..1000).map(|label| label.to_string()).collect();
        assert_eq!((preset.name, VitConfig { labels, ..preset.config }.n_params()), (name, n_params));
    }
}
