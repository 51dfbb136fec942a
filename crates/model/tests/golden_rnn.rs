//! Whole RNNs against PyTorch's recurrent layers and cells (`tests/golden/generate_rnn.py`).

use attentive_backend::{BackendKind, Device};
use attentive_core::{Objective, TokenMatrix, TranslationBatch};
use attentive_model::{CellKind, ModelSpec, Rnn, RnnConfig, TranslationObjective};
use attentive_optim::Gradients;
use attentive_testkit::{Area, Comparison, Golden, named};
use attentive_weights::{HostTensor, param_shapes};
use burn::tensor::{Int, Tensor, TensorData, activation::log_softmax};
use serde::Deserialize;
use serde_json::Value;

const VOCAB: usize = 7;
const SOURCE: [&[u32]; 3] = [&[4, 3, 6, 2], &[5, 2], &[6, 3, 2]];
const TARGET: [&[u32]; 3] = [&[1, 5, 3, 6, 2], &[1, 4, 2], &[1, 3, 6, 2]];
const OBJECTIVE: TranslationObjective = TranslationObjective { label_smoothing: 0.1 };

fn batch() -> TranslationBatch {
    TranslationBatch {
        source: TokenMatrix::from_rows(&SOURCE, 0, 0),
        target: TokenMatrix::from_rows(&TARGET, 0, 0),
        indices: (0..SOURCE.len() as u64).collect(),
    }
}

/// A case's model, whose parameters the generator made by the same formula from the same names.
fn model(case: &Value, device: &Device) -> Rnn {
    let n_layers = case["n_layers"].as_u64().unwrap() as usize;
    let config = RnnConfig {
        cell: CellKind::deserialize(&case["cell"]).unwrap(),
        d_embedding: 4,
        d_hidden: 3,
        d_attention: 5,
        n_encoder_layers: n_layers,
        n_decoder_layers: n_layers,
        bidirectional: case["bidirectional"] == true,
        ..RnnConfig::rnn_search(VOCAB)
    };
    let model = config.init(device, 0).unwrap();
    let tensors = param_shapes(&model).into_iter().map(|param| {
        let values = named(&param.name, param.shape.iter().product()).iter().map(|x| x * 1.5).collect();
        (param.name, HostTensor { shape: param.shape, values })
    });
    let tensors = tensors.collect();
    attentive_weights::load(model, tensors).unwrap()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap()
}

/// Of `[rows, tgt, d]`, what stands at real targets.
fn at_targets(x: Tensor<3>) -> Vec<f32> {
    let [_, tgt, d] = x.dims();
    let lengths = TARGET.map(|row| row.len() - 1);
    values(x).chunks_exact(tgt * d).zip(lengths).flat_map(|(row, length)| row[..length * d].to_vec()).collect()
}

/// Log-probabilities, attention, loss and every gradient.
fn results(model: &Rnn, device: &Device) -> Vec<(String, Vec<f32>)> {
    let TranslationBatch { source, target, .. } = batch();
    let tgt = target.n_cols() - 1;
    let ids: Vec<i64> = target.ids().iter().map(|&id| i64::from(id)).collect();
    let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [target.n_rows(), tgt + 1]), device);
    let (annotations, mut states) = model.encode(&source, None);
    let hidden = model.decode(ids.narrow(1, 0, tgt), &annotations, &mut states, None);
    let loss = OBJECTIVE.loss(model, &batch(), None);
    let mut results = vec![
        ("log_p".to_owned(), at_targets(log_softmax(model.logits(hidden), 2))),
        ("weights".to_owned(), at_targets(model.attention_weights(&source, &target).narrow(1, 0, tgt))),
        ("loss".to_owned(), values(loss.sum.clone())),
    ];
    let gradients = Gradients::take(loss.sum.backward(), model);
    results.extend(gradients.iter().map(|(name, gradient)| (format!("d {name}"), values(gradient.clone()))));
    results
}

#[test]
fn rnns_are_those_of_pytorch() {
    let golden = Golden::of(env!("CARGO_MANIFEST_DIR"));
    for kind in [BackendKind::Flex, BackendKind::NdArray] {
        let against = format!("PyTorch {}", golden.version("torch"));
        let what = format!("RNNs with additive attention: attention, loss, every gradient, {kind}");
        let mut comparison = Comparison::new(Area::Numbers, what, against, 1e-5);
        for case in golden.cases("rnn.json") {
            let device = kind.device().unwrap().autodiff();
            let (name, error) = Golden::largest_error(&case, &results(&model(&case, &device), &device));
            comparison.case(format!("{name}, {} of {} layers", case["cell"], case["n_layers"]), error);
            comparison.f32_of_the_other(case["f32_error"].as_f64().unwrap());
        }
        comparison.report();
    }
}
