//! `/api/tokenize`.

use std::sync::Arc;

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::source_tokens;
use crate::{
    app::App,
    error::Failure,
    http::body::{Body, check_texts},
};

/// A text to cut into tokens.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenizeRequest {
    /// The model's name; without it, the first.
    model: Option<String>,
    text: String,
    /// Which vocabulary, where sources and targets have their own.
    #[serde(default)]
    side: Side,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Side {
    #[default]
    Source,
    Target,
}

pub(super) async fn tokenize(
    State(app): State<Arc<App>>,
    Body(request): Body<TokenizeRequest>,
) -> Result<Json<Value>, Failure> {
    let served = app.models.find(request.model.as_deref(), "reads texts", |_| true)?;
    check_texts(&[&request.text], &app.config.limits)?;
    let tokenizer = &*served.tokenizer;
    let ids = tokenizer.encode_target(&request.text);
    if request.side == Side::Source || ids == tokenizer.encode(&request.text) {
        let tokens = source_tokens(tokenizer, &request.text, &[], &[]);
        return Ok(Json(json!({ "model": served.name, "tokens": tokens })));
    }
    // A vocabulary of its own tells no places, but its tokens make the text again.
    let mut before = String::new();
    let token = |n: usize| {
        let text = tokenizer.decode(&ids[..=n]).unwrap_or_default();
        let own = text.get(before.len()..).unwrap_or_default().to_owned();
        let start = before.chars().count();
        let end = start + own.chars().count();
        before = text;
        json!({ "id": ids[n], "text": own, "start": start, "end": end, "special": false })
    };
    let tokens: Vec<Value> = (0..ids.len()).map(token).collect();
    Ok(Json(json!({ "model": served.name, "tokens": tokens })))
}
