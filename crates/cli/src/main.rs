//! The `attentive` command: train, translate, evaluate and inspect Transformers.
#![recursion_limit = "256"]

#[macro_use]
mod output;

mod commands;
mod drawing;
mod input;
mod metric;
mod progress;
mod terminal;

use std::process::ExitCode;

use attentive_kernels::{Allocator, Level};
use attentive_task::with_causes;

/// Large tensors are freed and taken again at every step: the system's allocator gives their pages back each time.
#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    attentive_kernels::keep_pages();
    // Within the thread pool from the beginning: entering it costs as much as a small product. Its threads get the main
    // thread's usual room.
    if let Err(cause) = rayon::ThreadPoolBuilder::new().stack_size(8 << 20).build_global() {
        warning!("error: can't start threads: {cause}; set RAYON_NUM_THREADS to fewer");
        return ExitCode::FAILURE;
    }
    let cli = match commands::Cli::of_process() {
        Ok(cli) => cli,
        Err(error) => return output::end(usage(&error)),
    };
    // A server's main thread only waits, which would cost the pool a thread.
    if cli.is_server() { run(cli) } else { rayon::scope(|_| run(cli)) }
}

fn run(cli: commands::Cli) -> ExitCode {
    let wanted = std::env::var("ATTENTIVE_SIMD").unwrap_or_default();
    if !wanted.is_empty() && Level::chosen().is_none() {
        let names: Vec<&str> = Level::available().into_iter().map(Level::name).collect();
        warning!("warning: ATTENTIVE_SIMD={wanted} is not followed: this CPU has {}", names.join(", "));
    }
    output::end(match cli.run() {
        Ok(code) => code,
        Err(error) if output::is_lost(&error) => ExitCode::SUCCESS, // of which the end says more
        Err(error) => {
            warning!("error: {}", with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
    })
}

/// Prints help, the version, or what is wrong with the arguments.
fn usage(error: &clap::Error) -> ExitCode {
    if let Err(cause) = error.print()
        && !error.use_stderr()
    {
        output::lost(cause);
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1))
}
