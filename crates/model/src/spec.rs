//! Configurations: all facts about a family that need no model.

use std::fmt::{self, Debug};

use attentive_attention::{InitScheme, Initializer};
use attentive_backend::Device;
use attentive_core::ActionSpace;
use burn::module::{Module, ModuleDisplay};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Attentions, CausalModel, ConfigError, EncoderModel, Guessing, ImageModel, ModelConfig, ModelHeads, PolicyModel,
    SpeechModel, TeacherForced,
};

/// Length that costs are stated for if neither positions nor the family give one.
const TYPICAL_LEN: usize = 1024;

/// Sizes and choices of a model: the configuration that one family of models is made from.
///
/// A family implements this and the trait of its [`Role`]: [`EncoderDecoderSpec`], [`LanguageModelSpec`],
/// [`EncoderSpec`], [`PolicySpec`], [`SpeechSpec`] or [`ImageEncoderSpec`]. `docs/guide/add-a-family.md` adds one from scratch.
pub trait ModelSpec: Clone + PartialEq + Debug + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The model.
    type Model: Module + ModuleDisplay + Sync + 'static;

    /// The family's name, which `model.family` gives in configuration files.
    const FAMILY: &'static str;

    /// A short description of the family: `decoder only`.
    const SUMMARY: &'static str;

    /// Checks that such a model can exist.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that is wrong.
    fn validate(&self) -> Result<(), ConfigError>;

    /// Number of parameters, computed without allocating any.
    fn n_params(&self) -> usize;

    /// A model whose parameters `init` makes.
    ///
    /// # Panics
    /// If such a model can't exist: call [`validate`](Self::validate) first, or use [`init`](Self::init).
    fn build(&self, init: &Initializer) -> Self::Model;

    /// Distribution of initial matrices.
    fn init_scheme(&self) -> InitScheme {
        InitScheme::Xavier
    }

    /// A model with initial parameters, drawn from `seed`: the same on every backend.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that is wrong.
    fn init(&self, device: &Device, seed: u64) -> Result<Self::Model, ConfigError> {
        self.validate()?;
        Ok(self.build(&Initializer::new(seed, device).with_scheme(self.init_scheme())))
    }

    /// A model for parameters that are loaded afterwards: nothing is drawn.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that is wrong.
    fn blank(&self, device: &Device) -> Result<Self::Model, ConfigError> {
        self.validate()?;
        Ok(self.build(&Initializer::blank(device)))
    }

    /// Entries of the vocabulary that the model writes in or guesses among; 0 of a model without text.
    fn vocab_size(&self) -> usize;

    /// Entries of the vocabulary that the model reads.
    fn source_vocab_size(&self) -> usize {
        self.vocab_size()
    }

    /// Sets the size of the vocabulary, a joint one if there are two sides.
    ///
    /// # Errors
    /// [`ConfigError`] if the family has a vocabulary of its own.
    fn set_vocab_size(&mut self, vocab_size: usize) -> Result<(), ConfigError>;

    /// The longest text that the positions allow, in tokens, if there is a limit.
    fn max_len(&self) -> Option<usize>;

    /// Width of the model, which the Noam schedule (§5.3) divides by.
    fn d_model(&self) -> usize;

    /// Length that costs are stated for, in tokens; of each side, if there are two.
    fn typical_len(&self) -> usize {
        self.max_len().unwrap_or(TYPICAL_LEN)
    }

    /// Floating-point operations (two for each multiply–add) of one token in the forward pass of a text of `len`
    /// tokens: products with weights and in attention, without an encoder's heads.
    ///
    /// For an encoder–decoder: one target token and one source token, with `len` tokens on each side.
    fn forward_flops_per_token(&self, len: usize) -> usize;

    /// The sizes in a line: `d_model 512, d_ff 2048, 8 heads, 6+6 layers`.
    fn describe(&self) -> String;

    /// Named models of the family; recipes begin from the first one.
    fn presets() -> Vec<Preset<Self>>;

    /// Whether a backward pass can run the model's layers again
    /// ([`Recompute::Layers`](attentive_backend::Recompute::Layers)): those of a [`Stack`](crate::Stack) or a
    /// [`Decoder`](crate::Decoder), and any that call [`run_layer`](attentive_backend::run_layer).
    fn recomputes_layers(&self) -> bool {
        false
    }

    /// The encoder that data2vec trains, if the model has one.
    fn layered_encoder(&self) -> Option<LayeredParts> {
        None
    }

    /// The attentions whose heads can be pruned, if the family's can.
    fn attentions(&self) -> Option<Attentions> {
        None
    }

    /// Makes this the configuration of the model without some more heads.
    ///
    /// # Errors
    /// [`ConfigError`] if the family keeps all heads, one of these is not there, or what is left can't be.
    fn prune_heads(&mut self, _heads: &ModelHeads) -> Result<(), ConfigError> {
        Err(ConfigError::NoPruning { family: Self::FAMILY })
    }
}

/// The encoder within a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayeredParts {
    /// Layers of its stack.
    pub n_layers: usize,
    /// The first part of the path of each of its parameters; all others are heads and decoders.
    pub parts: &'static [&'static str],
}

impl LayeredParts {
    /// Whether a parameter is of the encoder.
    pub fn has(&self, name: &str) -> bool {
        self.parts.contains(&name.split('.').next().unwrap_or_default())
    }
}

