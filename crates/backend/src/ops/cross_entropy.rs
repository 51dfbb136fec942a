//! The loss over the vocabulary.

use burn::tensor::{Tensor, activation::log_softmax};

use super::blocks;

/// Sums of [`projected_cross_entropy`], in nats.
#[derive(Debug, Clone)]
pub struct CrossEntropy {
    /// KL divergence of the smoothed targets from the model: `[1]`.
    pub divergence: Tensor<1>,
    /// `-ln p(target)`, without gradient: `[1]`.
    pub nll: Tensor<1>,
}

/// Projects to the vocabulary and takes the label-smoothed loss, summed over targets that count.
///
/// With `p = softmax(hidden · projectionᵀ + bias)` and the smoothed target
/// `q = (1 - ε) · one_hot(target) + ε / vocab`, the loss is `KL(q ‖ p) = Σ q ln q - Σ q ln p`, which is zero exactly if
/// the model equals the smoothed target. Source: Szegedy et al. 2016, §7; Vaswani et al. 2017, §5.4.
///
/// # Shapes
/// - `hidden`: `[n, d_model]`, `projection`: `[vocab, d_model]`, `bias`: `[vocab]`
/// - `targets` and `ignored`: `n`; ignored targets (padding) may have any value
///
/// # Panics
/// If a length differs, or a target that counts is not in the vocabulary.
pub fn projected_cross_entropy(
    hidden: Tensor<2>,
    projection: Tensor<2>,
    bias: Option<Tensor<1>>,
    targets: &[u32],
    ignored: &[bool],
    smoothing: f64,
) -> CrossEntropy {
    let ([n, _], [vocab, _]) = (hidden.dims(), projection.dims());
    assert_eq!((targets.len(), ignored.len()), (n, n), "cross-entropy: a target for each of {n} rows");
    // Some devices would read beside the table.
    let is_there = |(&id, &ignored): (&u32, &bool)| ignored || (id as usize) < vocab;
    assert!(targets.iter().zip(ignored).all(is_there), "cross-entropy: a target beyond a vocabulary of {vocab}");
    let n_targets = ignored.iter().filter(|&&ignored| !ignored).count();
    let negative_entropy = n_targets as f64 * smoothed_negative_entropy(smoothing, vocab);
    #[cfg(feature = "flex")]
    if bias.is_none() && crate::fused::applies(&hidden) {
        let targets = crate::fused::TargetArgs { ids: targets.into(), ignored: ignored.into(), smoothing };
        let sums = crate::fused::cross_entropy(hidden, projection, targets);
        let [cross_entropy, nll] = [0, 1].map(|idx| sums.clone().narrow(0, idx, 1));
        return CrossEntropy { divergence: cross_entropy + negative_entropy, nll: nll.detach() };
    }
    let targets = blocks::Targets { ids: targets, ignored, smoothing };
    let CrossEntropy { divergence, nll } = blocks::cross_entropy(hidden, projection, bias, targets);
    CrossEntropy { divergence: divergence + negative_entropy, nll }
}

/// As [`projected_cross_entropy`], of logits, `[n, vocab]`, that something happens to after the projection.
///
/// # Panics
/// If there is not one target for each row.
pub fn cross_entropy(logits: Tensor<2>, targets: &[u32], ignored: &[bool], smoothing: f64) -> CrossEntropy {
    let ([n, vocab], device) = (logits.dims(), logits.device());
    assert_eq!((targets.len(), ignored.len()), (n, n), "cross-entropy: a target for each of {n} rows");
    let negative_entropy = smoothed_negative_entropy(smoothing, vocab);
    let targets = blocks::Targets { ids: targets, ignored, smoothing };
    let counts = targets.counts_of(&(0..n), &device).reshape([n]);
    let log_p = log_softmax(logits, 1);
    let nll = -log_p.clone().gather(1, targets.ids_of(&(0..n), &device)).reshape([n]); // [n]
    let nll_sum = (nll.clone() * counts.clone()).sum();
    let divergence = if smoothing > 0.0 {
        let uniform = -log_p.mean_dim(1).reshape([n]); // [n], cross-entropy to the uniform distribution
        ((nll * (1.0 - smoothing) + uniform * smoothing + negative_entropy) * counts).sum()
    } else {
        nll_sum.clone()
    };
    CrossEntropy { divergence, nll: nll_sum.detach() }
}

/// `Σ q ln q` of the smoothed target.
pub(super) fn smoothed_negative_entropy(smoothing: f64, vocab: usize) -> f64 {
    if smoothing == 0.0 {
        return 0.0;
    }
    let off = smoothing / vocab as f64;
    let on = 1.0 - smoothing + off;
    on * on.ln() + (vocab - 1) as f64 * off * off.ln()
}
