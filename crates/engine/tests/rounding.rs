//! The rounding of packing, as training follows it, against packed weights and packed models.

use attentive_attention::{PositionsConfig, RelativeBuckets};
use attentive_backend::BackendKind;
use attentive_core::{Encoder, EncoderDecoder, EncoderInput, LanguageModel, NextToken, TokenMatrix, mix64};
use attentive_engine::{CpuBert, CpuGpt, CpuTransformer, PackedRounding, WeightFormat, packs};
use attentive_kernels::{BlockFormat, BlockMatrix, Int8Matrix, MatRef, QuantisedColumns};
use attentive_model::{BertConfig, GptConfig, ModelSpec, RnnConfig, TransformerConfig, WhisperConfig};
use attentive_weights::{HostTensor, Rounding, Tensors, WeightsError};

const VOCAB: usize = 53;

/// Numbers between -0.5 and 0.5 that are not on any grid.
fn numbers(salt: usize, n: usize) -> Vec<f32> {
    (0..n).map(|idx| (mix64((salt * 10_007 + idx) as u64) % 100_003) as f32 / 100_003.0 - 0.5).collect()
}

/// Initial parameters with noise everywhere, biases and norms too.
fn params<C: ModelSpec>(config: &C) -> Tensors {
    let model = config.init(&BackendKind::Flex.device().unwrap(), 3).expect("a good configuration");
    let mut params = attentive_weights::params(&model);
    for (salt, tensor) in params.values_mut().enumerate() {
        let noise = numbers(salt, tensor.values.len());
        tensor.values.iter_mut().zip(noise).for_each(|(value, noise)| *value += 0.4 * noise);
    }
    params
}

