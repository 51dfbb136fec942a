//! Operations and layers against PyTorch: outputs and every gradient (`tests/golden/generate.py`).

use attentive_attention::{FeedForwardConfig, Initializer, Linear, Mask, MultiHeadAttention, MultiHeadAttentionConfig};
use attentive_backend::{
    BackendKind, Device,
    ops::{self, Activation},
};
use attentive_testkit::{Area, Comparison, Golden, named};
use burn::{
    module::Param,
    tensor::{Gradients, Tensor, TensorData},
};
use serde::Deserialize;
use serde_json::Value;

const ALLOWED: f64 = 1e-5;
const BACKENDS: [BackendKind; 2] = [BackendKind::Flex, BackendKind::NdArray];

fn golden() -> Golden {
    Golden::of(env!("CARGO_MANIFEST_DIR"))
}

/// Runs `check` on every case of `file`, on each backend; it gives the tensors to compare by name.
fn compare(what: &str, file: &str, check: impl Fn(&Value, &Device) -> Vec<(String, Vec<f32>)>) {
    for kind in BACKENDS {
        let against = format!("PyTorch {}", golden().version("torch"));
        let mut comparison = Comparison::new(Area::Numbers, format!("{what}, {kind}"), against, ALLOWED);
        for case in golden().cases(file) {
            let results = check(&case, &kind.device().unwrap().autodiff());
            let (name, error) = Golden::largest_error(&case, &results);
            comparison.case(format!("{name} of {}", case["name"]), error);
            comparison.f32_of_the_other(case["f32_error"].as_f64().unwrap());
        }
        comparison.report();
    }
}

