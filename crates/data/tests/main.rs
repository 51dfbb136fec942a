//! Every test of this crate from outside, in one program: a program of its own would link all that the crate needs again.

mod contexts;
mod damage;
mod encoding;
mod files;
mod filter;
mod laws;
mod masked_lm;
mod order;
mod reading;
mod span_corruption;
