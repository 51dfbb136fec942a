//! Attention against the oracle, its gradients against finite differences.

use attentive_kernels::{
    Attention, AttentionGradients, AttentionShape, DistanceBias, Dropout, HeadStrides, Heads, HeadsMut, Level,
    PackedKeysValues, ScoreBias, StepAttention,
};
use attentive_testkit::{self as oracle, Fixture, assert_close, gradient, widen};

#[derive(Clone, Copy)]
enum Layout {
    HeadMajor,
    SeqMajor,
}

struct Case {
    shape: AttentionShape,
    hidden: Option<Vec<bool>>,
    causal: bool,
    window: Option<usize>,
    /// `[batch or 1, heads or 1]`, and the values.
    bias: Option<([usize; 2], Vec<f32>)>,
    scale: f32,
    dropout: Dropout,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    d_out: Vec<f32>,
}

/// `[batch, heads, seq, d]` to `[batch, seq, heads, d]`.
fn seq_major(x: &[f32], [batch, heads, seq, d]: [usize; 4]) -> Vec<f32> {
    let mut y = Vec::with_capacity(x.len());
    for b in 0..batch {
        for i in 0..seq {
            for h in 0..heads {
                y.extend_from_slice(&x[((b * heads + h) * seq + i) * d..][..d]);
            }
        }
    }
    y
}

impl Case {
    fn new([batch, heads, q_len, k_len, d_k, d_v]: [usize; 6], p_hidden: f64, causal: bool, rate: f64) -> Self {
        let mut data = Fixture::new((q_len * 31 + k_len * 7 + d_k) as u64);
        Self {
            shape: AttentionShape { batch, heads, kv_heads: heads, q_len, k_len, d_k, d_v },
            hidden: (p_hidden > 0.0).then(|| data.flags(batch * k_len, p_hidden)),
            causal,
            window: None,
            bias: None,
            scale: 1.0 / (d_k as f32).sqrt(),
            dropout: Dropout::new(rate, 11),
            q: data.normal(batch * heads * q_len * d_k),
            k: data.normal(batch * heads * k_len * d_k),
            v: data.normal(batch * heads * k_len * d_v),
            d_out: data.normal(batch * heads * q_len * d_v),
        }
    }

    /// With fewer heads of keys and values.
    fn grouped(mut self, kv_heads: usize) -> Self {
        let AttentionShape { batch, k_len, d_k, d_v, .. } = self.shape;
        self.shape.kv_heads = kv_heads;
        self.k.truncate(batch * kv_heads * k_len * d_k);
        self.v.truncate(batch * kv_heads * k_len * d_v);
        self
    }

    fn windowed(self, window: usize) -> Self {
        Self { window: Some(window), ..self }
    }

    /// With a bias of so many sequences and heads, and scores that are not scaled.
    fn biased(self, [batch, heads]: [usize; 2]) -> Self {
        let values = Fixture::new(3).normal(batch * heads * self.shape.q_len * self.shape.k_len);
        Self { bias: Some(([batch, heads], values)), scale: 1.0, ..self }
    }

    /// The bias of every head of every sequence, from those that there are.
    fn whole_bias(&self, values: &[f64]) -> Vec<f64> {
        let AttentionShape { batch, heads, q_len, k_len, .. } = self.shape;
        let Some(([n_batch, n_heads], _)) = self.bias else { return vec![] };
        (0..batch * heads)
            .flat_map(|head| {
                let (b, h) = (head / heads % n_batch, head % heads % n_heads);
                &values[(b * n_heads + h) * q_len * k_len..][..q_len * k_len]
            })
            .copied()
            .collect()
    }

    fn bias_values(&self) -> Vec<f64> {
        self.bias.as_ref().map_or(vec![], |(_, values)| widen(values))
    }

