//! The loss of classes of pictures.

use attentive_attention::Dropout;
use attentive_backend::{Loss, Objective};
use attentive_core::{Batch, ClassShares, ImageBatch};
use burn::tensor::{Tensor, TensorData, activation::log_softmax};
use serde::{Deserialize, Serialize};

use crate::ImageModel;

/// Loss of each picture's class, or of the two classes of a mixture: `KL(q ‖ p)`, which is zero exactly if the model
/// says `q`, the smoothed shares of classes (Szegedy et al. 2016, §7; Zhang et al. 2018, §2).
///
/// With two classifiers it is the mean of their losses: DeiT's hard distillation by a teacher that is always right
/// (Touvron et al. 2021, §4).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ImageClassificationObjective {
    /// Mass ε that is spread over all classes.
    pub label_smoothing: f64,
}

impl<M: ImageModel> Objective<M> for ImageClassificationObjective {
    type Batch = ImageBatch;

    /// # Panics
    /// If the model has no classifier.
    fn loss(&self, model: &M, batch: &ImageBatch, pass: Option<&Dropout>) -> Loss {
        let scores = model.label_scores(&model.encode(&batch.patches, pass));
        let n_heads = scores.len() as f64;
        let losses = scores.into_iter().map(|logits| divergence(logits, &batch.classes, self.label_smoothing));
        let sums = losses.reduce(|[a, b], [c, d]| [a + c, b + d]).expect("a model with a classifier");
        let [sum, nll] = sums.map(|sum| sum / n_heads);
        Loss { sum, nll_sum: nll.detach(), n_targets: batch.n_targets() }
    }
}

/// `KL(q ‖ p)` of smoothed shares of classes, and the cross-entropy of those that are not smoothed, summed over rows:
/// `[rows, classes]` to `[1]`, twice.
fn divergence(logits: Tensor<2>, classes: &[ClassShares], smoothing: f64) -> [Tensor<1>; 2] {
    let (shape, device) = (logits.dims(), logits.device());
    let [_, n_classes] = shape;
    let mut shares = vec![0.0_f32; shape[0] * n_classes];
    for (row, &ClassShares { class, other, share }) in shares.chunks_mut(n_classes).zip(classes) {
        row[class as usize] += share;
        row[other as usize] += 1.0 - share;
    }
    let smoothed = |&share: &f32| (1.0 - smoothing as f32) * share + (smoothing / n_classes as f64) as f32;
    let q: Vec<f32> = shares.iter().map(smoothed).collect();
    let ln = |&q: &f32| if q > 0.0 { f64::from(q) * f64::from(q).ln() } else { 0.0 };
    let negative_entropy: f64 = q.iter().map(ln).sum();
    let log_p = log_softmax(logits, 1);
    let cross_entropy = |q: Vec<f32>| -(log_p.clone() * Tensor::from_data(TensorData::new(q, shape), &device)).sum();
    let of_shares = cross_entropy(shares);
    match smoothing {
        0.0 => [of_shares.clone() + negative_entropy, of_shares],
        _ => [cross_entropy(q) + negative_entropy, of_shares],
    }
}
