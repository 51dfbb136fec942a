//! Sound in, text out.

use std::{fmt, io::Write as _, sync::Arc};

use attentive_core::{DeviceError, Spectrograms, SpeechRecognizer, TokenId};
use attentive_decode::{DecodeError, DecodeRequest, Hypothesis, Rules, SamplingConfig, beam_search, greedy, sample};
use attentive_model::{FamilyVisitor, ModelSpec, Role, SpeechSpec};
use attentive_speech::{LogMel, SpeechError};
use attentive_tokenizer::{Tokenizer, UnknownId};
use burn::tensor::Device;
use flate2::{Compression, write::ZlibEncoder};

use super::{
    RecognizerModel, Segments, SpeechProcessor, SpeechSegment, SpeechTask, SpeechTokens, TranscriptionConfig,
    rules::{Ruled, RuledState},
};
use crate::{Bundle, BundleError, Params, WeightFormat};

/// Writes what is said in recordings.
pub struct Transcriber<M> {
    pub(super) model: M,
    tokenizer: Arc<dyn Tokenizer>,
    processor: SpeechProcessor,
    log_mel: LogMel,
}

/// All that is said in a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcription {
    /// The language, if the model is told or hears one.
    pub language: Option<String>,
    /// Its sentences, in their order.
    pub segments: Vec<SpeechSegment>,
}

impl Transcription {
    /// The text, without blank ends.
    pub fn text(&self) -> String {
        self.segments.iter().map(|segment| segment.text.as_str()).collect::<String>().trim().to_owned()
    }
}

/// Why sound can't be transcribed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TranscribeError {
    /// A language that the model does not know.
    #[error("the model does not know the language {name:?}; {known}")]
    Language {
        /// The language.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// A task that the model is not told.
    #[error("the model can't be told to {task}: it was trained for one task alone")]
    Task {
        /// The task.
        task: SpeechTask,
    },
    /// A prompt for a model that reads none.
    #[error("the model reads no text before the first window: leave the prompt out")]
    Prompt,
    /// The prompt leaves no room for a text.
    #[error("the prompt has {n_tokens} tokens and the model {max_len} positions: give a shorter one")]
    LongPrompt {
        /// Tokens of the prompt.
        n_tokens: usize,
        /// Positions.
        max_len: usize,
    },
    /// Of a search.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Of a device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Of turning tokens into text.
    #[error(transparent)]
    Id(#[from] UnknownId),
}

impl Transcriber<RecognizerModel> {
    /// A bundle's transcriber on `device`, its weights packed in `precision` or as the bundle says.
    ///
    /// # Errors
    /// [`BundleError`] if the model does not recognise speech, its parts do not fit, or `device` has no such precision for
    /// it.
    pub fn from_bundle<P: Params>(
        bundle: &Bundle<P>,
        device: &Device,
        precision: Option<WeightFormat>,
    ) -> Result<Self, BundleError> {
        let expected = bundle.model.visit(Frames(bundle))?;
        let processor = bundle.processor.speech().ok_or_else(|| BundleError::NoSpeech { path: bundle.path.clone() })?;
        let found = [processor.features.n_frames(), processor.features.n_mels];
        if found[0] > expected[0] || found[1] != expected[1] {
            let problem = format!("spectrograms of {found:?} frames and bins do not fit the model's {expected:?}");
            return Err(BundleError::Damaged { path: bundle.path.join(crate::folder::PROCESSOR), problem });
        }
        let model = bundle.recognizer_model(device, precision)?;
        Self::new(model, bundle.tokenizer()?.clone(), processor.clone()).map_err(|cause| BundleError::Damaged {
            path: bundle.path.join(crate::folder::PROCESSOR),
            problem: cause.to_string(),
        })
    }
}

/// The largest spectrogram that a bundle's model reads: frames and bins.
struct Frames<'a, P>(&'a Bundle<P>);

impl<P: Params> FamilyVisitor for Frames<'_, P> {
    type Output = Result<[usize; 2], BundleError>;

    fn any<C: ModelSpec>(self, _spec: &C, _role: Role) -> Self::Output {
        Err(self.0.other_role(Role::SpeechRecognizer))
    }

    fn speech_recognizer<C: SpeechSpec>(self, spec: &C) -> Self::Output {
        Ok(spec.frames())
    }
}

impl<M: SpeechRecognizer<State: Clone>> Transcriber<M> {
    /// A transcriber of a model that was trained with `tokenizer` on spectrograms of `processor`.
    ///
    /// # Errors
    /// [`SpeechError::Setting`] if there are no such spectrograms.
    pub fn new(model: M, tokenizer: Arc<dyn Tokenizer>, processor: SpeechProcessor) -> Result<Self, SpeechError> {
        let log_mel = LogMel::new(&processor.features)?;
        Ok(Self { model, tokenizer, processor, log_mel })
    }

    /// Samples a second of the sound that it takes.
    pub fn sampling_rate(&self) -> u32 {
        self.processor.features.sampling_rate
    }

    /// What makes its spectrograms.
    pub fn log_mel(&self) -> &LogMel {
        &self.log_mel
    }

    /// The tokens that steer it.
    pub fn tokens(&self) -> &SpeechTokens {
        &self.processor.tokens
    }

