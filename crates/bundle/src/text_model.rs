//! Language models of any family, in the form that their device runs best.

use std::{
    any::Any,
    fmt::{self, Debug},
};

use attentive_core::{DeviceError, LanguageModel, NextToken, Scores, TokenId, Turn, Want};
use attentive_engine::{CpuGpt, WeightFormat};
use attentive_model::{FamilyVisitor, LanguageModelSpec, ModelSpec, Role};
use burn::tensor::Device;

use crate::{
    Bundle, BundleError, Params,
    any_state::{AnyState, state_of},
    packed::{Destination, packable},
};

/// A language model of any family, in the form that its device runs best: the same weights, the same texts.
pub struct TextModel(Box<dyn AnyModel>);

/// The memory of each row that a [`TextModel`] keeps.
pub struct TextState(Box<dyn AnyState>);

impl TextModel {
    /// A model whose family need not be known from here on.
    pub fn of<M: LanguageModel<State: Clone + Send + 'static> + Send + 'static>(model: M) -> Self {
        Self(Box::new(model))
    }
}

impl<P: Params> Bundle<P> {
    /// The language model of this bundle, of any family, in the form that `device` runs best; there, its weights are
    /// packed in `format`, or as the bundle says.
    ///
    /// # Errors
    /// [`BundleError`] if the model is not a language model, configuration and weights do not fit, or `device` has no
    /// such precision for it.
    pub fn text_model(&self, device: &Device, format: Option<WeightFormat>) -> Result<TextModel, BundleError> {
        self.model.visit(Writing(Destination { bundle: self, device, format }))
    }
}

/// A bundle's language model on its way to a device.
struct Writing<'a, P>(Destination<'a, P>);

impl<P: Params> FamilyVisitor for Writing<'_, P> {
    type Output = Result<TextModel, BundleError>;

    fn any<C: ModelSpec>(self, _spec: &C, _role: Role) -> Self::Output {
        Err(self.0.bundle.other_role(Role::LanguageModel))
    }

    fn language_model<C: LanguageModelSpec>(self, spec: &C) -> Self::Output {
        match packable(spec, self.0.device) {
            Some(config) => Ok(TextModel::of(self.0.packed(config, CpuGpt::new)?)),
            None => Ok(TextModel::of(self.0.on_tensors::<C>()?)),
        }
    }
}

/// A [`LanguageModel`] whose state is of a type that it alone knows.
trait AnyModel: Send {
    fn start(&self, n_rows: usize) -> Box<dyn AnyState>;
    fn vocab_size(&self) -> usize;
    fn max_len(&self) -> Option<usize>;
    fn advance(&self, tokens: &[TokenId], state: &mut dyn Any, want: Want) -> Result<Scores, DeviceError>;
    fn advance_together(&self, turns: &mut [Turn<'_, dyn Any>]) -> Result<Vec<Scores>, DeviceError>;
    fn reorder(&self, state: &mut dyn Any, parents: &[usize]);
    fn log_probs_of(&self, text: &[TokenId]) -> Result<Vec<f32>, DeviceError>;
}

impl<M: LanguageModel<State: Clone + Send + 'static> + Send> AnyModel for M {
    fn start(&self, n_rows: usize) -> Box<dyn AnyState> {
        Box::new(LanguageModel::start(self, n_rows))
    }

    fn vocab_size(&self) -> usize {
        NextToken::vocab_size(self)
    }

    fn max_len(&self) -> Option<usize> {
        NextToken::max_len(self)
    }

    fn advance(&self, tokens: &[TokenId], state: &mut dyn Any, want: Want) -> Result<Scores, DeviceError> {
        NextToken::advance(self, tokens, state_of::<M>(state), want)
    }

    fn advance_together(&self, turns: &mut [Turn<'_, dyn Any>]) -> Result<Vec<Scores>, DeviceError> {
        let mut turns: Vec<_> = turns.iter_mut().map(|turn| turn.of(state_of::<M>)).collect();
        NextToken::advance_together(self, &mut turns)
    }

    fn reorder(&self, state: &mut dyn Any, parents: &[usize]) {
        NextToken::reorder(self, state_of::<M>(state), parents);
    }

    fn log_probs_of(&self, text: &[TokenId]) -> Result<Vec<f32>, DeviceError> {
        LanguageModel::log_probs_of(self, text)
    }
}

impl NextToken for TextModel {
    type State = TextState;

    fn vocab_size(&self) -> usize {
        self.0.vocab_size()
    }

    fn max_len(&self) -> Option<usize> {
        self.0.max_len()
    }

    fn advance(&self, tokens: &[TokenId], state: &mut TextState, want: Want) -> Result<Scores, DeviceError> {
        self.0.advance(tokens, state.0.as_mut().as_any(), want)
    }

    fn advance_together(&self, turns: &mut [Turn<'_, TextState>]) -> Result<Vec<Scores>, DeviceError> {
        let mut turns: Vec<_> = turns.iter_mut().map(|turn| turn.of(|state| state.0.as_mut().as_any())).collect();
        self.0.advance_together(&mut turns)
    }

    fn reorder(&self, state: &mut TextState, parents: &[usize]) {
        self.0.reorder(state.0.as_mut().as_any(), parents);
    }
}

impl LanguageModel for TextModel {
    fn start(&self, n_rows: usize) -> TextState {
        TextState(self.0.start(n_rows))
    }

    fn log_probs_of(&self, text: &[TokenId]) -> Result<Vec<f32>, DeviceError> {
        self.0.log_probs_of(text)
    }
}

impl Clone for TextState {
    fn clone(&self) -> Self {
        Self(self.0.as_ref().copy())
    }
}

impl Debug for TextModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextModel").field("vocab_size", &self.0.vocab_size()).finish_non_exhaustive()
    }
}

impl Debug for TextState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextState").finish_non_exhaustive()
    }
}
