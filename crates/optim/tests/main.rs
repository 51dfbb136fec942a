//! Every test of this crate from outside, in one program: a program of its own would link all that the crate needs again.

mod adam;
mod ema;
mod first_order;
mod golden;
mod optimizers;
mod shards;
