//! Every test of this crate from outside, in one program: a program of its own would link all that the crate needs again.

mod adapter;
mod chat;
mod constraints;
mod damage;
mod forms;
mod generator;
mod golden_chat;
mod shortlist;
mod strategies;
mod text_encoder;
mod transcriber;
mod translator;
mod vocabulary;