    fn attention(&self) -> Attention<'_> {
        let bias =
            self.bias.as_ref().map(|([batch, heads], values)| ScoreBias { values, batch: *batch, heads: *heads });
        Attention {
            shape: self.shape,
            hidden: self.hidden.as_deref(),
            causal: self.causal,
            window: self.window,
            bias,
            distances: None,
            scale: self.scale,
            cap: None,
            dropout: self.dropout,
        }
    }

    fn keep(&self) -> Vec<bool> {
        let AttentionShape { batch, heads, q_len, k_len, .. } = self.shape;
        let rows = batch * heads * q_len;
        (0..rows * k_len).map(|i| self.dropout.keeps(i / k_len, i % k_len, k_len)).collect()
    }

    fn oracle(&self, q: &[f64], k: &[f64], v: &[f64]) -> Vec<f64> {
        self.oracle_with(q, k, v, &self.bias_values())
    }

    fn oracle_with(&self, q: &[f64], k: &[f64], v: &[f64], bias: &[f64]) -> Vec<f64> {
        let AttentionShape { batch, heads, kv_heads, q_len, k_len, d_k, d_v } = self.shape;
        let (keep, bias) = (self.keep(), self.whole_bias(bias));
        let attention = oracle::Attention {
            shape: oracle::AttentionShape { batch, heads, kv_heads, q_len, k_len, d_k, d_v },
            hidden: self.hidden.as_deref(),
            causal: self.causal,
            window: self.window,
            bias: (!bias.is_empty()).then_some(&bias),
            scale: f64::from(self.scale),
            keep: Some((&keep, f64::from(self.dropout.scale()))),
        };
        attention.forward(q, k, v)
    }

    /// Output and gradients of q, k and v, as `[batch, heads, seq, d]`, and of the bias.
    fn run(&self, layout: Layout) -> [Vec<f32>; 5] {
        let AttentionShape { batch, heads, kv_heads, q_len, k_len, d_k, d_v } = self.shape;
        let (to, from) = match layout {
            Layout::HeadMajor => (
                (|x: &[f32], _| x.to_vec()) as fn(&[f32], [usize; 4]) -> _,
                (|x: &[f32], _| x.to_vec()) as fn(&[f32], [usize; 4]) -> _,
            ),
            Layout::SeqMajor => (
                seq_major as fn(&[f32], [usize; 4]) -> _,
                (|x: &[f32], [b, h, s, d]: [usize; 4]| seq_major(x, [b, s, h, d])) as fn(&[f32], [usize; 4]) -> _,
            ),
        };
        let strides = |heads, seq, d| match layout {
            Layout::HeadMajor => HeadStrides::head_major(heads, seq, d),
            Layout::SeqMajor => HeadStrides::seq_major(seq, 1, heads, d),
        };
        let dims = [
            [batch, heads, q_len, d_k],
            [batch, kv_heads, k_len, d_k],
            [batch, kv_heads, k_len, d_v],
            [batch, heads, q_len, d_v],
        ];
        let [qs, ks, vs, os] = dims.map(|[_, heads, seq, d]| strides(heads, seq, d));
        let (q, k, v, d_out) =
            (to(&self.q, dims[0]), to(&self.k, dims[1]), to(&self.v, dims[2]), to(&self.d_out, dims[3]));
        let attention = self.attention();
        let mut out = vec![f32::NAN; d_out.len()];
        let mut lse = vec![f32::NAN; batch * heads * q_len];
        let operands = (Heads::new(&q, qs), Heads::new(&k, ks), Heads::new(&v, vs));
        attention.forward(operands.0, operands.1, operands.2, HeadsMut::new(&mut out, os), &mut lse);
        let (mut dq, mut dk, mut dv) = (vec![f32::NAN; q.len()], vec![f32::NAN; k.len()], vec![f32::NAN; v.len()]);
        let mut d_bias = vec![f32::NAN; self.bias.as_ref().map_or(0, |(_, values)| values.len())];
        attention.backward(
            operands.0,
            operands.1,
            operands.2,
            Heads::new(&out, os),
            &lse,
            Heads::new(&d_out, os),
            AttentionGradients {
                q: HeadsMut::new(&mut dq, qs),
                k: HeadsMut::new(&mut dk, ks),
                v: HeadsMut::new(&mut dv, vs),
                bias: (!d_bias.is_empty()).then_some(&mut d_bias),
            },
        );
        if matches!(layout, Layout::SeqMajor) {
            let (q, k, v) = operands;
            assert_eq!(attention.output(q, k, v), (out.clone(), lse.clone()));
            let (out, d_out) = (Heads::new(&out, os), Heads::new(&d_out, os));
            let expected = [dq.clone(), dk.clone(), dv.clone()];
            let of_bias = self.bias.as_ref().map(|_| d_bias.clone());
            assert_eq!(
                attention.gradients(q, k, v, out, &lse, d_out, self.bias.is_some()),
                (expected.clone(), of_bias)
            );
            assert_eq!(attention.gradients(q, k, v, out, &lse, d_out, false), (expected, None));
        }
        [from(&out, dims[3]), from(&dq, dims[0]), from(&dk, dims[1]), from(&dv, dims[2]), d_bias]
    }

    fn check_forward(&self) {
        let expected = self.oracle(&widen(&self.q), &widen(&self.k), &widen(&self.v));
        for level in Level::available() {
            for layout in [Layout::HeadMajor, Layout::SeqMajor] {
                level.during(|| assert_close(&self.run(layout)[0], &expected, 2e-5, 5e-6));
            }
        }
    }

    fn check_gradients(&self) {
        let (q, k, v, d_out) = (widen(&self.q), widen(&self.k), widen(&self.v), widen(&self.d_out));
        let loss = |out: Vec<f64>| out.iter().zip(&d_out).map(|(o, g)| o * g).sum::<f64>();
        let expected = [
            gradient(|q| loss(self.oracle(q, &k, &v)), &q),
            gradient(|k| loss(self.oracle(&q, k, &v)), &k),
            gradient(|v| loss(self.oracle(&q, &k, v)), &v),
            gradient(|bias| loss(self.oracle_with(&q, &k, &v, bias)), &self.bias_values()),
        ];
        for level in Level::available() {
            for layout in [Layout::HeadMajor, Layout::SeqMajor] {
                let [_, gradients @ ..] = level.during(|| self.run(layout));
                for (gradient, expected) in gradients.iter().zip(&expected) {
                    assert_close(gradient, expected, 1e-4, 1e-5);
                }
            }
        }
    }
}