/// A named model: a published one, or a row of a paper's table.
#[derive(Debug, Clone, PartialEq)]
pub struct Preset<C> {
    /// Its name in recipes.
    pub name: &'static str,
    /// Sizes and choices, with the heads that it is pre-trained with.
    pub config: C,
    /// Parameters in millions, as its authors round them, if they state them.
    pub params_millions: Option<f64>,
}

impl<C> Preset<C> {
    /// A model whose authors state its size.
    pub fn published(name: &'static str, config: C, params_millions: f64) -> Self {
        Self { name, config, params_millions: Some(params_millions) }
    }

    /// The same model, as a [`ModelConfig`].
    pub(crate) fn of_any_family(self) -> Preset<ModelConfig>
    where
        C: Into<ModelConfig>,
    {
        let Self { name, config, params_millions } = self;
        Preset { name, config: config.into(), params_millions }
    }
}

/// A family that reads one text and writes another.
pub trait EncoderDecoderSpec: ModelSpec<Model: TeacherForced> {}

/// A family that continues texts.
pub trait LanguageModelSpec: ModelSpec<Model: CausalModel> {
    /// Values that decoding keeps for each token read; 0 if it keeps a state of fixed size.
    fn cached_values_per_token(&self) -> usize;
}

/// A family that reads a text as a whole.
pub trait EncoderSpec: ModelSpec<Model: EncoderModel> {
    /// Segments that embeddings tell apart.
    fn n_segments(&self) -> usize;

    /// Whether there is a head that guesses hidden tokens.
    fn has_masked_lm(&self) -> bool;

    /// Whether there is a head that predicts if the second segment follows the first.
    fn has_next_sentence(&self) -> bool;

    /// Names of the classifier's classes; empty without a classifier. A single one is a score.
    fn labels(&self) -> &[String];

    /// Names of the classes of tokens; empty where tokens are not classified.
    fn token_labels(&self) -> &[String] {
        &[]
    }

    /// Whether there is a head that finds the first and the last token of an answer.
    fn has_spans(&self) -> bool {
        false
    }

    /// Makes a classifier of these classes the only head.
    fn set_labels(&mut self, labels: Vec<String>);

    /// The characters that hidden ones are guessed among, of a family that reads characters.
    fn alphabet_mut(&mut self) -> Option<&mut String> {
        None
    }

    /// How hidden tokens are guessed, of a family that can guess them in more than one way.
    fn guessing_mut(&mut self) -> Option<&mut Guessing> {
        None
    }

    /// The subwords that are guessed in place of tokens; empty where tokens are.
    fn subwords(&self) -> &[String] {
        &[]
    }

    /// The list of subwords, of a model that guesses them.
    fn subwords_mut(&mut self) -> Option<&mut Vec<String>> {
        None
    }

    /// Whether tokens are characters.
    fn reads_characters(&self) -> bool {
        false
    }
}

/// A family that acts.
pub trait PolicySpec: ModelSpec<Model: PolicyModel> {
    /// Numbers of an observation.
    fn n_features(&self) -> usize;

    /// What the agent can do.
    fn actions(&self) -> ActionSpace;

    /// Makes it read observations of so many numbers, and act in a space.
    fn set_widths(&mut self, n_features: usize, actions: ActionSpace);

    /// Whether it reads the return that is asked for.
    fn reads_returns(&self) -> bool;
}

/// A family that writes what is said in a recording.
pub trait SpeechSpec: ModelSpec<Model: SpeechModel> {
    /// The largest spectrogram that the model reads: frames and bins.
    fn frames(&self) -> [usize; 2];

    /// Makes it read spectrograms of so many frames and bins.
    fn set_frames(&mut self, frames: [usize; 2]);
}

/// A family that reads a picture as a whole.
pub trait ImageEncoderSpec: ModelSpec<Model: ImageModel> {
    /// Height and width of the pictures that the model is made for, in pixels.
    fn image_size(&self) -> usize;

    /// Height and width of a patch, in pixels.
    fn patch_size(&self) -> usize;

    /// Channels of a picture: 1 of grey, 3 of red, green and blue.
    fn n_channels(&self) -> usize;

    /// Names of the classifier's classes; empty without a classifier.
    fn labels(&self) -> &[String];

    /// Makes a classifier of these classes the only head.
    fn set_labels(&mut self, labels: Vec<String>);
}

/// The role of a family's models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Reads one text and writes another: translation, filling in spans.
    EncoderDecoder,
    /// Continues a text.
    LanguageModel,
    /// Reads a text as a whole: vectors, classes, guesses of hidden tokens.
    Encoder,
    /// Acts in an environment.
    Policy,
    /// Writes what is said in a recording.
    SpeechRecognizer,
    /// Reads a picture as a whole: vectors, classes.
    ImageEncoder,
}

impl Role {
    /// The families that have it, in the order of the registry.
    pub fn families(self) -> Vec<&'static str> {
        let presets = ModelConfig::presets();
        let of_role = presets.iter().filter(|preset| preset.config.role() == self);
        let mut families: Vec<&str> = of_role.map(|preset| preset.config.family()).collect();
        families.dedup();
        families
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EncoderDecoder => "an encoder-decoder",
            Self::LanguageModel => "a language model",
            Self::Encoder => "an encoder",
            Self::Policy => "a policy",
            Self::SpeechRecognizer => "a recogniser of speech",
            Self::ImageEncoder => "an image encoder",
        })
    }
}
