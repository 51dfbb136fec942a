//! OpenAI's interface.

mod answer;
mod chat;
mod completions;
mod embeddings;
mod models;
mod source;
mod tokens;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};

use crate::{app::App, http::answer::nothing_there};

pub(super) use chat::ChatRequest;
pub(super) use completions::CompletionRequest;
pub(super) use embeddings::EmbeddingRequest;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/models", get(models::list))
        .route("/models/{name}", get(models::one))
        .route("/completions", post(completions::complete))
        .route("/chat/completions", post(chat::answer))
        .route("/embeddings", post(embeddings::embed))
        .fallback(nothing_there)
}