#[test]
fn windows_biases_and_groups_forward() {
    for causal in [false, true] {
        Case::new([2, 2, 7, 7, 3, 2], 0.0, causal, 0.0).windowed(3).check_forward();
        Case::new([1, 1, 2, 37, 3, 5], 0.2, causal, 0.1).windowed(5).check_forward();
        Case::new([1, 2, 601, 601, 3, 5], 0.1, causal, 0.1).windowed(40).check_forward();
        Case::new([1, 1, 9, 3, 3, 5], 0.0, causal, 0.0).windowed(2).check_forward();
        Case::new([2, 4, 19, 23, 8, 3], 0.1, causal, 0.0).grouped(2).check_forward();
        Case::new([2, 3, 70, 300, 5, 7], 0.2, causal, 0.1).biased([1, 3]).check_forward();
        Case::new([2, 3, 4, 11, 5, 7], 0.2, causal, 0.1).biased([2, 1]).windowed(4).grouped(1).check_forward();
    }
}

#[test]
fn gradients_with_windows_biases_and_groups() {
    for causal in [false, true] {
        Case::new([1, 2, 5, 5, 2, 3], 0.0, causal, 0.0).windowed(2).check_gradients();
        Case::new([1, 1, 3, 7, 2, 2], 0.2, causal, 0.1).windowed(3).check_gradients();
        Case::new([2, 4, 5, 5, 2, 2], 0.0, causal, 0.1).grouped(2).check_gradients();
        for (batch, heads) in [(1, 4), (2, 4), (2, 1), (1, 1)] {
            Case::new([2, 4, 3, 5, 2, 2], 0.2, causal, 0.1).biased([batch, heads]).grouped(2).check_gradients();
        }
    }
}

/// Blocks of keys that no query of a block sees are passed over, and keys that none sees get zeros.
#[test]
fn long_windows_have_the_gradients_of_a_bias_that_hides() {
    for (q_len, k_len) in [(600, 600), (100, 900)] {
        for causal in [false, true] {
            let case = Case::new([1, 2, q_len, k_len, 3, 2], 0.1, causal, 0.1).windowed(50);
            let hides = (0..q_len * k_len).map(|at| {
                let (query, key) = (at / k_len + k_len - q_len, at % k_len);
                if query.abs_diff(key) >= 50 { f32::NEG_INFINITY } else { 0.0 }
            });
            let hiding = Case {
                window: None,
                bias: Some(([1, 1], hides.collect())),
                ..Case::new([1, 2, q_len, k_len, 3, 2], 0.1, causal, 0.1)
            };
            let ([near @ .., _], [hidden @ .., _]) = (case.run(Layout::SeqMajor), hiding.run(Layout::SeqMajor));
            for (near, hidden) in near.iter().zip(&hidden) {
                assert_close(near, &widen(hidden), 1e-5, 1e-6);
            }
        }
    }
}

