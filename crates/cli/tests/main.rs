//! Every test of this crate from outside, in one program: a program of its own would link all that the crate needs again.

mod adapters;
mod align;
#[cfg(target_os = "linux")]
mod budgets;
mod command;
mod compare;
mod constraints;
mod data2vec;
mod directions;
mod distillation;
mod doctor;
mod encoder;
mod ensemble;
mod filter;
mod fine_tune;
mod flags;
#[cfg(target_os = "linux")]
mod hangup;
mod heads;
mod interchange;
mod language_model;
mod lines;
#[cfg(target_os = "linux")] // for /dev/full, and variables of any bytes
mod output;
mod paper;
mod pictures;
mod play;
mod preferences;
mod reliability;
mod resume;
mod rnn;
#[cfg(all(feature = "serve", unix))]
mod serve;
mod shortlist;
mod span_corruption;
mod speech;
mod support;
mod tokenize;
mod tokenizer_kinds;
