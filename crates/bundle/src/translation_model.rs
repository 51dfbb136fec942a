//! Encoder–decoders of any family, in the form that their device runs best.

use std::{
    any::Any,
    fmt::{self, Debug},
};

use attentive_core::{EncoderDecoder, NextToken, TokenMatrix, TopTokens};
use attentive_engine::{CpuTransformer, Precision};
use attentive_model::{EncoderDecoderSpec, TransformerConfig};
use attentive_weights::WeightsError;
use burn::tensor::{Device, Int, Tensor};

/// An encoder–decoder of any family, in the form that its device runs best: the same weights, the same translations.
pub struct TranslationModel(Box<dyn AnyModel>);

/// What decoding remembers of each row.
pub struct TranslationState(Box<dyn AnyState>);

impl TranslationModel {
    /// The form of `model`, whose configuration is `spec`, that its device runs best.
    ///
    /// # Errors
    /// [`WeightsError::Mismatch`] if the model is of another configuration.
    pub fn new<C: EncoderDecoderSpec>(model: C::Model, spec: &C) -> Result<Self, WeightsError> {
        let device = EncoderDecoder::device(&model);
        match packable(spec, &device) {
            Some(config) => {
                let params = attentive_weights::params(&model);
                Ok(Self::of(CpuTransformer::new(config, params, Precision::F32, &device)?))
            }
            None => Ok(Self::of(model)),
        }
    }

    /// A model as it is.
    pub fn of<M: EncoderDecoder<State: Clone + Send + 'static> + Send + 'static>(model: M) -> Self {
        Self(Box::new(model))
    }
}

/// The configuration, if it is one that `device` runs best with packed weights.
pub(crate) fn packable<'a, C: EncoderDecoderSpec>(spec: &'a C, device: &Device) -> Option<&'a TransformerConfig> {
    let config = (spec as &dyn Any).downcast_ref::<TransformerConfig>()?;
    (attentive_backend::has_kernels(device) && CpuTransformer::covers(config)).then_some(config)
}

/// An [`EncoderDecoder`] whose state is of a type that is known to itself.
trait AnyModel: Send {
    fn start(&self, source: &TokenMatrix) -> Box<dyn AnyState>;
    fn vocab_size(&self) -> usize;
    fn max_len(&self) -> Option<usize>;
    fn device(&self) -> Device;
    fn advance(&self, tokens: Tensor<2, Int>, state: &mut dyn Any) -> Tensor<2>;
    fn advance_top(&self, tokens: &Tensor<2, Int>, state: &mut dyn Any, k: usize) -> Option<TopTokens>;
    fn reorder(&self, state: &mut dyn Any, parents: &[usize]);
}

/// A state of any type.
trait AnyState: Send {
    fn copy(&self) -> Box<dyn AnyState>;
    fn as_any(&mut self) -> &mut dyn Any;
}

impl<S: Clone + Send + 'static> AnyState for S {
    fn copy(&self) -> Box<dyn AnyState> {
        Box::new(self.clone())
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

/// The state as that of the model `M`.
fn state_of<M: NextToken<State: 'static>>(state: &mut dyn Any) -> &mut M::State {
    state.downcast_mut().expect("a state is used with the model that made it")
}

impl<M: EncoderDecoder<State: Clone + Send + 'static> + Send> AnyModel for M {
    fn start(&self, source: &TokenMatrix) -> Box<dyn AnyState> {
        Box::new(EncoderDecoder::start(self, source))
    }

    fn vocab_size(&self) -> usize {
        NextToken::vocab_size(self)
    }

    fn max_len(&self) -> Option<usize> {
        EncoderDecoder::max_len(self)
    }

    fn device(&self) -> Device {
        EncoderDecoder::device(self)
    }

    fn advance(&self, tokens: Tensor<2, Int>, state: &mut dyn Any) -> Tensor<2> {
        NextToken::advance(self, tokens, state_of::<M>(state))
    }

    fn advance_top(&self, tokens: &Tensor<2, Int>, state: &mut dyn Any, k: usize) -> Option<TopTokens> {
        NextToken::advance_top(self, tokens, state_of::<M>(state), k)
    }

    fn reorder(&self, state: &mut dyn Any, parents: &[usize]) {
        NextToken::reorder(self, state_of::<M>(state), parents);
    }
}

impl NextToken for TranslationModel {
    type State = TranslationState;

    fn vocab_size(&self) -> usize {
        self.0.vocab_size()
    }

    fn advance(&self, tokens: Tensor<2, Int>, state: &mut TranslationState) -> Tensor<2> {
        self.0.advance(tokens, state.0.as_mut().as_any())
    }

    fn advance_top(&self, tokens: &Tensor<2, Int>, state: &mut TranslationState, k: usize) -> Option<TopTokens> {
        self.0.advance_top(tokens, state.0.as_mut().as_any(), k)
    }

    fn reorder(&self, state: &mut TranslationState, parents: &[usize]) {
        self.0.reorder(state.0.as_mut().as_any(), parents);
    }
}

impl EncoderDecoder for TranslationModel {
    fn start(&self, source: &TokenMatrix) -> TranslationState {
        TranslationState(self.0.start(source))
    }

    fn max_len(&self) -> Option<usize> {
        self.0.max_len()
    }

    fn device(&self) -> Device {
        self.0.device()
    }
}

impl Clone for TranslationState {
    fn clone(&self) -> Self {
        Self(self.0.as_ref().copy())
    }
}

impl Debug for TranslationModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TranslationModel").field("vocab_size", &self.0.vocab_size()).finish_non_exhaustive()
    }
}

impl Debug for TranslationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TranslationState").finish_non_exhaustive()
    }
}
