//! Encoders and their heads.

use attentive_backend::Device;
use attentive_bundle::Bundle;
use attentive_core::TokenMatrix;
use attentive_model::{BertConfig, EncoderModel};
use attentive_testkit::{Comparison, Golden, largest_error};
use burn::tensor::Tensor;
use serde_json::Value;

use super::field;

/// What a model computes, by the names of a case.
pub(crate) type Outputs = Vec<(&'static str, Vec<f32>)>;

pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

/// Those that a model has.
pub(crate) fn present<const N: usize>(outputs: [(&'static str, Option<Vec<f32>>); N]) -> Outputs {
    outputs.into_iter().filter_map(|(name, values)| Some((name, values?))).collect()
}

/// Everything that a model computes of a case's rows on tensors.
pub(crate) fn on_tensors(bundle: &Bundle, case: &Value, device: &Device) -> Outputs {
    let model = bundle.model::<BertConfig>(device).unwrap();
    let rows: Vec<Vec<u32>> = field(case, "rows");
    let segments = field::<Vec<Vec<u8>>>(case, "segments").concat();
    let n_cols = segments.len() / rows.len();
    let encoding = model.encode(&TokenMatrix::from_rows(&rows, 0, 0), &segments, None);
    let places =
        rows.iter().enumerate().flat_map(|(at, row)| (0..row.len()).map(move |col| (at * n_cols + col) as u32));
    let used = encoding.at(&places.collect::<Vec<u32>>());
    let pooled = model.pooled(&encoding);
    let next = model.next_sentence.as_ref().zip(pooled.clone());
    present([
        ("hidden", Some(values(used.clone()))),
        ("pooled", pooled.map(values)),
        ("tokens", model.token_logits(used.clone()).map(values)),
        ("next", next.map(|(head, pooled)| values(head.forward(pooled)))),
        ("labels", model.label_scores(&encoding, None).map(values)),
        ("tags", model.token_label_scores(used.clone(), None).map(values)),
        ("spans", model.span_scores(used).map(values)),
    ])
}

/// Holds all that a case expects against what was found.
pub(crate) fn compare(comparison: &mut Comparison, name: &str, case: &Value, found: &Outputs) {
    for tensor in case["tensors"].as_object().unwrap().keys() {
        let (_, found) = found.iter().find(|(name, _)| name == tensor).unwrap_or_else(|| panic!("{name}: {tensor}"));
        comparison.case(format!("{name}: {tensor}"), largest_error(found, &Golden::tensor(case, tensor)));
    }
}
