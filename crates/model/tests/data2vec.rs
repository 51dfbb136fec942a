//! Laws of data2vec: what is hidden, what the teacher is, and what is learnt.

use std::collections::BTreeSet;

use attentive_backend::{BackendKind, Device, Objective};
use attentive_core::{Dropout, ImageBatch, MaskedBatch, Patches, TokenMatrix};
use attentive_model::{
    BertConfig, CanineConfig, Data2Vec, Data2VecConfig, Data2VecObjective, EncoderModel, ImageModel, ModelSpec, Vit,
    VitConfig,
    data2vec::{Hidden, Hiding},
};
use attentive_optim::{AdamConfig, Gradients, Optimizer};
use attentive_testkit::{Fixture, assert_close};
use attentive_weights::{Tensors, params};
use burn::tensor::Tensor;
use proptest::prelude::*;

const CONFIG: Data2VecConfig = Data2VecConfig {
    top_layers: 2,
    tau: 0.5,
    tau_end: 0.9,
    tau_steps: 4,
    beta: 0.0,
    hiding: Hiding { rate: 0.6, block: 4 },
};

fn device() -> Device {
    BackendKind::Flex.device().unwrap()
}

fn vit() -> VitConfig {
    VitConfig { init_std: 0.3, ..VitConfig::vit_like(8, 2, [2, 2, 8]) }
}

fn model(device: &Device) -> Data2Vec<Vit> {
    Data2Vec::new(vit().init(device, 1).unwrap(), ImageModel::layered, 8, 1).unwrap()
}

fn pictures(seed: u64) -> ImageBatch {
    let patches = Patches::new(Fixture::new(seed).uniform(2 * 16 * 12, -1.0, 1.0), 2, [4, 4]);
    ImageBatch { patches, classes: vec![0.into(), 1.into()], indices: vec![0, 1] }
}

fn objective() -> Data2VecObjective<Vit, ImageBatch> {
    Data2VecObjective::new(CONFIG, ImageModel::layered)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap()
}

/// The values of the layers, by their paths within the stack.
fn layers<'a>(tensors: &'a Tensors, stack: &str) -> Vec<(&'a str, &'a [f32])> {
    let of_stack = tensors.iter().filter_map(|(name, param)| Some((name.strip_prefix(stack)?, &param.values[..])));
    of_stack.collect()
}

#[test]
fn the_teacher_is_the_running_mean_of_the_students_layers() {
    let device = device().autodiff();
    let (objective, mut model) = (objective(), model(&device));
    let mut adam = AdamConfig::default().init().unwrap();
    let before = params(&model);
    assert_eq!(layers(&before, "teacher."), layers(&before, "student.encoder."), "it begins as the student");
    let mut expected: Vec<Vec<f64>> = Vec::new();
    for (_, values) in layers(&before, "teacher.") {
        expected.push(values.iter().map(|&x| f64::from(x)).collect());
    }
    let mut first = 1.0;
    for n in 1..=6 {
        let loss = objective.loss(&model, &pictures(n), Some(&Dropout::new(n)));
        let gradients = Gradients::take(loss.sum.backward(), &model);
        assert!(gradients.iter().all(|(name, _)| !name.starts_with("teacher.")), "no gradient reaches the teacher");
        model = adam.step(model, gradients, 1.0 / loss.n_targets as f64, 1e-2);
        model = objective.after_update(model, n);
        let tau = 0.5 + 0.4 * (n as f64 / 4.0).min(1.0);
        first *= tau;
        assert!((CONFIG.first_in_teacher(n) - first).abs() < 1e-12, "{n}");
        let now = params(&model);
        for (mean, (name, student)) in expected.iter_mut().zip(layers(&now, "student.encoder.")) {
            mean.iter_mut().zip(student).for_each(|(mean, &x)| *mean = tau * *mean + (1.0 - tau) * f64::from(x));
            assert_close(&now[&format!("teacher.{name}")].values, mean, 1e-5, 1e-6);
        }
        assert_ne!(layers(&now, "teacher."), layers(&now, "student.encoder."));
    }
}

/// A teacher is moved by what it differs from its student, and so stays equal to one that is not trained, bit for bit.
#[test]
fn the_teacher_of_a_student_that_stays_is_that_student() {
    let config = Data2VecConfig { tau: 0.9998, tau_end: 0.9999, tau_steps: 1000, ..CONFIG };
    let objective = Data2VecObjective::<Vit, ImageBatch>::new(config, ImageModel::layered);
    let mut model = model(&device().autodiff());
    let before = params(&model);
    for n in 1..=100 {
        model = objective.after_update(model, n);
    }
    assert_eq!(layers(&params(&model), "teacher."), layers(&before, "student.encoder."));
}

#[test]
fn a_student_does_not_see_what_is_hidden_and_a_teacher_sees_it() {
    let model = model(&device());
    let view = ImageModel::layered(&model.student).unwrap();
    let batch = pictures(1);
    let places = view.hidden(&batch, CONFIG.hiding, None);
    let mut patches = batch.patches.values().to_vec();
    // Places are of rows of 17, the class token first.
    for &place in &places {
        let (row, patch) = (place as usize / 17, place as usize % 17 - 1);
        patches[(row * 16 + patch) * 12..][..12].fill(9.0);
    }
    let other = ImageBatch { patches: Patches::new(patches, 2, [4, 4]), ..batch.clone() };
    let vector = model.mask.as_ref().unwrap().val();
    let hidden = Hidden { places: &places, vector: Some(&vector) };
    let features = |batch: &ImageBatch, hidden| values(view.features(batch, hidden, None));
    assert_eq!(features(&batch, Some(hidden)), features(&other, Some(hidden)));
    assert_ne!(features(&batch, None), features(&other, None));
}

