//! Laws that hold for every GPT, whatever its sizes and choices.

use attentive_attention::{
    Activation, NormKind, NormPlacement, PositionsConfig, RelativeBuckets, Rotary, RotaryScaling,
};
use attentive_backend::{BackendKind, Device, Objective};
use attentive_core::{Dropout, LanguageModel, NextToken, SequenceBatch};
use attentive_model::{CausalLmObjective, Gpt, GptConfig, ModelSpec};
use attentive_testkit::assert_close;
use burn::{
    module::Module,
    tensor::{Int, Tensor, activation::log_softmax},
};
use proptest::prelude::*;

const VOCAB: usize = 13;

fn device() -> Device {
    BackendKind::Flex.device().unwrap()
}

fn positions() -> impl Strategy<Value = PositionsConfig> {
    prop_oneof![
        Just(PositionsConfig::Sinusoidal),
        Just(PositionsConfig::Learned { max_len: 19 }),
        Just(PositionsConfig::rotary(1e4)),
        Just(PositionsConfig::Rotary(Rotary { n_features: Some(2), ..Rotary::default() })),
        Just(PositionsConfig::Alibi),
        Just(PositionsConfig::RelativeBuckets(RelativeBuckets { n_buckets: 6, max_distance: 7 })),
    ]
}

fn configs() -> impl Strategy<Value = GptConfig> {
    let norm = prop_oneof![Just(NormPlacement::Post), Just(NormPlacement::Pre), Just(NormPlacement::Both)];
    let norm_kind = prop_oneof![Just(NormKind::Layer), Just(NormKind::Rms)];
    let activation = prop_oneof![Just(Activation::Gelu), Just(Activation::GeluTanh), Just(Activation::Silu)];
    let n_kv_heads = prop_oneof![Just(None), Just(Some(1)), Just(Some(2))];
    let window = prop_oneof![2 => Just(None), 1 => (1_usize..4).prop_map(Some)];
    let choices = (norm, norm_kind, activation, n_kv_heads, window, positions(), any::<[bool; 9]>());
    choices.prop_map(|(norm, norm_kind, activation, n_kv_heads, window, positions, flags)| {
        let [gated, bias, tie_projection, qkv_bias, qk_norm, parallel, one_is_full, wide, scale_embeddings] = flags;
        let is_rotary = matches!(positions, PositionsConfig::Rotary(_));
        GptConfig {
            head_dim: wide.then_some(6),
            qkv_bias: qkv_bias.then_some(!bias),
            qk_norm,
            parallel: parallel && norm == NormPlacement::Pre,
            full_layers: if one_is_full && window.is_some() { vec![1] } else { Vec::new() },
            window_theta: window.filter(|_| is_rotary).map(|_| 100.0),
            scale_embeddings,
            projection_bias: qkv_bias,
            attention_cap: one_is_full.then_some(1.5),
            logit_cap: wide.then_some(2.5),
            d_ff: 17,
            n_kv_heads,
            activation,
            gated,
            bias,
            norm,
            norm_kind,
            positions,
            window,
            tie_projection,
            ..GptConfig::gpt2_like(VOCAB, 19, [2, 4, 16])
        }
    })
}

fn tokens(max_len: usize) -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(0..VOCAB as u32, 1..=max_len)
}