/// An input that the generator made by the same formula.
fn leaf<const D: usize>(name: &str, shape: [usize; D], scale: f32, offset: f32, device: &Device) -> Tensor<D> {
    let values: Vec<f32> = named(name, shape.iter().product()).into_iter().map(|x| x * scale + offset).collect();
    Tensor::from_data(TensorData::new(values, shape), device).require_grad()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

/// The backward pass for the output gradient that the generator took.
fn backward<const D: usize>(y: &Tensor<D>) -> Gradients {
    let dy = leaf("dy", y.dims(), 1.0, 0.0, &y.device()).detach();
    (y.clone() * dy).sum().backward()
}

fn gradient<const D: usize>(name: &str, leaf: &Tensor<D>, gradients: &Gradients) -> (String, Vec<f32>) {
    (format!("d {name}"), values(leaf.grad(gradients).unwrap_or_else(|| panic!("no gradient of {name}"))))
}

fn field<T: for<'de> Deserialize<'de>>(case: &Value, name: &str) -> T {
    T::deserialize(&case[name]).unwrap()
}

/// The mask of a case: lengths, causal, pattern.
fn mask(case: &Value, k_len: usize, device: &Device) -> Mask {
    let lengths: Option<Vec<usize>> = field(case, "lengths");
    let padding = lengths.map_or(Mask::none(), |lengths| Mask::padding(&lengths, k_len, device));
    let mask = Mask { causal: field(case, "causal"), ..padding };
    match case.get("pattern").and_then(Value::as_array) {
        Some(pattern) => {
            let hidden: Vec<bool> = pattern.iter().map(|hidden| hidden == 1).collect();
            let shape: [usize; 4] = field(case, "pattern_shape");
            mask.and_hidden(Tensor::from_data(TensorData::new(hidden, shape), device))
        }
        None => mask,
    }
}

#[test]
fn attention_under_every_mask() {
    let (batch, heads, q_len, k_len, d_k, d_v) = (2, 3, 5, 7, 2, 3);
    compare("scaled dot-product attention under every mask", "attention.json", |case, device| {
        let q = leaf("q", [batch, heads, q_len, d_k], 2.0, 0.0, device);
        let k = leaf("k", [batch, heads, k_len, d_k], 2.0, 0.0, device);
        let v = leaf("v", [batch, heads, k_len, d_v], 1.0, 0.0, device);
        let y = ops::attention(q.clone(), k.clone(), v.clone(), &mask(case, k_len, device), 0.0, None);
        let gradients = backward(&y);
        if case["name"] == "a hidden sequence" {
            let hidden = values(y.clone()).split_off(heads * q_len * d_v);
            assert!(hidden.iter().all(|&y| y == 0.0), "queries that see nothing give zeros");
        }
        let grads = [("q", &q), ("k", &k), ("v", &v)].map(|(name, leaf)| gradient(name, leaf, &gradients));
        [("y".to_owned(), values(y))].into_iter().chain(grads).collect()
    });
}

fn linear(name: &str, [d_in, d_out]: [usize; 2], device: &Device) -> Linear {
    Linear {
        weight: Param::from_tensor(leaf(&format!("{name}.weight"), [d_in, d_out], 1.0, 0.0, device)),
        bias: Some(Param::from_tensor(leaf(&format!("{name}.bias"), [d_out], 1.0, 0.0, device))),
    }
}

fn gradients_of_linear(name: &str, layer: &Linear, gradients: &Gradients) -> [(String, Vec<f32>); 2] {
    let bias = layer.bias.as_ref().expect("a bias");
    [
        gradient(&format!("{name}.weight"), &layer.weight.val(), gradients),
        gradient(&format!("{name}.bias"), &bias.val(), gradients),
    ]
}

#[test]
fn multi_head_attention_with_any_d_k_and_d_v() {
    let (batch, d_model, n_heads, q_len, k_len) = (2, 7, 2, 3, 5);
    compare("multi-head attention", "multi_head.json", |case, device| {
        let (d_k, d_v): (usize, usize) = (field(case, "d_k"), field(case, "d_v"));
        let of_itself: bool = field(case, "of_itself");
        let config = MultiHeadAttentionConfig { d_k, d_v, ..MultiHeadAttentionConfig::new(d_model, n_heads) };
        let mut layer = config.init(&Initializer::new(0, device));
        layer.query = linear("query", [d_model, n_heads * d_k], device);
        layer.key = linear("key", [d_model, n_heads * d_k], device);
        layer.value = linear("value", [d_model, n_heads * d_v], device);
        layer.output = linear("output", [n_heads * d_v, d_model], device);
        let x = leaf("x", [batch, q_len, d_model], 1.0, 0.0, device);
        let memory = if of_itself { x.clone() } else { leaf("memory", [batch, k_len, d_model], 1.0, 0.0, device) };
        let y = layer.forward(x.clone(), memory.clone(), &mask(case, memory.dims()[1], device), None);
        let gradients = backward(&y);
        let mut results = vec![("y".to_owned(), values(y)), gradient("x", &x, &gradients)];
        if !of_itself {
            results.push(gradient("memory", &memory, &gradients));
        }
        let MultiHeadAttention { query, key, value, output, .. } = &layer;
        for (name, layer) in [("query", query), ("key", key), ("value", value), ("output", output)] {
            results.extend(gradients_of_linear(name, layer, &gradients));
        }
        results
    });
}

#[test]
fn norms() {
    let d = 11;
    compare("layer norm and RMS norm", "norms.json", |case, device| {
        let x = leaf("x", [2, 3, d], 4.0, 1.0, device);
        let (gamma, beta) = (leaf("gamma", [d], 1.0, 1.0, device), leaf("beta", [d], 1.0, 0.0, device));
        let is_layer = case["name"] == "layer";
        let y = match is_layer {
            true => ops::layer_norm(x.clone(), gamma.clone(), Some(beta.clone()), 1e-5),
            false => ops::rms_norm(x.clone(), gamma.clone(), 1e-5),
        };
        let gradients = backward(&y);
        let mut results =
            vec![("y".to_owned(), values(y)), gradient("x", &x, &gradients), gradient("gamma", &gamma, &gradients)];
        if is_layer {
            results.push(gradient("beta", &beta, &gradients));
        }
        results
    });
}

#[test]
fn feed_forward_with_every_activation() {
    let (d_model, d_ff) = (5, 11);
    compare("feed-forward with ReLU, GELU, GELU by tanh, SiLU", "feed_forward.json", |case, device| {
        let activation: Activation = field(case, "name");
        let config = FeedForwardConfig { d_model, d_ff, activation, gated: false, bias: true, dropout: 0.0 };
        let mut layer = config.init(&Initializer::new(0, device));
        layer.inner = linear("inner", [d_model, d_ff], device);
        layer.outer = linear("outer", [d_ff, d_model], device);
        let x = leaf("x", [2, 3, d_model], 2.0, 0.0, device);
        let y = layer.forward(x.clone(), None);
        let gradients = backward(&y);
        let mut results = vec![("y".to_owned(), values(y)), gradient("x", &x, &gradients)];
        results.extend(gradients_of_linear("inner", &layer.inner, &gradients));
        results.extend(gradients_of_linear("outer", &layer.outer, &gradients));
        results
    });
}
