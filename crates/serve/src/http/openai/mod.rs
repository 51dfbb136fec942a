//! OpenAI's interface.

mod chat;
mod completions;
mod embeddings;
mod models;
mod settings;
mod source;
mod tokens;

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    routing::{get, post},
};
use serde_json::{Value, json};

use crate::{app::App, http::answer::nothing_there, models::Outcome};

pub(super) use chat::ChatRequest;
pub(super) use completions::CompletionRequest;
pub(super) use embeddings::EmbeddingRequest;
pub(super) use source::pieces;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/models", get(models::list))
        .route("/models/{name}", get(models::one))
        .route("/completions", post(completions::complete))
        .route("/chat/completions", post(chat::answer))
        .route("/embeddings", post(embeddings::embed))
        .fallback(nothing_there)
}

/// What every part of an answer says of it.
#[derive(Debug, Clone)]
struct Head {
    id: String,
    object: &'static str,
    created: u64,
    model: String,
}

impl Head {
    fn new(prefix: &str, object: &'static str, model: &str) -> Self {
        let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        Self { id: format!("{prefix}-{:016x}", random()), object, created, model: model.to_owned() }
    }

    /// An answer, or a part of one, with these choices.
    #[expect(clippy::needless_pass_by_value, reason = "they become the answer")]
    fn with(&self, choices: Vec<Value>) -> Value {
        let Self { id, object, created, model } = self;
        json!({
            "id": id,
            "object": object,
            "created": created,
            "model": model,
            "system_fingerprint": concat!("attentive-", env!("CARGO_PKG_VERSION")),
            "choices": choices,
        })
    }
}

/// A number that is another one each time.
pub(super) fn random() -> u64 {
    RandomState::new().hash_one(SystemTime::now())
}

fn usage(outcome: &Outcome) -> Value {
    let n_written: usize = outcome.n_written.iter().sum();
    json!({
        "prompt_tokens": outcome.n_prompt,
        "completion_tokens": n_written,
        "total_tokens": outcome.n_prompt + n_written,
    })
}
