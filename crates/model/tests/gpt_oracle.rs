//! GPT-1 and GPT-2 written out in f64 from their papers, parameter by parameter name, against the model.

use attentive_attention::NormPlacement;
use attentive_backend::BackendKind;
use attentive_model::{GptConfig, ModelSpec};
use attentive_testkit::{
    Attention, AttentionShape, Fixture, assert_close, gelu_tanh, layer_norm, linear, transpose, widen,
};
use attentive_weights::Tensors;
use burn::tensor::{Int, Tensor};

const SEQ: usize = 5;
const VOCAB: usize = 13;
const D: usize = 6;
const HEADS: usize = 2;

/// A model's parameters by name.
struct Params(Tensors);

impl Params {
    fn get(&self, name: &str) -> Vec<f64> {
        widen(&self.0[name].values)
    }

    fn linear(&self, x: &[f64], name: &str) -> Vec<f64> {
        let (weight, bias) = (self.get(&format!("{name}.weight")), self.get(&format!("{name}.bias")));
        linear(x, &weight, Some(&bias), [SEQ, weight.len() / bias.len(), bias.len()])
    }

    fn norm(&self, x: &[f64], name: &str) -> Vec<f64> {
        layer_norm(x, &self.get(&format!("{name}.gamma")), &self.get(&format!("{name}.beta")), 1e-5)
    }

    fn attention(&self, x: &[f64], name: &str) -> Vec<f64> {
        let d_k = D / HEADS;
        let heads = |projection: &str| -> Vec<f64> {
            let y = self.linear(x, &format!("{name}.{projection}"));
            let at = |h: usize, i: usize| y[i * D + h * d_k..][..d_k].to_vec();
            (0..HEADS * SEQ).flat_map(|row| at(row / SEQ, row % SEQ)).collect()
        };
        let shape = AttentionShape { batch: 1, heads: HEADS, kv_heads: HEADS, q_len: SEQ, k_len: SEQ, d_k, d_v: d_k };
        let attention = Attention { causal: true, ..Attention::new(shape) };
        let out = attention.forward(&heads("query"), &heads("key"), &heads("value"));
        let joined: Vec<f64> = (0..SEQ * D)
            .map(|i| {
                let (row, feature) = (i / D, i % D);
                out[((feature / d_k) * SEQ + row) * d_k + feature % d_k]
            })
            .collect();
        self.linear(&joined, &format!("{name}.output"))
    }

    fn feed_forward(&self, x: &[f64], name: &str) -> Vec<f64> {
        let inner: Vec<f64> = self.linear(x, &format!("{name}.inner")).into_iter().map(gelu_tanh).collect();
        self.linear(&inner, &format!("{name}.outer"))
    }

    /// Logits of every position: `[seq, vocab]`.
    fn logits(&self, tokens: &[usize], config: &GptConfig) -> Vec<f64> {
        let (table, positions) = (self.get("embedding.weight"), self.get("positions.weight"));
        let mut x: Vec<f64> = (0..SEQ * D).map(|i| table[tokens[i / D] * D + i % D] + positions[i]).collect();
        for layer in 0..config.n_layers {
            let path = |part: &str| format!("decoder.layers.{layer}.{part}");
            let start = x.clone();
            for sub_layer in ["self_attention", "feed_forward"] {
                let apply = |x: &[f64]| match sub_layer {
                    "self_attention" => self.attention(x, &path(sub_layer)),
                    _ => self.feed_forward(x, &path(sub_layer)),
                };
                let norm = |x: &[f64]| self.norm(x, &path(&format!("{sub_layer}_add_norm.norm")));
                let output_norm = |x: &[f64]| self.norm(x, &path(&format!("{sub_layer}_add_norm.output_norm")));
                x = match config.norm {
                    NormPlacement::Pre if config.parallel => add(&x, &apply(&norm(&start))),
                    NormPlacement::Pre => add(&x, &apply(&norm(&x))),
                    NormPlacement::Both => add(&x, &output_norm(&apply(&norm(&x)))),
                    NormPlacement::Post => norm(&add(&x, &apply(&x))),
                };
            }
        }
        if config.norm != NormPlacement::Post {
            x = self.norm(&x, "decoder.norm");
        }
        linear(&x, &transpose(&table, [VOCAB, D]), None, [SEQ, D, VOCAB])
    }
}

fn add(x: &[f64], y: &[f64]) -> Vec<f64> {
    x.iter().zip(y).map(|(x, y)| x + y).collect()
}

#[test]
fn gpts_are_what_their_papers_write() {
    for kind in [BackendKind::Flex, BackendKind::NdArray] {
        let device = kind.device().unwrap();
        let pre = NormPlacement::Pre;
        for (norm, parallel) in [(pre, false), (pre, true), (NormPlacement::Both, false), (NormPlacement::Post, false)]
        {
            let config = GptConfig { norm, parallel, ..GptConfig::gpt2_like(VOCAB, 7, [2, HEADS, D]) };
            let model = config.init(&device, 1).unwrap();
            // Values of ordinary size everywhere, biases and gains too: initial ones would hide what they do.
            let mut params = attentive_weights::params(&model);
            let mut fixture = Fixture::new(2);
            for tensor in params.values_mut() {
                tensor.values = fixture.normal(tensor.values.len());
            }
            let model = attentive_weights::load(model, params.clone()).unwrap();
            let tokens = fixture.indices(SEQ, VOCAB);
            let ids: Vec<i64> = tokens.iter().map(|&id| id as i64).collect();
            let ids = Tensor::<1, Int>::from_ints(ids.as_slice(), &device).unsqueeze();
            let logits: Vec<f32> = model.logits(model.forward(ids, None)).into_data().try_into_vec().unwrap();
            assert_close(&logits, &Params(params).logits(&tokens, &config), 1e-3, 1e-3);
        }
    }
}

#[test]
fn weights_are_drawn_as_gpt_2_draws_them() {
    let config = GptConfig::gpt2_like(100, 16, [4, 2, 64]);
    let params = attentive_weights::params(&config.init(&BackendKind::Flex.device().unwrap(), 3).unwrap());
    let std = |name: &str| {
        let values = &params[name].values;
        (values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
    };
    let near = |name: &str, expected: f64| assert!((std(name) / expected - 1.0).abs() < 0.05, "{name}: {}", std(name));
    let layer = "decoder.layers.2";
    near("embedding.weight", 0.02);
    near("positions.weight", 0.02);
    near(&format!("{layer}.self_attention.value.weight"), 0.02);
    near(&format!("{layer}.feed_forward.inner.weight"), 0.02);
    // Divided by the root of eight residual branches.
    near(&format!("{layer}.self_attention.output.weight"), 0.02 / 8_f64.sqrt());
    near(&format!("{layer}.feed_forward.outer.weight"), 0.02 / 8_f64.sqrt());
    assert_eq!(std(&format!("{layer}.feed_forward.inner.bias")), 0.0);
}
