use std::ops::Range;

use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor, TensorData};

use super::{SIZE, blocks, part_of};
use crate::{
    graph,
    ops::{CrossEntropy, linear},
};

/// Targets of a loss.
#[derive(Clone, Copy)]
pub(in crate::ops) struct Targets<'a> {
    /// Those that are ignored may be any.
    pub ids: &'a [u32],
    pub ignored: &'a [bool],
    pub smoothing: f64,
}

/// [`projected_cross_entropy`](crate::ops::projected_cross_entropy), block by block, less the constant of the smoothed targets.
///
/// As the loss is a sum, its gradients are made as it is, and wait for what it is multiplied by: so no logits are made twice (Hsu et
/// al. 2024, "Liger Kernel", §3.2).
pub(in crate::ops) fn cross_entropy(
    hidden: Tensor<2>,
    projection: Tensor<2>,
    bias: Option<Tensor<1>>,
    targets: Targets<'_>,
) -> CrossEntropy {
    cross_entropy_in(hidden, projection, bias, targets, SIZE)
}

fn cross_entropy_in(
    hidden: Tensor<2>,
    projection: Tensor<2>,
    bias: Option<Tensor<1>>,
    targets: Targets<'_>,
    size: usize,
) -> CrossEntropy {
    let is_autodiff = hidden.is_autodiff();
    let wanted = Wanted {
        hidden: hidden.is_tracked(),
        projection: projection.is_tracked(),
        bias: bias.as_ref().is_some_and(Tensor::is_tracked),
    };
    let inputs = [
        Some(hidden.clone().into_dispatch()),
        Some(projection.clone().into_dispatch()),
        bias.clone().map(Tensor::into_dispatch),
    ];
    let classes = Classes { projection: projection.inner(), bias: bias.map(Tensor::inner) };
    let Sums { divergence, nll, gradients } = sums(&hidden.inner(), &classes, targets, wanted, size);
    let divergence = graph::with_gradients(divergence, inputs, move |dy, _| {
        let Gradients { hidden, projection, bias } = gradients;
        let scaled = |gradient: Option<Tensor<2>>| gradient.map(|x| (x * dy.clone().unsqueeze()).into_dispatch());
        [scaled(hidden), scaled(projection), bias.map(|x| (x * dy.clone()).into_dispatch())]
    });
    CrossEntropy { divergence, nll: if is_autodiff { Tensor::from_inner(nll) } else { nll } }
}

/// What makes logits of vectors, below autodiff.
struct Classes {
    /// `[vocab, d]`.
    projection: Tensor<2>,
    /// `[vocab]`.
    bias: Option<Tensor<1>>,
}

/// The gradients that are wanted.
#[derive(Clone, Copy)]
struct Wanted {
    hidden: bool,
    projection: bool,
    bias: bool,
}

/// Gradients of the loss, where they are wanted.
struct Gradients {
    hidden: Option<Tensor<2>>,
    projection: Option<Tensor<2>>,
    bias: Option<Tensor<1>>,
}

struct Sums {
    /// `[1]`.
    divergence: Tensor<1>,
    /// `[1]`.
    nll: Tensor<1>,
    gradients: Gradients,
}

fn sums(hidden: &Tensor<2>, classes: &Classes, targets: Targets<'_>, wanted: Wanted, size: usize) -> Sums {
    let ([n, _], [vocab, _], device) = (hidden.dims(), classes.projection.dims(), hidden.device());
    let zero = || Tensor::<1>::zeros([1], &device);
    let (mut divergence, mut nll_sum) = (zero(), zero());
    let (mut d_hidden, mut d_projection, mut d_bias) = (Vec::new(), None, None);
    let smoothing = targets.smoothing;
    for rows in blocks(n, vocab, size) {
        let (ids, counts) = (targets.ids_of(&rows, &device), targets.counts_of(&rows, &device));
        let x = part_of(hidden.clone(), 0, &rows);
        let logits = linear(x.clone(), classes.projection.clone().transpose(), classes.bias.clone()); // [rows, vocab]
        let highest = logits.clone().max_dim(1);
        let powers = (logits.clone() - highest.clone()).exp();
        let total = powers.clone().sum_dim(1);
        let log_total = total.clone().log() + highest; // [rows, 1]
        let nll = (log_total.clone() - logits.clone().gather(1, ids.clone())) * counts.clone();
        nll_sum = nll_sum + nll.clone().sum();
        divergence = divergence
            + if smoothing > 0.0 {
                let uniform = (log_total - logits.mean_dim(1)) * counts.clone();
                (nll * (1.0 - smoothing) + uniform * smoothing).sum()
            } else {
                nll.sum()
            };
        if !(wanted.hidden || wanted.projection || wanted.bias) {
            continue;
        }
        // p - q, of targets that count.
        let p = powers * (counts.clone() / total);
        let d_logits = if smoothing > 0.0 { p - counts.clone() * (smoothing / vocab as f64) } else { p };
        let d_logits = d_logits.scatter(1, ids, counts * (smoothing - 1.0), IndexingUpdateOp::Add);
        if wanted.hidden {
            d_hidden.push(linear(d_logits.clone(), classes.projection.clone(), None));
        }
        if wanted.bias {
            d_bias = added(d_bias, d_logits.clone().sum_dim(0).reshape([vocab]));
        }
        if wanted.projection {
            d_projection = added(d_projection, linear(d_logits.transpose(), x, None));
        }
    }
    let d_hidden = (!d_hidden.is_empty()).then(|| Tensor::cat(d_hidden, 0));
    let gradients = Gradients { hidden: d_hidden, projection: d_projection, bias: d_bias };
    Sums { divergence, nll: nll_sum, gradients }
}

