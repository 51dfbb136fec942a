//! Recognisers of speech of any family, in the form that their device runs best.

use std::fmt::{self, Debug};

use attentive_core::{DeviceError, NextToken, Scores, Spectrograms, SpeechRecognizer, TokenId, Turn, Want};
use attentive_engine::{CpuWhisper, WeightFormat};
use attentive_model::{FamilyVisitor, ModelSpec, Role, SpeechModel, SpeechSpec};
use attentive_weights::WeightsError;
use burn::{module::Module, tensor::Device};

use crate::{
    Bundle, BundleError, Params,
    any_state::{AnyNextToken, AnyState, next_token_of_any},
    packed::{Destination, packable},
};

/// A recogniser of speech of any family, in the form that its device runs best: the same weights, the same texts.
pub struct RecognizerModel(Box<dyn AnyModel>);

/// The memory of each row that a [`RecognizerModel`] keeps.
pub struct RecognizerState(Box<dyn AnyState>);

impl RecognizerModel {
    /// The form of `model`, whose configuration is `spec`, that its device runs best.
    ///
    /// # Errors
    /// [`WeightsError::Mismatch`] if the model is of another configuration.
    pub fn new<C: SpeechSpec>(model: C::Model, spec: &C) -> Result<Self, WeightsError> {
        match packable(spec, &model.device()) {
            Some(config) => {
                let params = attentive_weights::params(&model.materialize());
                Ok(Self::of(CpuWhisper::new(config, &params, WeightFormat::F32)?))
            }
            None => Ok(Self::of(model)),
        }
    }

    /// A model as it is.
    pub fn of<M: SpeechRecognizer<State: Clone + Send + 'static> + Send + Sync + 'static>(model: M) -> Self {
        Self(Box::new(model))
    }
}

impl<P: Params> Bundle<P> {
    /// The recogniser of speech of this bundle, of any family, in the form that `device` runs best; there, its weights are
    /// packed in `format`, or as the bundle says.
    ///
    /// # Errors
    /// [`BundleError`] if the model does not recognise speech, configuration and weights do not fit, or `device` has no
    /// such precision for it.
    pub fn recognizer_model(
        &self,
        device: &Device,
        format: Option<WeightFormat>,
    ) -> Result<RecognizerModel, BundleError> {
        self.model.visit(Listening(Destination { bundle: self, device, format }))
    }
}

/// A bundle's recogniser on its way to a device.
struct Listening<'a, P>(Destination<'a, P>);

impl<P: Params> FamilyVisitor for Listening<'_, P> {
    type Output = Result<RecognizerModel, BundleError>;

    fn any<C: ModelSpec>(self, _spec: &C, _role: Role) -> Self::Output {
        Err(self.0.bundle.other_role(Role::SpeechRecognizer))
    }

    fn speech_recognizer<C: SpeechSpec>(self, spec: &C) -> Self::Output {
        match packable(spec, self.0.device) {
            Some(config) => Ok(RecognizerModel::of(self.0.packed(config, CpuWhisper::new)?)),
            None => Ok(RecognizerModel::of(self.0.on_tensors::<C>()?)),
        }
    }
}

/// A [`SpeechRecognizer`] whose state is of a type that it alone knows.
trait AnyModel: AnyNextToken {
    fn listen(&self, sound: &Spectrograms) -> Box<dyn AnyState>;
}

impl<M: SpeechRecognizer<State: Clone + Send + 'static> + Send + Sync> AnyModel for M {
    fn listen(&self, sound: &Spectrograms) -> Box<dyn AnyState> {
        Box::new(SpeechRecognizer::listen(self, sound))
    }
}

next_token_of_any!(RecognizerModel, RecognizerState);

impl SpeechRecognizer for RecognizerModel {
    fn listen(&self, sound: &Spectrograms) -> RecognizerState {
        RecognizerState(self.0.listen(sound))
    }
}