#[test]
fn short_sequences_forward() {
    Case::new([2, 3, 5, 7, 11, 13], 0.0, false, 0.0).check_forward();
    Case::new([2, 3, 19, 19, 17, 17], 0.3, true, 0.2).check_forward();
    Case::new([1, 2, 1, 37, 64, 64], 0.1, true, 0.0).check_forward();
    Case::new([3, 1, 11, 5, 3, 2], 0.6, true, 0.1).check_forward();
}

#[test]
fn a_few_queries_against_a_cache() {
    Case::new([2, 3, 1, 37, 64, 64], 0.0, true, 0.0).check_forward();
    Case::new([3, 2, 4, 131, 17, 67], 0.3, true, 0.1).check_forward();
    Case::new([1, 2, 3, 2, 5, 3], 0.0, true, 0.0).check_forward();
    Case::new([2, 1, 2, 5, 3, 2], 0.9, false, 0.0).check_forward();
}

#[test]
fn packed_keys_and_values_serve_any_number_of_queries() {
    for (dims, kv_heads) in [([1, 2, 1, 37, 64, 64], 2), ([1, 4, 9, 300, 17, 67], 2), ([1, 2, 70, 521, 8, 8], 1)] {
        let case = Case::new(dims, 0.0, false, 0.0).grouped(kv_heads);
        let shape @ AttentionShape { heads, q_len, k_len, d_k, d_v, .. } = case.shape;
        let expected = case.oracle(&widen(&case.q), &widen(&case.k), &widen(&case.v));
        let strides = HeadStrides::head_major;
        let (k, v) =
            (Heads::new(&case.k, strides(kv_heads, k_len, d_k)), Heads::new(&case.v, strides(kv_heads, k_len, d_v)));
        for level in Level::available() {
            level.during(|| {
                let packed = PackedKeysValues::new(shape, k, v);
                assert_eq!(packed.k_len(), k_len);
                let mut out = vec![f32::NAN; expected.len()];
                let to = HeadsMut::new(&mut out, strides(heads, q_len, d_v));
                let mut lse = vec![f32::NAN; heads * q_len];
                case.attention().forward_packed(Heads::new(&case.q, strides(heads, q_len, d_k)), &packed, to, &mut lse);
                assert_close(&out, &expected, 2e-5, 5e-6);
                // The last query alone, in the same memory.
                let alone = Attention { shape: AttentionShape { q_len: 1, ..shape }, ..case.attention() };
                let q = Heads::new(&case.q[(q_len - 1) * d_k..], strides(heads, q_len, d_k));
                let mut of_one = vec![f32::NAN; heads * d_v];
                alone.forward_packed(q, &packed, HeadsMut::new(&mut of_one, strides(heads, 1, d_v)), &mut lse[..heads]);
                let last = out.chunks(q_len * d_v).flat_map(|head| &head[(q_len - 1) * d_v..]).copied();
                assert_eq!(of_one, last.collect::<Vec<_>>());
            });
        }
    }
}

#[test]
fn long_sequences_forward() {
    Case::new([1, 2, 67, 521, 13, 29], 0.2, false, 0.1).check_forward();
    Case::new([1, 1, 577, 577, 7, 5], 0.0, true, 0.1).check_forward();
    Case::new([1, 1, 131, 307, 263, 31], 0.1, true, 0.0).check_forward();
}

#[test]
fn gradients_are_those_of_finite_differences() {
    Case::new([1, 2, 3, 5, 2, 3], 0.0, false, 0.0).check_gradients();
    Case::new([2, 2, 5, 5, 3, 2], 0.3, true, 0.3).check_gradients();
    Case::new([1, 1, 7, 3, 2, 2], 0.0, true, 0.0).check_gradients();
    Case::new([1, 1, 67, 71, 1, 1], 0.1, true, 0.2).check_gradients();
}

