//! T5 and ByT5: published sizes, and what holds for them beyond the laws of every encoder–decoder.

use attentive_attention::{Mask, PositionsConfig, RelativeBuckets};
use attentive_backend::BackendKind;
use attentive_core::TokenMatrix;
use attentive_core::{EncoderDecoder, NextToken};
use attentive_model::{
    ModelSpec, TransformerConfig,
    t5::{T5Widths, presets},
};
use burn::{
    module::Module,
    tensor::{Device, Int, Tensor},
};
use proptest::prelude::*;

const VOCAB: usize = 17;

fn device() -> Device {
    BackendKind::Flex.device().unwrap()
}

/// Sizes that differ, and buckets that short texts run through.
fn tiny(v1_1: bool) -> TransformerConfig {
    let widths = T5Widths { d_model: 10, d_ff: 14, n_heads: 3, d_kv: 4 };
    let make = if v1_1 { TransformerConfig::t5_v1_1 } else { TransformerConfig::t5 };
    let buckets = RelativeBuckets { n_buckets: 8, max_distance: 7 };
    TransformerConfig { positions: PositionsConfig::RelativeBuckets(buckets), ..make(VOCAB, widths, [3, 2]) }
}

#[test]
fn released_models_have_exactly_their_parameters() {
    // Counted in transformers 5.23, T5ForConditionalGeneration of the released configurations; version 1.1 and ByT5 with a
    // projection of their own.
    let released: [(&str, usize); 15] = [
        ("t5-small", 60_506_624),
        ("t5-base", 222_903_552),
        ("t5-large", 737_668_096),
        ("t5-3b", 2_851_598_336),
        ("t5-11b", 11_307_321_344),
        ("t5-v1_1-small", 60_511_616 + 32_128 * 512),
        ("t5-v1_1-base", 222_903_552 + 32_128 * 768),
        ("t5-v1_1-large", 750_251_008 + 32_128 * 1024),
        ("t5-v1_1-xl", 2_783_959_040 + 32_128 * 2048),
        ("t5-v1_1-xxl", 11_003_736_064 + 32_128 * 4096),
        ("byt5-small", 299_072_512 + 384 * 1472),
        ("byt5-base", 581_063_424 + 384 * 1536),
        ("byt5-large", 1_227_593_728 + 384 * 1536),
        ("byt5-xl", 3_736_818_688 + 384 * 2560),
        ("byt5-xxl", 12_905_105_280 + 384 * 4672),
    ];
    for (preset, (name, n_params)) in presets().into_iter().zip(released) {
        assert_eq!((preset.name, preset.config.n_params()), (name, n_params));
        assert!(preset.config.validate().is_ok(), "{name}");
        // T5-large is published with 770 million and has 738, version 1.1's XL with 3 billion and has 2.85.
        let off = n_params as f64 / 1e6 / preset.params_millions.unwrap() - 1.0;
        assert!(off.abs() < 0.053, "{name}: published with {} M, {off}", preset.params_millions.unwrap());
    }
}

#[test]
fn parameters_are_counted_by_a_formula() {
    // Vocabulary, buckets of both stacks, attentions, feed-forward networks and gains of norms; no bias anywhere.
    let (d, d_ff, inner, n_encoder, n_decoder) = (10, 14, 3 * 4, 3, 2);
    let (attention, buckets) = (4 * d * inner, 2 * 8 * 3);
    for (v1_1, tables, feed_forward) in [(false, 1, 2 * d * d_ff), (true, 2, 3 * d * d_ff)] {
        let encoder = n_encoder * (attention + feed_forward + 2 * d) + d;
        let decoder = n_decoder * (2 * attention + feed_forward + 3 * d) + d;
        let config = tiny(v1_1);
        assert_eq!(config.n_params(), tables * VOCAB * d + buckets + encoder + decoder);
        assert_eq!(config.init(&device(), 1).unwrap().num_params(), config.n_params());
    }
}

fn ids(row: &[u32]) -> Tensor<2, Int> {
    let row: Vec<i64> = row.iter().map(|&id| i64::from(id)).collect();
    Tensor::<1, Int>::from_ints(row.as_slice(), &device()).unsqueeze()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

#[test]
fn a_new_model_has_logits_of_moderate_size() {
    // Scores and logits that are not scaled must begin with weights that make up for it.
    let widths = T5Widths { d_model: 64, d_ff: 128, n_heads: 4, d_kv: 16 };
    let deviation = |values: Vec<f32>| {
        let square: f32 = values.iter().map(|value| value * value).sum();
        (square / values.len() as f32).sqrt()
    };
    for make in [TransformerConfig::t5, TransformerConfig::t5_v1_1] {
        let model = make(100, widths, [2, 2]).init(&device(), 3).unwrap();
        let text: Vec<u32> = (0..50).collect();
        let memory = model.encode(ids(&text), &Mask::none(), None);
        let attention = &model.encoder.layers[0].self_attention;
        let weights = values(attention.weights(memory.clone(), memory.clone(), &Mask::none()));
        assert!(weights.iter().all(|&weight| weight < 0.6), "{weights:?}");
        let logits = values(model.logits(model.decode(ids(&text), &memory, &Mask::none(), None)));
        let deviation = deviation(logits);
        assert!((0.5..2.0).contains(&deviation), "{deviation}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_encoder_sees_both_sides_and_the_decoder_one(
        v1_1 in any::<bool>(), text in prop::collection::vec(3_u32..VOCAB as u32, 2..9), at in any::<prop::sample::Index>(),
    ) {
        let model = tiny(v1_1).init(&device(), 2).unwrap();
        let at = at.index(text.len());
        let mut changed = text.clone();
        changed[at] = if text[at] == 3 { 4 } else { 3 };
        let [a, b] = [&text, &changed].map(|text| values(model.encode(ids(text), &Mask::none(), None)));
        for (pos, (a, b)) in a.chunks(10).zip(b.chunks(10)).enumerate() {
            prop_assert!(a != b, "position {} does not see {}", pos, at);
        }
        let memory = model.encode(ids(&text), &Mask::none(), None);
        let [a, b] = [&text, &changed].map(|text| values(model.decode(ids(text), &memory, &Mask::none(), None)));
        for (pos, (a, b)) in a.chunks(10).zip(b.chunks(10)).enumerate() {
            prop_assert_eq!(a == b, pos < at, "position {} and a change at {}", pos, at);
        }
    }

    #[test]
    fn a_step_at_a_time_says_what_all_at_once_says(
        v1_1 in any::<bool>(), source in prop::collection::vec(3_u32..VOCAB as u32, 1..9), target in prop::collection::vec(0_u32..VOCAB as u32, 1..12),
    ) {
        let model = tiny(v1_1).init(&device(), 2).unwrap();
        let memory = model.encode(ids(&source), &Mask::none(), None);
        let hidden = model.decode(ids(&target), &memory, &Mask::none(), None);
        let expected = values(burn::tensor::activation::log_softmax(model.logits(hidden), 2));
        // In company of a longer row.
        let longer = [source.clone(), vec![5; 3]].concat();
        let mut state = model.start(&TokenMatrix::from_rows(&[&source, &longer], 0, 0));
        for (&token, expected) in target.iter().zip(expected.chunks(VOCAB)) {
            let both = Tensor::<2, Int>::full([2, 1], i64::from(token), &device());
            let found = values(model.advance(both, &mut state));
            attentive_testkit::assert_close(&found[..VOCAB], expected, 1e-4, 1e-5);
        }
    }
}
