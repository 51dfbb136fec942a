//! `/v1/embeddings`.

use std::sync::Arc;

use axum::{Json, extract::State};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::App,
    error::Failure,
    http::body::{Body, Texts, check_texts, empty},
    models::OwnedInput,
};

/// Texts to make vectors of.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmbeddingRequest {
    /// The model's name.
    model: String,
    /// A text, or several.
    input: Texts,
    /// `float`, or `base64` of numbers of 32 bits, the lowest byte first.
    encoding_format: Option<Encoding>,
    /// The width of the model's vectors, if given.
    dimensions: Option<usize>,
    /// Not read.
    #[allow(dead_code, reason = "part of the interface, without an effect on answers")]
    user: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    Float,
    Base64,
}

pub(super) async fn embed(
    State(app): State<Arc<App>>,
    Body(request): Body<EmbeddingRequest>,
) -> Result<Json<Value>, Failure> {
    let served = app.models.find(Some(&request.model), "makes vectors of texts", |served| served.can("embed"))?;
    let (texts, _) = request.input.into_list();
    if texts.is_empty() {
        return Err(empty("input"));
    }
    check_texts(&texts, &app.config.limits)?;
    let (n_tokens, vectors) = app
        .work(&served, move |turn| {
            let encoder = turn.served.encoder()?;
            let n_tokens = turn.reads(texts.iter().map(String::as_str))?;
            let inputs = OwnedInput::all(texts, false);
            Ok((n_tokens, encoder.embed(inputs, encoder.embedding.clone(), &turn.ticket)?))
        })
        .await?;
    if let (Some(wanted), Some(found)) = (request.dimensions, vectors.first().map(Vec::len))
        && wanted != found
    {
        return Err(Failure::field("dimensions", format!("the model's vectors have {found} dimensions: leave it out")));
    }
    let entry = |(index, vector): (usize, Vec<f32>)| {
        let embedding = match request.encoding_format.unwrap_or(Encoding::Float) {
            Encoding::Float => json!(vector),
            Encoding::Base64 => {
                let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
                json!(BASE64_STANDARD.encode(bytes))
            }
        };
        json!({ "object": "embedding", "index": index, "embedding": embedding })
    };
    let data: Vec<Value> = vectors.into_iter().enumerate().map(entry).collect();
    let usage = json!({ "prompt_tokens": n_tokens, "total_tokens": n_tokens });
    Ok(Json(json!({ "object": "list", "data": data, "model": served.name, "usage": usage })))
}
