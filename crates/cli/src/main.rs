//! The `attentive` command: train, translate, evaluate and inspect Transformers.
#![recursion_limit = "256"]
#![allow(clippy::print_stdout, clippy::print_stderr)] // this crate is the one that prints

mod commands;
mod markdown;
mod metric;
mod progress;
mod terminal;

use std::process::ExitCode;

use attentive_kernels::Allocator;
use clap::Parser;

/// Large tensors are freed and taken again at every step: the system's allocator gives their pages back each time.
#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    attentive_kernels::keep_pages();
    leave_when_nobody_reads();
    // Within the thread pool from the beginning: entering it costs as much as a small product. Its threads get the main
    // thread's usual room.
    let pool = rayon::ThreadPoolBuilder::new().stack_size(8 << 20).build_global();
    debug_assert!(pool.is_ok(), "nothing has used the pool yet");
    rayon::scope(|_| run())
}

/// A reader that has seen enough, `head` for one, is no failure; `println!` knows no other way to say so than a panic.
fn leave_when_nobody_reads() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let what = panic.payload_as_str().unwrap_or_default();
        if what.starts_with("failed printing to std") && what.contains("Broken pipe") {
            std::process::exit(0);
        }
        usual(panic);
    }));
}

fn run() -> ExitCode {
    match commands::Cli::parse().run() {
        Ok(code) => code,
        // A reader that has seen enough, `head` for one, is no failure.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", with_causes(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes, those left out that the text before has said already.
fn with_causes(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}
