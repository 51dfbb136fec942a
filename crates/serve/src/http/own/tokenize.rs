//! `/api/tokenize`.

use std::sync::Arc;

use attentive_core::TokenId;
use attentive_tokenizer::Tokenizer;
use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{SourceToken, pieces, source_tokens};
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
    let tokens = app.work(&served, move |turn| Ok(tokens(&*turn.served.tokenizer, &request))).await?;
    Ok(Json(json!({ "model": served.name, "tokens": tokens })))
}

fn tokens(tokenizer: &dyn Tokenizer, request: &TokenizeRequest) -> Vec<SourceToken> {
    let ids = tokenizer.encode_target(&request.text);
    if request.side == Side::Source || ids == tokenizer.encode(&request.text) {
        return source_tokens(tokenizer, &request.text, &[], &[]);
    }
    // A vocabulary of its own tells no places, but its tokens make the text again.
    let mut start = 0;
    let token = |(&id, text): (&TokenId, String)| {
        let end = start + text.chars().count();
        SourceToken { id, text, start: std::mem::replace(&mut start, end), end, special: false }
    };
    ids.iter().zip(pieces(tokenizer, &[], &ids)).map(token).collect()
}
