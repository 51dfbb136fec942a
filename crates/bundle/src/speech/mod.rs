//! Recognisers of speech in use.

mod config;
mod model;
mod processor;
mod rules;
mod segments;
mod transcriber;
mod transcript;
mod windows;

pub use config::{SpeechTask, TranscriptionConfig};
pub use model::{RecognizerModel, RecognizerState};
pub use processor::{SpeechProcessor, SpeechTokens};
pub use segments::SpeechSegment;
pub use transcriber::{TranscribeError, Transcriber, Transcription};
pub use transcript::{TranscriptFormat, TranscriptWriter};
pub use windows::Segments;
