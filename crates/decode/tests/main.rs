//! Every test of this crate from outside, in one program: a program of its own would link all that the crate needs again.

mod constraints;
mod contrastive;
mod coverage;
mod drafts;
mod ensemble;
mod examples;
mod forms;
mod joint;
mod laws;
mod models;
mod remembering;
mod rules;
mod sampling;
mod trace;
