//! Layers, whole models and their training against PyTorch's stacks (`tests/golden/generate.py`).

use std::num::NonZeroU64;

use attentive_attention::{Activation, Mask, NormPlacement};
use attentive_backend::{BackendKind, Device};
use attentive_core::{Objective, TokenMatrix, TranslationBatch};
use attentive_model::{Block, DecoderLayer, ModelSpec, Transformer, TransformerConfig, TranslationObjective};
use attentive_optim::{AdamConfig, Gradients, Optimizer, Schedule, ScheduleConfig};
use attentive_testkit::{Area, Comparison, Golden, named};
use attentive_weights::{HostTensor, param_shapes};
use burn::{
    module::Module,
    tensor::{Int, Tensor, TensorData},
};
use serde::Deserialize;
use serde_json::Value;

const D_MODEL: usize = 6;
const VOCAB: usize = 11;
const SOURCE: [&[u32]; 3] = [&[4, 9, 3, 7, 2], &[8, 5, 2], &[6, 3, 10, 2]];
const TARGET: [&[u32]; 3] = [&[1, 5, 3, 8, 6, 2], &[1, 9, 10, 2], &[1, 4, 2]];
const OBJECTIVE: TranslationObjective = TranslationObjective { label_smoothing: 0.1 };

/// Runs `check` on every case of `file`, on each backend; it gives the tensors to compare by name.
fn compare(what: &str, file: &str, check: impl Fn(&Value, &Device) -> Vec<(String, Vec<f32>)>) {
    let golden = Golden::of(env!("CARGO_MANIFEST_DIR"));
    for kind in [BackendKind::Flex, BackendKind::NdArray] {
        let against = format!("PyTorch {}", golden.version("torch"));
        let mut comparison = Comparison::new(Area::Numbers, format!("{what}, {kind}"), against, 1e-5);
        for case in golden.cases(file) {
            let results = check(&case, &kind.device().unwrap().autodiff());
            let (name, error) = Golden::largest_error(&case, &results);
            let pre_norm = &case["pre_norm"];
            comparison.case(format!("{name}, pre_norm {pre_norm}, decoder {}", case["decoder"]), error);
            comparison.f32_of_the_other(case["f32_error"].as_f64().unwrap());
        }
        comparison.report();
    }
}

fn config(case: &Value) -> TransformerConfig {
    let pre_norm = case["pre_norm"] == true;
    TransformerConfig {
        d_model: D_MODEL,
        d_ff: 7,
        n_heads: 2,
        n_encoder_layers: 2,
        n_decoder_layers: 2,
        norm: if pre_norm { NormPlacement::Pre } else { NormPlacement::Post },
        activation: case.get("activation").map_or(Activation::Relu, |name| Activation::deserialize(name).unwrap()),
        ..TransformerConfig::base(VOCAB)
    }
}

/// Gives every parameter the values that the generator made by the same formula from the same name.
fn with_named_parameters<M: Module>(model: M) -> M {
    let tensors = param_shapes(&model).into_iter().map(|param| {
        let offset = if param.name.ends_with("gamma") { 1.0 } else { 0.0 };
        let values = named(&param.name, param.shape.iter().product()).iter().map(|x| x * 0.5 + offset).collect();
        (param.name, HostTensor { shape: param.shape, values })
    });
    let tensors = tensors.collect();
    attentive_weights::load(model, tensors).unwrap()
}

fn leaf<const D: usize>(name: &str, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(named(name, shape.iter().product()), shape), device).require_grad()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap()
}

fn gradients_of(gradients: &Gradients) -> impl Iterator<Item = (String, Vec<f32>)> {
    gradients.iter().map(|(name, gradient)| (format!("d {name}"), values(gradient.clone())))
}

