//! The interface of text-embeddings-inference.

use std::sync::Arc;

use attentive_bundle::Class;
use axum::{
    Json, Router,
    extract::{Request, State},
    routing::{get, post},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::body::{Body, Texts, bytes, check_length, check_number, check_texts, empty, null_is_false, parse};
use crate::{
    app::{App, Turn},
    error::Failure,
    models::{OwnedInput, Scale, ToClassify},
};

/// Texts to make vectors of.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EmbedRequest {
    /// A text, or several.
    inputs: Texts,
    /// Whether vectors have the length 1; they do by default.
    normalize: Option<bool>,
    /// The name of one of the model's prompts, which is put before each text.
    prompt_name: Option<String>,
    /// Whether texts that are too long are cut.
    #[serde(default, deserialize_with = "null_is_false")]
    truncate: bool,
    /// Where they are cut: `Right` alone.
    truncation_direction: Option<Direction>,
    /// The model's name; without it, the first that makes vectors.
    model: Option<String>,
}

/// Where texts are cut.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
enum Direction {
    #[serde(alias = "right")]
    Right,
}

/// Texts to classify.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PredictRequest {
    /// A text, a pair of texts, or a list of lists of one text or two each.
    inputs: Inputs,
    /// Whether scores are what the model says, before the soft-max or the sigmoid.
    #[serde(default, deserialize_with = "null_is_false")]
    raw_scores: bool,
    /// Whether texts that are too long are cut.
    #[serde(default, deserialize_with = "null_is_false")]
    truncate: bool,
    truncation_direction: Option<Direction>,
    /// Not supported, unless empty, as clients of the hub send it.
    parameters: Option<Map<String, Value>>,
    /// The model's name; without it, the first that tells classes.
    model: Option<String>,
}

/// What is classified.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text, a pair of texts, or a list of lists of one text or two")]
enum Inputs {
    One(String),
    Few(Vec<String>),
    Many(Vec<Vec<String>>),
}

/// A text, and the second one of a pair.
type OneOrTwo = (String, Option<String>);

impl Inputs {
    /// All of them, and whether there is a list.
    fn into_list(self) -> Result<(Vec<OneOrTwo>, bool), Failure> {
        Ok(match self {
            Self::One(text) => (vec![(text, None)], false),
            Self::Few(texts) if texts.is_empty() => return Err(empty("inputs")),
            Self::Few(texts) => (vec![one_or_two(texts)?], false),
            Self::Many(lists) => (lists.into_iter().map(one_or_two).collect::<Result<_, _>>()?, true),
        })
    }
}

fn one_or_two(texts: Vec<String>) -> Result<OneOrTwo, Failure> {
    let n = texts.len();
    let mut texts = texts.into_iter();
    match (texts.next(), texts.next()) {
        (Some(first), second) if n <= 2 => Ok((first, second)),
        _ => Err(Failure::field("inputs", format!("inputs: {n} texts are read as one, and it takes one or two"))),
    }
}

/// Texts to order by how well they fit a query.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RerankRequest {
    query: String,
    texts: Vec<String>,
    /// Whether scores are what the model says, before the soft-max or the sigmoid.
    #[serde(default, deserialize_with = "null_is_false")]
    raw_scores: bool,
    /// Whether the answer has the texts.
    #[serde(default, deserialize_with = "null_is_false")]
    return_text: bool,
    /// Whether texts that are too long are cut.
    #[serde(default, deserialize_with = "null_is_false")]
    truncate: bool,
    truncation_direction: Option<Direction>,
    /// The model's name; without it, the first that scores pairs.
    model: Option<String>,
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/embed", post(embed))
        .route("/predict", post(predict))
        .route("/rerank", post(rerank))
        .route("/info", get(info))
        // Where clients of the hub ask a server of one model.
        .route("/", post(any))
}

/// What the first encoder does: vectors, or classes.
async fn any(State(app): State<Arc<App>>, request: Request) -> Result<Json<Value>, Failure> {
    let body = bytes(request, &app).await?;
    let served = app.models.find(None, "reads texts as a whole", |served| served.encoder().is_ok())?;
    if !served.can("classify") {
        return embed(State(app), Body(parse(&body)?)).await;
    }
    let request: PredictRequest = parse(&body)?;
    let is_list = matches!(request.inputs, Inputs::Many(_));
    let Json(classes) = predict(State(app), Body(request)).await?;
    // Such clients expect a list for each text, even of one.
    Ok(Json(if is_list { classes } else { json!([classes]) }))
}

