use burn::tensor::{Device, Int, Tensor};

/// The slope of each head: the decrease of a score per position of distance.
///
/// For `n` heads, a power of two, `2^(-8/n), 2^(-16/n), …, 2^-8`. For any other `n`, the slopes of the power of two below,
/// then every other one of the power of two above. Source: Press et al. 2022, "Train Short, Test Long", §3, and the
/// authors' code for other numbers of heads.
///
/// ```
/// assert_eq!(attentive_attention::alibi_slopes(4), [0.25, 0.0625, 0.015625, 0.00390625]);
/// ```
pub fn alibi_slopes(n_heads: usize) -> Vec<f64> {
    let geometric = |n: usize| (1..=n).map(move |i| 2_f64.powf(-8.0 * i as f64 / n as f64));
    let below = if n_heads.is_power_of_two() { n_heads } else { n_heads.next_power_of_two() / 2 };
    geometric(below).chain(geometric(2 * below).step_by(2)).take(n_heads).collect()
}

/// `-slope · |query - key|` of the queries `first .. first + new` against all keys up to there:
/// `[1, heads, new, first + new]`.
pub(super) fn bias(n_heads: usize, first: usize, new: usize, device: &Device) -> Tensor<4> {
    let k_len = first + new;
    let falls: Vec<f32> = alibi_slopes(n_heads).iter().map(|&slope| -slope as f32).collect();
    let falls = Tensor::<1>::from_floats(falls.as_slice(), device).reshape([1, n_heads, 1, 1]);
    let q_idx = Tensor::<1, Int>::arange(first as i64..k_len as i64, device).reshape([1, 1, new, 1]);
    let k_idx = Tensor::<1, Int>::arange(0..k_len as i64, device).reshape([1, 1, 1, k_len]);
    let shape = [1, 1, new, k_len];
    let distances = (q_idx.expand(shape) - k_idx.expand(shape)).abs().float(); // [1, 1, new, k_len]
    distances.expand([1, n_heads, new, k_len]) * falls
}