/// `dv` is linear in the weights, and `dq`, `dk` follow the chain rule: the oracle written out for a long sequence.
#[test]
fn gradients_over_several_blocks() {
    let case = Case::new([1, 2, 149, 523, 5, 3], 0.2, true, 0.1);
    let AttentionShape { heads, q_len, k_len, d_k, d_v, .. } = case.shape;
    let (q, k, v, g) = (widen(&case.q), widen(&case.k), widen(&case.v), widen(&case.d_out));
    let (keep, kept) = (case.keep(), f64::from(case.dropout.scale()));
    let hidden = case.hidden.as_deref().unwrap();
    let [mut dq, mut dk, mut dv] = [vec![0.0; q.len()], vec![0.0; k.len()], vec![0.0; v.len()]];
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let scale = 1.0 / (d_k as f64).sqrt();
    for head in 0..heads {
        for row in head * q_len..(head + 1) * q_len {
            let (q_row, g_row) = (&q[row * d_k..][..d_k], &g[row * d_v..][..d_v]);
            let key = |j: usize| &k[(head * k_len + j) * d_k..][..d_k];
            let seen = |j: usize| !hidden[j] && j + q_len <= row - head * q_len + k_len;
            let scores: Vec<f64> =
                (0..k_len).map(|j| if seen(j) { scale * dot(q_row, key(j)) } else { f64::NEG_INFINITY }).collect();
            let p = oracle::softmax(&scores, k_len);
            let mask = |j: usize| if keep[row * k_len + j] { kept } else { 0.0 };
            let d_p: Vec<f64> =
                (0..k_len).map(|j| mask(j) * dot(g_row, &v[(head * k_len + j) * d_v..][..d_v])).collect();
            let mean = dot(&p, &d_p);
            for j in 0..k_len {
                let d_score = p[j] * (d_p[j] - mean) * scale;
                for c in 0..d_k {
                    dq[row * d_k + c] += d_score * key(j)[c];
                    dk[(head * k_len + j) * d_k + c] += d_score * q_row[c];
                }
                for c in 0..d_v {
                    dv[(head * k_len + j) * d_v + c] += p[j] * mask(j) * g_row[c];
                }
            }
        }
    }
    for level in Level::available() {
        let [_, ours_q, ours_k, ours_v, _] = level.during(|| case.run(Layout::SeqMajor));
        assert_close(&ours_q, &dq, 1e-4, 1e-5);
        assert_close(&ours_k, &dk, 1e-4, 1e-5);
        assert_close(&ours_v, &dv, 1e-4, 1e-5);
    }
}

#[test]
fn a_fully_hidden_sequence_gives_zeros_and_passes_no_gradient() {
    let mut case = Case::new([2, 2, 3, 5, 2, 2], 0.0, false, 0.0);
    case.hidden = Some((0..10).map(|i| i < 5).collect());
    let [out, dq, dk, dv, _] = case.run(Layout::HeadMajor);
    for x in [&out, &dq, &dk, &dv] {
        assert!(x[..x.len() / 2].iter().all(|&x| x == 0.0) && x[x.len() / 2..].iter().any(|&x| x != 0.0));
    }
    case.check_forward();
}