fn rounded(rounding: &PackedRounding, params: &Tensors) -> Tensors {
    let round = |(name, tensor): (&String, &HostTensor)| (name.clone(), rounding.round(name, tensor).unwrap());
    params.iter().map(round).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// The weight `[d_in, d_out]` of a packed matrix, read column by column.
fn unpacked([d_in, d_out]: [usize; 2], column: impl Fn(usize, &mut [f32])) -> Vec<f32> {
    let (mut weight, mut values) = (vec![0.0; d_in * d_out], vec![0.0; d_in]);
    for output in 0..d_out {
        column(output, &mut values);
        values.iter().enumerate().for_each(|(input, &value)| weight[input * d_out + output] = value);
    }
    weight
}

/// The values of a packed weight, of which there is one for each format that rounds.
fn packed(format: WeightFormat, weight: MatRef<'_>) -> Vec<f32> {
    let in_blocks = |format| {
        let matrix = BlockMatrix::quantise(format, weight).unwrap();
        unpacked(weight.dims(), |output, values| matrix.dequantise_row(output, values))
    };
    match format {
        WeightFormat::Int8 => {
            let matrix = Int8Matrix::new(&QuantisedColumns::new(weight));
            unpacked(weight.dims(), |output, values| matrix.column(output, values))
        }
        WeightFormat::Q8_0 => in_blocks(BlockFormat::Q8_0),
        _ => in_blocks(BlockFormat::Q4_0),
    }
}

#[test]
fn rounded_values_are_those_of_the_packed_weight() {
    let config = TransformerConfig { d_model: 64, ..TransformerConfig::base(VOCAB) };
    for format in [WeightFormat::Int8, WeightFormat::Q8_0, WeightFormat::Q4_0] {
        let rounding = PackedRounding::new(&config, format).unwrap();
        // The last column is all zeros; another has a number that is far larger than the others.
        let (mut values, [d_in, d_out]) = (numbers(1, 64 * 21), [64, 21]);
        values.chunks_exact_mut(d_out).for_each(|row| row[d_out - 1] = 0.0);
        values[5 * d_out + 3] = -900.0;
        let linear = HostTensor { shape: vec![d_in, d_out], values: values.clone() };
        let found = rounding.round("encoder.layers.0.feed_forward.inner.weight", &linear).unwrap();
        assert_eq!(found.shape, [d_in, d_out]);
        assert_eq!(found.values, packed(format, MatRef::new(&values, d_in, d_out)), "{format}");
        assert!(found.values != values);

        // The rows of a table are outputs.
        let table = HostTensor { shape: vec![21, 64], values: numbers(2, 21 * 64) };
        let found = rounding.round("source_embedding.weight", &table).unwrap();
        let transposed = packed(format, MatRef::new(&table.values, 21, 64).t()); // [64, 21]
        let expected: Vec<f32> = (0..21 * 64).map(|at| transposed[at % 64 * 21 + at / 64]).collect();
        assert_eq!(found.values, expected, "{format}");
    }
}

/// Scores, or vectors, of a packed model.
type Outputs = fn(&dyn std::any::Any, &Tensors, WeightFormat) -> Vec<f32>;

fn of_transformer(config: &dyn std::any::Any, params: &Tensors, format: WeightFormat) -> Vec<f32> {
    let engine = CpuTransformer::new(config.downcast_ref().unwrap(), params, format).unwrap();
    let mut state = engine.start(&TokenMatrix::from_rows(&[vec![3, 4, 5, 6, 2], vec![9, 2]], 0, 5));
    engine.log_probs(&[1, 20, 7, 1, 21, 8], &mut state).unwrap()
}

fn of_gpt(config: &dyn std::any::Any, params: &Tensors, format: WeightFormat) -> Vec<f32> {
    let engine = CpuGpt::new(config.downcast_ref().unwrap(), params, format).unwrap();
    engine.log_probs_of(&[1, 20, 7, 33, 21, 8]).unwrap()
}

fn of_bert(config: &dyn std::any::Any, params: &Tensors, format: WeightFormat) -> Vec<f32> {
    let engine = CpuBert::new(config.downcast_ref().unwrap(), params, format).unwrap();
    let encoded = engine.encode(&[EncoderInput::from(&[1, 20, 7, 33, 21, 8][..])]).unwrap();
    let vectors = encoded.texts().next().unwrap();
    let scores = engine.token_scores(vectors).map(Result::unwrap).unwrap_or_default();
    [vectors, &scores[..]].concat()
}

/// Blocks hold rounded values as they are. So a model of rounded parameters is that of the parameters themselves, unless
/// something is rounded that packing leaves.
#[track_caller]
fn rounds_what_packing_rounds<C: ModelSpec>(config: &C, outputs: Outputs, kept: &[&str]) {
    let params = params(config);
    for format in [WeightFormat::Q8_0, WeightFormat::Q4_0] {
        let rounding = PackedRounding::new(config, format).unwrap();
        let rounded = rounded(&rounding, &params);
        let of_model = |params, format| bits(&outputs(config, params, format));
        assert_eq!(of_model(&rounded, format), of_model(&params, format), "{format}");
        assert!(of_model(&rounded, WeightFormat::F32) != of_model(&params, WeightFormat::F32));
        // All other weights of this format are rounded, and nothing else is.
        for (name, tensor) in &params {
            let is_kept = !name.ends_with(".weight") || kept.contains(&name.as_str());
            assert_eq!((rounded[name] == *tensor, rounding.rounds(name)), (is_kept, !is_kept), "{name}");
        }
    }
}

#[test]
fn an_encoder_decoder_is_rounded_as_it_is_packed() {
    let config = TransformerConfig {
        d_model: 32,
        d_ff: 64,
        n_heads: 2,
        n_encoder_layers: 1,
        n_decoder_layers: 1,
        positions: PositionsConfig::Learned { max_len: 12 },
        ..TransformerConfig::base(VOCAB)
    };
    let positions = ["source_positions.weight", "target_positions.weight"];
    rounds_what_packing_rounds(&config, of_transformer, &positions);
    let of_target = TransformerConfig { share_embeddings: false, ..config.clone() };
    rounds_what_packing_rounds(&of_target, of_transformer, &[&positions[..], &["source_embedding.weight"]].concat());
    let untied = TransformerConfig { tie_projection: false, ..of_target };
    let tables = ["source_embedding.weight", "target_embedding.weight"];
    rounds_what_packing_rounds(&untied, of_transformer, &[&positions[..], &tables].concat());
}

#[test]
fn a_decoder_is_rounded_as_it_is_packed() {
    let config = GptConfig { gated: true, ..GptConfig::gpt2_like(VOCAB, 12, [2, 2, 32]) };
    rounds_what_packing_rounds(&config, of_gpt, &["positions.weight"]);
    let untied = GptConfig { tie_projection: false, ..config };
    rounds_what_packing_rounds(&untied, of_gpt, &["positions.weight", "embedding.weight"]);
}

#[test]
fn an_encoder_is_rounded_as_it_is_packed() {
    let config = BertConfig { labels: vec!["a".into(), "b".into()], ..BertConfig::bert_like(VOCAB, 12, [2, 2, 32]) };
    let tables = ["positions.weight", "segments.weight"];
    rounds_what_packing_rounds(&config, of_bert, &tables);
    let buckets = RelativeBuckets { n_buckets: 8, max_distance: 9 };
    let kin = BertConfig {
        d_embedding: Some(32),
        relative_buckets: Some(buckets),
        masked_lm: false,
        n_layer_groups: Some(1),
        ..config
    };
    let kept = [&tables[..], &["relative_buckets.weight", "embedding.weight"]].concat();
    rounds_what_packing_rounds(&kin, of_bert, &kept);
}

#[test]
fn bytes_are_those_of_a_file() {
    let config = BertConfig { masked_lm: false, ..BertConfig::bert_like(VOCAB, 12, [2, 2, 30]) };
    let rounding = PackedRounding::new(&config, WeightFormat::Int8).unwrap();
    for name in params(&config).keys() {
        assert_eq!(rounding.rounds(name), attentive_engine::int8_axis(name).is_some(), "{name}");
    }
    assert!(rounding.rounds("embedding.weight"));
}

#[test]
fn what_can_not_be_rounded_is_told() {
    let config = GptConfig::gpt2_like(VOCAB, 12, [2, 2, 12]);
    let rounding = PackedRounding::new(&config, WeightFormat::Q4_0).unwrap();
    let name = "decoder.layers.0.feed_forward.inner.weight";
    let error = rounding.round(name, &params(&config)[name]).unwrap_err();
    assert!(matches!(error, WeightsError::Blocks { d_in: 12, .. }), "{error}");
    assert!(error.to_string().contains(name) && error.to_string().contains("q4_0"), "{error}");
    for format in [WeightFormat::F32, WeightFormat::Blocks] {
        assert_eq!(PackedRounding::new(&config, format), None);
    }
    assert_eq!(PackedRounding::new(&RnnConfig::rnn_search(VOCAB), WeightFormat::Int8), None);
}

#[test]
fn families_are_packed_or_not() {
    assert!(packs(&GptConfig::gpt2_like(VOCAB, 12, [2, 2, 12]).into()));
    assert!(packs(&BertConfig::bert_like(VOCAB, 12, [2, 2, 12]).into()));
    assert!(packs(&TransformerConfig::base(VOCAB).into()));
    assert!(packs(&WhisperConfig::whisper_like(VOCAB, 32, [2, 2, 64]).into()));
    assert!(!packs(&RnnConfig::rnn_search(VOCAB).into()));
}
