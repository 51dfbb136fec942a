//! `/api/complete`.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{finite, token_text};
use crate::{
    app::{App, finish_reason},
    error::Failure,
    http::{
        answer::Interface,
        body::{Body, check_texts},
        settings::{MAX_TOP, Settings},
        stream::{News, events},
    },
    models::{Ask, Task, Told},
};

/// The longest n-gram that is looked for.
const MAX_NGRAM: usize = 16;

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
    seed: Option<i64>,
    /// The most probable tokens that are told in the place of each; 5 by default, 0 with drafts.
    alternatives: Option<usize>,
    /// Draft what followed the last tokens of the text, of which up to so many are looked for, where it has them before; the
    /// model accepts or replaces several of them in one step.
    draft_ngrams: Option<usize>,
}

pub(super) async fn complete(
    State(app): State<Arc<App>>,
    Body(request): Body<CompleteRequest>,
) -> Result<Response, Failure> {
    let served = app.models.find(request.model.as_deref(), "continues texts", |served| served.language().is_ok())?;
    check_texts(&[&request.prompt], &app.config.limits)?;
    let draft_ngrams = request.draft_ngrams;
    let n_top = request.alternatives.unwrap_or(if draft_ngrams.is_some() { 0 } else { 5 });
    if n_top > MAX_TOP {
        return Err(Failure::field("alternatives", format!("alternatives is up to {MAX_TOP} here")));
    }
    if let Some(n) = draft_ngrams.filter(|n| !(1..=MAX_NGRAM).contains(n)) {
        return Err(Failure::field("draft_ngrams", format!("draft_ngrams is {n}, and from 1 to {MAX_NGRAM} here")));
    }
    if draft_ngrams.is_some() && n_top > 0 {
        return Err(Failure::field("alternatives", "alternatives are not told of drafts: leave out one or the other"));
    }
    let CompleteRequest { prompt, max_tokens, temperature, top_k, top_p, seed, .. } = request;
    let max_tokens = max_tokens.map(|n| ("max_tokens", n));
    let settings = Settings { max_tokens, temperature, top_k, top_p, seed, ..Settings::default() };
    let own = &served.language()?.generation;
    let config = settings.over(own, own.max_tokens, &app.config.limits)?;
    let task = Task { prompt: Ask::Text(prompt), n: 1, config, n_top, draft_ngrams };
    let stream = app.write(&served, task).await?;
    let tokenizer = Arc::clone(&served.tokenizer);
    let say = move |news: News| match news {
        News::Told(Told { token, text, top, .. }) => {
            let alternative = |&(id, log_prob): &(u32, f32)| json!({ "id": id, "text": token_text(&*tokenizer, id), "log_prob": finite(f64::from(log_prob)) });
            let alternatives: Vec<Value> = top.iter().filter(|_| token.is_some()).map(alternative).collect();
            let (id, log_prob) = token.unzip();
            let token = json!({ "id": id, "text": text, "log_prob": log_prob.map(finite) });
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
