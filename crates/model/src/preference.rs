//! Preferences as a training objective: DPO and its kin.

use attentive_attention::Dropout;
use attentive_backend::{Loss, Objective, Tally};
use attentive_core::{Batch, PreferenceBatch, SequenceBatch};
use burn::tensor::{Tensor, TensorData, activation::log_sigmoid};
use serde::{Deserialize, Serialize};

use crate::{CausalModel, language_model::cross_entropy_of};

/// What is minimised of a pair of answers, by the margin `h = log π(chosen)/π_ref(chosen) - log π(rejected)/π_ref(rejected)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum PreferenceLoss {
    /// DPO: `-log σ(β h)` (Rafailov et al. 2023, eq. 7).
    #[default]
    Sigmoid,
    /// `max(0, 1 - β h)` (Zhao et al. 2023, SLiC-HF, with a reference as in Liu et al. 2024, RSO, §3.3).
    Hinge,
    /// IPO: `(h - 1/(2β))²`, log-probabilities being means over the tokens of an answer (Azar et al. 2024, eq. 17; the mean is
    /// what its authors measured with, as TRL documents).
    Ipo,
}

/// Direct preference optimisation: a language model learns to give the chosen answer of each pair a higher reward than the
/// rejected one, `β log π/π_ref`, the reference being the model that training begins from (Rafailov et al. 2023).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PreferenceObjective {
    /// `β`: how near the model stays to the reference.
    pub beta: f64,
    /// What is minimised.
    pub loss: PreferenceLoss,
    /// Part of the pairs whose answers are taken to be the wrong way round; of the sigmoid loss alone (Mitchell 2023, cDPO).
    pub label_smoothing: f64,
    /// Weight of the cross-entropy of the chosen answer, its mean over tokens (Pang et al. 2024, eq. 2, where it is `α`).
    pub sft_weight: f64,
}

impl Default for PreferenceObjective {
    /// `β = 0.1`, as in the authors' experiments (Rafailov et al. 2023, appendix B), and nothing else.
    fn default() -> Self {
        Self { beta: 0.1, loss: PreferenceLoss::Sigmoid, label_smoothing: 0.0, sft_weight: 0.0 }
    }
}

/// Log-probabilities of answers given their prompts, in nats: `[pairs]` each.
#[derive(Debug, Clone)]
pub struct AnswerLogProbs {
    /// Of chosen answers.
    pub chosen: Tensor<1>,
    /// Of rejected answers.
    pub rejected: Tensor<1>,
}

impl AnswerLogProbs {
    /// Of rows, those of the chosen answers first: `[2 · pairs]`.
    fn of_rows(rows: Tensor<1>) -> Self {
        let n_pairs = rows.dims()[0] / 2;
        Self { chosen: rows.clone().narrow(0, 0, n_pairs), rejected: rows.narrow(0, n_pairs, n_pairs) }
    }

    /// `self` without `other`, answer by answer.
    fn minus(self, other: Self) -> Self {
        Self { chosen: self.chosen - other.chosen, rejected: self.rejected - other.rejected }
    }

    /// The two, each divided by the number of tokens of its answer.
    fn per_token(self, n_tokens: &Self) -> Self {
        Self { chosen: self.chosen / n_tokens.chosen.clone(), rejected: self.rejected / n_tokens.rejected.clone() }
    }
}

impl PreferenceObjective {
    /// The loss of each pair: `[pairs]`; `n_tokens` are the tokens of its answers.
    ///
    /// # Panics
    /// If numbers of pairs differ.
    pub fn losses(&self, policy: AnswerLogProbs, reference: AnswerLogProbs, n_tokens: &AnswerLogProbs) -> Tensor<1> {
        let chosen = policy.chosen.clone();
        let ratios = policy.minus(reference);
        let beta = self.beta;
        let margin = |ratios: AnswerLogProbs| ratios.chosen - ratios.rejected;
        let losses = match self.loss {
            PreferenceLoss::Sigmoid => {
                let margin = margin(ratios) * beta;
                let right = -log_sigmoid(margin.clone());
                match self.label_smoothing {
                    0.0 => right,
                    part => right * (1.0 - part) - log_sigmoid(-margin) * part,
                }
            }
            PreferenceLoss::Hinge => (margin(ratios) * -beta + 1.0).clamp_min(0.0),
            PreferenceLoss::Ipo => (margin(ratios.per_token(n_tokens)) - 0.5 / beta).powi_scalar(2),
        };
        match self.sft_weight {
            0.0 => losses,
            weight => losses - chosen / n_tokens.chosen.clone() * weight,
        }
    }

