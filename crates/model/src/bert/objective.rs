//! Objectives of encoders.

use attentive_attention::Dropout;
use attentive_backend::ops::CrossEntropy;
use attentive_backend::{Loss, Objective};
use attentive_core::{Batch, LabeledBatch, MaskedBatch};
use burn::tensor::{Int, Tensor, TensorData, activation::log_softmax};
use serde::{Deserialize, Serialize};

use crate::EncoderModel;

/// Loss of the hidden tokens, each guessed by itself or after others, as the model does, and, where rows are pairs and the model has a head for it, of whether the second segment
/// follows the first (Devlin et al. 2019, §3.1).
///
/// `Loss::sum` is `n · (mean over hidden tokens + mean over rows)` with `n` hidden tokens, so that the mean per target is
/// the sum of the two means that BERT minimises; `Loss::nll_sum` is that of hidden tokens alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct MaskedLmObjective {
    /// Mass ε that is spread over the vocabulary; none in BERT and RoBERTa.
    pub label_smoothing: f64,
}

impl<M: EncoderModel> Objective<M> for MaskedLmObjective {
    type Batch = MaskedBatch;

    /// # Panics
    /// If the model has no head for hidden tokens.
    fn loss(&self, model: &M, batch: &MaskedBatch, pass: Option<&Dropout>) -> Loss {
        let encoding = model.encode(&batch.ids, &batch.segments, pass);
        let n_targets = batch.n_targets();
        let zero = || Tensor::<1>::zeros([1], &encoding.hidden.device());
        let CrossEntropy { divergence, nll } = match n_targets {
            0 => CrossEntropy { divergence: zero(), nll: zero() },
            _ => {
                let classes: Vec<u32> = batch.targets.iter().map(|&token| model.class_of(token)).collect();
                let scores = model.token_scores(model.vectors_of_hidden(&encoding, batch.into(), pass));
                scores.expect("a model with a head for hidden tokens").cross_entropy(&classes, self.label_smoothing)
            }
        };
        let next_sentence = batch.follows.as_ref().and_then(|follows| {
            // Class 0 is "follows", as in the released models.
            let classes: Vec<u32> = follows.iter().map(|&follows| u32::from(!follows)).collect();
            Some(nll_sum(model.next_sentence_scores(&encoding)?, &classes))
        });
        let sum = match next_sentence {
            Some(next) => divergence + next * (n_targets as f64 / batch.n_rows().max(1) as f64),
            None => divergence,
        };
        Loss { sum, nll_sum: nll, n_targets }
    }
}

/// Loss of each row's class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClassificationObjective {}

impl<M: EncoderModel> Objective<M> for ClassificationObjective {
    type Batch = LabeledBatch;

    /// # Panics
    /// If the model has no classifier.
    fn loss(&self, model: &M, batch: &LabeledBatch, pass: Option<&Dropout>) -> Loss {
        let encoding = model.encode(&batch.ids, &vec![0; batch.ids.ids().len()], pass);
        let scores = model.label_scores(&encoding, pass).expect("a model with a classifier");
        let sum = nll_sum(scores, &batch.labels);
        Loss { nll_sum: sum.clone().detach(), sum, n_targets: batch.n_targets() }
    }
}

/// `-ln p` of each row's class, summed: `[rows, classes]` to `[1]`.
fn nll_sum(logits: Tensor<2>, classes: &[u32]) -> Tensor<1> {
    let classes: Vec<i64> = classes.iter().map(|&class| i64::from(class)).collect();
    let shape = [classes.len(), 1];
    let classes = Tensor::<2, Int>::from_data(TensorData::new(classes, shape), &logits.device());
    -log_softmax(logits, 1).gather(1, classes).sum()
}