fn ids(rows: &[&[u32]]) -> Tensor<2, Int> {
    let flat: Vec<i64> = rows.concat().iter().map(|&id| i64::from(id)).collect();
    Tensor::<1, Int>::from_ints(flat.as_slice(), &device()).reshape([rows.len(), rows[0].len()])
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

/// Log-probabilities of what follows each position: `seq · vocab` values.
fn uncached(model: &Gpt, tokens: &[u32]) -> Vec<f32> {
    let hidden = model.forward(ids(&[tokens]), None);
    values(log_softmax(model.logits(hidden), 2).reshape([tokens.len(), VOCAB]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_future_cannot_change_the_past(
        config in configs(), text in tokens(9), other in 0..VOCAB as u32, at in any::<prop::sample::Index>(),
    ) {
        let model = config.init(&device(), 3).unwrap();
        let at = at.index(text.len());
        let mut changed = text.clone();
        changed[at] = other;
        let (a, b) = (uncached(&model, &text), uncached(&model, &changed));
        prop_assert_eq!(&a[..at * VOCAB], &b[..at * VOCAB]);
        if other != text[at] {
            prop_assert_ne!(&a[at * VOCAB..], &b[at * VOCAB..]);
        }
    }

    #[test]
    fn a_cached_step_gives_what_the_whole_text_gives(config in configs(), text in tokens(9), split in 1_usize..5) {
        let model = config.init(&device(), 4).unwrap();
        let expected = uncached(&model, &text);
        let mut state = model.start(1);
        // The first tokens together, the others one by one.
        let mut read = split.min(text.len());
        let mut log_p = model.log_probs(&text[..read], &mut state).unwrap();
        loop {
            assert_close(&log_p, &expected[(read - 1) * VOCAB..read * VOCAB], 1e-4, 1e-5);
            if read == text.len() {
                break;
            }
            log_p = model.log_probs(&text[read..=read], &mut state).unwrap();
            read += 1;
        }
    }

    #[test]
    fn reordered_rows_go_on_as_if_they_had_always_stood_there(
        config in configs(), first in prop::collection::vec([0..VOCAB as u32, 0..VOCAB as u32], 2..4),
        parents in prop::collection::vec(any::<prop::sample::Index>(), 1..7), next in 0..VOCAB as u32,
    ) {
        let model = config.init(&device(), 6).unwrap();
        let parents: Vec<usize> = parents.iter().map(|parent| parent.index(first.len())).collect();
        let start = |rows: &[&[u32]]| {
            let mut state = model.start(rows.len());
            model.log_probs(&rows.concat(), &mut state).unwrap();
            state
        };
        let rows: Vec<&[u32]> = first.iter().map(<[u32; 2]>::as_slice).collect();
        let mut reordered = start(&rows);
        model.reorder(&mut reordered, &parents);
        let mut direct = start(&parents.iter().map(|&parent| rows[parent]).collect::<Vec<_>>());
        let next = vec![next; parents.len()];
        let [a, b] = [&mut reordered, &mut direct].map(|state| model.log_probs(&next, state).unwrap());
        assert_close(&a, &b, 1e-4, 1e-5);
    }

    #[test]
    fn the_loss_counts_real_targets_only(
        config in configs(), rows in prop::collection::vec(tokens(9), 1..4), pad in 0..VOCAB as u32, smoothing in 0.0_f64..0.5,
    ) {
        prop_assume!(rows.iter().any(|row| row.len() > 1));
        let model = config.init(&device(), 7).unwrap();
        let objective = CausalLmObjective { label_smoothing: smoothing };
        let rows: Vec<Vec<u32>> = rows.into_iter().filter(|row| row.len() > 1).collect();
        let total = objective.loss(&model, &SequenceBatch::next_tokens(&rows, pad, vec![0; rows.len()]), None);
        let (mut sum, mut nll, mut n_targets) = (0.0, 0.0, 0);
        for row in &rows {
            let loss = objective.loss(&model, &SequenceBatch::next_tokens(&[row], 0, vec![0]), None);
            sum += loss.sum.into_scalar::<f32>();
            nll += loss.nll_sum.into_scalar::<f32>();
            n_targets += loss.n_targets;
        }
        prop_assert_eq!(total.n_targets, n_targets);
        assert_close(&[total.sum.into_scalar::<f32>(), total.nll_sum.into_scalar::<f32>()], &[sum, nll], 1e-4, 1e-4);
    }

    #[test]
    fn the_loss_is_what_decoding_says_of_each_token(config in configs(), text in tokens(9)) {
        prop_assume!(text.len() > 1);
        let model = config.init(&device(), 8).unwrap();
        let batch = SequenceBatch::next_tokens(&[&text], 0, vec![0]);
        let loss = CausalLmObjective::default().loss(&model, &batch, None).nll_sum.into_scalar::<f32>();
        let mut state = model.start(1);
        let read = |token: u32, state: &mut _| model.log_probs(&[token], state).unwrap();
        let log_p: f32 = text.windows(2).map(|pair| read(pair[0], &mut state)[pair[1] as usize]).sum();
        assert_close(&[-log_p], &[loss], 1e-4, 1e-4);
    }

    #[test]
    fn parameters_are_counted_without_making_any(config in configs()) {
        prop_assert_eq!(config.init(&device(), 9).unwrap().num_params(), config.n_params());
    }

    #[test]
    fn every_backend_begins_with_the_same_parameters_and_gives_the_same(config in configs(), text in tokens(9)) {
        let logits = |kind: BackendKind| {
            let device = kind.device().unwrap();
            let model = config.init(&device, 10).unwrap();
            let text: Vec<i64> = text.iter().map(|&id| i64::from(id)).collect();
            let tokens = Tensor::<1, Int>::from_ints(text.as_slice(), &device).unsqueeze();
            values(model.logits(model.forward(tokens, None)))
        };
        assert_close(&logits(BackendKind::Flex), &logits(BackendKind::NdArray), 1e-4, 1e-5);
    }

    #[test]
    fn a_configuration_survives_json(config in configs()) {
        let text = serde_json::to_string(&config).unwrap();
        prop_assert_eq!(serde_json::from_str::<GptConfig>(&text).unwrap(), config);
    }
}

#[test]
fn gradients_reach_every_parameter() {
    let device = device().autodiff();
    let all = |positions| GptConfig {
        n_kv_heads: Some(2),
        gated: true,
        dropout: 0.0, // a position of one row may be dropped
        positions,
        tie_projection: false,
        ..GptConfig::gpt2_like(VOCAB, 5, [2, 4, 16])
    };
    let buckets = PositionsConfig::RelativeBuckets(RelativeBuckets { n_buckets: 4, max_distance: 3 });
    for positions in [PositionsConfig::Learned { max_len: 5 }, buckets] {
        let model = all(positions.clone()).init(&device, 11).unwrap();
        let batch = SequenceBatch::next_tokens(&[[1, 2, 3, 4, 5, 6]], 0, vec![0]);
        let loss = CausalLmObjective::default().loss(&model, &batch, Some(&Dropout::new(1)));
        let grads = loss.sum.backward();
        let weight = model.positions.weight.as_ref().unwrap().val().grad(&grads).unwrap();
        assert!(values(weight).iter().all(|g| g.is_finite() && *g != 0.0), "{positions:?}");
        let gate = model.decoder.layers[0].feed_forward.gate.as_ref().unwrap().weight.val().grad(&grads).unwrap();
        assert!(values(gate).iter().any(|&g| g != 0.0));
        let key = model.decoder.layers[1].self_attention.key.weight.val().grad(&grads).unwrap();
        assert!(values(key).iter().any(|&g| g != 0.0));
    }
}

#[test]
fn bad_sizes_are_named() {
    let good = GptConfig::gpt2_like(VOCAB, 5, [1, 4, 16]);
    let rotary = PositionsConfig::rotary;
    let turned = |n| PositionsConfig::Rotary(Rotary { n_features: Some(n), ..Rotary::default() });
    let linear = |factor| Rotary { scaling: Some(RotaryScaling::Linear { factor }), ..Rotary::default() };
    let of_lengths = |long| {
        let short = vec![1.0; 2];
        let scaling = RotaryScaling::LongRope { short, long, original_len: 4, amplitude: 1.0, is_long: false };
        PositionsConfig::Rotary(Rotary { scaling: Some(scaling), ..Rotary::default() })
    };
    let buckets = PositionsConfig::RelativeBuckets(RelativeBuckets { n_buckets: 8, max_distance: 4 });
    let cases = [
        (GptConfig { n_layers: 0, ..good.clone() }, "n_layers"),
        (GptConfig { n_heads: 0, ..good.clone() }, "n_heads"),
        (GptConfig { n_heads: 3, ..good.clone() }, "not divisible"),
        (GptConfig { n_kv_heads: Some(3), ..good.clone() }, "n_kv_heads"),
        (GptConfig { n_kv_heads: Some(0), ..good.clone() }, "n_kv_heads"),
        (GptConfig { window: Some(0), ..good.clone() }, "window"),
        (GptConfig { dropout: 1.0, ..good.clone() }, "dropout"),
        (GptConfig { positions: PositionsConfig::Learned { max_len: 0 }, ..good.clone() }, "max_len"),
        (GptConfig { positions: rotary(f64::NAN), ..good.clone() }, "rotary.theta"),
        (GptConfig { positions: rotary(1e4), n_heads: 16, ..good.clone() }, "even width"),
        (GptConfig { positions: buckets, ..good.clone() }, "max_distance"),
        (GptConfig { positions: turned(3), ..good.clone() }, "3 wide"),
        (GptConfig { positions: turned(6), ..good.clone() }, "of a head's 4"),
        (GptConfig { positions: PositionsConfig::Rotary(linear(0.0)), ..good.clone() }, "linear.factor"),
        (GptConfig { positions: of_lengths(vec![1.0]), ..good.clone() }, "1 divisors, and 2 pairs"),
        (GptConfig { positions: of_lengths(vec![1.0, 0.0]), ..good.clone() }, "long-rope.long"),
        (GptConfig { head_dim: Some(0), ..good.clone() }, "head_dim"),
        (GptConfig { logit_cap: Some(0.0), ..good.clone() }, "logit_cap"),
        (GptConfig { head_dim: Some(3), positions: rotary(1e4), ..good.clone() }, "3 wide"),
        (GptConfig { parallel: true, norm: NormPlacement::Post, ..good.clone() }, "parallel"),
        (GptConfig { window: Some(2), full_layers: vec![1], ..good.clone() }, "layer 1"),
        (GptConfig { full_layers: vec![0], ..good.clone() }, "without window"),
        (GptConfig { window: Some(2), window_theta: Some(1e4), ..good.clone() }, "without positions"),
        (GptConfig { window: Some(2), window_theta: Some(0.0), positions: rotary(1e4), ..good }, "rotary.theta"),
    ];
    for (config, expected) in cases {
        let message = config.init(&device(), 0).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}
