//! What a recogniser of speech reads, and how it is told what to write.

use std::collections::BTreeMap;

use attentive_speech::FeatureConfig;
use attentive_tokenizer::{TokenId, Tokenizer};
use serde::{Deserialize, Serialize};

use super::{SpeechTask, TranscribeError};

/// What makes spectrograms of sound, and the tokens that steer what is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeechProcessor {
    /// Sizes of spectrograms.
    pub features: FeatureConfig,
    /// The tokens that steer.
    pub tokens: SpeechTokens,
}

/// The tokens that steer a recogniser of speech (Radford et al. 2022, §2.3). A model that was trained on one language and one
/// task has the first two alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpeechTokens {
    /// What every transcription begins with.
    pub start: TokenId,
    /// What it ends with.
    pub end: TokenId,
    /// The languages, by their codes: `de`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub languages: BTreeMap<String, TokenId>,
    /// The language where none is said; without it, it is heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usual_language: Option<String>,
    /// To write what is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcribe: Option<TokenId>,
    /// To write it in English.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub translate: Option<TokenId>,
    /// To write without times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_times: Option<TokenId>,
    /// The time 0, after which come the times of every other frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_time: Option<TokenId>,
    /// What is written where nobody speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_speech: Option<TokenId>,
    /// What stands before the text of the window before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<TokenId>,
    /// Tokens that are never written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suppressed: Vec<TokenId>,
    /// Tokens that are not written first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suppressed_first: Vec<TokenId>,
    /// The latest time that may be written first, counted from [`first_time`](Self::first_time).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_first: Option<u32>,
}

impl SpeechTokens {
    /// Those of a tokenizer with tokens for the begin and the end of a text, and no others.
    pub fn of(tokenizer: &dyn Tokenizer) -> Option<Self> {
        let specials = tokenizer.specials();
        let (start, end) = (specials.begin()?, specials.end()?);
        Some(Self { start, end, suppressed: specials.iter().filter(|&id| id != end).collect(), ..Self::default() })
    }

    /// Whether the model writes times.
    pub fn has_times(&self) -> bool {
        self.first_time.is_some()
    }

    /// The tokens that a transcription begins with: in `language`, or the usual one, if there is one.
    ///
    /// # Errors
    /// [`TranscribeError::Language`], [`TranscribeError::Task`]: the model is not told such.
    pub fn prompt(
        &self,
        language: Option<&str>,
        task: SpeechTask,
        times: bool,
    ) -> Result<Vec<TokenId>, TranscribeError> {
        let language = language.or(self.usual_language.as_deref()).map(|name| self.language(name)).transpose()?;
        let of_task = match task {
            SpeechTask::Transcribe => self.transcribe,
            SpeechTask::Translate => Some(self.translate.ok_or(TranscribeError::Task { task })?),
        };
        let no_times = self.no_times.filter(|_| !times);
        Ok([Some(self.start), language, of_task, no_times].into_iter().flatten().collect())
    }

    /// The token of a language, by its code.
    fn language(&self, name: &str) -> Result<TokenId, TranscribeError> {
        self.languages.get(&name.to_lowercase()).copied().ok_or_else(|| {
            let known = match self.languages.is_empty() {
                true => "it is told none: leave it out".to_owned(),
                false => format!("it knows {}", self.languages.keys().cloned().collect::<Vec<_>>().join(", ")),
            };
            TranscribeError::Language { name: name.to_owned(), known }
        })
    }

    /// Every id that has a role.
    fn ids(&self) -> impl Iterator<Item = TokenId> {
        let Self { transcribe, translate, no_times, first_time, no_speech, previous, .. } = self;
        let some = [transcribe, translate, no_times, first_time, no_speech, previous].into_iter().flatten();
        let lists = self.suppressed.iter().chain(&self.suppressed_first).chain(self.languages.values());
        [self.start, self.end].into_iter().chain(some.chain(lists).copied())
    }

    /// What is wrong with them for a vocabulary of this size, if anything is.
    pub fn problem(&self, vocab_size: usize) -> Option<String> {
        if let Some(id) = self.ids().find(|&id| id as usize >= vocab_size) {
            return Some(format!("tokens: {id} is beyond the model's {vocab_size} entries"));
        }
        if self.suppressed.contains(&self.end) {
            return Some(format!("tokens.suppressed: {} ends a transcription", self.end));
        }
        let unknown = self.usual_language.as_ref().filter(|name| !self.languages.contains_key(*name));
        unknown.map(|name| format!("tokens.usual_language: {name:?} is not among tokens.languages"))
    }
}
