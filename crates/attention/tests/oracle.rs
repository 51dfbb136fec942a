//! Layers against scalar oracles in f64.

use attentive_attention::{Mask, MultiHeadAttention, MultiHeadAttentionConfig, PositionsConfig, sinusoids};
use attentive_backend::{BackendKind, Device, Initializer, ops};
use attentive_testkit::{Attention, AttentionShape, Fixture, assert_close, layer_norm, linear, widen};
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
    let shape = AttentionShape { batch: 2, heads: 3, q_len: 5, k_len: 7, d_k: 11, d_v: 13 };
    let AttentionShape { batch, heads, q_len, k_len, d_k, d_v } = shape;
    let mut fixture = Fixture::new(1);
    let q = fixture.normal(batch * heads * q_len * d_k);
    let k = fixture.normal(batch * heads * k_len * d_k);
    let v = fixture.normal(batch * heads * k_len * d_v);
    // The second sequence hides everything: its queries see nothing.
    let hidden: Vec<bool> = (0..batch * k_len).map(|i| i >= k_len || i % k_len >= 4).collect();
    for device in devices() {
        for causal in [false, true] {
            for hidden in [None, Some(hidden.as_slice())] {
                let oracle = Attention { shape, hidden, causal, keep: None };
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
    let config = MultiHeadAttentionConfig { d_model, n_heads: heads, d_k, d_v, dropout: 0.0 };
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
        let shape = AttentionShape { batch, heads: 1, q_len, k_len, d_k, d_v };
        let attention = Attention { shape, hidden: None, causal: false, keep: None };
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
            tensor(&beta, [11], &device),
            1e-5,
        );
        assert_close(&values(y), &expected, 1e-5, 1e-6);
    }
}

#[test]
fn sinusoids_are_the_papers() {
    let device = &devices()[0];
    let table = values(sinusoids(2, 3, 5, device));
    for (row, pos) in (2..5).enumerate() {
        for dim in 0..5 {
            let angle = f64::from(pos) / 10_000_f64.powf(f64::from(dim / 2 * 2) / 5.0);
            let expected = if dim % 2 == 0 { angle.sin() } else { angle.cos() };
            assert_close(&[table[row * 5 + dim as usize]], &[expected], 1e-6, 1e-6);
        }
    }
}

#[test]
fn learned_positions_start_where_they_are_told() {
    let device = &devices()[0];
    let init = Initializer::new(5, device);
    let positions = PositionsConfig::Learned { max_len: 7 }.init(3, &init);
    let table = values(positions.weight.as_ref().unwrap().val());
    assert_eq!(values(positions.encodings(4, 2, 3, device)), table[4 * 3..6 * 3]);
}
