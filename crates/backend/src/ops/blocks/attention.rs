use std::ops::Range;

use attentive_core::mix64;
use burn::tensor::{Bool, Tensor};

use super::{SIZE, blocks, part_of};
use crate::{
    Dropout, Mask, graph,
    ops::{Scoring, bounded, dropout},
    precision::product,
};

/// [`attention`](crate::ops::attention), block by block.
pub(in crate::ops) fn attention(
    [q, k, v]: [Tensor<4>; 3],
    scoring: Scoring<'_>,
    rate: f64,
    pass: Option<&Dropout>,
) -> Tensor<4> {
    attention_in([q, k, v], scoring, (rate, pass), SIZE)
}

fn attention_in(
    [q, k, v]: [Tensor<4>; 3],
    scoring: Scoring<'_>,
    (rate, pass): (f64, Option<&Dropout>),
    size: usize,
) -> Tensor<4> {
    let inputs = [Some(&q), Some(&k), Some(&v), scoring.bias].map(|input| input.cloned().map(Tensor::into_dispatch));
    let attention = Attention::new([q, k, v].map(Tensor::inner), scoring, (rate, pass), size);
    let (y, log_sums) = attention.forward();
    graph::with_gradients(y.clone(), inputs, move |dy, wants| {
        attention.backward(&y, &log_sums, &dy, wants[3]).map(|gradient| gradient.map(Tensor::into_dispatch))
    })
}

/// Attention below autodiff.
struct Attention {
    /// `[batch, heads, q_len, d_k]`, times the scale of scores.
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    mask: Mask,
    bias: Option<Tensor<4>>,
    scale: f64,
    cap: Option<f64>,
    /// Rate and key of dropout.
    dropout: Option<(f64, u64)>,
    /// Most scores of a block.
    size: usize,
}

/// Scores of some queries.
struct Scores {
    /// `[batch, heads, queries, keys]`; very low where keys are hidden.
    values: Tensor<4>,
    hidden: Option<Tensor<4, Bool>>,
    /// Bounded scores without their bias, where there is a bound.
    bounded: Option<Tensor<4>>,
}

impl Attention {
    fn new(
        [q, k, v]: [Tensor<4>; 3],
        scoring: Scoring<'_>,
        (rate, pass): (f64, Option<&Dropout>),
        size: usize,
    ) -> Self {
        let ([batch, heads, _, d_k], [_, kv_heads, k_len, _]) = (q.dims(), k.dims());
        assert!(heads.is_multiple_of(kv_heads), "{heads} heads can't share {kv_heads} heads of keys and values");
        assert_eq!(k.dims(), [batch, kv_heads, k_len, d_k], "attention: keys are not as the queries");
        assert_eq!(v.dims()[..3], [batch, kv_heads, k_len], "attention: values are not as the keys");
        let scale = scoring.scale(d_k);
        Self {
            q: q * scale,
            k,
            v,
            mask: scoring.mask.inner(),
            bias: scoring.bias.map(|bias| bias.clone().inner()),
            scale,
            cap: scoring.cap,
            dropout: pass.filter(|_| rate > 0.0).map(|pass| (rate, pass.next_key())),
            size,
        }
    }

    /// Queries and keys.
    fn lengths(&self) -> [usize; 2] {
        [self.q.dims()[2], self.k.dims()[2]]
    }

