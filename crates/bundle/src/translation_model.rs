//! Encoder–decoders of any family, in the form that their device runs best.

use std::fmt::{self, Debug};

use attentive_core::{DeviceError, EncoderDecoder, NextToken, Scores, TokenId, TokenMatrix, Turn, Want};
use attentive_engine::{CpuTransformer, WeightFormat};
use attentive_model::{EncoderDecoderSpec, FamilyVisitor, ModelSpec, Role, TeacherForced};
use attentive_weights::WeightsError;
use burn::{module::Module, tensor::Device};

use crate::{
    Bundle, BundleError, Params,
    any_state::{AnyNextToken, AnyState, next_token_of_any},
    packed::{Destination, packable},
};

/// An encoder–decoder of any family, in the form that its device runs best: the same weights, the same translations.
pub struct TranslationModel(Box<dyn AnyModel>);

/// The memory of each row that decoding keeps.
pub struct TranslationState(Box<dyn AnyState>);

impl TranslationModel {
    /// The form of `model`, whose configuration is `spec`, that its device runs best.
    ///
    /// # Errors
    /// [`WeightsError::Mismatch`] if the model is of another configuration.
    pub fn new<C: EncoderDecoderSpec>(model: C::Model, spec: &C) -> Result<Self, WeightsError> {
        let device = model.device();
        match packable(spec, &device) {
            Some(config) => {
                let params = attentive_weights::params(&model.materialize());
                Ok(Self::of(CpuTransformer::new(config, &params, WeightFormat::F32)?))
            }
            None => Ok(Self::of(model)),
        }
    }

    /// A model as it is.
    pub fn of<M: EncoderDecoder<State: Clone + Send + 'static> + Send + Sync + 'static>(model: M) -> Self {
        Self(Box::new(model))
    }
}

impl<P: Params> Bundle<P> {
    /// The encoder–decoder of this bundle, of any family, in the form that `device` runs best.
    ///
    /// # Errors
    /// [`BundleError`] if the model is not an encoder–decoder, configuration and weights do not fit, or `device` has no
    /// such precision for it.
    pub fn translation_model(
        &self,
        device: &Device,
        format: Option<WeightFormat>,
    ) -> Result<TranslationModel, BundleError> {
        self.model.visit(Translating(Destination { bundle: self, device, format }))
    }
}

/// A bundle's encoder–decoder on its way to a device.
struct Translating<'a, P>(Destination<'a, P>);

impl<P: Params> FamilyVisitor for Translating<'_, P> {
    type Output = Result<TranslationModel, BundleError>;

    fn any<C: ModelSpec>(self, _spec: &C, _role: Role) -> Self::Output {
        Err(self.0.bundle.other_role(Role::EncoderDecoder))
    }

    fn encoder_decoder<C: EncoderDecoderSpec>(self, spec: &C) -> Self::Output {
        match packable(spec, self.0.device) {
            Some(config) => Ok(TranslationModel::of(self.0.packed(config, CpuTransformer::new)?)),
            None => Ok(TranslationModel::of(self.0.on_tensors::<C>()?)),
        }
    }
}

/// An [`EncoderDecoder`] whose state is of a type that is known to itself.
trait AnyModel: AnyNextToken {
    fn start_together(&self, sources: &[&TokenMatrix]) -> Vec<Box<dyn AnyState>>;
}

impl<M: EncoderDecoder<State: Clone + Send + 'static> + Send + Sync> AnyModel for M {
    fn start_together(&self, sources: &[&TokenMatrix]) -> Vec<Box<dyn AnyState>> {
        let states = EncoderDecoder::start_together(self, sources).into_iter();
        states.map(|state| Box::new(state) as Box<dyn AnyState>).collect()
    }
}

next_token_of_any!(TranslationModel, TranslationState);

impl EncoderDecoder for TranslationModel {
    fn start(&self, source: &TokenMatrix) -> TranslationState {
        TranslationState(self.0.start_together(&[source]).swap_remove(0))
    }

    fn start_together(&self, sources: &[&TokenMatrix]) -> Vec<TranslationState> {
        self.0.start_together(sources).into_iter().map(TranslationState).collect()
    }
}