    /// All that is said in a recording of any length, at [`sampling_rate`](Self::sampling_rate).
    ///
    /// # Errors
    /// [`TranscribeError`].
    pub fn transcribe(&self, samples: &[f32], config: &TranscriptionConfig) -> Result<Transcription, TranscribeError> {
        let mut segments = self.segments(samples, config)?;
        let found = segments.by_ref().collect::<Result<_, _>>()?;
        Ok(Transcription { language: segments.language().map(str::to_owned), segments: found })
    }

    /// The sentences of a recording of any length, at [`sampling_rate`](Self::sampling_rate), each as soon as it is written.
    ///
    /// # Errors
    /// [`TranscribeError`] if the settings do not fit the model.
    pub fn segments<'a>(
        &'a self,
        samples: &[f32],
        config: &'a TranscriptionConfig,
    ) -> Result<Segments<'a, M>, TranscribeError> {
        Segments::new(self, samples, config)
    }

    /// What is said in recordings of one window each, by greedy search without times.
    ///
    /// # Errors
    /// [`TranscribeError`].
    pub fn write_all(&self, sound: &Spectrograms) -> Result<Vec<String>, TranscribeError> {
        let n = sound.n_rows();
        let prompt = self.tokens().prompt(None, SpeechTask::Transcribe, false)?;
        let room = self.room(prompt.len(), None)?;
        let state = RuledState::new(self.model.listen(sound), n);
        let (model, rules) = (self.ruled(false), Rules::default());
        let request = DecodeRequest {
            prompt: &prompt.repeat(n),
            prefixes: &[],
            eos: self.processor.tokens.end,
            rules: &rules,
            max_len: &vec![room; n],
        };
        let found = greedy(&model, state, &request)?;
        found.iter().map(|hypothesis| self.text_of(&hypothesis.tokens)).collect()
    }

    /// The language that is most probably spoken, if the model is told languages.
    pub(super) fn hear_language(&self, mut state: M::State) -> Result<Option<String>, TranscribeError> {
        let SpeechTokens { start, languages, .. } = &self.processor.tokens;
        if languages.is_empty() {
            return Ok(None);
        }
        let log_probs = self.model.log_probs(&[*start], &mut state)?;
        let best =
            languages.iter().max_by(|(_, a), (_, b)| log_probs[**a as usize].total_cmp(&log_probs[**b as usize]));
        Ok(best.map(|(name, _)| name.clone()))
    }

    /// Tokens that may follow a prompt, their end included.
    pub(super) fn room(&self, n_tokens: usize, wanted: Option<usize>) -> Result<usize, TranscribeError> {
        let max_len = self.model.max_len().unwrap_or(usize::MAX);
        match max_len.saturating_sub(n_tokens) {
            0 => Err(TranscribeError::LongPrompt { n_tokens, max_len }),
            room => Ok(room.min(wanted.unwrap_or(usize::MAX))),
        }
    }

    /// The ids of a text that the model reads before the first window.
    pub(super) fn encode(&self, text: &str) -> Vec<TokenId> {
        self.tokenizer.encode(text)
    }

    /// The words of tokens: what steers is left out.
    pub(super) fn text_of(&self, tokens: &[TokenId]) -> Result<String, TranscribeError> {
        let SpeechTokens { first_time, start, end, .. } = self.processor.tokens;
        let is_word = |id: &TokenId| first_time.is_none_or(|first| *id < first) && ![start, end].contains(id);
        let words: Vec<TokenId> = tokens.iter().copied().filter(is_word).collect();
        Ok(self.tokenizer.decode(&words)?)
    }

    fn ruled(&self, times: bool) -> Ruled<'_, M> {
        // Times may be tokens of the model alone.
        let n_tokens = match self.processor.tokens.first_time {
            Some(_) => self.model.vocab_size(),
            None => self.tokenizer.vocab_size().min(self.model.vocab_size()),
        };
        Ruled { model: &self.model, tokens: &self.processor.tokens, times, n_tokens }
    }

    /// What follows a prompt, whose last tokens are still to be read, at a temperature.
    pub(super) fn search(
        &self,
        state: M::State,
        prompt: &[TokenId],
        room: usize,
        times: bool,
        (config, temperature): (&TranscriptionConfig, f64),
    ) -> Result<Hypothesis, TranscribeError> {
        let (model, rules) = (self.ruled(times), Rules::default());
        let eos = self.processor.tokens.end;
        let request = DecodeRequest { prompt, prefixes: &[], eos, rules: &rules, max_len: &[room] };
        let state = RuledState::new(state, 1);
        let mut found = if temperature > 0.0 {
            let sampling = SamplingConfig { temperature, seed: config.seed, ..SamplingConfig::default() };
            sample(&model, state, &request, &[sampling], 1)?.swap_remove(0)
        } else if config.beam > 1 {
            beam_search(&model, state, &request, &config.search())?.swap_remove(0)
        } else {
            greedy(&model, state, &request)?
        };
        Ok(found.swap_remove(0))
    }
}

/// How often longer a text is than it is when compressed; 0 for none.
pub(super) fn compression(text: &str) -> f64 {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let compressed = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    let n_compressed = compressed.expect("memory takes all that is written").len();
    text.len() as f64 / n_compressed.max(1) as f64
}

impl<M> fmt::Debug for Transcriber<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transcriber").field("processor", &self.processor).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_repeats_itself_is_compressed_well() {
        assert!(compression(&"again and again, ".repeat(20)) > 2.4);
        assert!(compression("He has grave doubts whether the ferry leaves at noon on a Sunday.") < 1.5);
    }
}