    /// What is told of pairs, summed over them: rewards of answers, `β log π/π_ref`, their margin, and for how many the chosen
    /// answer has the higher one.
    ///
    /// # Panics
    /// If numbers of pairs differ, or the device does not hand over its results.
    pub fn tally(&self, policy: &AnswerLogProbs, reference: &AnswerLogProbs) -> Tally {
        let AnswerLogProbs { chosen, rejected } = policy.clone().minus(reference.clone());
        let [chosen, rejected] = [chosen, rejected].map(|ratios| host(ratios.detach() * self.beta));
        let n_right = chosen.iter().zip(&rejected).filter(|(chosen, rejected)| chosen > rejected).count();
        let [of_chosen, of_rejected] = [chosen, rejected].map(|rewards| rewards.iter().sum::<f64>());
        vec![
            ("reward-chosen", of_chosen),
            ("reward-rejected", of_rejected),
            ("margin", of_chosen - of_rejected),
            ("accuracy", n_right as f64),
        ]
    }
}

/// Log-probability of the targets of each row that count, in nats: `[rows]`.
///
/// # Panics
/// If a row has more tokens than the model has positions, or rows are packed.
pub fn answer_log_probs(model: &impl CausalModel, batch: &SequenceBatch, pass: Option<&Dropout>) -> Tensor<1> {
    assert!(!batch.is_packed, "pairs of answers are not packed");
    let hidden = model.hidden(&batch.ids, pass); // [rows, seq, d_model]
    let [rows, seq, _] = hidden.dims();
    let of_row = |row: usize| {
        let at = row * seq..(row + 1) * seq;
        let hidden = hidden.clone().narrow(0, row, 1).squeeze_dim::<2>(0);
        -cross_entropy_of(model, hidden, &batch.targets[at.clone()], &batch.ignored[at], 0.0).divergence
    };
    Tensor::cat((0..rows).map(of_row).collect(), 0)
}

/// Numbers of rows, those of the chosen answers first, on the device of a tensor.
fn on_device(values: Vec<f32>, beside: &Tensor<1>) -> AnswerLogProbs {
    let n_rows = values.len();
    AnswerLogProbs::of_rows(Tensor::from_data(TensorData::new(values, [n_rows]), &beside.device()))
}

/// Numbers on the host.
///
/// # Panics
/// If the device does not hand over its results.
fn host(tensor: Tensor<1>) -> Vec<f64> {
    tensor.into_data().convert::<f64>().try_into_vec().expect("converted to f64 above")
}

impl<M: CausalModel> Objective<M> for PreferenceObjective {
    type Batch = PreferenceBatch;

    fn loss(&self, model: &M, batch: &PreferenceBatch, pass: Option<&Dropout>) -> Loss {
        self.loss_and_tally(model, batch, pass).0
    }

    fn loss_and_tally(&self, model: &M, batch: &PreferenceBatch, pass: Option<&Dropout>) -> (Loss, Tally) {
        let sequences = &batch.sequences;
        let policy = answer_log_probs(model, sequences, pass);
        let reference = on_device(batch.reference.clone(), &policy);
        let n_cols = sequences.ids.n_cols().max(1);
        let n_tokens = |ignored: &[bool]| ignored.iter().filter(|&&ignored| !ignored).count().max(1) as f32;
        let n_tokens = on_device(sequences.ignored.chunks_exact(n_cols).map(n_tokens).collect(), &policy);
        let policy = AnswerLogProbs::of_rows(policy);
        let tally = self.tally(&policy, &reference);
        let sum = self.losses(policy, reference, &n_tokens).sum();
        (Loss { nll_sum: sum.clone().detach(), sum, n_targets: batch.n_targets() }, tally)
    }

    /// A loss of pairs is not a code length.
    fn is_in_nats(&self, _: &M) -> bool {
        false
    }
}
