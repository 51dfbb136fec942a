//! Layers against scalar oracles in f64.

use attentive_attention::{
    Activation, FeedForwardConfig, Mask, MultiHeadAttention, MultiHeadAttentionConfig, NormConfig, NormKind,
};
use attentive_backend::{BackendKind, Device, Initializer, ops};
use attentive_testkit::{
    Attention, AttentionShape, Fixture, assert_close, gelu_erf, gelu_tanh, layer_norm, linear, relu, rms_norm, silu,
    widen,
};
use burn::tensor::{Tensor, TensorData};

fn devices() -> [Device; 2] {
    [BackendKind::Flex, BackendKind::NdArray].map(|kind| kind.device().unwrap())
}

fn tensor<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

#[test]
fn attention_of_two_tokens_by_hand() {
    // d_k = 1: scores are products; the first query is 0, so it sees both alike; the second prefers the second.
    for device in devices() {
        let q = tensor(&[0.0, 1.0], [1, 1, 2, 1], &device);
        let k = tensor(&[0.0, 3_f32.ln()], [1, 1, 2, 1], &device);
        let v = tensor(&[4.0, 8.0], [1, 1, 2, 1], &device);
        let y = ops::attention(q, k, v, &Mask::none(), 0.0, None);
        assert_close(&values(y), &[6.0_f32, 7.0], 1e-6, 0.0); // softmax(0, 0) and softmax(0, ln 3) = (1/4, 3/4)
    }
}

#[test]
fn attention_equals_the_oracle_under_every_mask() {
    let shape = AttentionShape { batch: 2, heads: 3, kv_heads: 3, q_len: 5, k_len: 7, d_k: 11, d_v: 13 };
    let AttentionShape { batch, heads, q_len, k_len, d_k, d_v, .. } = shape;
    let mut fixture = Fixture::new(1);
    let q = fixture.normal(batch * heads * q_len * d_k);
    let k = fixture.normal(batch * heads * k_len * d_k);
    let v = fixture.normal(batch * heads * k_len * d_v);
    // The second sequence hides everything: its queries see nothing.
    let hidden: Vec<bool> = (0..batch * k_len).map(|i| i >= k_len || i % k_len >= 4).collect();
    for device in devices() {
        for causal in [false, true] {
            for hidden in [None, Some(hidden.as_slice())] {
                let oracle = Attention { hidden, causal, ..Attention::new(shape) };
                let expected = oracle.forward(&widen(&q), &widen(&k), &widen(&v));
                let hidden_keys =
                    hidden.map(|h| Tensor::from_data(TensorData::new(h.to_vec(), [batch, k_len]), &device));
                let mask = Mask { hidden_keys, causal, ..Mask::none() };
                let y = ops::attention(
                    tensor(&q, [batch, heads, q_len, d_k], &device),
                    tensor(&k, [batch, heads, k_len, d_k], &device),
                    tensor(&v, [batch, heads, k_len, d_v], &device),
                    &mask,
                    0.0,
                    None,
                );
                assert_close(&values(y), &expected, 1e-5, 1e-6);
            }
        }
    }
}

#[test]
fn multi_head_attention_is_the_papers_formula() {
    let (batch, q_len, k_len, d_model, heads, d_k, d_v) = (2, 3, 5, 7, 2, 11, 13);
    let config = MultiHeadAttentionConfig { d_k, d_v, bias: false, ..MultiHeadAttentionConfig::new(d_model, heads) };
    let mut fixture = Fixture::new(2);
    let (x, memory) = (fixture.normal(batch * q_len * d_model), fixture.normal(batch * k_len * d_model));
    for device in devices() {
        let layer = config.init(&Initializer::new(3, &device));
        let y = layer.forward(
            tensor(&x, [batch, q_len, d_model], &device),
            tensor(&memory, [batch, k_len, d_model], &device),
            &Mask::none(),
            None,
        );
        assert_close(
            &values(y),
            &multi_head_oracle(&layer, &x, &memory, [batch, q_len, k_len], [d_k, d_v]),
            1e-4,
            1e-5,
        );
    }
}

