//! Recordings of any length, window after window.

use std::collections::VecDeque;

use attentive_core::{Spectrograms, SpeechRecognizer, TokenId};
use attentive_decode::Hypothesis;

use super::{
    SpeechSegment, SpeechTokens, TranscribeError, Transcriber, TranscriptionConfig,
    segments::{Part, parts},
    transcriber::compression,
};

/// Frames of the spectrogram for a position of the encoder, and so for a time.
const FRAMES_OF_TIME: usize = 2;

/// The temperature above which what was written is not read again: it may repeat itself.
const HOT: f64 = 0.5;

/// The sentences of a recording, each as soon as it is written.
///
/// A window begins where the last whole sentence of the one before ended, if times are written, else where that ended. It is
/// written at one temperature after another, until the text is plausible; one that is not, where probably nobody speaks, is
/// left out (Radford et al. 2022, §4.5).
pub struct Segments<'a, M> {
    transcriber: &'a Transcriber<M>,
    config: &'a TranscriptionConfig,
    /// `[frames, mels]`, with a window of silence after the end.
    frames: Vec<f32>,
    /// Frames of the recording itself.
    n_frames: usize,
    /// The first frame of the next window.
    next: usize,
    times: bool,
    language: Option<String>,
    /// What the model reads before the next window.
    previous: Vec<TokenId>,
    ready: VecDeque<SpeechSegment>,
    has_failed: bool,
}

/// What was written of a window.
struct Written {
    tokens: Vec<TokenId>,
    temperature: f64,
    log_prob: f64,
    compression: f64,
    no_speech: Option<f64>,
}

impl<'a, M: SpeechRecognizer<State: Clone>> Segments<'a, M> {
    pub(super) fn new(
        transcriber: &'a Transcriber<M>,
        samples: &[f32],
        config: &'a TranscriptionConfig,
    ) -> Result<Self, TranscribeError> {
        config.validate()?;
        let tokens = transcriber.tokens();
        let times = config.times && tokens.has_times();
        // What does not fit is said before anything is heard.
        tokens.prompt(config.language.as_deref(), config.task, times)?;
        let previous = match &config.prompt {
            Some(_) if tokens.previous.is_none() => return Err(TranscribeError::Prompt),
            Some(prompt) => transcriber.encode(&format!(" {}", prompt.trim())),
            None => Vec::new(),
        };
        let features = transcriber.log_mel().config();
        let with_silence = [samples, &vec![0.0; features.n_samples()]].concat();
        Ok(Self {
            transcriber,
            config,
            frames: transcriber.log_mel().all(&with_silence),
            n_frames: samples.len().div_ceil(features.hop_length),
            next: 0,
            times,
            language: config.language.clone().or_else(|| tokens.usual_language.clone()),
            previous,
            ready: VecDeque::new(),
            has_failed: false,
        })
    }

    /// The language, if the model is told one, or has heard it in the first window.
    pub fn language(&self) -> Option<&str> {
        self.language.as_deref()
    }

    /// Writes the next window.
    fn write_window(&mut self) -> Result<(), TranscribeError> {
        let features = self.transcriber.log_mel().config();
        let (n_window, n_mels) = (features.n_frames(), features.n_mels);
        let window = self.frames[self.next * n_mels..][..n_window * n_mels].to_vec();
        let n_heard = n_window.min(self.n_frames - self.next);
        let state = self.transcriber.model.listen(&Spectrograms::new(window, [n_window, n_mels]));
        if self.language.is_none() {
            self.language = self.transcriber.hear_language(state.clone())?;
        }
        let Some(written) = self.write(state)? else {
            self.next += n_heard;
            return Ok(());
        };
        let (found, next) = parts(&written.tokens, self.transcriber.tokens().first_time.filter(|_| self.times));
        self.remember(&written, &found);
        let seconds = |frame: usize| frame as f64 * features.frame_seconds();
        let at = |time: u32| seconds(self.next + time as usize * FRAMES_OF_TIME);
        for Part { tokens, start, end } in found {
            let tokens = written.tokens[tokens].to_vec();
            self.ready.push_back(SpeechSegment {
                start: at(start),
                end: end.map_or(seconds(self.next + n_heard), at),
                text: self.transcriber.text_of(&tokens)?,
                tokens,
                temperature: written.temperature,
                log_prob: written.log_prob,
                compression: written.compression,
                no_speech: written.no_speech,
            });
        }
        // A window is always a step further.
        self.next += next.map_or(n_heard, |time| (time as usize * FRAMES_OF_TIME).clamp(FRAMES_OF_TIME, n_window));
        Ok(())
    }

