//! What a Transformer says that it looks at is what it computes with.

use attentive_attention::{Mask, MultiHeadAttention, NormPlacement, PositionsConfig};
use attentive_backend::BackendKind;
use attentive_core::TokenMatrix;
use attentive_model::{ModelSpec, TeacherForced, Transformer, TransformerConfig};
use attentive_testkit::assert_close;
use burn::tensor::{Int, Tensor, TensorData};

const SOURCE: [&[u32]; 2] = [&[4, 3, 6, 5, 2], &[5, 2]];
const TARGET: [&[u32]; 2] = [&[1, 5, 3, 6], &[1, 4, 2]];

fn model(norm: NormPlacement, positions: PositionsConfig) -> Transformer {
    let sizes = TransformerConfig { d_model: 16, d_ff: 24, n_heads: 4, ..TransformerConfig::base(9) };
    let config = TransformerConfig { n_encoder_layers: 2, n_decoder_layers: 2, norm, positions, ..sizes };
    config.init(&BackendKind::Flex.device().unwrap(), 3).unwrap()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

fn ids(rows: &TokenMatrix) -> Tensor<2, Int> {
    let ids: Vec<i64> = rows.ids().iter().map(|&id| i64::from(id)).collect();
    Tensor::from_data(TensorData::new(ids, [rows.n_rows(), rows.n_cols()]), &BackendKind::Flex.device().unwrap())
}

/// `Concat(weights · V) W^O`, the long way.
fn output(attention: &MultiHeadAttention, weights: Tensor<4>, memory: Tensor<3>) -> Tensor<3> {
    let ([batch, heads, queries, _], [_, keys, _]) = (weights.dims(), memory.dims());
    let v = attention.value.forward(memory);
    let [.., width] = v.dims();
    let v = v.reshape([batch, keys, heads, width / heads]).swap_dims(1, 2);
    attention.output.forward(weights.matmul(v).swap_dims(1, 2).reshape([batch, queries, width]))
}

#[test]
fn every_row_sums_to_one_and_padding_and_the_future_get_nothing() {
    for norm in [NormPlacement::Post, NormPlacement::Pre] {
        let model = model(norm, PositionsConfig::Sinusoidal);
        let [source, target] = [SOURCE, TARGET].map(|rows| TokenMatrix::from_rows(&rows, 0, 0));
        let weights = model.attention_maps(&source, &target);
        assert_eq!([weights.encoder.len(), weights.decoder.len(), weights.cross.len()], [2, 2, 2]);
        for (layers, causal, lengths) in [
            (&weights.encoder, false, source.lengths()),
            (&weights.decoder, true, &[4, 4]),
            (&weights.cross, false, source.lengths()),
        ] {
            for layer in layers {
                let [_, heads, queries, keys] = layer.dims();
                for (at, row) in values(layer.clone()).chunks(keys).enumerate() {
                    assert_close(&[row.iter().sum::<f32>()], &[1.0_f32], 1e-5, 0.0);
                    let seen = if causal { at % queries + 1 } else { lengths[at / (heads * queries)] };
                    assert!(row[seen..].iter().all(|&weight| weight == 0.0), "{row:?}");
                }
            }
        }
    }
}

#[test]
fn weights_times_values_are_what_the_fused_layers_give() {
    let rotary = PositionsConfig::rotary(100.0);
    for positions in [PositionsConfig::Sinusoidal, rotary, PositionsConfig::Alibi] {
        for norm in [NormPlacement::Post, NormPlacement::Pre] {
            let model = model(norm, positions.clone());
            let source = TokenMatrix::from_rows(&SOURCE, 0, 0);
            let (device, src) = (BackendKind::Flex.device().unwrap(), source.n_cols());
            let mask = Mask::padding(source.lengths(), src, &device);
            let context = model.source_positions.context(mask.clone(), 0, src, &device);
            let x = model.source_embedding.forward(ids(&source), &model.source_positions, 0, 0.0, None);
            for layer in &model.encoder.layers {
                let attention = &layer.self_attention;
                let fused = attention.forward_self(x.clone(), &context, None);
                let explicit = output(attention, attention.self_weights(x.clone(), &context), x.clone());
                assert_close(&values(fused), &values(explicit), 1e-4, 1e-5);
            }
            let (memory, _) = model.encoder.forward_with_weights(x.clone(), &context);
            assert_close(&values(memory.clone()), &values(model.encoder.forward(x, &context, None)), 1e-6, 0.0);
            assert_close(&values(memory.clone()), &values(model.encode(ids(&source), &mask, None)), 1e-6, 0.0);

            let target = TokenMatrix::from_rows(&TARGET, 0, 0);
            let context = model.target_positions.context(Mask::causal(), 0, target.n_cols(), &device);
            let x = model.source_embedding.forward(ids(&target), &model.target_positions, 0, 0.0, None);
            let layer = &model.decoder.layers[0];
            let (y, [_, to_source]) = layer.forward_with_weights(x.clone(), &context, memory.clone(), &mask);
            let expected = layer.forward(x.clone(), &context, memory.clone(), &mask, None);
            assert_close(&values(y), &values(expected), 1e-6, 0.0);
            // What the layer's attention to the source was asked with is what weights of the same queries give.
            let fused = layer.cross_attention.forward(x.clone(), memory.clone(), &mask, None);
            let weights = layer.cross_attention.weights(x, memory.clone(), &mask);
            assert_eq!(weights.dims(), to_source.dims());
            assert_close(&values(fused), &values(output(&layer.cross_attention, weights, memory)), 1e-4, 1e-5);
        }
    }
}
