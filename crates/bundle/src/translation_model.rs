//! The encoder–decoder in the form that its device runs best.

use attentive_core::{EncoderDecoder, NextToken, TokenMatrix, TopTokens};
use attentive_engine::{CpuTransformer, Precision, State};
use attentive_model::{DecoderState, Rnn, RnnState, Transformer, TransformerConfig};
use attentive_weights::WeightsError;
use burn::tensor::{Device, Int, Tensor};

/// An encoder–decoder in the form that its device runs best: the same weights, the same translations.
#[derive(Debug)]
pub enum TranslationModel {
    /// A Transformer: tensors of any backend.
    Tensors(Box<Transformer>),
    /// A Transformer, packed for the CPU.
    Cpu(Box<CpuTransformer>),
    /// An RNN: tensors of any backend.
    Rnn(Box<Rnn>),
}

/// What decoding remembers of each row.
#[derive(Debug, Clone)]
pub enum TranslationState {
    /// Of [`TranslationModel::Tensors`].
    Tensors(Box<DecoderState>),
    /// Of [`TranslationModel::Cpu`].
    Cpu(Box<State>),
    /// Of [`TranslationModel::Rnn`].
    Rnn(Box<RnnState>),
}

impl TranslationModel {
    /// The form of `model`, whose configuration is `config`, that its device runs best.
    ///
    /// # Errors
    /// [`WeightsError::Mismatch`] if the model is of another configuration.
    pub fn new(model: Transformer, config: &TransformerConfig) -> Result<Self, WeightsError> {
        let device = model.device();
        if !attentive_backend::has_kernels(&device) || !CpuTransformer::covers(config) {
            return Ok(Self::Tensors(Box::new(model)));
        }
        let params = attentive_weights::params(&model);
        Ok(Self::Cpu(Box::new(CpuTransformer::new(config, params, Precision::F32, &device)?)))
    }
}

const OWN_STATE: &str = "a state is used with the model that made it";

impl NextToken for TranslationModel {
    type State = TranslationState;

    fn vocab_size(&self) -> usize {
        match self {
            Self::Tensors(model) => model.vocab_size(),
            Self::Cpu(model) => model.vocab_size(),
            Self::Rnn(model) => model.vocab_size(),
        }
    }

    fn advance(&self, tokens: Tensor<2, Int>, state: &mut TranslationState) -> Tensor<2> {
        match (self, state) {
            (Self::Tensors(model), TranslationState::Tensors(state)) => model.advance(tokens, state),
            (Self::Cpu(model), TranslationState::Cpu(state)) => model.advance(tokens, state),
            (Self::Rnn(model), TranslationState::Rnn(state)) => model.advance(tokens, state),
            _ => unreachable!("{OWN_STATE}"),
        }
    }

    fn advance_top(&self, tokens: &Tensor<2, Int>, state: &mut TranslationState, k: usize) -> Option<TopTokens> {
        match (self, state) {
            (Self::Tensors(model), TranslationState::Tensors(state)) => model.advance_top(tokens, state, k),
            (Self::Cpu(model), TranslationState::Cpu(state)) => model.advance_top(tokens, state, k),
            (Self::Rnn(model), TranslationState::Rnn(state)) => model.advance_top(tokens, state, k),
            _ => unreachable!("{OWN_STATE}"),
        }
    }

    fn reorder(&self, state: &mut TranslationState, parents: &[usize]) {
        match (self, state) {
            (Self::Tensors(model), TranslationState::Tensors(state)) => model.reorder(state, parents),
            (Self::Cpu(model), TranslationState::Cpu(state)) => model.reorder(state, parents),
            (Self::Rnn(model), TranslationState::Rnn(state)) => model.reorder(state, parents),
            _ => unreachable!("{OWN_STATE}"),
        }
    }
}

impl EncoderDecoder for TranslationModel {
    fn start(&self, source: &TokenMatrix) -> TranslationState {
        match self {
            Self::Tensors(model) => TranslationState::Tensors(Box::new(model.start(source))),
            Self::Cpu(model) => TranslationState::Cpu(Box::new(model.start(source))),
            Self::Rnn(model) => TranslationState::Rnn(Box::new(model.start(source))),
        }
    }

    fn max_len(&self) -> Option<usize> {
        match self {
            Self::Tensors(model) => model.max_len(),
            Self::Cpu(model) => model.max_len(),
            Self::Rnn(model) => model.max_len(),
        }
    }

    fn device(&self) -> Device {
        match self {
            Self::Tensors(model) => model.device(),
            Self::Cpu(model) => model.device(),
            Self::Rnn(model) => model.device(),
        }
    }
}
