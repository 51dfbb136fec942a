//! What holds for all inputs: invariances, and the same bits on any number of threads.

use attentive_kernels::*;
use attentive_testkit::{Fixture, assert_close, widen};
use proptest::prelude::*;

/// `[rows, cols]` to `[cols, rows]`.
fn transposed(x: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    (0..x.len()).map(|i| x[i % rows * cols + i / rows]).collect()
}

fn product(a: MatRef<'_>, b: MatRef<'_>) -> Vec<f32> {
    let ([m, _], [_, n]) = (a.dims(), b.dims());
    let mut c = vec![0.0; m * n];
    matmul(a, b, MatMut::new(&mut c, m, n), false);
    c
}

/// Self-attention of `[1, heads, len, d]`.
fn attend(attention: Attention<'_>, [q, k, v]: [&[f32]; 3]) -> Vec<f32> {
    let AttentionShape { batch, heads, q_len, k_len, d_k, d_v, .. } = attention.shape;
    let mut out = vec![0.0; batch * heads * q_len * d_v];
    attention.forward(
        Heads::new(q, HeadStrides::head_major(heads, q_len, d_k)),
        Heads::new(k, HeadStrides::head_major(heads, k_len, d_k)),
        Heads::new(v, HeadStrides::head_major(heads, k_len, d_v)),
        HeadsMut::new(&mut out, HeadStrides::head_major(heads, q_len, d_v)),
        &mut vec![0.0; batch * heads * q_len],
    );
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_transpose_of_a_product_is_the_product_of_transposes(
        m in 1..90usize, k in 0..300usize, n in 1..90usize, seed: u64,
    ) {
        let mut data = Fixture::new(seed);
        let (a, b) = (data.normal(m * k), data.normal(k * n));
        let (a, b) = (MatRef::new(&a, m, k), MatRef::new(&b, k, n));
        prop_assert_eq!(transposed(&product(a, b), m, n), product(b.t(), a.t()));
    }

    #[test]
    fn soft_max_weights_sum_to_one_and_ignore_a_shift(
        rows in 1..9usize, cols in 1..300usize, shift in -50f32..50.0, seed: u64,
    ) {
        let x = Fixture::new(seed).uniform(rows * cols, -30.0, 30.0);
        let shifted: Vec<f32> = x.iter().map(|x| x + shift).collect();
        let [mut y, mut y_shifted] = [vec![0.0; x.len()], vec![0.0; x.len()]];
        softmax(&x, cols, &mut y);
        softmax(&shifted, cols, &mut y_shifted);
        assert_close(&y, &widen(&y_shifted), 1e-4, 1e-9);
        for row in y.chunks_exact(cols) {
            assert_close(&[row.iter().sum::<f32>()], &[1.0], 1e-5, 0.0);
        }
    }

    #[test]
    fn what_hidden_keys_hold_and_how_many_follow_is_irrelevant(
        q_len in 1..80usize, k_len in 1..80usize, padding in 0..300usize, d in 1..40usize, seed: u64,
    ) {
        let mut data = Fixture::new(seed);
        let (q, k, v) = (data.normal(q_len * d), data.normal(k_len * d), data.normal(k_len * d));
        let shape = AttentionShape { batch: 1, heads: 1, kv_heads: 1, q_len, k_len, d_k: d, d_v: d };
        let plain = Attention::new(shape);
        let padded = |x: &[f32], fill: f32| [x, &vec![fill; padding * d]].concat();
        let hidden: Vec<bool> = (0..k_len + padding).map(|j| j >= k_len).collect();
        let shape = AttentionShape { k_len: k_len + padding, ..shape };
        let longer = Attention { shape, hidden: Some(&hidden), ..plain };
        let out = attend(longer, [&q, &padded(&k, 7.0), &padded(&v, f32::NAN)]);
        prop_assert_eq!(out, attend(plain, [&q, &k, &v]));
    }

    #[test]
    fn the_future_does_not_change_the_past(len in 6..300usize, past in 5..300usize, d in 1..20usize, seed: u64) {
        let past = past.min(len - 1);
        let mut data = Fixture::new(seed);
        let [q, k, v] = [0; 3].map(|_| data.normal(len * d));
        let [mut q_2, mut k_2, mut v_2] = [q.clone(), k.clone(), v.clone()];
        for x in [&mut q_2, &mut k_2, &mut v_2] {
            x[past * d..].copy_from_slice(&data.normal((len - past) * d));
        }
        let shape = AttentionShape { batch: 1, heads: 1, kv_heads: 1, q_len: len, k_len: len, d_k: d, d_v: d };
        let causal = Attention { causal: true, dropout: Dropout::new(0.1, seed), ..Attention::new(shape) };
        let (out, other) = (attend(causal, [&q, &k, &v]), attend(causal, [&q_2, &k_2, &v_2]));
        prop_assert_eq!(&out[..past * d], &other[..past * d]);
    }

    #[test]
    fn a_cached_step_equals_the_last_row(len in 6..200usize, d in 1..70usize, seed: u64) {
        let mut data = Fixture::new(seed);
        let [q, k, v] = [0; 3].map(|_| data.normal(len * d));
        let shape = AttentionShape { batch: 1, heads: 1, kv_heads: 1, q_len: len, k_len: len, d_k: d, d_v: d };
        let causal = Attention { causal: true, ..Attention::new(shape) };
        let all = attend(causal, [&q, &k, &v]);
        for new in [1, 4] {
            let step = Attention { shape: AttentionShape { q_len: new, ..shape }, ..causal };
            let last = attend(step, [&q[(len - new) * d..], &k, &v]);
            assert_close(&last, &widen(&all[(len - new) * d..]), 1e-5, 1e-5);
        }
    }

    #[test]
    fn the_loss_of_a_batch_is_the_sum_of_its_rows(n in 1..40usize, d_model in 1..20usize, vocab_size in 2..700usize, seed: u64) {
        let mut data = Fixture::new(seed);
        let (hidden, weight) = (data.normal(n * d_model), data.uniform(vocab_size * d_model, -1.0, 1.0));
        let ids: Vec<u32> = data.indices(n, vocab_size).into_iter().map(|id| id as u32).collect();
        let ignored = data.flags(n, 0.3);
        let projection =
            VocabProjection { weight: &weight, bias: None, d_model, vocab_size, layout: WeightLayout::VocabMajor };
        let loss = |rows: std::ops::Range<usize>| {
            let targets = Targets { ids: &ids[rows.clone()], ignored: Some(&ignored[rows.clone()]), smoothing: 0.1 };
            projection.loss(&hidden[rows.start * d_model..rows.end * d_model], &targets)
        };
        let (whole, rows) = (loss(0..n), (0..n).map(|i| loss(i..i + 1)));
        let sum = rows.fold((0.0, 0.0, 0), |(l, nll, n), x| (l + x.loss, nll + x.nll, n + x.n_targets));
        assert_close(&[whole.loss, whole.nll], &[sum.0, sum.1], 1e-6, 1e-6);
        prop_assert_eq!(whole.n_targets, sum.2);
    }
}

