//! Encoder–decoders with their tokenizers.

use std::path::Path;

use attentive_attention::Mask;
use attentive_backend::Device;
use attentive_bundle::Bundle;
use attentive_core::TokenMatrix;
use attentive_model::TransformerConfig;
use attentive_testkit::{Golden, largest_error};
use burn::tensor::{Int, Tensor, TensorData, activation::log_softmax};
use serde_json::Value;

use super::{changed, read};

/// What is done to a folder, and a part of the error that it then has.
pub(crate) type Case = (Box<dyn Fn(&Path)>, &'static str);

fn ids(rows: &[Vec<u32>], device: &Device) -> Tensor<2, Int> {
    let shape = [rows.len(), rows[0].len()];
    let ids: Vec<i64> = rows.iter().flatten().map(|&id| i64::from(id)).collect();
    Tensor::from_data(TensorData::new(ids, shape), device)
}

/// The log-probabilities of the tokens of `target` and of the end after each source, in the frame of the model's tokenizer.
pub(crate) fn log_probs(bundle: &Bundle, sources: &[Vec<u32>], target: &[u32], device: &Device) -> Vec<f32> {
    let model = bundle.model::<TransformerConfig>(device).unwrap();
    let tokenizer = bundle.tokenizer().unwrap();
    let frame = tokenizer.pair_frame(None, None).unwrap();
    let [end, pad] = [tokenizer.specials().end(), tokenizer.specials().pad].map(Option::unwrap);
    let framed = |source: &Vec<u32>| [&frame.source.before, source, &frame.source.after].map(|ids| &ids[..]).concat();
    let sources: Vec<Vec<u32>> = sources.iter().map(framed).collect();
    let matrix = TokenMatrix::from_rows(&sources, pad, 0);
    let mask = Mask::padding(matrix.lengths(), matrix.n_cols(), device);
    let rows: Vec<Vec<u32>> = matrix.ids().chunks(matrix.n_cols()).map(<[u32]>::to_vec).collect();
    let memory = model.encode(ids(&rows, device), &mask, None);
    let read = vec![[&[frame.begin], target].concat(); sources.len()];
    let wanted = vec![[target, &[end]].concat(); sources.len()];
    let log_p = log_softmax(model.logits(model.decode(ids(&read, device), &memory, &mask, None)), 2);
    log_p.gather(2, ids(&wanted, device).unsqueeze_dim(2)).into_data().try_into_vec().unwrap()
}

/// How far log-probabilities are from those of a case.
pub(crate) fn distance(found: &[f32], case: &Value) -> f64 {
    largest_error(found, &Golden::tensor(case, "log_probs"))
}

/// The error of a golden folder that was changed.
pub(crate) fn refusal(name: &str, change: impl Fn(&Path)) -> String {
    read(changed(name, change).path()).unwrap_err().to_string()
}