fn added<const D: usize>(sum: Option<Tensor<D>>, part: Tensor<D>) -> Option<Tensor<D>> {
    Some(match sum {
        Some(sum) => sum + part,
        None => part,
    })
}

impl Targets<'_> {
    /// `[rows, 1]`.
    pub(in crate::ops) fn ids_of(self, rows: &Range<usize>, device: &Device) -> Tensor<2, Int> {
        let pairs = self.ids[rows.clone()].iter().zip(&self.ignored[rows.clone()]);
        let ids: Vec<i64> = pairs.map(|(&id, &skip)| if skip { 0 } else { i64::from(id) }).collect();
        Tensor::from_data(TensorData::new(ids, [rows.len(), 1]), device)
    }

    /// 1 where a target counts, else 0: `[rows, 1]`.
    pub(in crate::ops) fn counts_of(self, rows: &Range<usize>, device: &Device) -> Tensor<2> {
        let counts: Vec<f32> = self.ignored[rows.clone()].iter().map(|&skip| f32::from(u8::from(!skip))).collect();
        Tensor::from_data(TensorData::new(counts, [rows.len(), 1]), device)
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use attentive_testkit::{Fixture, assert_close};

    use super::*;
    use crate::ops;

    const N: usize = 5;
    const D: usize = 3;
    const VOCAB: usize = 7;
    const IDS: [u32; N] = [3, 99, 0, 6, 3];
    const IGNORED: [bool; N] = [false, true, false, false, false];

    fn leaf<const DIMS: usize>(seed: u64, shape: [usize; DIMS], device: &Device) -> Tensor<DIMS> {
        Tensor::from_data(TensorData::new(Fixture::new(seed).normal(shape.iter().product()), shape), device)
    }

    fn values<const DIMS: usize>(x: Option<Tensor<DIMS>>) -> Vec<f32> {
        x.map(|x| x.into_data().try_into_vec().unwrap()).unwrap_or_default()
    }

    /// Both sums, and the gradients of three times the loss, of what is trained.
    fn passes(
        [trains_projection, is_biased]: [bool; 2],
        loss: impl Fn(Tensor<2>, Tensor<2>, Option<Tensor<1>>) -> CrossEntropy,
    ) -> [Vec<f32>; 5] {
        let device = Device::flex().autodiff();
        let hidden = leaf(1, [N, D], &device).require_grad();
        let projection = leaf(2, [VOCAB, D], &device).set_require_grad(trains_projection);
        let bias = is_biased.then(|| leaf(3, [VOCAB], &device).require_grad());
        let loss = loss(hidden.clone(), projection.clone(), bias.clone());
        let gradients = (loss.divergence.clone() * 3.0).backward();
        [
            values(Some(loss.divergence)),
            values(Some(loss.nll)),
            values(hidden.grad(&gradients)),
            values(projection.grad(&gradients)),
            values(bias.and_then(|bias| bias.grad(&gradients))),
        ]
    }

    #[test]
    fn blocks_are_the_whole() {
        for smoothing in [0.0, 0.1] {
            let entropy = ops::cross_entropy::smoothed_negative_entropy(smoothing, VOCAB);
            for kind @ [trains_projection, is_biased] in [[true, false], [true, true], [false, true]] {
                let mut expected = passes(kind, |hidden, projection, bias| {
                    // Gradients of burn's own operations.
                    let logits = hidden.matmul(projection.transpose());
                    let logits = match bias {
                        Some(bias) => logits + bias.unsqueeze(),
                        None => logits,
                    };
                    ops::cross_entropy(logits, &IDS, &IGNORED, smoothing)
                });
                expected[0][0] -= (4.0 * entropy) as f32;
                assert_eq!([expected[3].is_empty(), expected[4].is_empty()], [!trains_projection, !is_biased]);
                for size in [1, 2 * VOCAB, SIZE] {
                    let found = passes(kind, |hidden, projection, bias| {
                        let targets = Targets { ids: &IDS, ignored: &IGNORED, smoothing };
                        cross_entropy_in(hidden, projection, bias, targets, size)
                    });
                    for (found, expected) in found.iter().zip(&expected) {
                        assert_close(found, expected, 1e-5, 2e-6);
                    }
                }
            }
        }
    }
}
