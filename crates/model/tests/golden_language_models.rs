//! BERT, RoBERTa and GPT-2 against transformers (`tests/golden/generate_bert.py`, `generate_gpt.py`).

use attentive_backend::{BackendKind, Device};
use attentive_core::{MaskedBatch, Objective, SequenceBatch, TokenMatrix};
use attentive_model::{BertConfig, CausalLmObjective, EncoderModel, GptConfig, MaskedLmObjective, ModelSpec};
use attentive_optim::Gradients;
use attentive_testkit::{Area, Comparison, Golden, named};
use attentive_weights::{HostTensor, param_shapes};
use burn::{
    module::Module,
    tensor::{Int, Tensor, TensorData},
};
use serde_json::Value;

/// Runs `check` on every case of `file`, on each backend; it gives the tensors to compare by name.
fn compare(what: &str, file: &str, check: impl Fn(&Value, &Device) -> Vec<(String, Vec<f32>)>) {
    let golden = Golden::of(env!("CARGO_MANIFEST_DIR"));
    for kind in [BackendKind::Flex, BackendKind::NdArray] {
        let against = format!("transformers {}", golden.version("transformers"));
        let what = format!("{what}: logits, loss, every gradient, {kind}");
        let mut comparison = Comparison::new(Area::Numbers, what, against, 1e-5);
        for case in golden.cases(file) {
            let results = check(&case, &kind.device().unwrap().autodiff());
            let (name, error) = Golden::largest_error(&case, &results);
            comparison.case(format!("{name}, {}", case["model"]), error);
            comparison.f32_of_the_other(case["f32_error"].as_f64().unwrap());
        }
        comparison.report();
    }
}

/// Gives every parameter the values that the generators made by the same formula from the same name.
fn with_named_parameters<M: Module>(model: M) -> M {
    let tensors = param_shapes(&model).into_iter().map(|param| {
        let offset = if param.name.ends_with("gamma") { 1.0 } else { 0.0 };
        let values = named(&param.name, param.shape.iter().product()).iter().map(|x| x * 0.5 + offset).collect();
        (param.name, HostTensor { shape: param.shape, values })
    });
    let tensors = tensors.collect();
    attentive_weights::load(model, tensors).unwrap()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap()
}

/// The loss and every gradient.
fn of_loss<M: Module, B>(
    objective: &impl Objective<M, Batch = B>,
    model: &M,
    batch: &B,
) -> impl Iterator<Item = (String, Vec<f32>)> {
    let loss = objective.loss(model, batch, None).sum;
    let sum = ("loss".to_owned(), values(loss.clone()));
    let gradients = Gradients::take(loss.backward(), model);
    let gradients: Vec<_> =
        gradients.iter().map(|(name, gradient)| (format!("d {name}"), values(gradient.clone()))).collect();
    [sum].into_iter().chain(gradients)
}

/// Two rows with hidden tokens, which are pairs for BERT.
fn masked_batch(is_bert: bool) -> MaskedBatch {
    MaskedBatch {
        ids: TokenMatrix::from_rows(&[&[2_u32, 7, 4, 9, 3, 12, 3][..], &[2, 11, 4, 3]], 1, 0),
        segments: if is_bert { vec![0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0] } else { vec![0; 14] },
        masked: vec![2, 3, 5, 8],
        targets: vec![8, 9, 5, 6],
        follows: is_bert.then(|| vec![true, false]),
        indices: vec![0, 1],
    }
}

#[test]
fn encoders() {
    compare("BERT and RoBERTa", "bert.json", |case, device| {
        let is_bert = case["model"] == "bert";
        let like = if is_bert { BertConfig::bert_like } else { BertConfig::roberta_like };
        let config = BertConfig { d_ff: 12, ..like(13, 9, [2, 2, 8]) };
        let model = with_named_parameters(config.init(device, 0).unwrap());
        let batch = masked_batch(is_bert);
        let encoding = model.encode(&batch.ids, &batch.segments, None);
        let real = encoding.at(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        let mut results = vec![("tokens".to_owned(), values(model.token_logits(real).unwrap()))];
        results.extend(model.next_sentence.as_ref().map(|head| {
            let pooled = model.pooled(&encoding).unwrap();
            ("next".to_owned(), values(head.forward(pooled)))
        }));
        results.extend(of_loss(&MaskedLmObjective::default(), &model, &batch));
        results
    });
}

#[test]
fn decoders() {
    compare("GPT-2", "gpt.json", |_, device| {
        let model = with_named_parameters(GptConfig::gpt2_like(11, 9, [2, 2, 6]).init(device, 0).unwrap());
        let rows = [[5_u32, 1, 9, 9, 0, 7], [3, 10, 2, 4, 8, 6]];
        let batch = SequenceBatch::next_tokens(&rows, 0, vec![0, 1]);
        let ids: Vec<i64> = batch.ids.ids().iter().map(|&id| i64::from(id)).collect();
        let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [2, 5]), device);
        let mut results = vec![("logits".to_owned(), values(model.logits(model.forward(ids, None))))];
        results.extend(of_loss(&CausalLmObjective::default(), &model, &batch));
        results
    });
}
