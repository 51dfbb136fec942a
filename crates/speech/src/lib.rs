//! Sound for models: audio files, resampling, log-mel spectrograms, and Morse code as sound.
//!
//! No tensors: a recording is a vector of samples, a spectrogram a vector of frames.
//!
//! ```
//! use attentive_speech::{FeatureConfig, LogMel, MorseConfig, morse};
//!
//! let config = FeatureConfig { window_seconds: 2.0, ..FeatureConfig::default() };
//! let (sound, text) = morse(&MorseConfig { seconds: 2.0, ..MorseConfig::default() }, config.sampling_rate, 7);
//! let frames = LogMel::new(&config)?.window(&sound);
//! assert_eq!(frames.len(), config.n_frames() * config.n_mels);
//! assert!(!text.is_empty());
//! # Ok::<(), attentive_speech::SpeechError>(())
//! ```

mod audio;
mod augment;
mod error;
mod features;
mod filters;
mod morse;
mod random;
mod resample;

pub use audio::{EXTENSIONS, Recording};
pub use augment::SpecAugment;
pub use error::SpeechError;
pub use features::{FeatureConfig, LogMel};
pub use filters::mel_filters;
pub use morse::{MORSE_ALPHABET, MorseConfig, keyed, longest_morse_text, morse, morse_text};
pub use resample::resample;
