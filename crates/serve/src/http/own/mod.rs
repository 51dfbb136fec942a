//! attentive's own interface, which its page speaks.

mod attention;
mod complete;
mod encoders;
mod heads;
mod models;
mod runs;
mod score;
mod tokenize;
mod translate;

use std::sync::Arc;

use attentive_bundle::TextStream;
use attentive_core::TokenId;
use attentive_tokenizer::Tokenizer;
use axum::{
    Router,
    routing::{get, post},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::app::App;

pub(super) use complete::CompleteRequest;
pub(super) use encoders::{ClassifyRequest, EmbedRequest, FillRequest};
pub(super) use heads::HeadsRequest;
pub(super) use score::ScoreRequest;
pub(super) use tokenize::TokenizeRequest;
pub(super) use translate::{Answer as TranslateAnswer, TranslateRequest};

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/api/models", get(models::list))
        .route("/api/translate", post(translate::translate))
        .route("/api/heads", post(heads::heads))
        .route("/api/complete", post(complete::complete))
        .route("/api/fill", post(encoders::fill))
        .route("/api/classify", post(encoders::classify))
        .route("/api/embed", post(encoders::embed))
        .route("/api/tokenize", post(tokenize::tokenize))
        .route("/api/score", post(score::score))
        .route("/api/runs", get(runs::list))
        .route("/api/runs/{name}/curves", get(runs::curves))
}

/// A token of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct SourceToken {
    id: TokenId,
    /// The text that it stands for, as written there; of a special token, its name.
    text: String,
    /// Where that begins in the text, in characters.
    start: usize,
    /// Where it ends.
    end: usize,
    /// Whether it is none of the text's: it frames it.
    special: bool,
}

/// A token that was written or read, and how probable it was.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct ScoredToken {
    id: TokenId,
    /// What it adds to the text; of a special token, its name.
    text: String,
    /// In nats.
    log_prob: f64,
    /// Whether it is none of the text's: its end, for example.
    special: bool,
}

/// The tokens of a text, those of its frame around them.
fn source_tokens(tokenizer: &dyn Tokenizer, text: &str, before: &[TokenId], after: &[TokenId]) -> Vec<SourceToken> {
    let n_characters = text.chars().count();
    let special =
        |id: TokenId, at: usize| SourceToken { id, text: name(tokenizer, id), start: at, end: at, special: true };
    let mut tokens: Vec<SourceToken> = before.iter().map(|&id| special(id, 0)).collect();
    // Ranges never run backwards, so that characters are counted once.
    let (mut bytes, mut characters) = (0, 0);
    for (id, range) in tokenizer.encode_with_offsets(text) {
        if range.start < bytes {
            (bytes, characters) = (0, 0);
        }
        characters += text[bytes..range.start].chars().count();
        bytes = range.start;
        let own = &text[range];
        let end = characters + own.chars().count();
        tokens.push(SourceToken { id, text: own.to_owned(), start: characters, end, special: false });
    }
    tokens.extend(after.iter().map(|&id| special(id, n_characters)));
    tokens
}

/// What each token adds to the text that begins with the tokens `before`; a character that several tokens make is of the
/// last of them.
pub(crate) fn pieces(tokenizer: &dyn Tokenizer, before: &[TokenId], ids: &[TokenId]) -> Vec<String> {
    let mut stream = TextStream::new(tokenizer, before);
    let mut pieces: Vec<String> = ids.iter().map(|&id| stream.push(id)).collect();
    let rest = stream.finish();
    if let Some(last) = pieces.last_mut() {
        last.push_str(&rest);
    }
    pieces
}

/// A log-probability as JSON can have it: that of what is impossible is the lowest number.
pub(crate) fn finite(log_prob: f64) -> f64 {
    log_prob.max(-9999.0)
}

/// The entry of a token in its vocabulary.
fn name(tokenizer: &dyn Tokenizer, id: TokenId) -> String {
    tokenizer.token(id).map(std::borrow::Cow::into_owned).unwrap_or_default()
}

/// What a token says by itself, with the space that it brings; its name where it says nothing.
pub(super) fn token_text(tokenizer: &dyn Tokenizer, id: TokenId) -> String {
    let name = name(tokenizer, id);
    match tokenizer.decode(&[id]) {
        // Decoding drops the space before a text.
        Ok(text) if name.starts_with('▁') && !text.starts_with(' ') => format!(" {text}"),
        Ok(text) if !text.is_empty() => text,
        _ => name,
    }
}
