//! Models of the Transformer family, and the RNN that it replaced: configuration, assembly, objectives.
//!
//! ```
//! use attentive_backend::BackendKind;
//! use attentive_model::{ModelSpec, TransformerConfig};
//!
//! let device = BackendKind::Flex.device()?;
//! let config = TransformerConfig { n_encoder_layers: 1, n_decoder_layers: 1, ..TransformerConfig::base(100) };
//! let model = config.init(&device, 1)?;
//! assert_eq!(burn::module::Module::num_params(&model), config.n_params());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![recursion_limit = "256"]

mod adapter;
pub mod bert;
pub mod canine;
mod checks;
pub mod data2vec;
pub mod decision_transformer;
mod distillation;
mod encoder_model;
mod error;
mod family;
pub mod gpt;
mod image_model;
mod language_model;
mod policy;
mod preference;
mod pruned_heads;
pub mod rnn;
mod spec;
mod speech;
mod stack;
pub mod t5;
pub mod table1;
pub mod table2;
pub mod table3;
mod tokens;
mod trace;
mod transformer;
mod translation;
pub mod vit;
pub mod whisper;
mod windows;

pub use adapter::{AdapterConfig, AdapterError, AdapterKind};
pub use bert::{Bert, BertConfig, ClassificationObjective, MaskedLmObjective, Pooler, PoolerActivation, PoolerInput};
pub use canine::{Canine, CanineConfig, Guessing};
pub use data2vec::{Data2Vec, Data2VecConfig, Data2VecObjective, LayeredEncoder};
pub use decision_transformer::{DecisionTransformer, DecisionTransformerConfig};
pub use distillation::{DistillationObjective, Distilling, ScoresTargets, TargetLogits};
pub use encoder_model::{EncoderModel, Encoding, Heads, HiddenTokens, TokenScores};
pub use error::ConfigError;
pub use family::{FamilyVisitor, ModelConfig};
pub use gpt::{Gpt, GptConfig, GptState};
pub use image_model::{ImageEncoding, ImageHeads, ImageModel};
pub use language_model::{CausalLmObjective, CausalModel, log_probs_of};
pub use policy::{PolicyModel, PolicyObjective};
pub use preference::{AnswerLogProbs, PreferenceLoss, PreferenceObjective, answer_log_probs};
pub use pruned_heads::{AttentionKind, AttentionPlace, Attentions, BadHead, ModelHead, ModelHeads};
pub use rnn::{CellKind, Rnn, RnnConfig, RnnState};
pub use spec::{
    EncoderDecoderSpec, EncoderSpec, ImageEncoderSpec, LanguageModelSpec, LayeredParts, ModelSpec, PolicySpec, Preset,
    Role, SpeechSpec,
};
pub use speech::{SpeechModel, SpeechObjective};
pub use stack::{Block, BlockConfig, Contexts, Stack};
pub use trace::{PairedStacks, TextStack, Trace};
pub use transformer::{Decoder, DecoderLayer, DecoderState, Memory, Transformer, TransformerConfig};
pub use translation::{AttentionMaps, TeacherForced, TranslationObjective};
pub use vit::{Distillation, ImageClassificationObjective, ImagePooling, Vit, VitConfig};
pub use whisper::{Whisper, WhisperConfig};
pub use windows::Sight;
