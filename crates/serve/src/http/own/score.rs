//! `/api/score`.

use std::sync::Arc;

use attentive_core::TokenId;
use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ScoredToken, name};
use crate::{
    app::App,
    error::Failure,
    http::body::{Body, check_texts},
    metrics::Side,
    models::{Engine, Served, Wish},
    ticket::Ticket,
    translate::{check_tokens, own_languages},
};

/// A text whose probability is asked for; of a translation model, that of `target` given it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScoreRequest {
    /// The model's name; without it, the first that can.
    model: Option<String>,
    text: String,
    /// A translation of the text.
    target: Option<String>,
}

pub(super) async fn score(
    State(app): State<Arc<App>>,
    Body(request): Body<ScoreRequest>,
) -> Result<Json<Value>, Failure> {
    let is_pair = request.target.is_some();
    let can = |served: &Served| match &served.engine {
        Engine::Translation(_) => is_pair,
        Engine::Language(_) => !is_pair,
        Engine::Encoder(_) => false,
    };
    let what = if is_pair { "scores translations" } else { "scores texts; a translation model takes a target" };
    let served = app.models.find(request.model.as_deref(), what, can)?;
    let texts: Vec<&str> = [Some(&*request.text), request.target.as_deref()].into_iter().flatten().collect();
    check_texts(&texts, &app.config.limits)?;
    let n_tokens = texts.iter().map(|text| served.tokenizer.encode(text).len()).sum();
    check_tokens(n_tokens, &app.config.limits)?;
    app.metrics.tokens(&served.name, Side::Read, n_tokens);
    let tokens = app.work(&served, move |served, ticket| tokens(served, &request, ticket)).await?;
    let log_prob: f64 = tokens.iter().map(|token| token.log_prob).sum();
    let n = tokens.len();
    let perplexity = (n > 0).then(|| (-log_prob / n as f64).exp());
    Ok(Json(json!({
        "model": served.name, "log_prob": log_prob, "n_tokens": n, "perplexity": perplexity, "tokens": tokens,
    })))
}

/// The tokens that are scored: those of the text, or those of the target and its end.
fn tokens(served: &Served, request: &ScoreRequest, ticket: &Arc<Ticket>) -> Result<Vec<ScoredToken>, Failure> {
    let (scored, given) = match &served.engine {
        Engine::Language(engine) => {
            let (given, scored) = engine.score(&request.text, ticket)?;
            (scored, given)
        }
        _ => {
            let engine = served.translation()?;
            let wish = own_languages(served, &Wish::default())?;
            let target = engine.target_tokens(request.target.as_deref().unwrap_or_default());
            let pair = engine.pair(&request.text, &target, &wish)?;
            let scored = engine.score(&[pair], 0, ticket)?.swap_remove(0);
            (scored.into_iter().map(|token| (token.id, token.log_prob)).collect(), None)
        }
    };
    let tokenizer = &*served.tokenizer;
    let mut ids: Vec<TokenId> = given.into_iter().collect();
    let mut before = tokenizer.decode(&ids).unwrap_or_default().len();
    let token = |(id, log_prob): (TokenId, f64)| {
        ids.push(id);
        let text = tokenizer.decode(&ids).unwrap_or_default();
        let own = text.get(before..).unwrap_or_default().to_owned();
        before = text.len();
        let special = tokenizer.specials().contains(id);
        ScoredToken { id, text: if special { name(tokenizer, id) } else { own }, log_prob, special }
    };
    Ok(scored.into_iter().map(token).collect())
}