#[test]
fn encoder_and_decoder_layers() {
    let (batch, src, tgt, lengths) = (2, 5, 3, [5, 3]);
    compare("encoder and decoder layers, post-norm and pre-norm", "layers.json", |case, device| {
        let mut model = config(case).init(device, 0).unwrap();
        let mask = Mask::padding(&lengths, src, device);
        let memory = leaf("memory", [batch, src, D_MODEL], device);
        let is_decoder = case["decoder"] == true;
        let x = leaf("x", [batch, if is_decoder { tgt } else { src }, D_MODEL], device);
        if is_decoder {
            let layer: DecoderLayer = with_named_parameters(model.decoder.layers.remove(0));
            let y = layer.forward(x.clone(), &Mask::causal().into(), memory.clone(), &mask, None);
            with_gradients(y, &[("d x", x), ("d memory", memory)], &layer)
        } else {
            let layer: Block = with_named_parameters(model.encoder.layers.remove(0));
            with_gradients(layer.forward(x.clone(), &mask.into(), None), &[("d x", x)], &layer)
        }
    });
}

/// The output `y` of a layer, and the gradients of its inputs and parameters for the output gradient that the generator
/// took.
fn with_gradients<M: Module>(y: Tensor<3>, inputs: &[(&str, Tensor<3>)], layer: &M) -> Vec<(String, Vec<f32>)> {
    let tape = (y.clone() * leaf("dy", y.dims(), &y.device()).detach()).sum().backward();
    let mut results = vec![("y".to_owned(), values(y))];
    results.extend(inputs.iter().map(|(name, leaf)| ((*name).to_owned(), values(leaf.grad(&tape).unwrap()))));
    results.extend(gradients_of(&Gradients::take(tape, layer)));
    results
}

fn model(case: &Value, device: &Device) -> Transformer {
    with_named_parameters(config(case).init(device, 0).unwrap())
}

fn batch() -> TranslationBatch {
    TranslationBatch {
        source: TokenMatrix::from_rows(&SOURCE, 0, 0),
        target: TokenMatrix::from_rows(&TARGET, 0, 0),
        indices: (0..SOURCE.len() as u64).collect(),
    }
}

/// The scores after each target token, row after row, those of padding left out.
fn logits(model: &Transformer, device: &Device) -> Vec<f32> {
    let ids = |rows: &TokenMatrix, cols: usize| {
        let ids: Vec<i64> = rows.ids().iter().map(|&id| i64::from(id)).collect();
        let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [rows.n_rows(), rows.n_cols()]), device);
        ids.narrow(1, 0, cols)
    };
    let TranslationBatch { source, target, .. } = batch();
    let mask = Mask::padding(source.lengths(), source.n_cols(), device);
    let memory = model.encode(ids(&source, source.n_cols()), &mask, None);
    let tgt = target.n_cols() - 1;
    let rows = values(model.logits(model.decode(ids(&target, tgt), &memory, &mask, None)));
    let rows = rows.chunks_exact(tgt * VOCAB).zip(target.lengths());
    rows.flat_map(|(row, &length)| row[..length.min(tgt) * VOCAB].to_vec()).collect()
}

#[test]
fn whole_models() {
    compare("whole models: logits, loss, every gradient", "models.json", |case, device| {
        let model = model(case, device);
        let loss = OBJECTIVE.loss(&model, &batch(), None);
        let mut results = vec![
            ("logits".to_owned(), logits(&model, device)),
            ("loss".to_owned(), values(loss.sum.clone())),
            ("nll".to_owned(), values(loss.nll_sum)),
        ];
        results.extend(gradients_of(&Gradients::take(loss.sum.backward(), &model)));
        results
    });
}

#[test]
fn ten_updates_of_whole_models() {
    compare("the loss over ten updates of whole models", "training.json", |case, device| {
        let mut model = model(case, device);
        let mut adam = AdamConfig::default().init().unwrap();
        let noam = ScheduleConfig::Noam { factor: 0.1, warmup_steps: 4 }.build(D_MODEL);
        (1..=10)
            .map(|step| {
                let loss = OBJECTIVE.loss(&model, &batch(), None);
                let scale = 1.0 / loss.n_targets as f64;
                let mean = values(loss.sum.clone() * scale);
                let gradients = Gradients::take(loss.sum.backward(), &model);
                model = adam.step(model.clone(), gradients, scale, noam.lr(NonZeroU64::new(step).unwrap()));
                (format!("loss {step}"), mean)
            })
            .collect()
    });
}