#[test]
fn fused_projections_need_no_copies() {
    let (batch, seq, heads, d) = (2, 7, 3, 5);
    let mut data = Fixture::new(3);
    let qkv = data.normal(batch * seq * 3 * heads * d);
    let d_out = data.normal(batch * seq * heads * d);
    let part = |i: usize| -> Vec<f32> { qkv.chunks_exact(heads * d).skip(i).step_by(3).flatten().copied().collect() };
    let shape = AttentionShape { batch, heads, kv_heads: heads, q_len: seq, k_len: seq, d_k: d, d_v: d };
    let attention = Attention { causal: true, dropout: Dropout::new(0.1, 5), ..Attention::new(shape) };
    let strides = HeadStrides::seq_major(seq, 1, heads, d);
    let run = |[q, k, v]: [Heads<'_>; 3], gradients: AttentionGradients<'_>| {
        let (mut out, mut lse) = (vec![0.0; d_out.len()], vec![0.0; batch * heads * seq]);
        attention.forward(q, k, v, HeadsMut::new(&mut out, strides), &mut lse);
        attention.backward(q, k, v, Heads::new(&out, strides), &lse, Heads::new(&d_out, strides), gradients);
        out
    };
    let mut fused = vec![f32::NAN; qkv.len()];
    let [q, k, v] = HeadsMut::split(&mut fused, [seq, heads, d]);
    let out = run(Heads::split(&qkv, [seq, heads, d]), AttentionGradients { q, k, v, bias: None });

    let parts = [part(0), part(1), part(2)];
    let [mut dq, mut dk, mut dv] = [0, 1, 2].map(|_| vec![f32::NAN; d_out.len()]);
    let [q, k, v] = [&mut dq, &mut dk, &mut dv].map(|x| HeadsMut::new(x, strides));
    let separate = run([0, 1, 2].map(|i| Heads::new(&parts[i], strides)), AttentionGradients { q, k, v, bias: None });
    assert_eq!(out, separate);
    for (i, gradient) in [dq, dk, dv].iter().enumerate() {
        let ours: Vec<f32> = fused.chunks_exact(heads * d).skip(i).step_by(3).flatten().copied().collect();
        assert_eq!(&ours, gradient);
    }
}

/// The bias of each distance, written out for every query and key.
fn dense(distances: DistanceBias<'_>, heads: usize, [q_len, k_len]: [usize; 2]) -> Vec<f32> {
    let n = distances.values.len() / heads;
    let of_query = |h: usize, i: usize| {
        let zero = h * n + distances.zero + q_len - k_len - i;
        (0..k_len).map(move |j| distances.values.get(zero + j).copied().unwrap_or(0.0))
    };
    (0..heads).flat_map(|h| (0..q_len).flat_map(move |i| of_query(h, i))).collect()
}

/// A bias by distance is the same bias of every score, for whole texts and for continuations.
#[test]
fn biases_by_distance_are_biases_of_scores() {
    for ([q_len, k_len], causal, window) in
        [([70, 70], false, None), ([3, 20], true, None), ([80, 300], true, Some(90)), ([30, 30], false, Some(7))]
    {
        let (heads, d) = (3, 10);
        let mut data = Fixture::new((q_len + k_len) as u64);
        let after = if causal { 0 } else { q_len - 1 };
        let (zero, n) = (k_len + 4, k_len + 5 + after);
        let values = data.normal(heads * n);
        let distances = DistanceBias { values: &values, zero };
        let [q, k, v] = [q_len, k_len, k_len].map(|len| data.normal(heads * len * d));
        let shape = AttentionShape { batch: 1, heads, kv_heads: heads, q_len, k_len, d_k: d, d_v: d };
        let attention = Attention { causal, window, ..Attention::new(shape) };
        let forward = |attention: Attention<'_>| {
            let mut out = vec![f32::NAN; heads * q_len * d];
            let strides = |len| HeadStrides::head_major(heads, len, d);
            let [q, k, v] = [(&q, q_len), (&k, k_len), (&v, k_len)].map(|(x, len)| Heads::new(x, strides(len)));
            let to = HeadsMut::new(&mut out, strides(q_len));
            attention.forward(q, k, v, to, &mut vec![0.0; heads * q_len]);
            out
        };
        let written_out = dense(distances, heads, [q_len, k_len]);
        let bias = ScoreBias { values: &written_out, batch: 1, heads };
        for level in Level::available() {
            let [found, expected] = level.during(|| {
                let by_distance = Attention { distances: Some(distances), ..attention };
                [forward(by_distance), forward(Attention { bias: Some(bias), ..attention })]
            });
            assert_eq!(found, expected);
        }
    }
}

