//! A student that learns what its teacher expects at each word.

use std::{fmt, rc::Rc};

use attentive_attention::Dropout;
use attentive_backend::{Loss, Objective, Tally, ops};
use attentive_core::{Batch, SequenceBatch, TokenId, TranslationBatch};
use burn::tensor::{
    Tensor,
    activation::{log_softmax, softmax},
};

use crate::{CausalModel, TeacherForced, language_model::hidden_at_targets, tokens::vectors_at};

/// What a model expects at each target of a batch.
#[derive(Debug, Clone)]
pub struct TargetLogits {
    /// Scores of every token: `[n_targets, vocab]`.
    pub logits: Tensor<2>,
    /// The target tokens.
    pub targets: Vec<TokenId>,
}

/// A model that scores every token at each target of a batch: a student, and its teacher.
pub trait ScoresTargets<B> {
    /// The scores; a batch without targets has none.
    ///
    /// # Panics
    /// If a row has more tokens than the model has positions.
    fn target_logits(&self, batch: &B, pass: Option<&Dropout>) -> Option<TargetLogits>;
}

impl<M: CausalModel> ScoresTargets<SequenceBatch> for M {
    fn target_logits(&self, batch: &SequenceBatch, pass: Option<&Dropout>) -> Option<TargetLogits> {
        let places = places(batch.ignored.iter().map(|ignored| !ignored));
        let targets: Vec<TokenId> = places.iter().map(|&at| batch.targets[at as usize]).collect();
        if targets.is_empty() {
            return None;
        }
        // One row of all targets.
        let hidden = vectors_at(hidden_at_targets(self, batch, pass).unsqueeze_dim(0), &places);
        let (projection, bias) = self.output_projection();
        let logits = ops::bounded(ops::linear(hidden, projection.transpose(), bias), self.logit_cap());
        Some(TargetLogits { logits, targets })
    }
}

impl<M: TeacherForced> ScoresTargets<TranslationBatch> for M {
    fn target_logits(&self, batch: &TranslationBatch, pass: Option<&Dropout>) -> Option<TargetLogits> {
        let n_cols = batch.target.n_cols();
        let lengths = batch.target.lengths().iter();
        let places = places(lengths.flat_map(|&length| (1..n_cols).map(move |at| at < length)));
        // The first column, which is never a target, has no place.
        let targets = batch.target.ids().chunks_exact(n_cols.max(1)).flat_map(|row| &row[1..]).copied();
        let targets: Vec<TokenId> = targets.collect();
        let targets: Vec<TokenId> = places.iter().map(|&at| targets[at as usize]).collect();
        if targets.is_empty() {
            return None;
        }
        let hidden = vectors_at(self.teacher_forced(batch, pass), &places);
        let (projection, bias) = self.output_projection();
        Some(TargetLogits { logits: ops::linear(hidden, projection.transpose(), bias), targets })
    }
}

/// The places of what counts.
fn places(counts: impl Iterator<Item = bool>) -> Vec<u32> {
    (0..).zip(counts).filter(|(_, counts)| *counts).map(|(at, _)| at).collect()
}

/// How a student learns from its teacher, word by word (Hinton et al. 2015; Kim and Rush 2016, §3.1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distilling {
    /// Label smoothing of the student's own loss.
    pub label_smoothing: f64,
    /// `α`, weight of the teacher; the student's own loss has the rest, `1 - α`.
    pub weight: f64,
    /// `T`, what scores of both are divided by (Hinton et al. 2015, eq. 1).
    pub temperature: f64,
    /// Tokens that the teacher tells of each word, its most probable ones, which have all of its probability then (Tan et al.
    /// 2019, §3.3); all of them without it.
    pub top_k: Option<usize>,
}

impl Distilling {
    /// Divergence of the student from the teacher at each target, `T² KL(teacher ‖ student)` in nats, both at temperature `T`:
    /// `[n]` of scores `[n, vocab]`. The factor `T²` makes gradients as large as at `T = 1` (Hinton et al. 2015, §2).
    ///
    /// A teacher's scores beyond the student's vocabulary are those of rows that no token has, and are left out.
    ///
    /// # Panics
    /// If the teacher's vocabulary is smaller, or numbers of targets differ.
    pub fn divergences(&self, student: Tensor<2>, teacher: Tensor<2>) -> Tensor<1> {
        let [n, vocab] = student.dims();
        let teacher = teacher.narrow(1, 0, vocab);
        let log_q = log_softmax(student / self.temperature, 1);
        let (scores, log_q) = match self.top_k.filter(|&k| k < vocab) {
            Some(k) => {
                let (scores, tokens) = teacher.topk_with_indices(k, 1);
                (scores, log_q.gather(1, tokens))
            }
            None => (teacher, log_q),
        };
        let scores = scores / self.temperature;
        let (p, log_p) = (softmax(scores.clone(), 1), log_softmax(scores, 1));
        (p * (log_p - log_q)).sum_dim(1).reshape([n]) * self.temperature.powi(2)
    }

    /// The loss: `(1 - α)` of the student's own and `α` of its divergence from the teacher, which is told beside it.
    ///
    /// # Panics
    /// As [`divergences`](Self::divergences).
    pub fn loss(&self, student: TargetLogits, teacher: Tensor<2>) -> (Loss, Tally) {
        let TargetLogits { logits, targets } = student;
        let n_targets = targets.len();
        let own = ops::cross_entropy(logits.clone(), &targets, &vec![false; n_targets], self.label_smoothing);
        let divergence = self.divergences(logits, teacher).sum();
        let told = f64::from(divergence.clone().detach().into_scalar::<f32>());
        let sum = own.divergence * (1.0 - self.weight) + divergence * self.weight;
        (Loss { sum, nll_sum: own.nll, n_targets }, vec![("divergence", told)])
    }
}

/// Loss of a student, some of which is its divergence from a teacher: another model with the same vocabulary, which stays as it
/// is, and is asked about each batch while it is learnt.
pub struct DistillationObjective<B> {
    settings: Distilling,
    teacher: Rc<dyn ScoresTargets<B>>,
}

impl<B> fmt::Debug for DistillationObjective<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DistillationObjective").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl<B> DistillationObjective<B> {
    /// The loss beside a teacher, which is on the student's device, without gradients.
    pub fn new(settings: Distilling, teacher: Rc<dyn ScoresTargets<B>>) -> Self {
        Self { settings, teacher }
    }
}

impl<B: Batch, M: ScoresTargets<B>> Objective<M> for DistillationObjective<B> {
    type Batch = B;

    fn loss(&self, model: &M, batch: &B, pass: Option<&Dropout>) -> Loss {
        self.loss_and_tally(model, batch, pass).0
    }

    /// # Panics
    /// If the batch has no target.
    fn loss_and_tally(&self, model: &M, batch: &B, pass: Option<&Dropout>) -> (Loss, Tally) {
        let student = model.target_logits(batch, pass).expect("a batch has targets");
        let teacher = self.teacher.target_logits(batch, None).expect("as the student has").logits;
        let teacher = if student.logits.is_autodiff() { Tensor::from_inner(teacher) } else { teacher };
        self.settings.loss(student, teacher)
    }
}
