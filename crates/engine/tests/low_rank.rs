//! Matrices of low rank that are added in use, against the same matrices merged; and weights that models share.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use attentive_backend::BackendKind;
use attentive_core::{Encoder, EncoderDecoder, EncoderInput, LanguageModel, NextToken, TokenMatrix, mix64};
use attentive_engine::{CpuBert, CpuGpt, CpuTransformer, WeightFormat, WeightPacking, int8_axis};
use attentive_model::{BertConfig, GptConfig, ModelSpec, TransformerConfig};
use attentive_weights::{HostTensor, LowRank, ScaleAxis, Source, Tensors, WeightsError};

const VOCAB: usize = 53;
const RANK: usize = 3;
const SCALE: f64 = 1.5;

/// Parameters, to each linear map of which a matrix of low rank is added: its two factors.
struct Changed {
    params: Tensors,
    factors: BTreeMap<String, [HostTensor; 2]>,
}

/// A number between -0.5 and 0.5.
fn unit(at: usize) -> f32 {
    (mix64(at as u64) % 1000) as f32 / 1000.0 - 0.5
}

fn random(shape: [usize; 2], salt: usize) -> HostTensor {
    let values = (0..shape[0] * shape[1]).map(|at| unit(salt * 10_007 + at)).collect();
    HostTensor { shape: shape.to_vec(), values }
}

impl Changed {
    fn new(config: &impl ModelSpec) -> Self {
        let model = config.init(&BackendKind::Flex.device().unwrap(), 3).unwrap();
        let mut params = attentive_weights::params(&model);
        for (salt, tensor) in params.values_mut().enumerate() {
            tensor.values.iter_mut().enumerate().for_each(|(at, value)| *value += 0.3 * unit(salt * 10_007 + at));
        }
        let is_map = |name: &str| int8_axis(name) == Some(ScaleAxis::Columns);
        let maps = params.iter().filter(|(name, _)| is_map(name)).enumerate();
        let factors = maps.map(|(salt, (name, weight))| {
            let factors = [[weight.shape[0], RANK], [RANK, weight.shape[1]]];
            (name.clone(), factors.map(|shape| random(shape, 500 + 2 * salt + shape[0])))
        });
        let factors = factors.collect();
        Self { params, factors }
    }

    /// All sums made.
    fn merged(&self) -> Tensors {
        let mut merged = self.params.clone();
        for (name, [down, up]) in &self.factors {
            let weight = merged.get_mut(name).unwrap();
            let d_out = weight.shape[1];
            for (at, value) in weight.values.iter_mut().enumerate() {
                let (row, column) = (at / d_out, at % d_out);
                let product =
                    |k: usize| f64::from(down.values[row * RANK + k]) * f64::from(up.values[k * d_out + column]);
                *value = (f64::from(*value) + SCALE * (0..RANK).map(product).sum::<f64>()) as f32;
            }
        }
        merged
    }
}

impl Source for Changed {
    fn names(&self) -> Vec<&str> {
        self.params.names()
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.params.shape(name)
    }

    fn tensor(&self, name: &str) -> Result<Cow<'_, HostTensor>, WeightsError> {
        self.params.tensor(name)
    }

    fn low_rank(&self, name: &str) -> Option<LowRank<'_>> {
        self.factors.get(name).map(|[down, up]| LowRank { down, up, scale: SCALE })
    }
}

/// What a model computes of some parameters.
type Run<'a> = &'a dyn Fn(&dyn Source, WeightPacking) -> Vec<f32>;

fn of_gpt(config: &GptConfig, params: &dyn Source, packing: WeightPacking) -> Vec<f32> {
    let engine = CpuGpt::new(config, params, packing).unwrap();
    let mut state = engine.start(2);
    let prompt = engine.log_probs(&[1, 20, 30, 1, 21, 31], &mut state).unwrap();
    [prompt, engine.log_probs(&[5, 6], &mut state).unwrap()].concat()
}

fn of_transformer(config: &TransformerConfig, params: &dyn Source, packing: WeightPacking) -> Vec<f32> {
    let engine = CpuTransformer::new(config, params, packing).unwrap();
    let mut state = engine.start(&TokenMatrix::from_rows(&[vec![3, 4, 5, 6, 2], vec![9, 2]], 0, 9));
    let first = engine.log_probs(&[1, 1], &mut state).unwrap();
    [first, engine.log_probs(&[5, 6], &mut state).unwrap()].concat()
}

fn of_bert(config: &BertConfig, params: &dyn Source, packing: WeightPacking) -> Vec<f32> {
    let engine = CpuBert::new(config, params, packing).unwrap();
    let encoded = engine.encode(&[EncoderInput { ids: &[1, 5, 9, 30, 2], n_first: 5 }]).unwrap();
    let vectors: Vec<f32> = encoded.texts().flatten().copied().collect();
    let of_tokens = engine.token_scores(&vectors).unwrap().unwrap();
    [vectors, of_tokens, engine.label_scores(&encoded).unwrap().unwrap()].concat()
}