/// Rows that share slots see what they would see with copies of their own.
#[test]
fn steps_over_shared_slots() {
    let variants = [(false, None), (true, None), (false, Some(5)), (true, Some(8))];
    for ([rows, heads, kv_heads, new, k_len, d_k, d_v], (is_biased, window)) in [
        [5, 3, 3, 1, 37, 64, 64],
        [3, 2, 1, 4, 9, 7, 13],
        [64, 4, 4, 1, 33, 16, 8],
        [1, 6, 2, 1, 700, 32, 32],
        [2, 9, 3, 1, 150, 64, 64],
    ]
    .into_iter()
    .flat_map(|dims| variants.map(|variant| (dims, variant)))
    {
        let mut data = Fixture::new((rows * k_len + d_k) as u64);
        let (n_slots, width) = (2 * k_len, kv_heads * (d_k + d_v));
        let keys_values = data.normal(n_slots * width);
        let slots: Vec<u32> = (0..rows * k_len).map(|i| ((i * i + 3 * i / 7) % n_slots) as u32).collect();
        let q_width = heads * d_k + 5;
        let q = data.normal(rows * new * q_width);
        let own: Vec<f32> =
            slots.iter().flat_map(|&slot| &keys_values[slot as usize * width..][..width]).copied().collect();
        let values = data.normal(heads * (k_len + 3));
        let distances = is_biased.then_some(DistanceBias { values: &values, zero: k_len + 1 });
        let scale = if is_biased { 0.7 } else { 1.0 / (d_k as f32).sqrt() };

        let shape = AttentionShape { batch: rows, heads, kv_heads, q_len: new, k_len, d_k, d_v };
        let strides = |seq, row, head| HeadStrides { batch: seq * row, seq: row, head };
        let mut expected = vec![0.0; rows * new * heads * d_v];
        Attention { causal: true, window, distances, scale, ..Attention::new(shape) }.forward(
            Heads::new(&q, strides(new, q_width, d_k)),
            Heads::new(&own, strides(k_len, width, d_k)),
            Heads::new(&own[kv_heads * d_k..], strides(k_len, width, d_v)),
            HeadsMut::new(&mut expected, strides(new, heads * d_v, d_v)),
            &mut vec![0.0; rows * heads * new],
        );
        for level in Level::available() {
            let mut out = vec![f32::NAN; expected.len()];
            let new = StepAttention::new([heads, kv_heads], [d_k, d_v], &keys_values, &slots);
            let step = StepAttention { k_len, window, distances, scale, ..new };
            level.during(|| step.forward(&q, q_width, &mut out));
            assert_close(&out, &widen(&expected), 1e-5, 1e-6);
        }
    }
}

/// Bounded scores, written out: of few queries, of many over several blocks of keys, with windows, and of steps over slots.
#[test]
fn bounded_scores_are_their_definition() {
    let (cap, d) = (0.8_f32, 6);
    for ([q_len, k_len], window) in [([1, 9], None), ([3, 20], Some(5)), ([70, 70], Some(11)), ([80, 300], None)] {
        let mut data = Fixture::new((q_len * k_len) as u64);
        let [q, k, v] = [q_len, k_len, k_len].map(|len| data.normal(len * d));
        let dot = |i: usize, j: usize| -> f64 {
            (0..d).map(|c| f64::from(q[i * d + c]) * f64::from(k[j * d + c])).sum::<f64>() / (d as f64).sqrt()
        };
        let expected: Vec<f64> = (0..q_len)
            .flat_map(|i| {
                let last = i + k_len - q_len;
                let first = window.map_or(0, |window| (last + 1_usize).saturating_sub(window));
                let cap = f64::from(cap);
                let scores: Vec<f64> = (first..=last).map(|j| cap * (dot(i, j) / cap).tanh()).collect();
                let weights = oracle::softmax(&scores, scores.len());
                let value =
                    |c: usize| weights.iter().zip(first..).map(|(w, j)| w * f64::from(v[j * d + c])).sum::<f64>();
                (0..d).map(value).collect::<Vec<f64>>()
            })
            .collect();
        let shape = AttentionShape { batch: 1, heads: 1, kv_heads: 1, q_len, k_len, d_k: d, d_v: d };
        let attention = Attention { causal: true, window, cap: Some(cap), ..Attention::new(shape) };
        let keys_values: Vec<f32> = k.chunks(d).zip(v.chunks(d)).flat_map(|(k, v)| [k, v].concat()).collect();
        let slots: Vec<u32> = (0..k_len as u32).collect();
        let step = StepAttention { window, cap: Some(cap), ..StepAttention::new([1, 1], [d, d], &keys_values, &slots) };
        for level in Level::available() {
            let (mut out, mut of_step) = (vec![f32::NAN; q_len * d], vec![f32::NAN; q_len * d]);
            level.during(|| {
                let heads = |x| Heads::new(x, HeadStrides::head_major(1, x.len() / d, d));
                let to = HeadsMut::new(&mut out, HeadStrides::head_major(1, q_len, d));
                attention.forward(heads(&q), heads(&k), heads(&v), to, &mut vec![0.0; q_len]);
                step.forward(&q, d, &mut of_step);
            });
            assert_close(&out, &expected, 1e-5, 1e-5);
            assert_close(&of_step, &expected, 1e-5, 1e-5);
        }
    }
}
