//! Every test of this crate from outside, in one program: a program of its own would link all that the crate needs again.

mod accumulation;
mod averaging;
mod checkpoints;
mod common;
mod divergence;
mod freeze;
mod optimizers;
mod processes;
mod rates;
mod rounding;
mod training;
