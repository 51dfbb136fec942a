//! Every test of this crate from outside, in one program: a program of its own would link all that the crate needs again.

mod bundles;
mod chat;
mod errors;
mod golden;
mod golden_canine;
mod golden_checkpoints;
mod golden_constraints;
mod golden_decoders;
mod golden_encoders;
mod golden_gguf;
mod golden_heads;
mod golden_kin;
mod golden_modern;
mod golden_multilingual;
mod golden_peft;
mod golden_policies;
mod golden_sentences;
mod golden_t5;
mod golden_translators;
mod golden_vit;
mod golden_whisper;
mod golden_wild;
#[cfg(feature = "hub")]
mod hub;
#[cfg(feature = "hub")]
mod hub_server;
mod languages;
mod laws;
mod saved;
mod support;
mod sweep;
mod tables;
mod writing;