/// Head after head, as §3.2.2 writes it.
fn multi_head_oracle(
    layer: &MultiHeadAttention,
    x: &[f32],
    memory: &[f32],
    [batch, q_len, k_len]: [usize; 3],
    [d_k, d_v]: [usize; 2],
) -> Vec<f64> {
    let heads = layer.n_heads;
    let d_model = layer.query.weight.dims()[0];
    let apply = |layer: &attentive_attention::Linear, x: &[f32], rows: usize| {
        let [d_in, d_out] = layer.weight.dims();
        linear(&widen(x), &widen(&values(layer.weight.val())), None, [rows, d_in, d_out])
    };
    let (q, k, v) = (
        apply(&layer.query, x, batch * q_len),
        apply(&layer.key, memory, batch * k_len),
        apply(&layer.value, memory, batch * k_len),
    );
    let mut concatenated = vec![0.0; batch * q_len * heads * d_v];
    for head in 0..heads {
        let of_head = |x: &[f64], len: usize, d: usize| -> Vec<f64> {
            (0..batch * len).flat_map(|row| x[row * heads * d + head * d..][..d].to_vec()).collect()
        };
        let shape = AttentionShape { batch, heads: 1, kv_heads: 1, q_len, k_len, d_k, d_v };
        let attention = Attention::new(shape);
        let out = attention.forward(&of_head(&q, q_len, d_k), &of_head(&k, k_len, d_k), &of_head(&v, k_len, d_v));
        for (row, values) in out.chunks_exact(d_v).enumerate() {
            concatenated[row * heads * d_v + head * d_v..][..d_v].copy_from_slice(values);
        }
    }
    let weight = widen(&values(layer.output.weight.val()));
    linear(&concatenated, &weight, None, [batch * q_len, heads * d_v, d_model])
}

#[test]
fn layer_norm_equals_the_oracle() {
    let mut fixture = Fixture::new(4);
    let (x, gamma, beta) = (fixture.normal(6 * 11), fixture.normal(11), fixture.normal(11));
    let expected = layer_norm(&widen(&x), &widen(&gamma), &widen(&beta), 1e-5);
    for device in devices() {
        let y = ops::layer_norm(
            tensor(&x, [2, 3, 11], &device),
            tensor(&gamma, [11], &device),
            Some(tensor(&beta, [11], &device)),
            1e-5,
        );
        assert_close(&values(y), &expected, 1e-5, 1e-6);
    }
}

#[test]
fn norms_equal_their_oracles_with_and_without_bias() {
    let mut fixture = Fixture::new(5);
    let (d_model, x) = (7, fixture.normal(3 * 7));
    let ones = [1.0; 7];
    for device in devices() {
        let init = Initializer::new(6, &device);
        for bias in [true, false] {
            let config = NormConfig { bias, ..NormConfig::layer(d_model) };
            let norm = config.init(&init);
            assert_eq!(norm.beta.is_some(), bias);
            let y = norm.forward(tensor(&x, [3, d_model], &device));
            assert_close(&values(y), &layer_norm(&widen(&x), &ones, &[0.0; 7], 1e-5), 1e-5, 1e-6);
            let rms = NormConfig { kind: NormKind::Rms, ..config }.init(&init);
            assert!(rms.beta.is_none());
            let y = rms.forward(tensor(&x, [3, d_model], &device));
            assert_close(&values(y), &rms_norm(&widen(&x), &ones, 1e-5), 1e-5, 1e-6);
        }
    }
}

#[test]
fn feed_forward_networks_equal_their_formulas() {
    type Oracle = fn(f64) -> f64;
    let functions: [(Activation, Oracle); 4] = [
        (Activation::Relu, relu),
        (Activation::Gelu, gelu_erf),
        (Activation::GeluTanh, gelu_tanh),
        (Activation::Silu, silu),
    ];
    let (n, d_model, d_ff) = (3, 5, 11);
    let x = Fixture::new(7).normal(n * d_model);
    for device in devices() {
        for (activation, f) in functions {
            for gated in [false, true] {
                let config = FeedForwardConfig { d_model, d_ff, activation, gated, bias: false, dropout: 0.0 };
                let layer = config.init(&Initializer::new(8, &device));
                let apply = |layer: &attentive_attention::Linear, x: &[f64]| {
                    let [d_in, d_out] = layer.weight.dims();
                    linear(x, &widen(&values(layer.weight.val())), None, [n, d_in, d_out])
                };
                let inner = apply(&layer.inner, &widen(&x));
                let h: Vec<f64> = match &layer.gate {
                    None => inner.iter().map(|&h| f(h)).collect(),
                    Some(gate) => apply(gate, &widen(&x)).iter().zip(&inner).map(|(&g, h)| f(g) * h).collect(),
                };
                let y = layer.forward(tensor(&x, [1, n, d_model], &device), None);
                assert_close(&values(y), &apply(&layer.outer, &h), 1e-4, 1e-5);
                assert_eq!(config.n_params(), burn::module::Module::num_params(&layer));
            }
        }
    }
}