/// Every result that is a sum over chunks of work, as bits.
fn everything() -> Vec<u32> {
    let mut data = Fixture::new(12);
    let mut all: Vec<f32> = Vec::new();

    let (n, d_model, vocab_size) = (600, 96, 5000);
    let (hidden, weight) = (data.normal(n * d_model), data.uniform(vocab_size * d_model, -0.3, 0.3));
    let ids: Vec<u32> = data.indices(n, vocab_size).into_iter().map(|id| id as u32).collect();
    let projection =
        VocabProjection { weight: &weight, bias: None, d_model, vocab_size, layout: WeightLayout::VocabMajor };
    let (mut d_hidden, mut d_weight) = (vec![0.0; hidden.len()], vec![0.0; weight.len()]);
    let loss = projection.loss_and_gradients(
        &hidden,
        &Targets { ids: &ids, ignored: None, smoothing: 0.1 },
        VocabGradients { hidden: &mut d_hidden, weight: Some(&mut d_weight), bias: None },
    );
    all.extend([loss.loss as f32, loss.nll as f32]);
    all.extend(product(MatRef::new(&hidden, n, d_model), MatRef::new(&weight, vocab_size, d_model).t()));

    let dropout = Dropout::new(0.1, 3);
    let mut d_table = vec![0.0; weight.len()];
    Embedding { d_model, scale: 2.0, dropout }.backward(&ids, &hidden, &mut d_table, None);

    let (mut y, mut stats) = (vec![0.0; hidden.len()], vec![0.0; 2 * n]);
    let norm = Norm { kind: NormKind::Layer, gamma: &weight[..d_model], beta: None, eps: 1e-5 };
    norm.forward(&hidden, &mut y, &mut stats);
    let (mut dx, mut d_gamma) = (d_hidden.clone(), vec![0.0; d_model]);
    norm.backward(&hidden, &stats, None, NormGradients { x: &mut dx, gamma: &mut d_gamma, beta: None });
    let activation = Activation { kind: ActivationKind::Gelu, bias: None, cols: d_model, dropout };
    let (mut d_input, mut d_bias, mut sums) = (dx.clone(), vec![0.0; d_model], vec![0.0; d_model]);
    activation.backward(&hidden, &mut d_input, Some(&mut d_bias));
    column_sums(&hidden, &mut sums);

    let shape = AttentionShape { batch: 3, heads: 2, kv_heads: 2, q_len: 200, k_len: 200, d_k: 16, d_v: 16 };
    let attention = Attention { causal: true, dropout, ..Attention::new(shape) };
    let view = |x| Heads::split::<3>(x, [200, 2, 16]);
    let strides = HeadStrides::seq_major(200, 1, 2, 16);
    let (mut out, mut lse) = (vec![0.0; 3 * 200 * 32], vec![0.0; 3 * 2 * 200]);
    let [q, k, v] = view(&hidden[..600 * 96]);
    attention.forward(q, k, v, HeadsMut::new(&mut out, strides), &mut lse);
    let mut d_qkv = vec![0.0; 600 * 96];
    let [d_q, d_k, d_v] = HeadsMut::split(&mut d_qkv, [200, 2, 16]);
    let d_out = Heads::new(&y, strides);
    let gradients = AttentionGradients { q: d_q, k: d_k, v: d_v, bias: None };
    attention.backward(q, k, v, Heads::new(&out, strides), &lse, d_out, gradients);

    for part in [d_hidden, d_weight, d_table, y, dx, d_gamma, d_input, d_bias, sums, out, d_qkv] {
        all.extend(part);
    }
    all.into_iter().map(f32::to_bits).collect()
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    for level in Level::available() {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
            pool.install(|| level.during(everything))
        };
        let one = on(1);
        assert!(one == on(2) && one == on(5), "{level:?}");
    }
}
