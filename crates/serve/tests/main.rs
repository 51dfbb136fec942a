//! Every test of this crate from outside, in one program: a program of its own would link all that the crate needs again.

mod constraints;
mod ensemble;
mod interfaces;
mod operation;
mod service;
mod support;
