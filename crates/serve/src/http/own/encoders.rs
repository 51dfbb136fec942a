//! `/api/fill`, `/api/classify` and `/api/embed`.

use std::sync::Arc;

use attentive_bundle::{Candidate, Class, cosine};
use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::{App, Turn},
    error::Failure,
    http::body::{Body, check_texts},
    models::{OwnedInput, Scale, Served, ToClassify},
};

/// The most guesses of a hidden word.
const MAX_CANDIDATES: usize = 100;

/// A text with hidden words, `[MASK]` or `<mask>`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FillRequest {
    /// The model's name; without it, the first that guesses hidden words.
    model: Option<String>,
    text: String,
    /// Guesses of each; 5 by default.
    n: Option<usize>,
}

/// Texts to classify.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClassifyRequest {
    /// The model's name; without it, the first that tells classes.
    model: Option<String>,
    texts: Vec<String>,
}

/// Texts to make vectors of, or of a word in each.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmbedRequest {
    /// The model's name; without it, the first that makes vectors.
    model: Option<String>,
    texts: Vec<String>,
    /// A word that is in each text: its vectors there are told, in context.
    word: Option<String>,
}

/// Refuses nothing, and what is too much.
fn check(app: &App, texts: &[String]) -> Result<(), Failure> {
    if texts.is_empty() {
        return Err(Failure::field("texts", "there is no text: give one at least"));
    }
    check_texts(texts, &app.config.limits)
}

pub(super) async fn fill(
    State(app): State<Arc<App>>,
    Body(request): Body<FillRequest>,
) -> Result<Json<Value>, Failure> {
    let fills = |served: &Served| served.can("fill") && served.encoder().is_ok();
    let served = app.models.find(request.model.as_deref(), "guesses hidden words", fills)?;
    check_texts(&[&request.text], &app.config.limits)?;
    let n = request.n.unwrap_or(5);
    if !(1..=MAX_CANDIDATES).contains(&n) {
        return Err(Failure::field("n", format!("n is {n}, and from 1 to {MAX_CANDIDATES} here")));
    }
    let text = request.text.clone();
    let fill = move |turn: &Turn| {
        turn.reads([&*text])?;
        turn.served.encoder()?.call(move |encoder| encoder.fill(&text, n), &turn.ticket)
    };
    let masks = app.work(&served, fill).await?;
    let candidate = |Candidate { text, probability }: &Candidate| json!({ "text": text, "probability": probability });
    let mask =
        |candidates: &Vec<Candidate>| json!({ "candidates": candidates.iter().map(candidate).collect::<Vec<Value>>() });
    let masks: Vec<Value> = masks.iter().map(mask).collect();
    Ok(Json(json!({ "model": served.name, "text": request.text, "masks": masks })))
}

pub(super) async fn classify(
    State(app): State<Arc<App>>,
    Body(request): Body<ClassifyRequest>,
) -> Result<Json<Value>, Failure> {
    let served = app.models.find(request.model.as_deref(), "tells classes", |served| served.can("classify"))?;
    check(&app, &request.texts)?;
    let classify = move |turn: &Turn| {
        turn.reads(request.texts.iter().map(String::as_str))?;
        let text = |first| ToClassify { first, second: None, crop: false, scale: Scale::Usual };
        turn.served.encoder()?.classify(request.texts.into_iter().map(text).collect(), &turn.ticket)
    };
    let results = app.work(&served, classify).await?;
    let class = |Class { label, probability }: &Class| json!({ "label": label, "probability": probability });
    let results: Vec<Vec<Value>> = results.iter().map(|classes| classes.iter().map(class).collect()).collect();
    Ok(Json(json!({ "model": served.name, "results": results })))
}

pub(super) async fn embed(
    State(app): State<Arc<App>>,
    Body(request): Body<EmbedRequest>,
) -> Result<Json<Value>, Failure> {
    let served = app.models.find(request.model.as_deref(), "makes vectors of texts", |served| served.can("embed"))?;
    check(&app, &request.texts)?;
    let EmbedRequest { texts, word, .. } = request;
    let compare = move |turn: &Turn| {
        let vectors = vectors(turn, texts, word)?;
        let similar = |a: &Vec<f32>| vectors.iter().map(|b| cosine(a, b)).collect::<Vec<_>>();
        let similarities: Vec<Vec<_>> = vectors.iter().map(similar).collect();
        Ok::<_, Failure>((vectors, similarities))
    };
    let (vectors, similarities) = app.work(&served, compare).await?;
    Ok(Json(json!({ "model": served.name, "vectors": vectors, "similarities": similarities })))
}

/// The vectors of texts, or of the first place of a word in each.
fn vectors(turn: &Turn, texts: Vec<String>, word: Option<String>) -> Result<Vec<Vec<f32>>, Failure> {
    turn.reads(texts.iter().map(String::as_str))?;
    let engine = turn.served.encoder()?;
    let Some(word) = word else {
        return engine.embed(OwnedInput::all(texts, false), engine.embedding.clone(), &turn.ticket);
    };
    // One text after another, so that others are read between them, and none for a client that has left.
    let first = |(number, text): (usize, String)| {
        let own = word.clone();
        let vectors = engine.call(move |encoder| encoder.embed_word(&text, &own), &turn.ticket)?;
        let missing = || Failure::field("word", format!("text {} does not have the word {word:?}", number + 1));
        vectors.into_iter().next().ok_or_else(missing)
    };
    texts.into_iter().enumerate().map(first).collect()
}
