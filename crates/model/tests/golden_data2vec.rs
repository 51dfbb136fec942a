//! Loss and gradients of data2vec against PyTorch (`tests/golden/generate_data2vec.py`): one objective for a text, pictures
//! and sound.

use attentive_attention::PositionsConfig;
use attentive_backend::{BackendKind, Device, Objective};
use attentive_core::{Batch, ImageBatch, MaskedBatch, Patches, Spectrograms, SpeechBatch, TokenMatrix};
use attentive_model::{
    BertConfig, Data2Vec, Data2VecConfig, Data2VecObjective, EncoderModel, ImageModel, LayeredEncoder, ModelSpec,
    SpeechModel, VitConfig, WhisperConfig, data2vec::Hiding,
};
use attentive_optim::Gradients;
use attentive_testkit::{Area, Comparison, Golden, named};
use attentive_weights::{HostTensor, param_shapes};
use burn::{module::Module, tensor::Tensor};
use serde_json::Value;

const D_MODEL: usize = 4;
const N_LAYERS: usize = 2;
const N_MELS: usize = 5;

fn bert() -> BertConfig {
    BertConfig {
        d_ff: 6,
        masked_lm: false,
        next_sentence: false,
        pooler: false,
        positions: PositionsConfig::Learned { max_len: 9 },
        ..BertConfig::bert_like(13, 9, [N_LAYERS, 2, D_MODEL])
    }
}

fn vit() -> VitConfig {
    VitConfig { d_ff: 6, ..VitConfig::vit_like(6, 2, [N_LAYERS, 2, D_MODEL]) }
}

fn whisper() -> WhisperConfig {
    WhisperConfig {
        d_ff: 6,
        n_heads: 2,
        max_source_len: 9,
        max_target_len: 4,
        ..WhisperConfig::whisper_like(7, N_MELS, [N_LAYERS, 1, D_MODEL])
    }
}

fn text() -> MaskedBatch {
    MaskedBatch {
        ids: TokenMatrix::from_rows(&[&[2, 4, 7, 4, 9, 3][..], &[2, 11, 4, 3]], 0, 0),
        segments: vec![0; 12],
        masked: vec![1, 3, 8],
        targets: vec![8, 5, 6],
        follows: None,
        indices: vec![0, 1],
    }
}

fn pictures() -> ImageBatch {
    let patches = Patches::new(named("patches", 2 * 9 * 12), 2, [3, 3]);
    ImageBatch { patches, classes: vec![0.into(), 0.into()], indices: vec![0, 1] }
}

fn sound() -> SpeechBatch {
    let sound = Spectrograms::new(named("sound", 2 * 9 * N_MELS), [9, N_MELS]).with_heard(vec![9, 6]);
    SpeechBatch { sound, target: TokenMatrix::from_rows(&[[1, 2], [1, 2]], 0, 0), n_prompt: 1, indices: vec![0, 1] }
}

/// Gives every parameter the values that the generator made by the same formula from the same name.
fn with_named_parameters<M: Module>(model: M) -> M {
    let tensors = param_shapes(&model).into_iter().map(|param| {
        let offset = if param.name.ends_with("gamma") { 1.0 } else { 0.0 };
        let values = named(&param.name, param.shape.iter().product()).iter().map(|x| x * 0.5 + offset).collect();
        (param.name, HostTensor { shape: param.shape, values })
    });
    attentive_weights::load(model, tensors.collect()).unwrap()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap()
}

/// What the case has: the loss, the deviation of targets, and the gradient of every parameter that has one.
fn results<C: ModelSpec, B: Batch>(
    case: &Value,
    spec: &C,
    view: fn(&C::Model) -> Option<&dyn LayeredEncoder<B>>,
    batch: &B,
    device: &Device,
) -> Vec<(String, Vec<f32>)> {
    let config = Data2VecConfig {
        top_layers: case["top_layers"].as_u64().unwrap() as usize,
        tau: 0.9,
        tau_end: 0.99,
        tau_steps: 10,
        beta: case["beta"].as_f64().unwrap(),
        hiding: Hiding { rate: 0.5, block: if C::FAMILY == "vit" { 3 } else { 2 } },
    };
    let student = spec.init(device, 1).unwrap();
    let model = with_named_parameters(Data2Vec::new(student, view, D_MODEL, 1).unwrap());
    let places = view(&model.student).unwrap().hidden(batch, config.hiding, None);
    let expected: Vec<u32> = serde_json::from_value(case["places"].clone()).unwrap();
    assert_eq!(places, expected, "the places that the generator hides");

    let objective = Data2VecObjective::new(config, view);
    let loss = objective.loss(&model, batch, None);
    assert_eq!(loss.n_targets, places.len());
    let report = objective.report(&model.valid(), batch).unwrap();
    assert_eq!(values(report.loss.sum), values(loss.sum.clone()), "in use as with gradients");
    let gradients = Gradients::take(loss.sum.clone().backward(), &model);
    let numbers = [("loss", values(loss.sum)), ("targets deviate", vec![report.target_deviation as f32])];
    let numbers = numbers.map(|(name, values)| (name.to_owned(), values));
    let of_params = gradients.iter().map(|(name, gradient)| (format!("d {name}"), values(gradient.clone())));
    numbers.into_iter().chain(of_params).collect()
}

#[test]
fn one_objective_for_texts_pictures_and_sound() {
    let golden = Golden::of(env!("CARGO_MANIFEST_DIR"));
    for kind in [BackendKind::Flex, BackendKind::NdArray] {
        let against = format!("PyTorch {}", golden.version("torch"));
        let mut comparison = Comparison::new(Area::Numbers, format!("data2vec, {kind}"), against, 1e-4);
        let device = kind.device().unwrap().autodiff();
        for case in golden.cases("data2vec.json") {
            let results = match case["model"].as_str().unwrap() {
                "bert" => results(&case, &bert(), EncoderModel::layered, &text(), &device),
                "vit" => results(&case, &vit(), ImageModel::layered, &pictures(), &device),
                _ => results(&case, &whisper(), SpeechModel::layered, &sound(), &device),
            };
            let (name, error) = Golden::largest_error(&case, &results);
            comparison.case(format!("{}, {name}, {} layers", case["model"], case["top_layers"]), error);
            comparison.f32_of_the_other(case["f32_error"].as_f64().unwrap());
        }
        comparison.report();
    }
}
