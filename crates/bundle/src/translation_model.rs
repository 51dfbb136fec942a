//! The encoder–decoder in the form that its device runs best.

use attentive_core::{DeviceError, EncoderDecoder, NextToken, Scores, TokenId, TokenMatrix, Want};
use attentive_engine::{CpuTransformer, State, WeightFormat};
use attentive_model::{DecoderState, Rnn, RnnState, Transformer, TransformerConfig};
use attentive_weights::WeightsError;

/// An encoder–decoder in the form that its device runs best: the same weights, the same translations.
#[derive(Debug)]
pub enum TranslationModel {
    /// A Transformer: tensors of any backend.
    Portable(Box<Transformer>),
    /// A Transformer, packed for the CPU.
    Packed(Box<CpuTransformer>),
    /// An RNN: tensors of any backend.
    Recurrent(Box<Rnn>),
}

/// The model's memory of each row.
#[derive(Debug, Clone)]
pub enum TranslationState {
    /// Of [`TranslationModel::Portable`].
    Portable(Box<DecoderState>),
    /// Of [`TranslationModel::Packed`].
    Packed(Box<State>),
    /// Of [`TranslationModel::Recurrent`].
    Recurrent(Box<RnnState>),
}

impl TranslationModel {
    /// The form of `model`, whose configuration is `config`, that its device runs best.
    ///
    /// # Errors
    /// [`WeightsError::Mismatch`] if the model is of another configuration.
    pub fn new(model: Transformer, config: &TransformerConfig) -> Result<Self, WeightsError> {
        let device = model.device();
        if !attentive_backend::has_kernels(&device) || !CpuTransformer::covers(config) {
            return Ok(Self::Portable(Box::new(model)));
        }
        let params = attentive_weights::params(&model);
        Ok(Self::Packed(Box::new(CpuTransformer::new(config, params, WeightFormat::F32)?)))
    }
}

const OWN_STATE: &str = "a state is used with the model that made it";

impl NextToken for TranslationModel {
    type State = TranslationState;

    fn vocab_size(&self) -> usize {
        match self {
            Self::Portable(model) => model.vocab_size(),
            Self::Packed(model) => model.vocab_size(),
            Self::Recurrent(model) => model.vocab_size(),
        }
    }

    fn max_len(&self) -> Option<usize> {
        match self {
            Self::Portable(model) => model.max_len(),
            Self::Packed(model) => model.max_len(),
            Self::Recurrent(model) => model.max_len(),
        }
    }

    fn advance(&self, tokens: &[TokenId], state: &mut TranslationState, want: Want) -> Result<Scores, DeviceError> {
        match (self, state) {
            (Self::Portable(model), TranslationState::Portable(state)) => model.advance(tokens, state, want),
            (Self::Packed(model), TranslationState::Packed(state)) => model.advance(tokens, state, want),
            (Self::Recurrent(model), TranslationState::Recurrent(state)) => model.advance(tokens, state, want),
            _ => unreachable!("{OWN_STATE}"),
        }
    }

    fn reorder(&self, state: &mut TranslationState, parents: &[usize]) {
        match (self, state) {
            (Self::Portable(model), TranslationState::Portable(state)) => model.reorder(state, parents),
            (Self::Packed(model), TranslationState::Packed(state)) => model.reorder(state, parents),
            (Self::Recurrent(model), TranslationState::Recurrent(state)) => model.reorder(state, parents),
            _ => unreachable!("{OWN_STATE}"),
        }
    }
}

impl EncoderDecoder for TranslationModel {
    fn start(&self, source: &TokenMatrix) -> TranslationState {
        match self {
            Self::Portable(model) => TranslationState::Portable(Box::new(model.start(source))),
            Self::Packed(model) => TranslationState::Packed(Box::new(model.start(source))),
            Self::Recurrent(model) => TranslationState::Recurrent(Box::new(model.start(source))),
        }
    }
}
