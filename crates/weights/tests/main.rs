//! Every test of this crate from outside, in one program: a program of its own would link all that the crate needs again.

mod damage;
mod files;
mod gguf;
mod model_bin;
mod npz;
mod pytorch;
mod reader;
