//! Recipes of `task = "speech-recognition"`.

use std::path::PathBuf;

use attentive_data::Size;
use attentive_model::{ModelConfig, Role, SpeechObjective};
use attentive_speech::{FeatureConfig, MorseConfig, SpecAugment};
use attentive_trainer::FinishedModel;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Input, LabeledFiles, ObjectiveRecipe, Problem, TokenizerRecipe,
    data::{is_false, refuse_beside_builtin, validate_columns},
    presets::require_role,
    validate_model,
};

/// The largest change of a recording's speed.
const MAX_SPEED_PERCENT: u32 = 50;

/// What is said in a recording.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpeechRecipe {
    /// Where the recordings are; without files, the built-in Morse code, made as it is needed.
    #[serde(default)]
    pub data: SpokenRecipe,
    /// The folder of a model that was trained before: its sizes, parameters, spectrograms and tokenizer are taken, whatever the
    /// recipe says of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::path")]
    pub pretrained: Option<PathBuf>,
    /// The code of the language that is spoken, for a model that was trained before and is told it: `de`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// How sound becomes spectrograms; a longer recording than a window is refused.
    #[serde(default)]
    pub features: FeatureConfig,
    /// Bands of spectrograms that are hidden in training.
    #[serde(default)]
    pub augment: SpecAugment,
    /// How text becomes tokens.
    pub tokenizer: TokenizerRecipe,
    /// The model; the vocabulary's size is the tokenizer's, those of spectrograms are the features'.
    pub model: ModelConfig,
    /// How recordings become batches.
    pub batch: SpokenBatchRecipe,
    /// What is minimised.
    #[serde(default)]
    pub objective: ObjectiveRecipe<SpeechObjective>,
    /// How the model is judged, and which checkpoints make it.
    #[serde(default)]
    pub evaluation: SpokenEvaluationRecipe,
}

/// The parts of the recordings: files of the path of an audio file, a tab and its words a line. A path is taken from the
/// folder of the file that names it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SpokenRecipe {
    /// What the model learns from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train: Option<LabeledFiles>,
    /// Recordings that the model learns from, drawn by the run's seed; all unless given. Of Morse code the same ones in each
    /// epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub examples: Option<usize>,
    /// What tells during training how good it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<LabeledFiles>,
    /// What the finished model is scored on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<LabeledFiles>,
    /// Whether recordings that are longer than a window are left out; else they stop the run.
    #[serde(skip_serializing_if = "is_false")]
    pub skip_long: bool,
    /// The built-in Morse code.
    pub morse: MorseRecipe,
}

/// The built-in Morse code: new recordings for each epoch, and others, always the same, for validation and test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MorseRecipe {
    /// Recordings of an epoch, of the validation and of the test.
    pub sizes: [u32; 3],
    /// How it sounds.
    pub sound: MorseConfig,
}

impl Default for MorseRecipe {
    fn default() -> Self {
        Self { sizes: [8000, 200, 1000], sound: MorseConfig::default() }
    }
}

/// How recordings become batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpokenBatchRecipe {
    /// Recordings of a batch; "auto" with `train --memory`.
    pub rows: Size,
}

/// How the model is judged, and which checkpoints make it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SpokenEvaluationRecipe {
    /// The model that the run ends with; the best one if training may stop early, or else the mean of the last
    /// checkpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<FinishedModel>,
    /// Last checkpoints that are kept, and that the mean is taken of.
    pub average_last: usize,
    /// Recordings that are transcribed for the error rates at each validation; 0 for none.
    pub transcribed: usize,
}

impl Default for SpokenEvaluationRecipe {
    fn default() -> Self {
        Self { model: None, average_last: 1, transcribed: 200 }
    }
}

impl SpokenRecipe {
    pub(super) fn has_validation(&self) -> bool {
        self.train.is_none() || self.validation.is_some()
    }

    fn validate(&self) -> Result<(), Problem> {
        if self.train.is_none() {
            refuse_beside_builtin([("validation", self.validation.is_some()), ("test", self.test.is_some())])?;
        } else if self.morse != MorseRecipe::default() {
            let text = "Morse code is made where there is no data.train: leave one of the two out";
            return Err(Problem::at("data.morse", text));
        }
        for (part, files) in [("train", &self.train), ("validation", &self.validation), ("test", &self.test)] {
            validate_columns(&format!("data.{part}"), files.as_ref().and_then(LabeledFiles::columns))?;
        }
        self.morse.validate()
    }
}

impl MorseRecipe {
    fn validate(&self) -> Result<(), Problem> {
        let MorseConfig { seconds, words_per_minute, pitch, signal_to_noise, fading } = self.sound;
        let ranges = [
            ("words_per_minute", words_per_minute, [1.0, 1000.0]),
            ("pitch", pitch, [10.0, 100_000.0]),
            ("signal_to_noise", signal_to_noise, [-100.0, 200.0]),
        ];
        let at = |key: &str, text: String| Err(Problem::at(format!("data.morse.{key}"), text));
        for (key, [low, high], [least, most]) in ranges {
            if !(least <= low && low <= high && high <= most) {
                return at(&format!("sound.{key}"), format!("[{low}, {high}] must be a range from {least} to {most}"));
            }
        }
        if self.sizes[0] == 0 {
            return at("sizes", "an epoch has one recording at least".to_owned());
        }
        if !(seconds > 0.0 && seconds <= 600.0) {
            return at("sound.seconds", format!("{seconds} must be above 0 and at most 600"));
        }
        if !(0.0..=1.0).contains(&fading) {
            return at("sound.fading", format!("{fading} must be from 0 to 1"));
        }
        Ok(())
    }
}

impl SpeechRecipe {
    pub(crate) fn validate(&self) -> Result<(), Problem> {
        self.data.validate()?;
        if let Err(error) = self.features.validate() {
            let text = format!("features.{error}");
            let key = text.split(' ').next().unwrap_or_default().to_owned();
            return Err(Problem::among([key], text));
        }
        let SpecAugment { speed_percent, .. } = self.augment;
        if speed_percent > MAX_SPEED_PERCENT {
            let text = format!("{speed_percent} is beyond {MAX_SPEED_PERCENT}: no speech is so fast or slow");
            return Err(Problem::at("augment.speed_percent", text));
        }
        self.tokenizer.validate_undrawn_beside(self.pretrained.as_deref())?;
        if self.pretrained.is_some() {
            return Ok(());
        }
        if self.language.is_some() {
            return Err(Problem::at("language", "a model that begins from nothing is told none: leave it out"));
        }
        self.check_sound()?;
        self.check_model()
    }

    /// Holds the Morse code against the window, which is known when a model that is fine-tuned is read.
    pub(crate) fn check_sound(&self) -> Result<(), Problem> {
        let (sound, window) = (self.data.morse.sound.seconds, self.features.window_seconds);
        if self.data.train.is_none() && sound > window {
            let text = format!("data.morse.sound.seconds = {sound} is longer than features.window_seconds = {window}");
            return Err(Problem::among(["data.morse.sound.seconds", "features.window_seconds"], text));
        }
        Ok(())
    }

    /// Holds the model against the task.
    pub(super) fn check_model(&self) -> Result<(), Problem> {
        require_role(Role::SpeechRecognizer, &self.model, "speech-recognition")?;
        validate_model(&self.model)?;
        self.objective.data2vec().map_or(Ok(()), |data2vec| data2vec.validate(Input::Sound, &self.model))
    }
}
