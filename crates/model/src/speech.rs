//! Speech recognition as a training objective.

use attentive_attention::Dropout;
use attentive_backend::{Device, Loss, Objective};
use attentive_core::{SpeechBatch, SpeechRecognizer};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::{LayeredEncoder, translation::target_loss};

/// A recogniser of speech that is trained with the right tokens before each target.
pub trait SpeechModel: SpeechRecognizer<State: Clone + Send + 'static> {
    /// Hidden states that predict each target token except the first, given the sound and the tokens before it:
    /// `[rows, tgt, d_model]`.
    fn teacher_forced(&self, batch: &SpeechBatch, pass: Option<&Dropout>) -> Tensor<3>;

    /// The pre-soft-max projection, `[vocab, d_model]`, and its bias, `[vocab]`.
    fn output_projection(&self) -> (Tensor<2>, Option<Tensor<1>>);

    /// The device of the model.
    fn device(&self) -> Device;

    /// The model's encoder as features and layers, if it is one that data2vec can train.
    fn layered(&self) -> Option<&dyn LayeredEncoder<SpeechBatch>> {
        None
    }
}

/// Loss of each token of what is said, given the sound and the tokens before it (Radford et al. 2022, §2.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SpeechObjective {
    /// Mass ε that is spread over the vocabulary; none in Whisper.
    pub label_smoothing: f64,
}

impl<M: SpeechModel> Objective<M> for SpeechObjective {
    type Batch = SpeechBatch;

    fn loss(&self, model: &M, batch: &SpeechBatch, pass: Option<&Dropout>) -> Loss {
        let hidden = model.teacher_forced(batch, pass);
        target_loss(hidden, model.output_projection(), &batch.target, batch.n_prompt, self.label_smoothing)
    }
}