    /// The blocks of queries, with the keys that each can see.
    fn blocks(&self) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        let ([batch, heads, ..], lengths @ [q_len, k_len]) = (self.q.dims(), self.lengths());
        blocks(q_len, batch * heads * k_len, self.size).map(move |queries| {
            let is_all = queries.len() == q_len;
            let keys = if is_all { 0..k_len } else { self.mask.keys_seen(lengths, &queries) };
            (queries, keys)
        })
    }

    /// Heads of queries that share keys, as rows of one matrix: `[batch, heads, n, d]` to `[batch, kv_heads, heads / kv_heads · n, d]`.
    fn grouped(&self, x: Tensor<4>) -> Tensor<4> {
        let ([batch, heads, n, d], kv_heads) = (x.dims(), self.k.dims()[1]);
        if heads == kv_heads { x } else { x.reshape([batch, kv_heads, heads / kv_heads * n, d]) }
    }

    /// The other way.
    fn ungrouped(&self, x: Tensor<4>) -> Tensor<4> {
        let ([batch, kv_heads, rows, d], heads) = (x.dims(), self.q.dims()[1]);
        if heads == kv_heads { x } else { x.reshape([batch, heads, rows * kv_heads / heads, d]) }
    }

    fn scores(&self, q: &Tensor<4>, k: &Tensor<4>, queries: &Range<usize>, keys: &Range<usize>) -> Scores {
        let scores = self.ungrouped(product(q.clone(), k.clone().swap_dims(2, 3)));
        let scores = bounded(scores, self.cap);
        let bounded = self.cap.map(|_| scores.clone());
        let biased = match &self.bias {
            Some(bias) => scores + self.part_of_bias(bias, queries, keys),
            None => scores,
        };
        let (dims, device) = (biased.dims(), biased.device());
        let hidden = self.mask.part(self.lengths(), queries.clone(), keys.clone(), &device);
        let hidden = hidden.map(|hidden| hidden.expand(dims));
        let values = match &hidden {
            // Finite, so that a fully hidden row has no NaN.
            Some(hidden) => biased.mask_fill(hidden.clone(), -1e30),
            None => biased,
        };
        Scores { values, hidden, bounded }
    }

    fn part_of_bias(&self, bias: &Tensor<4>, queries: &Range<usize>, keys: &Range<usize>) -> Tensor<4> {
        let bias = if bias.dims()[2] > 1 { rows(bias, queries) } else { bias.clone() };
        part_of(bias, 3, keys)
    }

    /// What attention weights of block `block` are multiplied by.
    fn dropped(&self, block: usize, weights: Tensor<4>) -> Tensor<4> {
        match self.dropout {
            // The first block takes the key itself.
            Some((rate, key)) => {
                let mask = dropout::mask(weights.dims(), rate, key ^ mix64(block as u64), &weights.device());
                weights * mask
            }
            None => weights,
        }
    }

    /// The output, and the logarithm of each query's sum of exponentials: `[batch, heads, q_len, 1]`.
    fn forward(&self) -> (Tensor<4>, Tensor<4>) {
        let (mut outputs, mut log_sums) = (Vec::new(), Vec::new());
        for (block, (queries, keys)) in self.blocks().enumerate() {
            let [k, v] = [&self.k, &self.v].map(|x| rows(x, &keys));
            let Scores { values, hidden, .. } =
                self.scores(&self.grouped(rows(&self.q, &queries)), &k, &queries, &keys);
            let highest = values.clone().max_dim(3);
            let powers = (values - highest.clone()).exp();
            let sums = powers.clone().sum_dim(3);
            let weights = self.dropped(block, without(hidden, powers / sums.clone()));
            outputs.push(self.ungrouped(product(self.grouped(weights), v)));
            log_sums.push(sums.log() + highest);
        }
        (joined(outputs), joined(log_sums))
    }

    /// Gradients of queries, keys, values and, if it is wanted, the bias.
    fn backward(
        &self,
        y: &Tensor<4>,
        log_sums: &Tensor<4>,
        dy: &Tensor<4>,
        wants_bias: bool,
    ) -> [Option<Tensor<4>>; 4] {
        let ([.., d_k], [.., d_v]) = (self.k.dims(), self.v.dims());
        let (mut dk, mut dv) = (self.k.zeros_like(), self.v.zeros_like());
        let mut d_queries = Vec::new();
        let mut d_bias = self.bias.as_ref().filter(|_| wants_bias).map(Tensor::zeros_like);
        for (block, (queries, keys)) in self.blocks().enumerate() {
            let [k, v] = [&self.k, &self.v].map(|x| rows(x, &keys));
            let q = self.grouped(rows(&self.q, &queries));
            let [y, dy, log_sums] = [y, dy, log_sums].map(|x| rows(x, &queries));
            let Scores { values, hidden, bounded } = self.scores(&q, &k, &queries, &keys);
            let weights = without(hidden, (values - log_sums).exp());
            let dropped = self.grouped(self.dropped(block, weights.clone()));
            let along = (dy.clone() * y).sum_dim(3); // Σ weight · d weight of each query
            let dy = self.grouped(dy);
            dv = added(dv, [&keys, &(0..d_v)], product(dropped.swap_dims(2, 3), dy.clone()));
            let d_weights = self.dropped(block, self.ungrouped(product(dy, v.swap_dims(2, 3))));
            let d_scores = weights * (d_weights - along);
            d_bias = d_bias.map(|sum| self.add_bias(sum, &queries, &keys, d_scores.clone()));
            let d_scores = match (bounded, self.cap) {
                (Some(bounded), Some(cap)) => d_scores * ((bounded / cap).square().neg() + 1.0),
                _ => d_scores,
            };
            let d_scores = self.grouped(d_scores);
            d_queries.push(self.ungrouped(product(d_scores.clone(), k)) * self.scale);
            dk = added(dk, [&keys, &(0..d_k)], product(d_scores.swap_dims(2, 3), q));
        }
        [Some(joined(d_queries)), Some(dk), Some(dv), d_bias]
    }

    /// Adds the gradient of a block's scores to that of the bias, summed over axes along which that is the same.
    fn add_bias(&self, sum: Tensor<4>, queries: &Range<usize>, keys: &Range<usize>, d_scores: Tensor<4>) -> Tensor<4> {
        let dims = sum.dims();
        let shared = (0..3).filter(|&axis| dims[axis] == 1);
        let part = shared.fold(d_scores, Tensor::sum_dim);
        let queries = if dims[2] == 1 { 0..1 } else { queries.clone() };
        added(sum, [&queries, keys], part)
    }
}

