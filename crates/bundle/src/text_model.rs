//! Language models of any family.

use std::{any::Any, fmt};

use attentive_core::{DeviceError, LanguageModel, NextToken, Scores, TokenId, TokenMatrix, Want};
use attentive_model::{CausalModel, FamilyVisitor, LanguageModelSpec, ModelSpec, Role};
use burn::tensor::{Device, Tensor};

use crate::{
    Bundle, BundleError,
    any_state::{AnyState, state_of},
};

/// A language model of any family.
pub struct TextModel(Box<dyn AnyModel>);

/// The memory of each row that a [`TextModel`] keeps.
pub struct TextState(Box<dyn AnyState>);

impl TextModel {
    /// A model whose family need not be known from here on.
    pub fn of(model: impl CausalModel + Send + 'static) -> Self {
        Self(Box::new(model))
    }
}

impl Bundle {
    /// The language model of this bundle, of any family, on `device`.
    ///
    /// # Errors
    /// [`BundleError`] if the model is not a language model, or configuration and weights do not fit.
    pub fn text_model(&self, device: &Device) -> Result<TextModel, BundleError> {
        self.model.visit(Writing { bundle: self, device })
    }
}

/// A bundle's language model on its way to a device.
struct Writing<'a> {
    bundle: &'a Bundle,
    device: &'a Device,
}

impl FamilyVisitor for Writing<'_> {
    type Output = Result<TextModel, BundleError>;

    fn any<C: ModelSpec>(self, _spec: &C, _role: Role) -> Self::Output {
        Err(self.bundle.other_role(Role::LanguageModel))
    }

    fn language_model<C: LanguageModelSpec>(self, _spec: &C) -> Self::Output {
        Ok(TextModel::of(self.bundle.model::<C>(self.device)?))
    }
}

/// A [`CausalModel`] whose state is of a type that it alone knows.
trait AnyModel: Send {
    fn start(&self, n_rows: usize) -> Box<dyn AnyState>;
    fn vocab_size(&self) -> usize;
    fn max_len(&self) -> Option<usize>;
    fn advance(&self, tokens: &[TokenId], state: &mut dyn Any, want: Want) -> Result<Scores, DeviceError>;
    fn reorder(&self, state: &mut dyn Any, parents: &[usize]);
    fn hidden(&self, tokens: &TokenMatrix, keys: Option<&attentive_backend::Dropout>) -> Tensor<3>;
    fn output_projection(&self) -> (Tensor<2>, Option<Tensor<1>>);
}

impl<M: CausalModel + Send> AnyModel for M {
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

    fn reorder(&self, state: &mut dyn Any, parents: &[usize]) {
        NextToken::reorder(self, state_of::<M>(state), parents);
    }

    fn hidden(&self, tokens: &TokenMatrix, keys: Option<&attentive_backend::Dropout>) -> Tensor<3> {
        CausalModel::hidden(self, tokens, keys)
    }

    fn output_projection(&self) -> (Tensor<2>, Option<Tensor<1>>) {
        CausalModel::output_projection(self)
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

    fn reorder(&self, state: &mut TextState, parents: &[usize]) {
        self.0.reorder(state.0.as_mut().as_any(), parents);
    }
}

impl LanguageModel for TextModel {
    fn start(&self, n_rows: usize) -> TextState {
        TextState(self.0.start(n_rows))
    }
}

impl CausalModel for TextModel {
    fn hidden(&self, tokens: &TokenMatrix, keys: Option<&attentive_backend::Dropout>) -> Tensor<3> {
        self.0.hidden(tokens, keys)
    }

    fn output_projection(&self) -> (Tensor<2>, Option<Tensor<1>>) {
        self.0.output_projection()
    }
}

impl Clone for TextState {
    fn clone(&self) -> Self {
        Self(self.0.as_ref().copy())
    }
}

impl fmt::Debug for TextModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextModel").field("vocab_size", &self.0.vocab_size()).finish_non_exhaustive()
    }
}

impl fmt::Debug for TextState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextState").finish_non_exhaustive()
    }
}
