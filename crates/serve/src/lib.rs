//! Models over HTTP, to clients that are there already: those of LibreTranslate, OpenAI and text-embeddings-inference, and
//! attentive's own page.
//!
//! A [`Server`] loads the models of a [`ServeConfig`] and answers until it is told to end. Requests to a model share its
//! steps: each searches on a thread of its own, over a handle of one model whose worker lets all searches read together
//! ([`JointModel`](attentive_decode::JointModel)). An answer is the same as if its request were alone.
//!
//! ```no_run
//! use attentive_backend::BackendKind;
//! use attentive_serve::{ModelSource, ServeConfig, Server};
//!
//! let config = ServeConfig::new(vec![ModelSource::new("runs/latest")], BackendKind::Flex.device()?);
//! Server::new(ServeConfig { signals: true, ..config }, |_| {})?.run()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![recursion_limit = "256"]

mod app;
mod config;
mod damaged;
mod detect;
mod error;
mod http;
mod keys;
mod metrics;
mod models;
mod queue;
mod server;
mod text;
mod ticket;
mod translate;

pub use config::{Limits, ModelSource, ServeConfig};
#[doc(hidden)]
pub use damaged::{read_page, read_request, read_text};
pub use error::ServeError;
pub use server::{Server, Stop};