    /// Adds what was written, up to the last whole sentence, to what is read before the next window.
    fn remember(&mut self, written: &Written, found: &[Part]) {
        if written.temperature > HOT || !self.config.reads_previous {
            self.previous.clear();
        } else if let Some(Part { tokens, .. }) = found.last() {
            self.previous.extend_from_slice(&written.tokens[..tokens.end]);
        }
    }

    /// What is read before the next window, and its own prompt: all up to what begins every transcription, and the rest.
    fn prompt(&self) -> Result<[Vec<TokenId>; 2], TranscribeError> {
        let transcriber = self.transcriber;
        let prompt = transcriber.tokens().prompt(self.language.as_deref(), self.config.task, self.times)?;
        let (start, rest) = prompt.split_at(1);
        let before = match transcriber.tokens().previous {
            Some(previous) if !self.previous.is_empty() => {
                // Half of the positions are for what is to be written.
                let most = (transcriber.room(0, None)? / 2).saturating_sub(1);
                let last = self.previous.len().saturating_sub(most);
                [&[previous], &self.previous[last..]].concat()
            }
            _ => Vec::new(),
        };
        Ok([[&before, start].concat(), rest.to_vec()])
    }

    /// The first plausible text of a window, or the last; nothing where probably nobody speaks.
    fn write(&self, mut state: M::State) -> Result<Option<Written>, TranscribeError> {
        let (transcriber, config) = (self.transcriber, self.config);
        let [before, rest] = self.prompt()?;
        let room = transcriber.room(before.len() + rest.len(), config.max_tokens)?;
        let SpeechTokens { no_speech, .. } = transcriber.tokens();
        // The scores after what begins every transcription tell whether anybody speaks.
        let probability = |log_probs: &[f32]| no_speech.map(|id| f64::from(log_probs[id as usize]).exp());
        let (prompt, no_speech) = match (rest.is_empty(), no_speech) {
            (true, None) => (before, None),
            // A model of one language and one task has no other prompt: the search reads it again.
            (true, Some(_)) => {
                let log_probs = transcriber.model.log_probs(&before, &mut state.clone())?;
                (before, probability(&log_probs))
            }
            (false, _) => {
                let log_probs = transcriber.model.log_probs(&before, &mut state)?;
                (rest, probability(&log_probs))
            }
        };
        let mut last = None;
        for &temperature in &config.temperatures {
            let found = transcriber.search(state.clone(), &prompt, room, self.times, (config, temperature))?;
            let Hypothesis { tokens, log_prob, finished, .. } = found;
            let log_prob = log_prob / (tokens.len() + usize::from(finished)).max(1) as f64;
            let compression = compression(&transcriber.text_of(&tokens)?);
            let is_probable = log_prob >= config.min_log_prob;
            if !is_probable && no_speech.is_some_and(|probability| probability > config.max_no_speech) {
                return Ok(None);
            }
            last = Some(Written { tokens, temperature, log_prob, compression, no_speech });
            if is_probable && compression <= config.max_compression {
                break;
            }
        }
        Ok(last)
    }
}

impl<M: SpeechRecognizer<State: Clone>> Iterator for Segments<'_, M> {
    type Item = Result<SpeechSegment, TranscribeError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && self.next < self.n_frames && !self.has_failed {
            if let Err(error) = self.write_window() {
                self.has_failed = true;
                return Some(Err(error));
            }
        }
        self.ready.pop_front().map(Ok)
    }
}

impl<M> std::fmt::Debug for Segments<'_, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segments").field("next", &self.next).field("n_frames", &self.n_frames).finish_non_exhaustive()
    }
}