/// Weights, of which those of hidden keys are zero.
fn without(hidden: Option<Tensor<4, Bool>>, weights: Tensor<4>) -> Tensor<4> {
    match hidden {
        Some(hidden) => weights.mask_fill(hidden, 0.0),
        None => weights,
    }
}

/// Rows `part` of axis 2.
fn rows(x: &Tensor<4>, part: &Range<usize>) -> Tensor<4> {
    part_of(x.clone(), 2, part)
}

/// Adds `part` to some rows and columns of `sum`.
fn added(sum: Tensor<4>, [rows, columns]: [&Range<usize>; 2], part: Tensor<4>) -> Tensor<4> {
    let [batch, heads, n_rows, n_columns] = sum.dims();
    if *rows == (0..n_rows) && *columns == (0..n_columns) {
        return sum + part;
    }
    let place = [0..batch, 0..heads, rows.clone(), columns.clone()];
    let so_far = sum.clone().slice(place.clone());
    sum.slice_assign(place, so_far + part)
}

/// Blocks of rows, in their order.
fn joined(mut blocks: Vec<Tensor<4>>) -> Tensor<4> {
    if blocks.len() == 1 { blocks.remove(0) } else { Tensor::cat(blocks, 2) }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use attentive_testkit::{Fixture, assert_close};
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::ops::{attention::share_heads, attention_weights};

    const BATCH: usize = 2;
    const HEADS: usize = 4;
    const KV_HEADS: usize = 2;
    const Q_LEN: usize = 5;
    const K_LEN: usize = 7;
    const D_K: usize = 3;
    const D_V: usize = 2;
    /// One row at a time, two, three, and all.
    const SIZES: [usize; 4] = [1, 2 * BATCH * HEADS * K_LEN, 3 * BATCH * HEADS * K_LEN, SIZE];

    /// Leaves: queries, keys, values, a bias.
    fn leaves(bias: [usize; 4], device: &Device) -> [Tensor<4>; 4] {
        let mut fixture = Fixture::new(31);
        [[BATCH, HEADS, Q_LEN, D_K], [BATCH, KV_HEADS, K_LEN, D_K], [BATCH, KV_HEADS, K_LEN, D_V], bias].map(|shape| {
            let values = TensorData::new(fixture.normal(shape.iter().product()), shape);
            Tensor::from_data(values, device).require_grad()
        })
    }

    /// The output, and the gradient of each leaf that has one, for an output gradient of different values everywhere.
    fn passes(leaves: &[Tensor<4>; 4], y: Tensor<4>) -> Vec<Vec<f32>> {
        let values = |x: Tensor<4>| x.into_data().try_into_vec::<f32>().unwrap();
        let upstream = TensorData::new(Fixture::new(32).normal(y.dims().iter().product()), y.dims());
        let gradients = (y.clone() * Tensor::from_data(upstream, &y.device())).sum().backward();
        let gradients = leaves.iter().filter_map(|leaf| leaf.grad(&gradients));
        [y.inner()].into_iter().chain(gradients).map(values).collect()
    }

    /// As one product for all queries, whose gradients are burn's.
    fn composed([q, k, v]: [Tensor<4>; 3], scoring: Scoring<'_>, mask: Option<&Tensor<4>>) -> Tensor<4> {
        let weights = attention_weights(q, k, scoring);
        let weights = match mask {
            Some(mask) => weights * Tensor::from_inner(mask.clone()),
            None => weights,
        };
        weights.matmul(share_heads(v, HEADS))
    }

    fn device() -> Device {
        Device::flex().autodiff()
    }

    #[track_caller]
    fn assert_same(found: &[Vec<f32>], expected: &[Vec<f32>]) {
        assert_eq!(found.len(), expected.len(), "gradients");
        for (found, expected) in found.iter().zip(expected) {
            assert_close(found, expected, 1e-5, 2e-6);
        }
    }

    #[test]
    fn blocks_are_the_whole_under_every_mask() {
        let device = device();
        let pattern = |at: usize| at.is_multiple_of(3) || (14..21).contains(&at); // all of the third query's keys, and more
        let pattern = Tensor::<1, Bool>::from_data(
            TensorData::new((0..Q_LEN * K_LEN).map(pattern).collect(), [Q_LEN * K_LEN]),
            &device,
        );
        let pattern = pattern.reshape([1, 1, Q_LEN, K_LEN]);
        let padding = Mask::padding(&[K_LEN, 4], K_LEN, &device);
        let masks =
            [Mask::none(), Mask::causal(), padding.clone(), padding.and_causal(), Mask::none().and_hidden(pattern)];
        for (mask, window) in
            masks.iter().flat_map(|mask| [None, Some(0), Some(1), Some(3)].map(|window| (mask, window)))
        {
            let mask = mask.clone().and_window(window);
            for cap in [None, Some(1.5)] {
                let scoring = Scoring { cap, ..Scoring::from(&mask) };
                let leaves @ [q, k, v, _] = &leaves([1; 4], &device);
                let heads = || [q, k, v].map(Tensor::clone);
                let expected = passes(leaves, composed(heads(), scoring, None));
                for size in SIZES {
                    assert_same(&passes(leaves, attention_in(heads(), scoring, (0.0, None), size)), &expected);
                }
            }
        }
    }

    #[test]
    fn blocks_give_a_bias_its_gradient() {
        let device = device();
        for shape in [[1, HEADS, Q_LEN, K_LEN], [BATCH, 1, Q_LEN, K_LEN], [1, 1, 1, K_LEN], [1, HEADS, 1, K_LEN]] {
            let leaves @ [q, k, v, bias] = &leaves(shape, &device);
            let heads = || [q, k, v].map(Tensor::clone);
            for (mask, scaled, cap) in [(Mask::none(), true, None), (Mask::causal(), false, Some(2.0))] {
                let scoring = Scoring { mask: &mask, bias: Some(bias), scaled, cap };
                let expected = passes(leaves, composed(heads(), scoring, None));
                assert_eq!(expected.len(), 5, "an output and four gradients");
                for size in SIZES {
                    assert_same(&passes(leaves, attention_in(heads(), scoring, (0.0, None), size)), &expected);
                }
            }
        }
    }

    /// The backward pass draws a block's mask again.
    #[test]
    fn blocks_drop_the_same_weights_in_both_passes() {
        let (device, mask, rate) = (device(), Mask::none(), 0.3);
        let leaves @ [q, k, v, _] = &leaves([1; 4], &device);
        let heads = || [q, k, v].map(Tensor::clone);
        let key = Dropout::new(9).next_key();
        for (n_rows, size) in [(Q_LEN, SIZES[3]), (2, SIZES[1])] {
            let masks = (0..Q_LEN).step_by(n_rows).enumerate().map(|(block, start)| {
                let dims = [BATCH, HEADS, n_rows.min(Q_LEN - start), K_LEN];
                dropout::mask(dims, rate, key ^ mix64(block as u64), &device)
            });
            let kept = joined(masks.collect());
            let expected = passes(leaves, composed(heads(), Scoring::from(&mask), Some(&kept)));
            let pass = Dropout::new(9);
            let found = attention_in(heads(), Scoring::from(&mask), (rate, Some(&pass)), size);
            assert_same(&passes(leaves, found), &expected);
        }
    }

    /// Keys that no query of a block can see are not multiplied.
    #[test]
    fn blocks_read_the_keys_that_they_see() {
        let lengths = [4, 6];
        let seen = |mask: &Mask, queries| mask.keys_seen(lengths, &queries);
        assert_eq!(seen(&Mask::none(), 1..2), 0..6);
        assert_eq!(seen(&Mask::causal(), 1..2), 0..4);
        assert_eq!(seen(&Mask::causal().and_window(Some(2)), 1..3), 2..5);
        assert_eq!(seen(&Mask::none().and_window(Some(2)), 0..1), 1..4);
        assert_eq!(seen(&Mask::none().and_window(Some(usize::MAX)), 0..1), 0..6);
    }
}