fn farthest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Holds sums in use against sums that were made before, in f32 and over weights of bytes, alone and over shared weights.
fn agrees(name: &str, config: &impl ModelSpec, run: Run<'_>) {
    let changed = Changed::new(config);
    assert!(changed.factors.len() > 5, "{name}");
    let expected = run(&changed.merged(), WeightFormat::F32.into());
    let before = run(&changed.params, WeightFormat::F32.into());
    let found = run(&changed, WeightFormat::F32.into());
    let moved = farthest(&before, &expected);
    assert!(moved > 0.3, "{name}: {moved}");
    assert!(farthest(&found, &expected) < 3e-5, "{name}: {}", farthest(&found, &expected));
    let rounded = farthest(&run(&changed, WeightFormat::Int8.into()), &expected);
    assert!(rounded > 0.0 && rounded < 0.5 && 2.0 * rounded < moved, "{name}, int8: {rounded} of {moved}");

    let packing = WeightPacking::from(WeightFormat::F32);
    for _ in 0..2 {
        assert_eq!(run(&changed.params, packing.clone()), before, "{name}");
        assert_eq!(run(&changed, packing.clone()), found, "{name}");
    }
    // What is kept in another format is not taken.
    let in_bytes = WeightPacking { format: WeightFormat::Int8, ..packing };
    assert_eq!(run(&changed, in_bytes), run(&changed, WeightFormat::Int8.into()), "{name}");
}

fn gpt() -> GptConfig {
    GptConfig { d_ff: 23, ..GptConfig::gpt2_like(VOCAB, 40, [2, 2, 12]) }
}

fn llama() -> GptConfig {
    GptConfig { gated: true, bias: false, n_kv_heads: Some(1), tie_projection: false, ..gpt() }
}

fn transformer() -> TransformerConfig {
    let (n_encoder_layers, n_decoder_layers) = (1, 2);
    TransformerConfig {
        d_model: 14,
        d_ff: 23,
        n_heads: 2,
        n_encoder_layers,
        n_decoder_layers,
        ..TransformerConfig::base(VOCAB)
    }
}

fn bert() -> BertConfig {
    let labels = vec!["a".to_owned(), "b".to_owned()];
    BertConfig { d_ff: 23, labels, ..BertConfig::bert_like(VOCAB, 40, [2, 2, 12]) }
}

#[test]
fn sums_in_use_are_those_that_were_merged() {
    for (name, config) in [("gpt", gpt()), ("llama", llama()), ("parallel", GptConfig { parallel: true, ..gpt() })] {
        agrees(name, &config, &|params, packing| of_gpt(&config, params, packing));
    }
    for (name, config) in [
        ("transformer", transformer()),
        ("gated", TransformerConfig { gated: true, share_embeddings: false, ..transformer() }),
    ] {
        agrees(name, &config, &|params, packing| of_transformer(&config, params, packing));
    }
    agrees("bert", &bert(), &|params, packing| of_bert(&bert(), params, packing));
}

/// A part of what is packed as one, a tied table, a table that is looked up alone, and a map.
#[test]
fn parameters_of_its_own_are_a_model_s_own() {
    let names = [
        "decoder.layers.0.self_attention.key.weight",
        "embedding.weight",
        "decoder.layers.1.feed_forward.outer.weight",
    ];
    for config in [gpt(), llama()] {
        let Changed { mut params, .. } = Changed::new(&config);
        let packing = WeightPacking::from(WeightFormat::F32);
        let before = of_gpt(&config, &params, packing.clone());
        for name in names {
            params.get_mut(name).unwrap().values.iter_mut().for_each(|value| *value *= 1.5);
        }
        let own: BTreeSet<String> = names.map(str::to_owned).into();
        let expected = of_gpt(&config, &params, WeightFormat::F32.into());
        assert!(farthest(&before, &expected) > 0.1);
        let shared = packing.shared.except(own);
        assert_eq!(of_gpt(&config, &params, WeightPacking { shared, ..packing.clone() }), expected);
        // Nor does it leave them to the others.
        let Changed { params, .. } = Changed::new(&config);
        assert_eq!(of_gpt(&config, &params, packing), before);
    }
}

#[test]
fn what_could_not_be_packed_is_not_shared() {
    let config = gpt();
    let Changed { params, .. } = Changed::new(&config);
    let mut damaged = params.clone();
    damaged.remove("decoder.layers.1.feed_forward.inner.weight").unwrap();
    let packing = WeightPacking::from(WeightFormat::F32);
    CpuGpt::new(&config, &damaged, packing.clone()).expect_err("a parameter is missing");
    assert_eq!(of_gpt(&config, &params, packing), of_gpt(&config, &params, WeightFormat::F32.into()));
}

#[test]
fn what_can_not_be_added_is_refused_by_name() {
    let problems = |name: &str, shapes: [[usize; 2]; 2]| {
        let mut changed = Changed::new(&gpt());
        changed.factors.insert(name.to_owned(), shapes.map(|shape| random(shape, 1)));
        let error = CpuGpt::new(&gpt(), &changed, WeightFormat::F32).expect_err("does not fit");
        let WeightsError::Mismatch { problems } = error else { panic!("{error}") };
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(name), "{problems:?}");
    };
    problems("decoder.layers.0.self_attention.query.weight", [[12, RANK], [RANK, 11]]);
    problems("decoder.layers.0.self_attention.query.weight", [[12, RANK], [2, 12]]);
    problems("embedding.weight", [[VOCAB, RANK], [RANK, 12]]);
}
