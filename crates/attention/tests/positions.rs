//! Every way to know of positions against its definition, written out in f64: for whole sequences, for queries that go on
//! after a cache, and for heads that share keys and values.

use attentive_attention::{
    AttentionContext, Mask, Positions, PositionsConfig, PositionsShape, RelativeBuckets, Rotary, RotaryScaling,
    Sinusoids, alibi_slopes, sinusoids,
};
use attentive_backend::{
    BackendKind, Device, Initializer,
    ops::{self, Scoring},
};
use attentive_testkit::{Fixture, assert_close, softmax, widen};
use burn::tensor::{Tensor, TensorData};

const HEADS: usize = 6;
const KV_HEADS: usize = 2;
const LEN: usize = 7;
const D: usize = 4;

fn devices() -> [Device; 2] {
    [BackendKind::Flex, BackendKind::NdArray].map(|kind| kind.device().unwrap())
}

fn values<const N: usize>(tensor: Tensor<N>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

/// One query against one key at the positions `i` and `j` of head `h`: the score, or none where the key is hidden.
type Score<'a> = &'a dyn Fn(usize, [usize; 2], [&[f64]; 2]) -> Option<f64>;

fn dot(q: &[f64], k: &[f64]) -> f64 {
    q.iter().zip(k).map(|(q, k)| q * k).sum()
}

/// Attention of one sequence, every score written out; queries are those from position `first` on.
fn definition(first: usize, [q, k, v]: [&[f64]; 3], score: Score<'_>) -> Vec<f64> {
    let mut out = Vec::new();
    for h in 0..HEADS {
        let of = |x: &[f64], h: usize, j: usize| x[(h * LEN + j) * D..][..D].to_vec();
        let kv_head = h / (HEADS / KV_HEADS);
        for i in first..LEN {
            let query = of(q, h, i);
            let scores: Vec<f64> =
                (0..LEN).map(|j| score(h, [i, j], [&query, &of(k, kv_head, j)]).unwrap_or(f64::NEG_INFINITY)).collect();
            let weights = softmax(&scores, LEN);
            out.extend((0..D).map(|c| (0..LEN).map(|j| weights[j] * of(v, kv_head, j)[c]).sum::<f64>()));
        }
    }
    out
}

/// Holds positions under a mask against `score`, at each beginning of the queries.
#[expect(clippy::needless_pass_by_value, reason = "cases are written down as they are")]
fn equals_definition(
    config: PositionsConfig,
    mask: &Mask,
    score: impl Fn(&Positions, usize, [usize; 2], [&[f64]; 2]) -> Option<f64>,
) {
    let shape = PositionsShape { d_model: HEADS * D, n_heads: HEADS, d_k: D, causal: mask.causal };
    let mut fixture = Fixture::new(1);
    let [q, k, v] = [HEADS, KV_HEADS, KV_HEADS].map(|heads| fixture.normal(heads * LEN * D));
    for device in devices() {
        let positions = config.init(shape, &Initializer::new(2, &device));
        let of_all = positions.context(mask.clone(), 0, LEN, &device);
        for first in [0, 3, LEN - 1] {
            let AttentionContext { mask, bias, rotation, .. } =
                positions.context(mask.clone(), first, LEN - first, &device);
            let tensor = |x: &[f32], heads| Tensor::from_data(TensorData::new(x.to_vec(), [1, heads, LEN, D]), &device);
            let queries = tensor(&q, HEADS).narrow(2, first, LEN - first);
            let turn = |x: Tensor<4>, context: Option<&attentive_attention::Rotation>| match context {
                Some(rotation) => rotation.apply(x),
                None => x,
            };
            let queries = turn(queries, rotation.as_ref());
            let keys = turn(tensor(&k, KV_HEADS), of_all.rotation.as_ref());
            let scoring = Scoring { mask: &mask, bias: bias.as_ref(), scaled: true, cap: None };
            let y = ops::attention(queries, keys, tensor(&v, KV_HEADS), scoring, 0.0, None);
            let expected =
                definition(first, [&widen(&q), &widen(&k), &widen(&v)], &|h, at, x| score(&positions, h, at, x));
            assert_close(&values(y), &expected, 1e-4, 1e-5);
        }
    }
}

fn visible(mask: &Mask, [i, j]: [usize; 2]) -> bool {
    (!mask.causal || j <= i) && mask.window.is_none_or(|window| i.abs_diff(j) < window)
}

/// Both directions, the past alone, and windows of several widths.
fn masks() -> Vec<Mask> {
    let windows = [None, Some(1), Some(3), Some(LEN)];
    [Mask::none(), Mask::causal()].iter().flat_map(|mask| windows.map(|w| mask.clone().and_window(w))).collect()
}

#[test]
fn windows_hide_what_is_far() {
    for mask in masks() {
        equals_definition(PositionsConfig::Sinusoidal, &mask, |_, _, at, [q, k]| {
            visible(&mask, at).then(|| dot(q, k) / (D as f64).sqrt())
        });
    }
}

#[test]
fn rotary_scores_are_products_of_complex_numbers_turned_by_the_distance() {
    let theta = 100.0;
    for mask in masks() {
        equals_definition(PositionsConfig::rotary(theta), &mask, |_, _, [i, j], [q, k]| {
            // Re(q conj(k) exp(i (m - n) θ^(-2t/d))) of each pair (Su et al. 2021, eq. 12).
            let pair = |t: usize| {
                let angle = (i as f64 - j as f64) * theta.powf(-2.0 * t as f64 / D as f64);
                let ((a, b), (c, d)) = ((q[t], q[t + D / 2]), (k[t], k[t + D / 2]));
                (a * c + b * d) * angle.cos() - (b * c - a * d) * angle.sin()
            };
            visible(&mask, [i, j]).then(|| (0..D / 2).map(pair).sum::<f64>() / (D as f64).sqrt())
        });
    }
}

#[test]
fn alibi_lowers_scores_by_the_distance() {
    // Six heads: four slopes of four heads, then the first and third of eight.
    let slopes = [0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125];
    assert_eq!(alibi_slopes(HEADS), slopes);
    for mask in masks() {
        equals_definition(PositionsConfig::Alibi, &mask, |_, h, [i, j], [q, k]| {
            visible(&mask, [i, j]).then(|| dot(q, k) / (D as f64).sqrt() - slopes[h] * i.abs_diff(j) as f64)
        });
    }
}

#[test]
fn alibi_slopes_are_the_papers() {
    assert_eq!(alibi_slopes(8), [0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625]);
    assert_close(&[alibi_slopes(16)[0]], &[0.5_f64.sqrt()], 1e-12, 0.0);
}

#[test]
fn relative_buckets_add_the_bias_of_the_distance() {
    let buckets = RelativeBuckets { n_buckets: 8, max_distance: 6 };
    for mask in masks() {
        equals_definition(PositionsConfig::RelativeBuckets(buckets), &mask, |positions, h, [i, j], [q, k]| {
            let weight = values(positions.weight.as_ref().unwrap().val());
            let bucket = bucket_by_edges(buckets, j as isize - i as isize, mask.causal);
            visible(&mask, [i, j]).then(|| dot(q, k) / (D as f64).sqrt() + f64::from(weight[bucket * HEADS + h]))
        });
    }
}

/// The bucket whose lower edge is the last at or below the distance.
fn bucket_by_edges(RelativeBuckets { n_buckets, max_distance }: RelativeBuckets, offset: isize, causal: bool) -> usize {
    let n = if causal { n_buckets } else { n_buckets / 2 };
    let distance = if causal { (-offset).max(0) } else { offset.abs() } as f64;
    let n_exact = n / 2;
    let edge = |b: usize| match b.checked_sub(n_exact) {
        None => b as f64,
        Some(wide) => n_exact as f64 * (max_distance as f64 / n_exact as f64).powf(wide as f64 / (n - n_exact) as f64),
    };
    // An edge that is a whole number counts as reached.
    let bucket = (0..n).rfind(|&b| edge(b) <= distance + 1e-9).unwrap();
    if offset > 0 && !causal { bucket + n } else { bucket }
}

#[test]
fn buckets_lie_between_their_edges() {
    for (n_buckets, max_distance) in [(32, 128), (8, 6), (4, 3), (64, 1000)] {
        let buckets = RelativeBuckets { n_buckets, max_distance };
        for causal in [false, true] {
            for offset in -1200..=1200 {
                let expected = bucket_by_edges(buckets, offset, causal);
                assert_eq!(buckets.bucket(offset, causal), expected, "{buckets:?} {offset} {causal}");
            }
        }
    }
}

/// Frequencies of Llama 3.1 and of YaRN by their definitions, a pair at a time.
#[test]
fn frequencies_are_lowered_by_their_turns_within_the_original_context() {
    let (theta, d) = (10_000.0_f64, 64);
    let plain = |pair: usize| theta.powf(-2.0 * pair as f64 / d as f64);
    let found = |scaling| Rotary { scaling: Some(scaling), ..Rotary::new(theta) }.frequencies(d);
    assert_eq!(found(RotaryScaling::Linear { factor: 4.0 })[5], plain(5) / 4.0);

    let llama = RotaryScaling::Llama3 { factor: 8.0, low_freq_factor: 1.0, high_freq_factor: 4.0, original_len: 8192 };
    for (pair, found) in found(llama).into_iter().enumerate() {
        let turns = 8192.0 * plain(pair) / std::f64::consts::TAU;
        let expected = match turns {
            _ if turns > 4.0 => plain(pair),
            _ if turns < 1.0 => plain(pair) / 8.0,
            _ => {
                let smooth = (turns - 1.0) / 3.0;
                (1.0 - smooth) * plain(pair) / 8.0 + smooth * plain(pair)
            }
        };
        assert!((found - expected).abs() < 1e-12, "pair {pair}: {found} and {expected}");
    }

    let yarn =
        RotaryScaling::Yarn { factor: 4.0, original_len: 4096, beta_fast: 32.0, beta_slow: 1.0, amplitude: 1.25 };
    // Pairs that turn 32 times and once within 4,096 positions: 10.47 and 22.51.
    for (pair, found) in found(yarn.clone()).into_iter().enumerate() {
        let ramp = ((pair as f64 - 10.0) / (23.0 - 10.0)).clamp(0.0, 1.0);
        let expected = plain(pair) / 4.0 * ramp + plain(pair) * (1.0 - ramp);
        assert!((found - expected).abs() < 1e-12, "pair {pair}: {found} and {expected}");
    }
    let [cos, sin] = Rotary { scaling: Some(yarn), ..Rotary::new(theta) }.angles(3, 1, d);
    assert_close(&[cos[0], sin[0]], &[1.25 * 3_f64.cos(), 1.25 * 3_f64.sin()], 1e-6, 1e-6);
}

#[test]
fn frequencies_have_divisors_of_their_own_for_texts_of_two_lengths() {
    let theta = 10_000.0_f64;
    let of_lengths = |is_long| RotaryScaling::LongRope {
        short: vec![1.0, 1.5],
        long: vec![2.0, 6.0],
        original_len: 8,
        amplitude: 1.5,
        is_long,
    };
    for (is_long, divisors, max_len) in [(false, [1.0, 1.5], Some(8)), (true, [2.0, 6.0], None)] {
        let rotary = Rotary { scaling: Some(of_lengths(is_long)), ..Rotary::new(theta) };
        let expected = [0, 1].map(|pair| theta.powf(-0.5 * f64::from(pair)) / divisors[pair as usize]);
        assert_eq!((rotary.frequencies(4), rotary.max_len()), (expected.to_vec(), max_len));
        let [cos, _] = rotary.angles(7, 1, 4);
        assert_close(&cos, &expected.map(|frequency| 1.5 * (7.0 * frequency).cos()), 1e-6, 1e-6);
    }
    let scaling = Some(RotaryScaling::Dynamic { factor: 4.0, original_len: 9 });
    let dynamic = Rotary { scaling, ..Rotary::new(theta) };
    assert_eq!((dynamic.frequencies(4), dynamic.max_len()), (Rotary::new(theta).frequencies(4), Some(9)));
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
fn fairseqs_sinusoids_are_those_of_fairseq() {
    // `SinusoidalPositionalEmbedding.get_embedding(6, 8)` of fairseq: sines, then cosines, of pos · exp(-i · ln 10000 / 3).
    let table = Sinusoids::fairseq(8, 2).values(1, 3);
    for (row, pos) in (3..6).enumerate() {
        for i in 0..4 {
            let angle = f64::from(pos) * (-f64::from(i) * 10_000_f64.ln() / 3.0).exp();
            let found = &table[row * 8 + 2 * i as usize..][..2];
            assert_close(found, &[angle.sin(), angle.cos()], 1e-6, 1e-6);
        }
    }
    let shape = PositionsShape { d_model: 8, n_heads: 1, d_k: 8, causal: true };
    for device in devices() {
        let positions = PositionsConfig::FairseqSinusoidal { first: 2 }.init(shape, &Initializer::new(5, &device));
        assert_eq!(values(positions.encodings(1, 3, &device).unwrap()), table);
    }
}

#[test]
fn learned_positions_start_where_they_are_told() {
    let device = &devices()[0];
    let shape = PositionsShape { d_model: 3, n_heads: 1, d_k: 3, causal: true };
    let positions = PositionsConfig::Learned { max_len: 7 }.init(shape, &Initializer::new(5, device));
    let table = values(positions.weight.as_ref().unwrap().val());
    assert_eq!(values(positions.encodings(4, 2, device).unwrap()), table[4 * 3..6 * 3]);
}

#[test]
fn parameters_are_counted() {
    let device = &devices()[0];
    let shape = PositionsShape { d_model: 12, n_heads: 3, d_k: 4, causal: true };
    let schemes = [
        (PositionsConfig::Sinusoidal, 0),
        (PositionsConfig::FairseqSinusoidal { first: 2 }, 0),
        (PositionsConfig::Learned { max_len: 7 }, 84),
        (PositionsConfig::rotary(1e4), 0),
        (PositionsConfig::Alibi, 0),
        (PositionsConfig::RelativeBuckets(RelativeBuckets::default()), 96),
    ];
    for (config, n_params) in schemes {
        let positions = config.init(shape, &Initializer::new(5, device));
        assert_eq!([config.n_params(shape), burn::module::Module::num_params(&positions)], [n_params; 2]);
    }
}
