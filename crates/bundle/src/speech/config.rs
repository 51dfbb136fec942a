//! How to transcribe.

use std::{fmt, str::FromStr};

use attentive_decode::{BeamConfig, BeamRules, DecodeError};
use serde::{Deserialize, Serialize};

/// What is written of what is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpeechTask {
    /// The words themselves.
    #[default]
    Transcribe,
    /// Their translation into English.
    Translate,
}

impl fmt::Display for SpeechTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transcribe => "transcribe",
            Self::Translate => "translate",
        })
    }
}

impl FromStr for SpeechTask {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        [Self::Transcribe, Self::Translate]
            .into_iter()
            .find(|task| task.to_string() == name)
            .ok_or_else(|| format!("unknown task `{name}`; there are transcribe and translate"))
    }
}

/// How to transcribe; the defaults are those of Radford et al. 2022, §4.5, with greedy search first.
#[derive(Debug, Clone, PartialEq)]
pub struct TranscriptionConfig {
    /// The code of the language that is spoken: `de`; without it, the model's usual one, or what it hears.
    pub language: Option<String>,
    /// What is written.
    pub task: SpeechTask,
    /// Whether times are written, where the model has them: windows then begin where the last sentence ended.
    pub times: bool,
    /// Hypotheses of the first search of a window; 1 is greedy search.
    pub beam: usize,
    /// Temperatures at which a window is tried, one after another, until what is written is plausible; 0 is a search.
    pub temperatures: Vec<f64>,
    /// How often longer a text may be than it is when compressed; beyond that, it repeats itself, and is tried again.
    pub max_compression: f64,
    /// The least mean log-probability of a token of a plausible text, in nats.
    pub min_log_prob: f64,
    /// The probability that nobody speaks above which a text that is not plausible is left out.
    pub max_no_speech: f64,
    /// Whether the model reads what was written of the window before.
    pub reads_previous: bool,
    /// What the model reads before the first window: names, and the style of what is to be written.
    pub prompt: Option<String>,
    /// Tokens of a window at most; without it, as many as the model has positions for.
    pub max_tokens: Option<usize>,
    /// Names the stream of random numbers of temperatures above 0.
    pub seed: u64,
}

impl Default for TranscriptionConfig {
    fn default() -> Self {
        Self {
            language: None,
            task: SpeechTask::Transcribe,
            times: true,
            beam: 1,
            temperatures: vec![0.0, 0.2, 0.4, 0.6, 0.8, 1.0],
            max_compression: 2.4,
            min_log_prob: -1.0,
            max_no_speech: 0.6,
            reads_previous: true,
            prompt: None,
            max_tokens: None,
            seed: 0,
        }
    }
}

impl TranscriptionConfig {
    /// Checks the settings without a model.
    ///
    /// # Errors
    /// [`DecodeError::Setting`] names the one that is out of range.
    pub fn validate(&self) -> Result<(), DecodeError> {
        let setting = |key, value, expected| Err(DecodeError::Setting { key, value, expected });
        if self.temperatures.is_empty() {
            return setting("temperatures", 0.0, "one at least");
        }
        if let Some(&value) = self.temperatures.iter().find(|value| !value.is_finite() || **value < 0.0) {
            return setting("temperatures", value, "at least 0");
        }
        if self.max_tokens == Some(0) {
            return setting("max_tokens", 0.0, "at least 1");
        }
        if !(1..=1024).contains(&self.beam) {
            return setting("beam", self.beam as f64, "from 1 to 1024");
        }
        Ok(())
    }

    /// The search of a window at temperature 0.
    pub(super) fn search(&self) -> BeamConfig {
        BeamConfig { beam: self.beam, n_best: 1, length_penalty: 1.0, rules: BeamRules::Present }
    }
}
