//! Every test of this crate from outside, in one program: a program of its own would link all that the crate needs again.

mod directions;
mod episodes;
mod filter;
mod long_lines;
mod scored_lines;
mod shared_lines;
mod shortlist;
mod synthetic;
