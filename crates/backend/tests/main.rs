//! Every test of this crate from outside, in one program: a program of its own would link all that the crate needs again.

mod cross_entropy;
mod fused;
mod gradients;
mod precision;
