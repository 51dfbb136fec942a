//! The families of models, one row each: the only place that distinguishes them.

use std::{any::Any, marker::PhantomData};

use serde::{Deserialize, Serialize};

use crate::{
    Attentions, BertConfig, CanineConfig, ConfigError, DecisionTransformerConfig, EncoderDecoderSpec, EncoderSpec,
    GptConfig, ImageEncoderSpec, LanguageModelSpec, LayeredParts, ModelHeads, ModelSpec, PolicySpec, Preset, RnnConfig,
    Role, SpeechSpec, TransformerConfig, VitConfig, WhisperConfig,
};

/// Makes [`ModelConfig`] of rows: a variant, the family's configuration, and the visitor's method for its role.
macro_rules! families {
    ($($(#[$doc:meta])* $family:ident($config:ty): $role:ident),* $(,)?) => {
        /// The family of a model, with its sizes and choices.
        ///
        /// The configuration answers all that depends on the family: by a method of this type, by [`spec`](Self::spec)
        /// for one family, or by a [`FamilyVisitor`].
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(tag = "family", rename_all = "kebab-case")]
        pub enum ModelConfig {
            $($(#[$doc])* $family($config),)*
        }

        $(
            impl From<$config> for ModelConfig {
                fn from(config: $config) -> Self {
                    Self::$family(config)
                }
            }
        )*

        impl ModelConfig {
            /// Hands the configuration to the method of `visitor` that is for its role.
            pub fn visit<V: FamilyVisitor>(&self, visitor: V) -> V::Output {
                match self {
                    $(Self::$family(spec) => visitor.$role(spec),)*
                }
            }

            /// Every model that has a name, family after family.
            pub fn presets() -> Vec<Preset<Self>> {
                let mut presets = Vec::new();
                $(presets.extend(<$config>::presets().into_iter().map(Preset::of_any_family));)*
                presets
            }
        }
    };
}

families! {
    /// The encoder–decoder Transformer.
    Transformer(TransformerConfig): encoder_decoder,
    /// The RNN encoder–decoder with additive attention.
    Rnn(RnnConfig): encoder_decoder,
    /// The decoder alone, as a language model.
    Gpt(GptConfig): language_model,
    /// The encoder alone: BERT, RoBERTa.
    Bert(BertConfig): encoder,
    /// The encoder of characters: CANINE.
    Canine(CanineConfig): encoder,
    /// The decoder of returns, states and actions.
    DecisionTransformer(DecisionTransformerConfig): policy,
    /// The encoder–decoder of speech.
    Whisper(WhisperConfig): speech_recognizer,
    /// The encoder of pictures: ViT, DeiT.
    Vit(VitConfig): image_encoder,
}

/// An operation on a model's configuration, for any family: [`ModelConfig::visit`] calls one of the methods.
///
/// An operation for every family has [`any`](Self::any) alone. One that needs a role has the method of that role, and
/// `any` says why the others can't do it.
///
/// ```
/// use attentive_model::{EncoderSpec, FamilyVisitor, ModelConfig, ModelSpec, Role};
///
/// /// How many classes an encoder tells apart.
/// struct Classes;
///
/// impl FamilyVisitor for Classes {
///     type Output = Result<usize, String>;
///
///     fn any<C: ModelSpec>(self, _spec: &C, role: Role) -> Self::Output {
///         Err(format!("{} is {role}; classes are told by an encoder", C::FAMILY))
///     }
///
///     fn encoder<C: EncoderSpec>(self, spec: &C) -> Self::Output {
///         Ok(spec.labels().len())
///     }
/// }
///
/// let gpt = ModelConfig::preset("gpt-2").unwrap();
/// assert_eq!(gpt.visit(Classes).unwrap_err(), "gpt is a language model; classes are told by an encoder");
/// ```
pub trait FamilyVisitor: Sized {
    /// The result.
    type Output;

    /// A family whose role has no method of its own here.
    fn any<C: ModelSpec + Into<ModelConfig>>(self, spec: &C, role: Role) -> Self::Output;

    /// A family that reads one text and writes another.
    fn encoder_decoder<C: EncoderDecoderSpec + Into<ModelConfig>>(self, spec: &C) -> Self::Output {
        self.any(spec, Role::EncoderDecoder)
    }

    /// A family that continues texts.
    fn language_model<C: LanguageModelSpec + Into<ModelConfig>>(self, spec: &C) -> Self::Output {
        self.any(spec, Role::LanguageModel)
    }

    /// A family that reads a text as a whole.
    fn encoder<C: EncoderSpec + Into<ModelConfig>>(self, spec: &C) -> Self::Output {
        self.any(spec, Role::Encoder)
    }

    /// A family that acts.
    fn policy<C: PolicySpec + Into<ModelConfig>>(self, spec: &C) -> Self::Output {
        self.any(spec, Role::Policy)
    }

    /// A family that writes what is said in a recording.
    fn speech_recognizer<C: SpeechSpec + Into<ModelConfig>>(self, spec: &C) -> Self::Output {
        self.any(spec, Role::SpeechRecognizer)
    }

    /// A family that reads a picture as a whole.
    fn image_encoder<C: ImageEncoderSpec + Into<ModelConfig>>(self, spec: &C) -> Self::Output {
        self.any(spec, Role::ImageEncoder)
    }
}

/// The answer of any family to one question.
macro_rules! ask {
    ($model:expr, |$spec:ident, $role:ident| -> $answer:ty $question:block) => {{
        struct Question;
        impl FamilyVisitor for Question {
            type Output = $answer;

            fn any<C: ModelSpec>(self, $spec: &C, $role: Role) -> $answer {
                $question
            }
        }
        $model.visit(Question)
    }};
}

impl ModelConfig {
    /// The model of that name, of any family.
    pub fn preset(name: &str) -> Option<Self> {
        Self::presets().into_iter().find(|preset| preset.name == name).map(|preset| preset.config)
    }

    /// The encoder that data2vec trains, if the model has one.
    pub fn layered_encoder(&self) -> Option<LayeredParts> {
        ask!(self, |spec, _role| -> Option<LayeredParts> { spec.layered_encoder() })
    }

    /// The attentions whose heads can be pruned, if the family's can.
    pub fn attentions(&self) -> Option<Attentions> {
        ask!(self, |spec, _role| -> Option<Attentions> { spec.attentions() })
    }

    /// Makes this the configuration of the model without some more heads.
    ///
    /// # Errors
    /// As [`ModelSpec::prune_heads`].
    pub fn prune_heads(&mut self, heads: &ModelHeads) -> Result<(), ConfigError> {
        struct Without<'a>(&'a ModelHeads);
        impl FamilyVisitor for Without<'_> {
            type Output = Result<ModelConfig, ConfigError>;

            fn any<C: ModelSpec + Into<ModelConfig>>(self, spec: &C, _role: Role) -> Self::Output {
                let mut spec = spec.clone();
                spec.prune_heads(self.0)?;
                Ok(spec.into())
            }
        }
        *self = self.visit(Without(heads))?;
        Ok(())
    }

    /// Whether a backward pass can run the model's layers again.
    pub fn recomputes_layers(&self) -> bool {
        ask!(self, |spec, _role| -> bool { spec.recomputes_layers() })
    }

    /// The family's name: `transformer`.
    pub fn family(&self) -> &'static str {
        ask!(self, |_spec, _role| -> &'static str { C::FAMILY })
    }

    /// A short description of the family.
    pub fn summary(&self) -> &'static str {
        ask!(self, |_spec, _role| -> &'static str { C::SUMMARY })
    }

    /// The role of the family's models.
    pub fn role(&self) -> Role {
        ask!(self, |_spec, role| -> Role { role })
    }

    /// The configuration as one of the family `C`, if it is.
    pub fn spec<C: ModelSpec>(&self) -> Option<C> {
        struct Of<C>(PhantomData<C>);
        impl<C: ModelSpec> FamilyVisitor for Of<C> {
            type Output = Option<C>;

            fn any<D: ModelSpec>(self, spec: &D, _role: Role) -> Option<C> {
                (spec as &dyn Any).downcast_ref::<C>().cloned()
            }
        }
        self.visit(Of(PhantomData))
    }

    /// As [`ModelSpec::validate`].
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that is wrong.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ask!(self, |spec, _role| -> Result<(), ConfigError> { spec.validate() })
    }

    /// Number of parameters, computed without allocating any.
    pub fn n_params(&self) -> usize {
        ask!(self, |spec, _role| -> usize { spec.n_params() })
    }

    /// Entries of the vocabulary that the model writes in or guesses among.
    pub fn vocab_size(&self) -> usize {
        ask!(self, |spec, _role| -> usize { spec.vocab_size() })
    }

    /// Entries of the vocabulary that the model reads.
    pub fn source_vocab_size(&self) -> usize {
        ask!(self, |spec, _role| -> usize { spec.source_vocab_size() })
    }

    /// The longest text that the positions allow, in tokens, if there is a limit.
    pub fn max_len(&self) -> Option<usize> {
        ask!(self, |spec, _role| -> Option<usize> { spec.max_len() })
    }

    /// Width of the vectors between layers.
    pub fn d_model(&self) -> usize {
        ask!(self, |spec, _role| -> usize { spec.d_model() })
    }

    /// Length that costs are stated for.
    pub fn typical_len(&self) -> usize {
        ask!(self, |spec, _role| -> usize { spec.typical_len() })
    }

    /// As [`ModelSpec::forward_flops_per_token`].
    pub fn forward_flops_per_token(&self, len: usize) -> usize {
        struct Flops(usize);
        impl FamilyVisitor for Flops {
            type Output = usize;

            fn any<C: ModelSpec>(self, spec: &C, _role: Role) -> usize {
                spec.forward_flops_per_token(self.0)
            }
        }
        self.visit(Flops(len))
    }

    /// The sizes in a line.
    pub fn describe(&self) -> String {
        ask!(self, |spec, _role| -> String { spec.describe() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_call_a_family_as_its_configuration_does() {
        for Preset { name, config, .. } in ModelConfig::presets() {
            let json = serde_json::to_value(&config).unwrap();
            assert_eq!(json["family"], config.family(), "{name}");
            assert_eq!(serde_json::from_value::<ModelConfig>(json).unwrap(), config, "{name}");
        }
    }

    #[test]
    fn presets_are_valid_and_have_names_of_their_own() {
        let presets = ModelConfig::presets();
        for (at, Preset { name, config, .. }) in presets.iter().enumerate() {
            config.validate().unwrap();
            assert!(presets[..at].iter().all(|other| other.name != *name), "two presets are called {name}");
        }
    }

    #[test]
    fn a_configuration_is_of_its_family_alone() {
        let gpt = ModelConfig::preset("gpt-2").unwrap();
        assert_eq!(gpt.spec::<GptConfig>(), Some(GptConfig::gpt2()));
        assert_eq!(gpt.spec::<BertConfig>(), None);
        assert_eq!((gpt.role(), Role::EncoderDecoder.families()), (Role::LanguageModel, vec!["transformer", "rnn"]));
    }
}
