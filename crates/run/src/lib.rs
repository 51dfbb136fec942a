//! Training runs: a recipe, a folder, and what becomes of them.
//!
//! A [`Recipe`] is a TOML file that says all of a run: data, tokenizer, model, training. A [`Run`] is a recipe and the
//! folder that it is trained in: killed, it goes on from its last whole checkpoint to the same result. The tasks that
//! recipes name are `attentive-task`'s.
//!
//! ```
//! use attentive_backend::BackendKind;
//! use attentive_run::{Recipe, Run, TrainOptions};
//!
//! let recipe = Recipe::builtin()?.with(["training.steps=2", "training.checkpoint_every=1", "tokenizer.merges=50",
//!     "model.d_model=16", "model.d_ff=16", "model.n_heads=1", "evaluation.bleu_sentences=0"])?;
//! assert_eq!(recipe.run.training.steps, 2);
//! # Ok::<(), attentive_run::Error>(())
//! ```
#![recursion_limit = "256"]

/// Returns an [`Error::Refused`] with a text.
macro_rules! refuse {
    ($($text:tt)*) => { return Err(attentive_task::Error::Refused(format!($($text)*))) };
}

mod adapter;
mod cost;
mod curves;
mod doctor;
mod event_log;
mod folder;
mod injected;
mod laws;
mod memory;
mod metrics_log;
mod model_of;
mod parallel_folder;
mod peak_memory;
mod recipe;
mod rehearsal;
mod rounding;
mod run;
mod session;
mod together;
mod units;

pub use attentive_task::{Error, Log, Result, resolve, with_causes};
pub use cost::Cost;
pub use curves::{Curve, Points, curves};
pub use folder::is_finished;
pub use laws::{Bound, Law, laws, small};
pub use metrics_log::event_json;
pub use model_of::ModelOf;
pub use parallel_folder::{language_pair, parallel_folder};
pub use peak_memory::bytes as peak_memory;
pub use recipe::{Builtin, Origins, Recipe, schema, unknown_builtin};
pub use rehearsal::Rehearsal;
pub use run::{Ended, Run, TrainOptions};
pub use units::{parse_size, parse_time};