#[test]
fn a_text_without_its_masks_is_what_the_teacher_reads() {
    let config = BertConfig::bert_like(13, 9, [1, 2, 8]);
    let model = config.init(&device(), 1).unwrap();
    let read = |ids: &[u32], masked: Vec<u32>, targets: Vec<u32>| MaskedBatch {
        ids: TokenMatrix::from_rows(&[ids], 0, 0),
        segments: vec![0; ids.len()],
        masked,
        targets,
        follows: None,
        indices: vec![0],
    };
    let (masked, whole) = (read(&[2, 4, 7, 4], vec![1, 3], vec![8, 9]), read(&[2, 8, 7, 9], vec![], vec![]));
    assert_eq!(masked.uncovered(), whole.ids);
    let view = EncoderModel::layered(&model).unwrap();
    assert_eq!(values(view.features(&masked, None, None)), values(view.features(&whole, None, None)));
    let canine = CanineConfig { n_buckets: 8, max_len: 8, ..CanineConfig::canine_like([1, 2, 8]) };
    assert!(canine.layered_encoder().is_none() && canine.init(&device(), 1).unwrap().layered().is_none());
}

#[test]
fn parts_of_an_encoder_are_all_that_is_no_head() {
    let labels = vec!["a".to_owned(), "b".to_owned()];
    let config = BertConfig { labels, ..BertConfig::bert_like(13, 9, [2, 2, 8]) };
    let parts = config.layered_encoder().unwrap();
    let names: BTreeSet<String> = params(&config.init(&device(), 1).unwrap()).into_keys().collect();
    let heads: BTreeSet<&str> =
        names.iter().filter(|name| !parts.has(name)).map(|name| name.split('.').next().unwrap()).collect();
    assert_eq!(heads.into_iter().collect::<Vec<_>>(), ["classifier", "masked_lm", "next_sentence", "pooler"]);
}

#[test]
fn a_teacher_that_says_the_same_of_everything_is_told_by_its_targets() {
    let device = device();
    let mut model = model(&device);
    let (objective, batch) = (objective(), pictures(1));
    let healthy = objective.report(&model, &batch).unwrap().target_deviation;
    for layer in &mut model.teacher.layers {
        let outer = &mut layer.feed_forward.outer;
        outer.weight = outer.weight.clone().map(|weight| weight * 0.0);
    }
    let collapsed = objective.report(&model, &batch).unwrap().target_deviation;
    assert!(healthy > 0.1 && collapsed < 1e-3, "{healthy} {collapsed}");
}

/// Draws are a function of the seed and of their number: by the student's seed, they would be its own.
#[test]
fn mask_and_predictor_are_drawn_beside_the_student() {
    let model = model(&device());
    let drawn = [values(model.mask.as_ref().unwrap().val()), values(model.predictor.weight.val())];
    let norm = |x: &[f32]| x.iter().map(|x| f64::from(x * x)).sum::<f64>().sqrt();
    let likeness =
        |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(x * y)).sum::<f64>() / (norm(x) * norm(y));
    for (name, param) in params(&model.student) {
        for row in param.values.chunks_exact(8).filter(|row| norm(row) > 0.0) {
            assert!(drawn.iter().all(|drawn| likeness(&drawn[..8], row).abs() < 0.999), "{name}");
        }
    }
}

proptest! {
    #[test]
    fn as_much_as_asked_is_hidden(rows in 1_usize..9, columns in 1_usize..9, rate in 0.05_f64..0.95, block in 1_usize..20, seed: u64) {
        let hiding = Hiding { rate, block };
        let n = rows * columns;
        let expected = ((n as f64 * rate).round() as usize).clamp(usize::from(n > 1), n - 1);
        let draw = || [hiding.blocks([rows, columns], &Dropout::new(seed)), hiding.spans(n, &Dropout::new(seed))];
        for places in draw() {
            prop_assert_eq!(places.len(), expected);
            prop_assert!(places.windows(2).all(|pair| pair[0] < pair[1]) && places.iter().all(|&at| (at as usize) < n));
        }
        prop_assert_eq!(draw(), draw());
    }
}

#[test]
fn hidden_places_are_new_in_each_pass_and_the_same_in_use() {
    let model = model(&device());
    let view = ImageModel::layered(&model.student).unwrap();
    let draw = |pass: Option<u64>| view.hidden(&pictures(1), CONFIG.hiding, pass.map(Dropout::new).as_ref());
    assert_eq!(draw(Some(1)), draw(Some(1)));
    assert_ne!(draw(Some(1)), draw(Some(2)));
    assert_eq!(draw(None), draw(None));
    let (first, second): (Vec<u32>, Vec<u32>) = draw(Some(1)).into_iter().partition(|&place| place < 17);
    assert_ne!(first, second.iter().map(|place| place - 17).collect::<Vec<_>>(), "each picture has places of its own");
}
