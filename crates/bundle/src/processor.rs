//! What turns a user's input into what a model reads, and back.

use std::{borrow::Cow, fmt, ops::Range, path::Path, sync::Arc};

use attentive_core::TrajectoryProcessor;
use attentive_tokenizer::{
    AddedToken, FrameError, Framing, Model, Place, SampleStrength, Specials, Token, TokenId, Tokenizer, UnknownId,
};
use attentive_vision::ImageProcessor;
use attentive_weights::{read_settings, write_atomically};
use serde::{Deserialize, Serialize};

use crate::{
    BundleError, SpeechProcessor,
    folder::{Folder, PROCESSOR, TOKENIZER},
};

/// What turns a user's input into what a model reads, and what it writes into what a user sees.
#[derive(Clone)]
#[non_exhaustive]
pub enum Processor {
    /// Text to ids and back.
    Text(Arc<dyn Tokenizer>),
    /// Episodes to states, actions and returns.
    Trajectory(Box<TrajectoryProcessor>),
    /// Sound to spectrograms, and ids to text.
    Speech(Box<SpeechProcessor>, Arc<dyn Tokenizer>),
    /// Pictures to numbers.
    Image(ImageProcessor),
    /// Nothing: the model is given numbers.
    None,
}

/// The content of `processor.json`, which models have that read something else than text.
#[derive(Serialize, Deserialize)]
#[serde(tag = "reads", rename_all = "kebab-case")]
enum ProcessorFile {
    Trajectories(Box<TrajectoryProcessor>),
    Speech(Box<SpeechProcessor>),
    Pictures(ImageProcessor),
}

impl ProcessorFile {
    /// The content of the file `path`.
    ///
    /// # Errors
    /// [`BundleError::Damaged`] with what is wrong with it.
    fn read(text: &str, path: &Path) -> Result<Self, BundleError> {
        let damaged = |problem| BundleError::Damaged { path: path.to_owned(), problem };
        let file: Self = serde_json::from_str(text).map_err(|cause| damaged(cause.to_string()))?;
        let problem = match &file {
            Self::Trajectories(processor) => processor.problem(),
            Self::Speech(processor) => processor.features.validate().err().map(|error| format!("features.{error}")),
            Self::Pictures(processor) => processor.problem(),
        };
        problem.map_or(Ok(file), |problem| Err(damaged(problem)))
    }

    /// The processor, with the tokenizer beside the file, if it needs one.
    ///
    /// # Errors
    /// Those of reading the tokenizer.
    fn with_tokenizer(
        self,
        tokenizer: impl FnOnce() -> Result<Box<dyn Tokenizer>, BundleError>,
    ) -> Result<Processor, BundleError> {
        Ok(match self {
            Self::Trajectories(processor) => Processor::Trajectory(processor),
            Self::Speech(processor) => Processor::Speech(processor, tokenizer()?.into()),
            Self::Pictures(processor) => Processor::Image(processor),
        })
    }

    fn write(&self, folder: &Path) -> Result<Vec<&'static str>, BundleError> {
        let path = folder.join(PROCESSOR);
        let text = serde_json::to_vec_pretty(self).expect("names and numbers");
        write_atomically(&path, &text).map_err(|cause| BundleError::Io { path, cause })?;
        Ok(vec![PROCESSOR])
    }
}

impl Processor {
    /// The tokenizer, if the model reads or writes text.
    pub fn tokenizer(&self) -> Option<&Arc<dyn Tokenizer>> {
        match self {
            Self::Text(tokenizer) | Self::Speech(_, tokenizer) => Some(tokenizer),
            Self::Trajectory(_) | Self::Image(_) | Self::None => None,
        }
    }

    /// How episodes become what the model reads, if it acts.
    pub fn trajectory(&self) -> Option<&TrajectoryProcessor> {
        match self {
            Self::Trajectory(processor) => Some(processor),
            _ => None,
        }
    }

    /// What makes spectrograms of sound, if the model listens.
    pub fn speech(&self) -> Option<&SpeechProcessor> {
        match self {
            Self::Speech(processor, _) => Some(processor),
            _ => None,
        }
    }

