//! Every test of this crate from outside, in one program: a program of its own would link all that the crate needs again.

mod bpe;
mod budgets;
mod damage;
mod files;
mod folders;
mod golden;
mod hugging_face;
mod laws;
mod open;
mod open_folders;
mod released;
mod segmentation;
mod sweep;
mod written;
