//! `/api/score`.

use std::sync::Arc;

use attentive_core::TokenId;
use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ScoredToken, finite, name, pieces};
use crate::{
    app::{App, Turn},
    error::Failure,
    http::body::{Body, check_texts},
    models::{Engine, Served, Wish},
    translate::own_languages,
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

impl ScoreRequest {
    fn texts(&self) -> Vec<&str> {
        [Some(&*self.text), self.target.as_deref()].into_iter().flatten().collect()
    }
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
    check_texts(&request.texts(), &app.config.limits)?;
    let tokens = app.work(&served, move |turn| tokens(turn, &request)).await?;
    let log_prob: f64 = tokens.iter().map(|token| token.log_prob).sum();
    let n = tokens.len();
    let perplexity = (n > 0).then(|| (-log_prob / n as f64).exp());
    Ok(Json(json!({
        "model": served.name, "log_prob": log_prob, "n_tokens": n, "perplexity": perplexity, "tokens": tokens,
    })))
}

/// The tokens that are scored: those of the text, or those of the target and its end.
fn tokens(turn: &Turn, request: &ScoreRequest) -> Result<Vec<ScoredToken>, Failure> {
    let Turn { served, ticket, .. } = turn;
    turn.reads(request.texts())?;
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
    let given: Vec<TokenId> = given.into_iter().collect();
    let ids: Vec<TokenId> = scored.iter().map(|&(id, _)| id).collect();
    let token = |((id, log_prob), own): ((TokenId, f64), String)| {
        let special = tokenizer.specials().contains(id);
        let text = if special { name(tokenizer, id) } else { own };
        ScoredToken { id, text, log_prob: finite(log_prob), special }
    };
    Ok(scored.into_iter().zip(pieces(tokenizer, &given, &ids)).map(token).collect())
}
