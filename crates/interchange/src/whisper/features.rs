//! The settings of `WhisperFeatureExtractor`, and ours.

use attentive_model::WhisperConfig;
use attentive_speech::FeatureConfig;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{InterchangeError, files, reader::Reader};

/// Where older versions of transformers, and this crate, write them; newer ones have them in [`OF_PROCESSOR`].
pub(crate) const FILE: &str = "preprocessor_config.json";

const OF_PROCESSOR: &str = "processor_config.json";

/// Samples a second that its filters, which end at 8,000 Hertz, need at least.
const LEAST_RATE: u32 = 16_000;

/// The settings that say what is computed, with their defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Settings {
    feature_extractor_type: String,
    feature_size: usize,
    sampling_rate: u32,
    hop_length: usize,
    chunk_length: u32,
    n_fft: usize,
    padding_value: f64,
    dither: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            feature_extractor_type: "WhisperFeatureExtractor".into(),
            feature_size: 80,
            sampling_rate: LEAST_RATE,
            hop_length: 160,
            chunk_length: 30,
            n_fft: 400,
            padding_value: 0.0,
            dither: 0.0,
        }
    }
}

/// Settings that are made again of the others, or of a Python program's concern.
const OF_NO_EFFECT: [&str; 8] = [
    "mel_filters",
    "n_samples",
    "nb_max_frames",
    "padding_side",
    "processor_class",
    "return_attention_mask",
    "image_processor_type",
    "feature_extractor_type",
];

/// Reads the sizes of the spectrograms of a folder, which must be those of its model.
///
/// # Errors
/// [`InterchangeError::Missing`], [`InterchangeError::Unsupported`].
pub(crate) fn import(reader: &mut Reader<'_>, model: &WhisperConfig) -> Result<FeatureConfig, InterchangeError> {
    let (own, of_processor) = (reader.folder.join(FILE), reader.folder.join(OF_PROCESSOR));
    let (path, settings) = if own.is_file() {
        (own.clone(), files::read_json::<Map<String, Value>>(&own)?)
    } else if of_processor.is_file() {
        let mut whole: Map<String, Value> = files::read_json(&of_processor)?;
        let Some(Value::Object(settings)) = whole.remove("feature_extractor") else {
            return Err(InterchangeError::Missing { path: of_processor, wanted: "feature_extractor" });
        };
        (of_processor, settings)
    } else {
        return Err(InterchangeError::Missing { path: reader.folder.to_owned(), wanted: FILE });
    };
    let found = Settings::deserialize(Value::Object(settings.clone())).map_err(InterchangeError::damaged(&path))?;
    let Settings { feature_size, sampling_rate, hop_length, chunk_length, n_fft, padding_value, dither, .. } = found;
    let features = FeatureConfig {
        sampling_rate,
        n_fft,
        hop_length,
        n_mels: feature_size,
        window_seconds: f64::from(chunk_length),
    };
    let mut problems: Vec<String> = features.validate().err().map(|error| error.to_string()).into_iter().collect();
    let frames = [features.n_frames(), features.n_mels];
    let of_model = [2 * model.max_source_len, model.n_mels];
    if frames != of_model && problems.is_empty() {
        problems.push(format!("its spectrograms have {frames:?} frames and bins, and config.json says {of_model:?}"));
    }
    if sampling_rate < LEAST_RATE {
        problems.push(format!(
            "sampling_rate is {sampling_rate}: its filters end at 8000 Hertz, so {LEAST_RATE} is the least"
        ));
    }
    if padding_value != 0.0 {
        problems.push(format!("padding_value is {padding_value}: here sound is filled with silence, 0"));
    }
    if !problems.is_empty() {
        return Err(InterchangeError::Unsupported { path, problems });
    }
    if dither != 0.0 {
        reader.notes.push(format!("{FILE}: not followed here: dither = {dither}, noise that is added to sound"));
    }
    let known = crate::settings::fields_of::<Settings>();
    let is_unknown = |key: &&String| !known.contains(&key.as_str()) && !OF_NO_EFFECT.contains(&key.as_str());
    let unknown: Vec<&str> = settings.keys().filter(is_unknown).map(String::as_str).collect();
    if !unknown.is_empty() {
        reader.notes.push(format!("{FILE}: not followed here: {}", unknown.join(", ")));
    }
    Ok(features)
}

/// What `WhisperFeatureExtractor` has for our sizes.
///
/// # Errors
/// [`InterchangeError::Inexpressible`].
pub(super) fn export(features: &FeatureConfig, model: &WhisperConfig) -> Result<Settings, InterchangeError> {
    let FeatureConfig { sampling_rate, n_fft, hop_length, n_mels, window_seconds } = *features;
    let checks = [
        (window_seconds.fract() == 0.0, "features.window_seconds: its windows are of whole seconds"),
        (sampling_rate >= LEAST_RATE, "features.sampling_rate: its filters need 16000 samples a second at least"),
        (features.n_frames() == 2 * model.max_source_len, "max_source_len: its encoder has a position for two frames"),
    ];
    let problems: Vec<String> =
        checks.iter().filter(|(holds, _)| !holds).map(|(_, problem)| (*problem).to_owned()).collect();
    if !problems.is_empty() {
        return Err(InterchangeError::Inexpressible { format: super::NAME, problems });
    }
    Ok(Settings {
        feature_size: n_mels,
        sampling_rate,
        hop_length,
        chunk_length: window_seconds as u32,
        n_fft,
        ..Settings::default()
    })
}