async fn embed(State(app): State<Arc<App>>, Body(request): Body<EmbedRequest>) -> Result<Json<Value>, Failure> {
    let served = app.models.find(request.model.as_deref(), "makes vectors of texts", |served| served.can("embed"))?;
    let _: Option<Direction> = request.truncation_direction;
    let (texts, _) = request.inputs.into_list();
    if texts.is_empty() {
        return Err(empty("inputs"));
    }
    check_texts(&texts, &app.config.limits)?;
    let vectors = app
        .work(&served, move |turn| {
            turn.reads(texts.iter().map(String::as_str))?;
            let encoder = turn.served.encoder()?;
            let mut how = encoder.embedding.clone();
            how.normalize = request.normalize.unwrap_or(true);
            if let Some(name) = request.prompt_name {
                how.prompt = Some(name);
                if let Some(problem) = how.problem() {
                    return Err(Failure::field("prompt_name", format!("prompt_name: {problem}")));
                }
            }
            encoder.embed(OwnedInput::all(texts, request.truncate), how, &turn.ticket)
        })
        .await?;
    Ok(Json(json!(vectors)))
}

async fn predict(State(app): State<Arc<App>>, Body(request): Body<PredictRequest>) -> Result<Json<Value>, Failure> {
    let served = app.models.find(request.model.as_deref(), "tells classes", |served| served.can("classify"))?;
    if let Some(name) = request.parameters.as_ref().and_then(|parameters| parameters.keys().next()) {
        return Err(Failure::field("parameters", format!("parameters: {name} is not supported: leave it out")));
    }
    let _: Option<Direction> = request.truncation_direction;
    let (inputs, is_list) = request.inputs.into_list()?;
    check_number(inputs.len(), &app.config.limits)?;
    let texts = inputs.iter().flat_map(|(first, second)| [first].into_iter().chain(second));
    check_length(&texts.collect::<Vec<&String>>(), &app.config.limits)?;
    let (crop, scale) = (request.truncate, scale(request.raw_scores));
    let classify = move |turn: &Turn| {
        turn.reads(inputs.iter().flat_map(|(first, second)| [&**first].into_iter().chain(second.as_deref())))?;
        let text = |(first, second)| ToClassify { first, second, crop, scale };
        turn.served.encoder()?.classify(inputs.into_iter().map(text).collect(), &turn.ticket)
    };
    let classes = app.work(&served, classify).await?;
    let class = |Class { label, probability }: &Class| json!({ "label": label, "score": probability });
    let lists: Vec<Value> = classes.iter().map(|classes| classes.iter().map(class).collect()).collect();
    Ok(Json(if is_list { json!(lists) } else { lists.into_iter().next().unwrap_or_default() }))
}

async fn rerank(State(app): State<Arc<App>>, Body(request): Body<RerankRequest>) -> Result<Json<Value>, Failure> {
    let served = app.models.find(request.model.as_deref(), "scores pairs of texts", |served| served.can("rerank"))?;
    let _: Option<Direction> = request.truncation_direction;
    if request.texts.is_empty() {
        return Err(empty("texts"));
    }
    // As many texts as /info tells, and the query.
    check_number(request.texts.len(), &app.config.limits)?;
    let texts: Vec<String> = [&request.query].into_iter().chain(&request.texts).cloned().collect();
    check_length(&texts, &app.config.limits)?;
    let (crop, scale) = (request.truncate, scale(request.raw_scores));
    let score = move |turn: &Turn| {
        let [query, texts @ ..] = &texts[..] else { return Ok(Vec::new()) };
        // The query is read with each text.
        let n_tokens = |text: &String| turn.served.tokenizer.encode(text).len();
        turn.reads_tokens(n_tokens(query) * texts.len() + texts.iter().map(n_tokens).sum::<usize>())?;
        let pair = |text: &String| ToClassify { first: query.clone(), second: Some(text.clone()), crop, scale };
        turn.served.encoder()?.classify(texts.iter().map(pair).collect(), &turn.ticket)
    };
    // Of the model's single class.
    let classes = app.work(&served, score).await?.into_iter().flatten();
    let scores: Vec<f64> = classes.map(|class| class.probability).collect();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let entry = |index: usize| match request.return_text {
        true => json!({ "index": index, "score": scores[index], "text": request.texts[index] }),
        false => json!({ "index": index, "score": scores[index] }),
    };
    Ok(Json(order.into_iter().map(entry).collect()))
}

fn scale(is_raw: bool) -> Scale {
    if is_raw { Scale::Raw } else { Scale::Usual }
}

async fn info(State(app): State<Arc<App>>) -> Result<Json<Value>, Failure> {
    let served = app.models.find(None, "reads texts as a whole", |served| served.encoder().is_ok())?;
    let kind = if served.can("rerank") {
        "reranker"
    } else if served.can("classify") {
        "classifier"
    } else {
        "embedding"
    };
    // Vectors may be of less than the model has positions for.
    let of_vectors = served.encoder()?.embedding.max_len.filter(|_| kind == "embedding");
    Ok(Json(json!({
        "model_id": served.name,
        "model_type": { kind: {} },
        "max_input_length": served.facts.max_len.into_iter().chain(of_vectors).min(),
        "max_client_batch_size": app.config.limits.texts,
        "max_concurrent_requests": app.config.limits.running,
        "version": env!("CARGO_PKG_VERSION"),
    })))
}
