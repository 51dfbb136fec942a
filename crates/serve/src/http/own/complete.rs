//! `/api/complete`.

use std::sync::Arc;

use attentive_bundle::GenerationConfig;
use attentive_decode::SamplingConfig;
use axum::{extract::State, response::Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::token_text;
use crate::{
    app::{App, finish_reason},
    error::Failure,
    http::{
        answer::Interface,
        body::{Body, check_texts},
        stream::{News, events},
    },
    models::{Ask, Task, Told},
};

/// The most tokens that are told in the place of one.
const MAX_ALTERNATIVES: usize = 20;

/// A text to complete; the answer is a stream of server-sent events.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CompleteRequest {
    /// The model's name; without it, the first that continues texts.
    model: Option<String>,
    prompt: String,
    /// Tokens that may be written; the model's own setting by default.
    max_tokens: Option<usize>,
    temperature: Option<f64>,
    top_k: Option<usize>,
    top_p: Option<f64>,
    seed: Option<u64>,
    /// The most probable tokens that are told in the place of each; 5 by default.
    alternatives: Option<usize>,
}

pub(super) async fn complete(
    State(app): State<Arc<App>>,
    Body(request): Body<CompleteRequest>,
) -> Result<Response, Failure> {
    let served = app.models.find(request.model.as_deref(), "continues texts", |served| served.language().is_ok())?;
    check_texts(&[&request.prompt], &app.config.limits)?;
    let n_top = request.alternatives.unwrap_or(5);
    if n_top > MAX_ALTERNATIVES {
        return Err(Failure::field("alternatives", format!("alternatives is up to {MAX_ALTERNATIVES} here")));
    }
    let own = &served.language()?.generation;
    let max = app.config.limits.output_tokens;
    if let Some(n) = request.max_tokens.filter(|n| !(1..=max).contains(n)) {
        return Err(Failure::field("max_tokens", format!("max_tokens is {n}, and from 1 to {max} here")));
    }
    let max_tokens = request.max_tokens.unwrap_or(own.max_tokens).min(max);
    let sampling = SamplingConfig {
        temperature: request.temperature.unwrap_or(own.sampling.temperature),
        top_k: request.top_k.unwrap_or(own.sampling.top_k),
        top_p: request.top_p.unwrap_or(own.sampling.top_p),
        seed: request.seed.unwrap_or_else(crate::http::openai::random),
        ..own.sampling.clone()
    };
    let config = GenerationConfig { max_tokens, min_tokens: own.min_tokens.min(max_tokens), sampling, ..own.clone() };
    config.validate()?;
    let task = Task { prompt: Ask::Text(request.prompt), n: 1, config, n_top };
    let stream = app.write(&served, task).await?;
    let tokenizer = Arc::clone(&served.tokenizer);
    let say = move |news: News| match news {
        News::Told(Told { token, text, top, .. }) => {
            let alternative = |&(id, log_prob): &(u32, f32)| json!({ "id": id, "text": token_text(&*tokenizer, id), "log_prob": f64::from(log_prob).max(-9999.0) });
            let token = token.map(|(id, log_prob)| (Some(id), Some(log_prob)));
            let (id, log_prob) = token.unwrap_or_default();
            let alternatives: Vec<Value> = top.iter().filter(|_| id.is_some()).map(alternative).collect();
            let token = json!({ "id": id, "text": text, "log_prob": log_prob });
            vec![json!({ "token": token, "alternatives": alternatives })]
        }
        News::Over(outcome) => {
            let n_written: usize = outcome.n_written.iter().sum();
            let usage = json!({ "prompt_tokens": outcome.n_prompt, "completion_tokens": n_written });
            let ended = outcome.ended.first().map(|&ended| finish_reason(ended));
            vec![json!({ "ended": ended, "usage": usage })]
        }
    };
    events(&app, stream, Interface::Own, say).await
}
