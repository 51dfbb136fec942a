//! attentive for Python: a thin layer over the crate `attentive`, which has no logic of its own.
//!
//! The interpreter's lock is released while a model works, Ctrl-C ends the work, and an error of the library becomes the
//! exception of its kind.
#![allow(clippy::needless_pass_by_value, reason = "pyo3 makes a function's arguments for it")]

mod arguments;
mod encoder;
mod errors;
mod generator;
mod importing;
mod metrics;
mod tokenizer;
mod training;
mod translator;
mod work;

/// A step frees large tensors that the next one takes again: the system's allocator gives their pages back each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The compiled part of the package `attentive`.
#[pyo3::pymodule]
mod _attentive {
    #[pymodule_export]
    use crate::{
        encoder::Encoder,
        errors::{Error, StopTraining},
        generator::{Generator, Pieces},
        importing::import_model,
        metrics::{Score, bleu, chrf},
        tokenizer::Tokenizer,
        training::{resume, train},
        translator::{Translation, Translator},
    };

    /// Remembers the process that has the threads.
    #[pymodule_init]
    fn init(_module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        crate::work::Home::of_import();
        Ok(())
    }

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
