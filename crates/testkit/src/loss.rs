use crate::log_softmax;

/// Sums over the rows that count, in nats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SmoothedCrossEntropy {
    /// `-Σ q log p` for the smoothed distribution `q`.
    pub loss: f64,
    /// `-Σ log p(target)`.
    pub nll: f64,
    /// Number of rows counted.
    pub n_targets: usize,
}

/// Label-smoothed cross-entropy of `logits` `[n, vocab]`, rows with no target excluded.
///
/// `-Σ_v q_v log p_v` with `q = (1 - ε) onehot(target) + ε / vocab`. Source: Szegedy et al. 2016, section 7; Vaswani et
/// al. 2017, section 5.4. It differs from `KL(q ‖ p)` by the entropy of `q`, which does not depend on parameters.
///
/// # Panics
/// If a target is not below `vocab`.
pub fn smoothed_cross_entropy(
    logits: &[f64],
    targets: &[Option<usize>],
    vocab: usize,
    smoothing: f64,
) -> SmoothedCrossEntropy {
    assert_eq!(logits.len(), targets.len() * vocab);
    let mut total = SmoothedCrossEntropy { loss: 0.0, nll: 0.0, n_targets: 0 };
    for (row, target) in logits.chunks_exact(vocab).zip(targets) {
        let Some(target) = *target else { continue };
        let log_p = log_softmax(row, vocab);
        let mean: f64 = log_p.iter().sum::<f64>() / vocab as f64;
        total.nll -= log_p[target];
        total.loss -= (1.0 - smoothing) * log_p[target] + smoothing * mean;
        total.n_targets += 1;
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_logits_cost_log_vocab_whatever_the_smoothing() {
        let total = smoothed_cross_entropy(&[2.0; 10], &[Some(3), None], 5, 0.1);
        assert!((total.loss - 5f64.ln()).abs() < 1e-12 && (total.nll - 5f64.ln()).abs() < 1e-12);
        assert_eq!(total.n_targets, 1);
    }
}
