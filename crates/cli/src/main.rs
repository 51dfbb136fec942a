//! The `attentive` command: train, translate, evaluate and inspect Transformers.
#![recursion_limit = "256"]
#![allow(clippy::print_stdout, clippy::print_stderr)] // this crate is the one that prints

mod commands;
mod corpus;
mod metric;
mod progress;
mod recipe;
mod run_dir;
mod score;

use std::process::ExitCode;

use clap::Parser;

/// Large tensors are freed and taken again at every step: the system's allocator gives their pages back each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match commands::Cli::parse().run() {
        Ok(code) => code,
        // A reader that has seen enough, `head` for one, is no failure.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}
