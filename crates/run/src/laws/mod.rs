//! Laws that hold for every model, tried on one: causality, padding, caches, gradients.

mod encoder;
mod generator;
mod image_encoder;
mod law;
mod policy;
mod recogniser;
mod subject;
mod translator;

use attentive_backend::Device;
use attentive_model::{
    EncoderDecoderSpec, EncoderSpec, FamilyVisitor, ImageEncoderSpec, LanguageModelSpec, ModelConfig, ModelSpec,
    PolicySpec, Role, SpeechSpec, canine::N_CODE_POINTS,
};
use attentive_task::Result;
use attentive_weights::Tensors;

pub use law::{Bound, Law};
use subject::Subject;

/// Entries of the vocabulary of a model that is not trained yet: no law depends on it.
const VOCAB_SIZE: usize = 97;

/// Tries every law of a model's role, with its parameters or, without them, initial ones.
///
/// ```
/// use attentive_backend::BackendKind;
/// use attentive_model::GptConfig;
///
/// let gpt = GptConfig::gpt2_like(50, 16, [1, 2, 8]).into();
/// let laws = attentive_run::laws(&gpt, None, &BackendKind::Flex.device()?)?;
/// assert!(laws.len() > 3 && laws.iter().all(|law| law.holds()));
/// # Ok::<(), attentive_run::Error>(())
/// ```
///
/// # Errors
/// The parameters do not fit, or there are no laws of the role.
pub fn laws(model: &ModelConfig, params: Option<&Tensors>, device: &Device) -> Result<Vec<Law>> {
    model.visit(Trying { params, device })
}

/// A model that is not trained yet, with a vocabulary, and with classes and an alphabet where it has them.
///
/// # Errors
/// The configuration can't take the vocabulary.
pub fn small(model: &ModelConfig, is_classifier: bool) -> Result<ModelConfig> {
    model.visit(Small { is_classifier })
}

struct Small {
    is_classifier: bool,
}

impl FamilyVisitor for Small {
    type Output = Result<ModelConfig>;

    fn any<C: ModelSpec + Into<ModelConfig>>(self, spec: &C, _role: Role) -> Self::Output {
        let mut spec = spec.clone();
        spec.set_vocab_size(VOCAB_SIZE)?;
        Ok(spec.into())
    }

    fn encoder<C: EncoderSpec + Into<ModelConfig>>(self, spec: &C) -> Self::Output {
        let mut spec = spec.clone();
        if !spec.reads_characters() {
            spec.set_vocab_size(VOCAB_SIZE)?;
        }
        if let Some(alphabet) = spec.alphabet_mut().filter(|alphabet| alphabet.is_empty()) {
            *alphabet = ('a'..='z').collect();
        }
        if let Some(subwords) = spec.subwords_mut().filter(|subwords| subwords.is_empty()) {
            subwords.extend(('a'..='z').map(String::from));
        }
        if self.is_classifier {
            spec.set_labels(vec!["a".to_owned(), "b".to_owned()]);
        }
        Ok(spec.into())
    }

    fn policy<C: PolicySpec + Into<ModelConfig>>(self, spec: &C) -> Self::Output {
        Ok(spec.clone().into())
    }

    fn image_encoder<C: ImageEncoderSpec + Into<ModelConfig>>(self, spec: &C) -> Self::Output {
        let mut spec = spec.clone();
        spec.set_labels(vec!["a".to_owned(), "b".to_owned()]);
        Ok(spec.into())
    }
}

/// The laws of a model's role, tried on it.
struct Trying<'a> {
    params: Option<&'a Tensors>,
    device: &'a Device,
}

impl Trying<'_> {
    fn subject<C: ModelSpec>(&self, spec: &C) -> Result<Subject<C::Model>> {
        // Where every code point is a token, low ones will do.
        let vocab_size = spec.vocab_size().min(spec.source_vocab_size());
        let vocab_size = if vocab_size == N_CODE_POINTS { VOCAB_SIZE } else { vocab_size };
        Subject::new(self.device, vocab_size, spec.max_len(), |device| match self.params {
            Some(params) => Ok(attentive_weights::load(spec.blank(device)?, params.clone())?),
            None => Ok(spec.init(device, 0)?),
        })
    }
}

impl FamilyVisitor for Trying<'_> {
    type Output = Result<Vec<Law>>;

    fn any<C: ModelSpec>(self, _spec: &C, role: Role) -> Self::Output {
        refuse!("there are no laws of {role} yet")
    }

    fn encoder_decoder<C: EncoderDecoderSpec>(self, spec: &C) -> Self::Output {
        self.subject(spec)?.translator_laws()
    }

    fn language_model<C: LanguageModelSpec>(self, spec: &C) -> Self::Output {
        self.subject(spec)?.generator_laws()
    }

    fn encoder<C: EncoderSpec>(self, spec: &C) -> Self::Output {
        self.subject(spec)?.encoder_laws()
    }

    fn policy<C: PolicySpec>(self, spec: &C) -> Self::Output {
        self.subject(spec)?.policy_laws(spec.n_features(), spec.reads_returns())
    }

    fn speech_recognizer<C: SpeechSpec>(self, spec: &C) -> Self::Output {
        self.subject(spec)?.recogniser_laws(spec.frames())
    }

    fn image_encoder<C: ImageEncoderSpec>(self, spec: &C) -> Self::Output {
        image_encoder::laws(&self.subject(spec)?, spec)
    }
}
