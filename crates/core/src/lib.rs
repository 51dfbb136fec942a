//! The types that attentive's crates share: batches and next-token models.
//!
//! Types and traits, with hardly an algorithm and without tensors: [`data`](https://docs.rs/attentive-data) makes a
//! [`TranslationBatch`], a model's objective scores it, and decoding sees nothing of a model but [`NextToken`].

mod batch;
mod dropout;
mod encoder;
mod encoder_decoder;
mod image_batch;
mod language_model;
mod masked_batch;
mod next_token;
mod paths;
mod speech;
mod stream;
mod trajectory;

pub use batch::{Batch, Position, PreferenceBatch, SequenceBatch, TokenMatrix, TranslationBatch};
pub use dropout::{Dropout, mix64};
pub use encoder::{Encoded, Encoder, EncoderInput};
pub use encoder_decoder::EncoderDecoder;
pub use image_batch::{ClassShares, ImageBatch, Patches};
pub use language_model::LanguageModel;
pub use masked_batch::{FrameIds, LabeledBatch, MaskedBatch};
pub use next_token::{DeviceError, NextToken, Scores, SourceAttention, TopTokens, Turn, Want};
pub use paths::describes;
pub use speech::{Spectrograms, SpeechBatch, SpeechRecognizer};
pub use stream::{BatchStream, EmptyEpoch, Endless, Epochs, StreamError};
pub use trajectory::{Action, ActionSpace, Actions, Episode, Steps, TrajectoryBatch, TrajectoryProcessor, Window};

/// An index into a vocabulary.
pub type TokenId = u32;
