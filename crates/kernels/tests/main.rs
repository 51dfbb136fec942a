//! Every test of this crate from outside, in one program: a program of its own would link all that the crate needs again.

mod adam;
mod attention;
mod block;
mod cross_entropy;
mod decode;
mod int8;
mod laws;
mod matmul;
mod memory;
mod recurrence;
mod rows;
mod sizes;
