//! Every test of this crate from outside, in one program: a program of its own would link all that the crate needs again.

mod agrees;
mod encoder;
mod language_model;
mod low_rank;
mod restriction;
mod rounding;
mod whisper;