    /// What makes numbers of pictures, if the model reads them.
    pub fn image(&self) -> Option<&ImageProcessor> {
        match self {
            Self::Image(processor) => Some(processor),
            _ => None,
        }
    }

    /// The processor that a folder's `processor.json` describes, if it has one.
    ///
    /// # Errors
    /// [`BundleError::Io`], [`BundleError::Damaged`] with what is wrong with it, or those of its tokenizer.
    pub fn of_file(folder: &Path) -> Result<Option<Self>, BundleError> {
        let path = folder.join(PROCESSOR);
        if !path.exists() {
            return Ok(None);
        }
        let text = read_settings(&path).map_err(|cause| BundleError::Io { path: path.clone(), cause })?;
        let tokenizer = || Ok(attentive_tokenizer::load(&folder.join(TOKENIZER))?);
        ProcessorFile::read(&text, &path)?.with_tokenizer(tokenizer).map(Some)
    }

    /// The processor of a model's folder, other than a tokenizer alone, if it has one.
    pub(crate) fn read(folder: &Folder<'_>) -> Result<Option<Self>, BundleError> {
        let Some(text) = folder.text_of_optional(PROCESSOR)? else { return Ok(None) };
        let tokenizer = || Ok(attentive_tokenizer::load(&folder.checked(TOKENIZER)?)?);
        ProcessorFile::read(&text, &folder.place(PROCESSOR))?.with_tokenizer(tokenizer).map(Some)
    }

    /// Writes its files into a folder that is there; returns their names.
    ///
    /// # Errors
    /// [`BundleError::Tokenizer`], or [`BundleError::Io`].
    pub fn write(&self, folder: &Path) -> Result<Vec<&'static str>, BundleError> {
        match self {
            Self::Text(tokenizer) => {
                attentive_tokenizer::save(&**tokenizer, &folder.join(TOKENIZER))?;
                Ok(vec![TOKENIZER])
            }
            Self::Trajectory(processor) => ProcessorFile::Trajectories(processor.clone()).write(folder),
            Self::Speech(processor, tokenizer) => {
                attentive_tokenizer::save(&**tokenizer, &folder.join(TOKENIZER))?;
                let mut names = ProcessorFile::Speech(processor.clone()).write(folder)?;
                names.push(TOKENIZER);
                Ok(names)
            }
            Self::Image(processor) => ProcessorFile::Pictures(processor.clone()).write(folder),
            Self::None => Ok(Vec::new()),
        }
    }

    /// This processor, but that the names of special tokens in a text are these tokens, as
    /// [`Tokenizer::encode_with_specials`] has it.
    #[must_use]
    pub fn reading_specials(self) -> Self {
        match self {
            Self::Text(inner) => Self::Text(Arc::new(Adapted { inner, reads_specials: true, framing: None })),
            other => other,
        }
    }

    /// This processor, but that texts are translated from the language `source` to the language `target` where none is said,
    /// for models that are told languages.
    ///
    /// # Errors
    /// [`FrameError`]: a language is unknown, or the model is not told any.
    pub fn between(self, source: Option<&str>, target: Option<&str>) -> Result<Self, FrameError> {
        let Some(name) = source.or(target) else { return Ok(self) };
        let framing = self.tokenizer().and_then(|tokenizer| tokenizer.framing().cloned());
        let framing = framing.ok_or_else(|| FrameError::NoLanguages { name: name.to_owned() })?;
        let framing = Some(framing.with_usual(source, target)?);
        Ok(match self {
            Self::Text(inner) => Self::Text(Arc::new(Adapted { inner, reads_specials: false, framing })),
            other => other,
        })
    }
}

/// A tokenizer that does some things in another way.
struct Adapted {
    inner: Arc<dyn Tokenizer>,
    /// Whether the names of special tokens in a text to be read are these tokens.
    reads_specials: bool,
    /// Another framing.
    framing: Option<Framing>,
}

impl Tokenizer for Adapted {
    fn encode(&self, text: &str) -> Vec<TokenId> {
        if self.reads_specials { self.inner.encode_with_specials(text) } else { self.inner.encode(text) }
    }

    fn encode_with_specials(&self, text: &str) -> Vec<TokenId> {
        self.inner.encode_with_specials(text)
    }

    fn encode_target(&self, text: &str) -> Vec<TokenId> {
        self.inner.encode_target(text)
    }

