//! Model bundles, and what one loads as: a translator, a generator of text, or an encoder.
//!
//! A bundle is a folder: `config.toml` (sizes and choices), `tokenizer.json`, `processor.json` (of a model that
//! reads something else than text), `chat_template.jinja` (of a model for conversations), `shortlist.json` (of a
//! translator that writes some tokens only), `model.safetensors`, `training.json` (where it came from: data hashes,
//! seed, steps, scores; and the sums of the other files). It loads on any backend.
//!
//! ```no_run
//! use attentive_backend::BackendKind;
//! use attentive_bundle::{Bundle, DecodingConfig, Translator};
//!
//! let device = BackendKind::Flex.device()?;
//! let bundle = Bundle::read("runs/latest")?;
//! let translator = Translator::from_bundle(&bundle, &device, None)?;
//! let translations = translator.translate(&["The animal was tired."], &DecodingConfig::default())?;
//! assert!(!translations[0].text.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![recursion_limit = "256"]

mod adapter;
mod answering;
mod any_state;
mod bundle;
mod chat;
mod classifying;
mod constraints;
mod denoiser;
mod embedding;
mod encoder_on_tensors;
mod ensemble;
mod error;
mod folder;
mod forms;
mod generated;
mod generator;
mod guessed_words;
mod image_encoder;
mod input;
mod nearest;
mod packed;
mod policy;
mod processor;
mod pruning;
mod quantising;
mod reading;
mod record;
mod shared;
mod shortlist;
mod span_filler;
mod speech;
mod spelling;
mod stored;
mod tagging;
mod text_encoder;
mod text_model;
mod text_stream;
mod translation;
mod translation_model;
mod translator;
mod uses;
mod vocabulary;

pub use adapter::{Adapter, AdapterMismatch, LowRankChange};
pub use answering::{AnswerConfig, AnswerSpan};
pub use attentive_decode::{BeamRules, FormSpec};
pub use attentive_engine::{PackedRounding, SharedWeights, WeightFormat, packs};
pub use bundle::Bundle;
pub use chat::{Answer, Chat, ChatError, ChatTemplate, Conversation, Message, Variables};
pub use classifying::Class;
pub use constraints::{BadTerm, Term, TranslationConstraints};
pub use denoiser::Denoiser;
pub use embedding::{Dense, DenseActivation, EmbeddingConfig, Pooling};
pub use error::{BundleError, EncodeError, TranslateError};
pub use folder::{run_in, write_folder};
pub use forms::Forms;
pub use generated::{Generated, Strategy};
pub use generator::{GenerationConfig, Generator, Piece, Prompt, ScoredTokens, TextScore};
pub use image_encoder::{AttentionMap, ImageEncoder, PatchAttention};
pub use input::{Input, MAX_PROMPT_TOKENS, MAX_TEXT_TOKENS, Pair, Sequence, TooLong, is_blank};
pub use nearest::{Nearest, cosine, nearest};
pub use policy::{History, PlayError, Policy};
pub use processor::Processor;
pub use reading::{Lengths, ReadingConfig, ScoreActivation};
pub use record::{DataRecord, ScoreRecord, TrainingRecord};
pub use shared::SharedParams;
pub use shortlist::Shortlist;
pub use span_filler::SpanFiller;
pub use speech::{
    RecognizerModel, RecognizerState, Segments, SpeechProcessor, SpeechSegment, SpeechTask, SpeechTokens,
    TranscribeError, Transcriber, TranscriptFormat, TranscriptWriter, Transcription, TranscriptionConfig,
};
pub use stored::{Params, Stored};
pub use tagging::{Aggregation, Tag, TaggingConfig, characters};
pub use text_encoder::{Candidate, TextEncoder, frame_ids};
pub use text_model::{TextModel, TextState};
pub use text_stream::TextStream;
pub use translation::Translation;
pub use translation_model::{TranslationModel, TranslationState};
pub use translator::{DecodingConfig, Search, Translator};
pub use vocabulary::{NewEntry, VocabularyError};

/// The rows of a model's vocabulary that none of the tokenizer's entries has, of `n_rows`: padding of its tables. They are
/// scored and never chosen.
fn unused_rows(tokenizer: &dyn attentive_tokenizer::Tokenizer, n_rows: usize) -> std::ops::Range<u32> {
    tokenizer.vocab_size() as u32..n_rows as u32
}
