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
    any_state::{AnyNextToken, AnyState, next_token_of_any, state_of},
    ensemble::other_token,
    packed::{Destination, packable},
};

/// A language model of any family, in the form that its device runs best: the same weights, the same texts.
pub struct TextModel(Box<dyn AnyModel>);

/// The memory of each row that a [`TextModel`] keeps.
pub struct TextState(Box<dyn AnyState>);

impl TextModel {
    /// A model whose family need not be known from here on.
    pub fn of<M: LanguageModel<State: Clone + Send + 'static> + Send + Sync + 'static>(model: M) -> Self {
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

impl<P: Params> Bundle<P> {
    /// The language model of `draft`, as [`text_model`](Self::text_model) makes it, which drafts what this bundle's writes.
    ///
    /// # Errors
    /// As [`text_model`](Self::text_model); also if the two have different vocabularies.
    pub fn draft_model(
        &self,
        draft: &Bundle<impl Params>,
        device: &Device,
        format: Option<WeightFormat>,
    ) -> Result<TextModel, BundleError> {
        if let Some(id) = other_token(&**draft.tokenizer()?, &**self.tokenizer()?) {
            return Err(BundleError::OtherVocabulary { path: draft.path.clone(), of: self.path.clone(), id });
        }
        draft.text_model(device, format)
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
trait AnyModel: AnyNextToken {
    fn start(&self, n_rows: usize) -> Box<dyn AnyState>;
    fn log_probs_of(&self, text: &[TokenId]) -> Result<Vec<f32>, DeviceError>;
    fn verify(&self, turns: &mut [Turn<'_, dyn Any>]) -> Result<Vec<Vec<Scores>>, DeviceError>;
    fn rewind(&self, state: &mut dyn Any, text: &[TokenId]) -> Result<(), DeviceError>;
    fn advance_with_vectors(
        &self,
        tokens: &[TokenId],
        state: &mut dyn Any,
        want: Want,
    ) -> Result<(Scores, Option<Vec<f32>>), DeviceError>;
}

impl<M: LanguageModel<State: Clone + Send + 'static> + Send + Sync> AnyModel for M {
    fn start(&self, n_rows: usize) -> Box<dyn AnyState> {
        Box::new(LanguageModel::start(self, n_rows))
    }

    fn log_probs_of(&self, text: &[TokenId]) -> Result<Vec<f32>, DeviceError> {
        LanguageModel::log_probs_of(self, text)
    }

    fn verify(&self, turns: &mut [Turn<'_, dyn Any>]) -> Result<Vec<Vec<Scores>>, DeviceError> {
        let mut turns: Vec<_> = turns.iter_mut().map(|turn| turn.of(state_of::<M>)).collect();
        LanguageModel::verify(self, &mut turns)
    }

    fn rewind(&self, state: &mut dyn Any, text: &[TokenId]) -> Result<(), DeviceError> {
        LanguageModel::rewind(self, state_of::<M>(state), text)
    }

    fn advance_with_vectors(
        &self,
        tokens: &[TokenId],
        state: &mut dyn Any,
        want: Want,
    ) -> Result<(Scores, Option<Vec<f32>>), DeviceError> {
        LanguageModel::advance_with_vectors(self, tokens, state_of::<M>(state), want)
    }
}

next_token_of_any!(TextModel, TextState);

impl LanguageModel for TextModel {
    fn start(&self, n_rows: usize) -> TextState {
        TextState(self.0.start(n_rows))
    }

    fn log_probs_of(&self, text: &[TokenId]) -> Result<Vec<f32>, DeviceError> {
        self.0.log_probs_of(text)
    }

    fn verify(&self, turns: &mut [Turn<'_, TextState>]) -> Result<Vec<Vec<Scores>>, DeviceError> {
        let mut turns: Vec<_> = turns.iter_mut().map(|turn| turn.of(|state| state.0.as_mut().as_any())).collect();
        self.0.verify(&mut turns)
    }

    fn rewind(&self, state: &mut TextState, text: &[TokenId]) -> Result<(), DeviceError> {
        self.0.rewind(state.0.as_mut().as_any(), text)
    }

    fn advance_with_vectors(
        &self,
        tokens: &[TokenId],
        state: &mut TextState,
        want: Want,
    ) -> Result<(Scores, Option<Vec<f32>>), DeviceError> {
        self.0.advance_with_vectors(tokens, state.0.as_mut().as_any(), want)
    }
}