    fn encode_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        self.inner.encode_with_offsets(text)
    }

    fn encode_target_with_offsets(&self, text: &str) -> Vec<(TokenId, Range<usize>)> {
        self.inner.encode_target_with_offsets(text)
    }

    fn encode_with_words(&self, text: &str) -> Vec<Token> {
        self.inner.encode_with_words(text)
    }

    fn continuation(&self) -> Option<&str> {
        self.inner.continuation()
    }

    fn sample(&self, text: &str, strength: f64, seed: u64) -> Vec<TokenId> {
        self.inner.sample(text, strength, seed)
    }

    fn sample_target(&self, text: &str, strength: f64, seed: u64) -> Vec<TokenId> {
        self.inner.sample_target(text, strength, seed)
    }

    fn sample_strength(&self) -> Option<SampleStrength> {
        self.inner.sample_strength()
    }

    fn decode_bytes(&self, ids: &[TokenId]) -> Result<Vec<u8>, UnknownId> {
        self.inner.decode_bytes(ids)
    }

    fn decode(&self, ids: &[TokenId]) -> Result<String, UnknownId> {
        self.inner.decode(ids)
    }

    fn written(&self, place: Place, id: TokenId) -> Option<(Vec<u8>, Place)> {
        self.inner.written(place, id)
    }

    fn vocab_size(&self) -> usize {
        self.inner.vocab_size()
    }

    fn source_vocab_size(&self) -> usize {
        self.inner.source_vocab_size()
    }

    fn specials(&self) -> &Specials {
        self.inner.specials()
    }

    fn framing(&self) -> Option<&Framing> {
        self.framing.as_ref().or(self.inner.framing())
    }

    fn sentinel(&self, index: usize) -> Option<TokenId> {
        self.inner.sentinel(index)
    }

    fn token(&self, id: TokenId) -> Option<Cow<'_, str>> {
        self.inner.token(id)
    }

    fn source_token(&self, id: TokenId) -> Option<Cow<'_, str>> {
        self.inner.source_token(id)
    }

    fn added_tokens(&self) -> Vec<AddedToken> {
        self.inner.added_tokens()
    }

    fn to_model(&self) -> Option<Model> {
        let model = self.inner.to_model()?;
        Some(match &self.framing {
            Some(framing) => model.with_framing(framing.clone()),
            None => model,
        })
    }
}

impl From<Arc<dyn Tokenizer>> for Processor {
    fn from(tokenizer: Arc<dyn Tokenizer>) -> Self {
        Self::Text(tokenizer)
    }
}

impl From<ImageProcessor> for Processor {
    fn from(processor: ImageProcessor) -> Self {
        Self::Image(processor)
    }
}

impl From<Box<dyn Tokenizer>> for Processor {
    fn from(tokenizer: Box<dyn Tokenizer>) -> Self {
        Self::Text(tokenizer.into())
    }
}

impl From<TrajectoryProcessor> for Processor {
    fn from(processor: TrajectoryProcessor) -> Self {
        Self::Trajectory(Box::new(processor))
    }
}

impl fmt::Debug for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(tokenizer) => write!(f, "Text({} entries)", tokenizer.vocab_size()),
            Self::Trajectory(processor) => processor.fmt(f),
            Self::Speech(processor, tokenizer) => {
                write!(f, "Speech({:?}, {} entries)", processor.features, tokenizer.vocab_size())
            }
            Self::Image(processor) => f.debug_tuple("Image").field(processor).finish(),
            Self::None => f.write_str("None"),
        }
    }
}

#[cfg(test)]
mod tests {
    use attentive_tokenizer::UnigramTrainer;

    use super::*;

    #[test]
    fn broken_characters_are_decoded_as_by_the_tokenizer_itself() {
        let tokenizer: Arc<dyn Tokenizer> = Arc::new(UnigramTrainer::with_vocab_size(270).train(["a b"]).unwrap());
        let mut ids = tokenizer.encode("☃");
        ids.pop();
        let adapted = Processor::from(tokenizer.clone()).reading_specials();
        assert_eq!(adapted.tokenizer().unwrap().decode(&ids), tokenizer.decode(&ids));
    }
}
